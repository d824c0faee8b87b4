#!/bin/sh
# demo.sh - see a knock open a real sshd: builds, makes hosts out of network
# namespaces, shows it, and takes everything away again. Exit status 0 only if
# each thing that it says was true.
set -eu
cd "$(dirname "$0")"
. tests/needs.sh

need_root
need $NEEDS_BUILD $NEEDS_LAB
need_hosts
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
# Pictures like photographs, for the demo's user has taken none.
scenes() {
	mkdir -p build/demo/tests/stego
	cc -O2 -o build/demo/tests/stego/make_scene tests/stego/make_scene.c tests/stego/scene.c -ljpeg -lm
}
if ! { configure build/demo -Dtests=false -Ddocs=false && ninja -C build/demo && scenes; } >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
rm -f "$log"
POSTERN_BUILD=build/demo exec /usr/bin/python3 -B tests/e2e/demo.py
