#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

# bench/detect/run.sh [--quick|--pooled|--long|--full|--other|--campus|--roaming] [--easy|--hard] [--ablation]
# [--population NAME]: what ./dev bench detect calls.
# Populations with and without attacks past all detectors, then the tables; figures as CSV and plots in
# bench/data/detect/. Runs that are there are not made again: remove the directory to begin anew.
#
#   --quick   2,000 accounts, 16 weeks, campaigns of 5 and 20       a few minutes
#   --pooled  four times quick with other seeds, hard, in one table   half an hour
#   (none)    5,000 accounts, 20 weeks, campaigns of 5 and 30
#   --long    5,000 accounts, 26 weeks, campaigns of 5 and 30, hard, Postern alone
#   --full    5,000 accounts, 52 weeks, campaigns of 5, 30 and 150  hours
#   --other, --campus, --roaming
#             populations and intruders that nothing was tuned on: 1,200 accounts, 14 weeks
#   --ablation  each part of the models left out in turn, hard population

set -eu
cd "$(dirname "$0")/../.."
bin=${BUILD:-build-bench}/bench/detect
accounts=5000 weeks=20 campaigns=5,30 parts=3 size=standard
kinds='hard easy' population=ministry ablation=0 seeds=0 learning=8 alone=0 sets=1
while [ $# -gt 0 ]; do
	case $1 in
	--quick) accounts=2000 weeks=16 campaigns=5,20 parts=3 size=quick ;;
	--pooled) accounts=2000 weeks=16 campaigns=5,20 parts=3 size=pooled kinds=hard sets=4 ;;
	--full) weeks=52 campaigns=5,30,150 parts=10 size=full ;;
	--long) weeks=26 size=long kinds=hard alone=1 ;;
	--hard) kinds=hard ;;
	--easy) kinds=easy ;;
	--other | --campus | --roaming) population=${1#--} accounts=1200 weeks=14 campaigns=4,12 size=kept kinds=hard
		seeds=1000 learning=5 ;;
	--population) population=$2 && shift ;;
	--ablation) kinds=hard ablation=1 ;;
	*) sed -n '5,19s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	esac
	shift
done
case $population in university | provider) accounts=$((accounts * 10)) ;; esac
out=bench/data/detect/$population-$size
[ $ablation = 0 ] || out=$out-ablation
mkdir -p "$out"

# one NAME SETTING...: makes the run unless it is there; written under another name first.
one() {
	name=$1
	shift
	[ -s "$out/$name" ] && return
	"$bin/detect_run" "$out/$name.part" population="$population" accounts=$accounts weeks=$weeks \
		campaigns=$campaigns ablation=$ablation learning=$learning \
		alone=$alone "$@" &&
		mv "$out/$name.part" "$out/$name"
}

# Two at a time where there are two processors.
jobs=0
start() {
	one "$@" &
	jobs=$((jobs + 1))
	[ $jobs -lt "$(nproc)" ] || { wait && jobs=0; }
}

for kind in $kinds; do
	hard=$([ $kind = hard ] && echo 1 || echo 0)
	start $kind-fit hard=$hard seed=$((seeds + 1))
	set=0
	while [ $set -lt $sets ]; do
		of=${set#0} quiet=$((seeds + 2)) attacked=$((seeds + 3))
		[ $set = 0 ] || quiet=$((seeds + 200 + set)) attacked=$((seeds + 201 + 10 * set))
		start $kind-quiet$of hard=$hard seed=$quiet
		part=0
		while [ $part -lt $parts ]; do
			start $kind-attacked$of-$part hard=$hard seed=$((attacked + part)) attacks=1 part=$part/$parts
			part=$((part + 1))
		done
		set=$((set + 1))
	done
done
wait
rm -f "$out/figures.csv" "$out"/*.part
for kind in $kinds; do
	"$bin/detect_report" --csv "$out/figures.csv" "$out/$kind-fit" \
		"$(echo "$out/$kind"-quiet* | tr ' ' ,)" "$out/$kind"-attacked*
done | tee "$out/tables.txt"
[ $ablation = 1 ] || python3 bench/detect/plot.py "$out/figures.csv" "$out"
