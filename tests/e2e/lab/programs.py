"""Where the programs under test are."""

import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
PLACES = {
    "posternd": "daemon/posternd",
    "postern": "client/postern",
    "posternctl": "ctl/posternctl",
    "blast": "tests/e2e/tools/blast",
    "firewall_tool": "tests/e2e/tools/firewall_tool",
    "make_scene": "tests/stego/make_scene",
    "clockshift": "tests/e2e/tools/clockshift.so",
}


def build():
    """The build directory: POSTERN_BUILD, else build/test of this clone."""
    return Path(os.environ.get("POSTERN_BUILD", SOURCE / "build" / "test")).resolve()


def built(name):
    return (build() / PLACES[name]).exists()
