#!/bin/bash
# check.sh - every check there is, in a fresh clone on Debian 12, as root:
# builds, static analysis, unit tests (also under sanitizers), fuzzing, the
# release binaries' hardening, and the end-to-end tests in network namespaces.
#
#   ./check.sh            all of it; ends with "N passed, N failed"
#   ./check.sh STEP...    only these steps (names as it prints them)
#
# Logs and builds stay in build/; nothing is left anywhere else.
set -u
cd "$(dirname "$0")" || exit
. tests/needs.sh

out=build/check
FUZZ_SECONDS=${FUZZ_SECONDS:-3}
PYTHON="/usr/bin/python3 -B"
OWN="protocol libpostern common daemon client ctl include tests bench"

sources() { find $OWN -name "*.$1" | sort; }

build() { # FOLDER OPTION...
	configure "$@" && ninja -k 0 -C "$1"
}

units() { # FOLDER LOG-NAME
	meson test -C "$1" --no-rebuild --print-errorlogs --timeout-multiplier 4
	local status=$?
	cp "$1/meson-logs/testlog.json" "$out/$2.meson.json"
	return $status
}

pytests() { # NAME ARGUMENT...
	local name=$1
	shift
	POSTERN_BUILD=build/test $PYTHON -m pytest -q -rfEs --junitxml "$out/$name.junit.xml" "$@"
}

step_format() { sources '[ch]' | xargs clang-format --dry-run -Werror; }
step_build() { build build/test -Dfault_hooks=true; }
step_unit() { units build/test unit; }
step_sanitized() {
	build build/sanitized -Db_sanitize=address,undefined -Dfault_hooks=true -Ddocs=false &&
		units build/sanitized sanitized
}
step_release() {
	build build/release --buildtype=release --prefix=/usr -Dtests=false &&
		rm -rf build/release/root && DESTDIR="$PWD/build/release/root" ninja -C build/release install &&
		pytests release tests/release
}
# uthash hides from the analyzer who owns what; the sanitized build watches leaks.
step_analyzer() { build build/analyzer -Dc_args="-fanalyzer -Wno-analyzer-malloc-leak" -Dtests=false -Ddocs=false; }
step_fuzz_build() { CC=clang build build/fuzz -Dfuzz=true -Dtests=false -Ddocs=false; }
# What runs in the kernel (.bpf.c) is compiled for its machine alone, and read by its verifier.
step_tidy() { sources c | grep -v '^bench/\|^tests/\|\.bpf\.c$' | xargs -P 2 -n 1 clang-tidy -p build/fuzz --quiet; }
step_fuzz() { FUZZ_SECONDS=$FUZZ_SECONDS tests/fuzz.sh build/fuzz "$out/fuzz.counts"; }
step_e2e() { pytests e2e tests/e2e -m "not alone" -n "${POSTERN_WORKERS:-6}"; }
step_alone() { pytests alone tests/e2e -m alone; }

STEPS="format build unit sanitized release analyzer fuzz_build tidy fuzz e2e alone"

run_step() {
	local begin=$SECONDS status
	printf '%-12s' "$1"
	"step_$1" >"$out/$1.log" 2>&1
	status=$?
	$PYTHON tests/count.py record "$out" "$1" "$status" "$((SECONDS - begin))"
	[ "$status" = 0 ] || tail -n 25 "$out/$1.log" | sed 's/^/    | /'
}

need_root
need $NEEDS_BUILD $NEEDS_LAB $NEEDS_CHECK || exit 3
need_asleep $NEEDS_SERVERS || exit 3
need_hosts || exit 3
rm -rf "$out" && mkdir -p "$out"
for step in ${@:-$STEPS}; do
	run_step "$step"
done
$PYTHON tests/count.py total "$out"
