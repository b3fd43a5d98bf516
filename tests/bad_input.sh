#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

# bad_input.sh POSTERN [WITHOUT_AF_XDP]: what people get wrong, and what must come back: one line that names the thing,
# the right exit status, and everything valid that came before.

postern=$1
data=$(dirname "$0")/data
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
n=0
failed=0

wrong() {
	echo "$*"
	failed=$((failed + 1))
}

# expect STATUS WORDS ARGUMENT...: WORDS is a pattern for one line on standard error.
expect() {
	status=$1 words=$2
	shift 2
	n=$((n + 1))
	"$postern" "$@" >"$t/out" 2>"$t/err" </dev/null
	rc=$?
	[ "$rc" = "$status" ] || wrong "exit $rc, not $status: postern $*: $(head -3 "$t/err")"
	grep -qiE -- "$words" "$t/err" || wrong "nothing of '$words': postern $*: $(head -3 "$t/err")"
	if grep -q 'Sanitizer' "$t/err"; then wrong "a sanitizer spoke: postern $*"; fi
}

# expect_line STATUS WORDS ARGUMENT...: and that line is all that is said.
expect_line() {
	expect "$@"
	[ "$(wc -l <"$t/err")" = 1 ] || wrong "more than a line: postern $*: $(head -5 "$t/err")"
}

# has_lines FILE WHAT: FILE holds JSON lines.
has_lines() {
	n=$((n + 1))
	[ -s "$1" ] && tail -c 1 "$1" | od -An -c | grep -q '\\n' || wrong "$2"
}

zstd -q -d "$data/lab.pcap.zst" -o "$t/lab.pcap" || exit 1
lab=$t/lab.pcap
quiet="--alerts /dev/null"

# ---- Captures

: >"$t/empty.pcap"
head -c 100 /dev/zero | tr '\0' 'x' >"$t/noise.pcap"
head -c 20 "$lab" >"$t/header.pcap"
head -c 150001 "$lab" >"$t/cut.pcap"
head -c 40000 "$data/lab.pcap.zst" >"$t/cut.pcap.zst"
gzip -c "$lab" | head -c 60000 >"$t/cut.pcap.gz"
{ head -c 20 "$lab" && printf '\223\0\0\0' && tail -c +25 "$lab"; } >"$t/linktype.pcap"

expect 1 'none.pcap.*(no such file|not found)' replay "$t/none.pcap"
expect 1 'empty' replay "$t/empty.pcap"
expect 1 'not a capture|format|magic' replay "$t/noise.pcap"
expect 1 'truncat|cut|ends|short' replay "$t/header.pcap"
expect 1 'link.?type.*147|147.*link.?type' replay "$t/linktype.pcap"
expect 1 'director' replay "$t"
for name in cut.pcap cut.pcap.zst cut.pcap.gz; do
	expect 1 'truncat|cut|ends|short' replay --sessions "$t/$name.ndjson" $quiet "$t/$name"
	has_lines "$t/$name.ndjson" "$name: the sessions before the cut are lost"
done
# A wrong one among right ones: the right ones are done.
expect 1 'none.pcap' replay --sessions "$t/among.ndjson" $quiet "$t/none.pcap" "$lab"
has_lines "$t/among.ndjson" "a missing capture takes the others with it"

# A snap length of 96: payload is cut, nothing is invented, and the records say so.
python3 - "$lab" "$t/snap.pcap" <<'END'
import struct, sys
data = open(sys.argv[1], "rb").read()
out, at = bytearray(data[:24]), 24
while at < len(data):
    sec, usec, size, wire = struct.unpack_from("<IIII", data, at)
    kept = data[at + 16:at + 16 + size][:96]
    out += struct.pack("<IIII", sec, usec, len(kept), wire) + kept
    at += 16 + size
open(sys.argv[2], "wb").write(out)
END
n=$((n + 1))
"$postern" replay --sessions "$t/snap.ndjson" $quiet "$t/snap.pcap" 2>"$t/err" || [ $? = 3 ] ||
	wrong "a snap length: $(head -3 "$t/err")"
grep -q cut_by_snap_length "$t/snap.ndjson" || wrong "no record says that payload was cut"

# ---- Outputs

