#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

# bench/cost.sh [LINES]: instructions that the models alone take for each activity (callgrind counts the
# same in every run): the first LINES (20,000) of 300 accounts, the whole life of 25 accounts, and
# 40 accounts full of intruders. Day roll-over, words of alerts and all else included; reading lines is not.
# What ./dev bench cost calls.

set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build-bench}
lines=${1:-20000}
data=bench/data
simulate=$build/bench/detect/detect_simulate
command -v valgrind >/dev/null || {
	echo 'cost: valgrind is missing (Debian package valgrind)' >&2
	exit 1
}
mkdir -p "$data"
"$simulate" --accounts 300 --weeks 16 --learning 6 --seed 5 --attacks 2>/dev/null >"$data/cost.all"
head -n "$lines" "$data/cost.all" >"$data/cost.first.ndjson"
rm "$data/cost.all"
"$simulate" --accounts 25 --weeks 20 --seed 9 2>/dev/null >"$data/cost.life.ndjson"
"$simulate" --accounts 40 --weeks 16 --learning 6 --seed 7 --attacks 2>/dev/null >"$data/cost.attacked.ndjson"
echo "commit: $(git rev-parse --short HEAD 2>/dev/null || echo none), release build"
for name in first life attacked; do
	file=$data/cost.$name.ndjson
	n=$(wc -l <"$file")
	total=$(valgrind --tool=callgrind --toggle-collect=models_run --callgrind-out-file=/dev/null \
		"$build/bench/bench_score" models "$file" 2>&1 >/dev/null |
		sed -n 's/.*Collected : *//p')
	echo "$name: $n activities, $((total / n)) instructions each"
done
