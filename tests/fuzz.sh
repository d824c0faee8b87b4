#!/bin/bash
# fuzz.sh BUILD COUNTS - each fuzz target of a build for FUZZ_SECONDS, from its
# seed corpus (tests/fuzz/corpus/TARGET), one on each processor. What is found
# stays in BUILD/found; the corpus in the tree is not changed. Writes "passed
# failed" into COUNTS.
set -u
build=$1 counts=$2
seconds=${FUZZ_SECONDS:-60}

# one TARGET - its output as a whole; the file of its name in BUILD/found says how it ended.
one() {
	local target=$1 name=${1##*/fuzz_} work seeds status
	work=$(mktemp -d "$build/corpus.XXXXXX")
	seeds=tests/fuzz/corpus/$name
	[ -d "$seeds" ] || seeds=
	"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$build/found/$name-" "$work" $seeds >"$work.log" 2>&1
	status=$?
	{
		echo "--- $name"
		grep -v '^#' "$work.log"
	} | flock "$build/found" cat
	echo "$status" >"$build/found/$name.status"
	rm -rf "$work" "$work.log"
}

mkdir -p "$build/found"
rm -f "$build"/found/*.status
for target in "$build"/tests/fuzz/fuzz_*; do
	[ -f "$target" ] && [ -x "$target" ] || continue
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
	one "$target" &
done
wait
passed=$(grep -lx 0 "$build"/found/*.status | wc -l)
failed=$(grep -Lx 0 "$build"/found/*.status | wc -l)
echo "$passed $failed" >"$counts"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