expect 1 'no space|full' replay --sessions /dev/full $quiet "$lab"
expect 1 'no/such.*(no such|director)' replay --sessions "$t/no/such/s.ndjson" $quiet "$lab"
expect 1 'director' replay --sessions "$t" $quiet "$lab"
n=$((n + 1))
{
	"$postern" replay --sessions - $quiet "$lab" 2>/dev/null
	echo $? >"$t/rc"
} | head -1 >/dev/null
rc=$(cat "$t/rc")
[ "$rc" -lt 128 ] || [ "$rc" = 141 ] || wrong "a closed pipe: exit $rc"

# ---- Configuration and rules

printf 'no_such_key: 1\n' >"$t/conf.yaml"
printf 'workers: many\n' >"$t/type.yaml"
printf 'rules:\n  - id: broken\n    pattern: "(unclosed"\n' >"$t/bad.yaml"
printf 'rules: [\n' >"$t/syntax.yaml"
expect 1 'conf.yaml:1.*no_such_key' check -c "$t/conf.yaml"
expect 1 'type.yaml:1.*workers' check -c "$t/type.yaml"
# A build without Hyperscan cannot judge a pattern, and says so.
if "$postern" check 2>&1 | grep -q 'without Hyperscan'; then
	expect 0 'cannot be checked' check --rules "$t/bad.yaml"
else
	expect 1 'bad.yaml:[23].*' check --rules "$t/bad.yaml"
	expect 1 'bad.yaml:[23].*' replay --rules "$t/bad.yaml" --sessions "$t/s" $quiet "$lab"
	has_lines "$t/s" "a bad rule: no session records"
	expect 1 'bad.yaml:[23].*' score --rules "$t/bad.yaml" /dev/null
	expect 1 'strict: mistakes in the rules' replay --strict --rules "$t/bad.yaml" $quiet "$lab"
fi
expect 1 'syntax.yaml' check --rules "$t/syntax.yaml"
expect 1 'none.yaml.*(no such|not found)' check -c "$t/none.yaml"

# ---- Activity of other programs

# One member that is wrong in each of a hundred lines, a line of two megabytes, one cut off at the end.
awk 'BEGIN {
	for (i = 0; i < 100; i++)
		printf("{\"time\":\"2026-01-12T08:%02d:%02dZ\",\"account\":\"U%d\",\"source\":{\"ip\":\"192.0.2.7\",\"asn\":\"AS7\"}}\r\n",
			i / 60, i % 60, i % 2)
	printf("{\"time\":\"2026-01-12T09:00:00Z\",\"account\":\"")
	for (i = 0; i < 200000; i++)
		printf("0123456789")
	print "\"}"
	print ""
	print "{\"time\":\"2026-01-12T09:00:01Z\",\"account\":\"u0\"}"
	printf("{\"time\":\"2026-01-12T09:0")
}' >"$t/others.ndjson"
expect 1 'others.ndjson:1: source.asn: not a whole number' score $quiet "$t/others.ndjson"
expect 1 '100 times: source.asn: not a whole number' score $quiet "$t/others.ndjson"
expect 1 '100 lines count without what is wrong' score $quiet "$t/others.ndjson"
expect 1 'others.ndjson:101: line: longer than' score $quiet "$t/others.ndjson"
expect 1 '2 lines are no activity' score $quiet "$t/others.ndjson"
expect 1 ' 101 activities, 0 alerts' score $quiet "$t/others.ndjson"
[ "$(wc -l <"$t/err")" -le 8 ] || wrong "mistakes of few kinds fill the screen: $(wc -l <"$t/err") lines"

# ---- Live

expect 1 'nobody answers' ctl --control "$t/none" stats
expect 2 'one command' ctl
expect 2 'one command' ctl stats stop
if "$postern" run --vdev net_none0 2>&1 | grep -q 'without DPDK'; then
	echo "built without DPDK: nothing to open wrongly"
