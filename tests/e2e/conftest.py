"""Fixtures: `lab`, bare hosts; `house`, the same with sshd and postern (and what a test's `house` mark says)."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = True

from lab import Lab, sweep  # noqa: E402
from lab.house import House  # noqa: E402


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        sweep()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows what the daemon said."""
    report = (yield).get_result()
    house = getattr(item, "funcargs", {}).get("house")
    if report.when == "call" and report.failed and house is not None and house.postern.process:
        report.sections.append(("posternd", house.postern.log()[-6000:]))


@pytest.fixture
def lab():
    with Lab("attacker") as made:
        yield made


@pytest.fixture
def house(request):
    mark = request.node.get_closest_marker("house")
    with House(*(mark.args if mark else ()), **(mark.kwargs if mark else {})) as made:
        yield made
