#!/bin/bash
# fuzz.sh BUILD COUNTS - each fuzz target of a build for FUZZ_SECONDS, from its
# seed corpus (tests/fuzz/corpus/TARGET). What is found stays in BUILD/found;
# the corpus in the tree is not changed. Writes "passed failed" into COUNTS.
set -u
build=$1 counts=$2
seconds=${FUZZ_SECONDS:-60}
passed=0 failed=0
mkdir -p "$build/found"

for target in "$build"/tests/fuzz/fuzz_*; do
	[ -f "$target" ] && [ -x "$target" ] || continue
	name=${target##*/fuzz_}
	work=$(mktemp -d "$build/corpus.XXXXXX")
	seeds=tests/fuzz/corpus/$name
	[ -d "$seeds" ] || seeds=
	echo "--- $name"
	if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$build/found/$name-" "$work" $seeds 2>&1 | grep -v '^#'; [ "${PIPESTATUS[0]}" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	rm -rf "$work"
done
echo "$passed $failed" >"$counts"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