else
	expect 2 'needs to know where' run
	expect 2 'one of --xdp' run --xdp lo --vdev net_null0
	expect_line 1 'net_none0: cannot be opened: no driver.*write one of' run --vdev net_none0
	expect_line 1 'qpairs=2: several queues.*leave qpairs out' run --vdev net_af_packet0,iface=lo,qpairs=2
	expect_line 1 'crypto_null0: cannot be opened: no driver.*write one of' run --vdev crypto_null0
	expect_line 1 'no-such-if: no such interface: ip link' run --vdev net_af_packet0,iface=no-such-if
	expect_line 1 'no such PCI device.*lspci' run --port 0000:ff:1f.7
	expect_line 1 'no such PCI device.*lspci' run --port eth0
	expect_line 1 'may not use CPU 1023' run --cores 1023 --vdev net_null0
	expect_line 1 'CPU 0 is named twice' run --cores 0,0 --vdev net_null0
	expect_line 1 '1 CPUs for 2 workers' run --cores 0 --workers 2 --vdev net_null0
	expect 2 'numbers from 0 to 1023' run --cores 1024 --vdev net_null0
	expect 2 'numbers from 0 to 1023' run --cores 3-1 --vdev net_null0
	expect 2 'numbers from 1 to 65535' run --mail-ports 25,0 --vdev net_null0
	expect_line 1 'no such user.*adduser' run --user no-such-user --vdev net_null0
	expect_line 1 '"frame" is no tunnel.*write gre' run --tunnels gre,frame --vdev net_null0
	expect_line 1 'DPDK does not start.*core.*options behind --' run -- --vdev=net_null0 -l 9999
	expect 1 'stats TIME needs --sessions' run --stats 60s --vdev net_null0
	expect 1 'no control socket there' run --control "$t/no/such/s" --vdev net_null0
fi
if "$postern" run --xdp lo0 2>&1 | grep -q 'built without'; then
	echo "built without the XDP program"
else
	expect_line 1 'no-such-if: no such interface: ip link' run --xdp no-such-if
	expect_line 1 'no such interface' run --xdp a-name-longer-than-an-interface-may-have
	if [ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null; then
		echo "not root: permissions are not taken away"
	else
		without=$2
		n=$((n + 3))
		setpriv --reuid 65534 --clear-groups "$postern" run --xdp lo 2>&1 |
			grep -q 'needs root: start it as root' || wrong "--xdp as nobody"
		setpriv --reuid 65534 --clear-groups "$postern" run --user root --vdev net_null0 2>&1 |
			grep -q 'only root can become' || wrong "--user as nobody"
		n=$((n + 3))
		setpriv --reuid 65534 --clear-groups "$postern" run --vdev net_af_packet0,iface=lo 2>&1 |
			grep -q 'cannot be opened.*may need root' || wrong "net_af_packet as nobody"
		unshare -n "$postern" run --xdp lo 2>&1 | grep -q 'lo is down: ip link set lo up' ||
			wrong "an interface that is down"
		nic=$(ls /sys/bus/pci/devices 2>/dev/null | head -1)
		if [ -z "$nic" ]; then
			echo "no PCI device: neither permission nor hugepages for one are asked for"
		else
			setpriv --reuid 65534 --clear-groups "$postern" run --port "$nic" 2>&1 |
				grep -q 'taking a NIC needs root: start it as root' || wrong "--port as nobody"
			# Only where none are free: with them the device would be taken.
			if cat /sys/kernel/mm/hugepages/*/free_hugepages | grep -q '[1-9]'; then
				echo "there are hugepages: that they lack is not seen"
			else
				expect_line 1 'needs hugepages and there are none: sysctl vm.nr_hugepages' run --port "$nic"
			fi
		fi
		n=$((n + 1))
		unshare -m sh -c "mount --make-rprivate / && umount -l /sys && exec $postern run --vdev net_null0" 2>&1 |
			grep -q 'mount -t sysfs' || wrong "a machine without /sys"
		[ -z "$without" ] || "$without" "$postern" run --xdp lo 2>&1 |
			grep -q 'this kernel has no AF_XDP.*net_af_packet' || wrong "a kernel without AF_XDP"
	fi
fi

# ---- Usage

expect 2 'no-such-option' replay --no-such-option "$lab"
expect 2 'usage|needs|missing|argument' replay --sessions
expect 2 'no-such-command' no-such-command
expect 2 'usage' replay
expect 2 'usage'
n=$((n + 2))
"$postern" --help 2>&1 | grep -qi usage || wrong "--help says nothing of usage"
"$postern" --version 2>&1 | grep -qi postern || wrong "--version does not say what it is"

echo "bad input: $n checks, $failed wrong answers"
[ "$failed" = 0 ]
