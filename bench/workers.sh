#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

# bench/workers.sh [SESSIONS [ROUNDS]]: one worker against two and four, and two that have a queue of a NIC each, on so many (200,000) idle IMAP sessions and on
# mail with attachments: time on the wall, and what each thread took of a processor; and, where valgrind is
# there, the instructions of who distributes and of each of two workers. What ./dev bench workers calls.

set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build-bench}
sessions=${1:-200000}
rounds=${2:-5}
data=bench/data
mkdir -p "$data"
echo "commit: $(git rev-parse --short HEAD 2>/dev/null || echo none), release build, $(nproc) cores"
"$build/bench/idle" "$sessions" "$data/idle.pcap"
[ -s "$data/attach.pcap" ] || "$build/bench/attach" 330 "$data/attach.pcap"
for capture in "$data/idle.pcap" "$data/attach.pcap"; do
	"$build/bench/bench_workers" "$capture" "$rounds"
	rm -f "$capture".[01]
done
command -v valgrind >/dev/null || exit 0
"$build/bench/idle" 2000 "$data/idle-small.pcap"
n=24000 # packets of it
rm -f "$data"/workers.callgrind*
valgrind --tool=callgrind --separate-threads=yes --callgrind-out-file="$data/workers.callgrind" \
	"$build/bench/bench_workers" "$data/idle-small.pcap" 1 2 >/dev/null 2>&1
echo "instructions for each of $n packets, two workers with records (waiting included):"
for file in "$data"/workers.callgrind-*; do
	callgrind_annotate --inclusive=yes "$file" |
		awk -v n=$n '/:(distribute_run|worker_run) / { gsub(",", "", $1); sub(/.*:/, "", $3); printf "  %s %.0f\n", $3, $1 / n }'
done
rm -f "$data"/workers.callgrind* "$data"/idle-small.pcap*
