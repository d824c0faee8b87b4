"""Counts what the steps of check.sh proved.

    count.py record FOLDER STEP STATUS SECONDS    one step is done: print its line, keep its counts
    count.py total FOLDER                         print "N passed, N failed"; exit status 0 if none failed

A step counts as many tests as its reports name (FOLDER/STEP.junit.xml of pytest,
STEP.meson.json of meson with cmocka's own lines inside, STEP.counts of others),
and as one where it has none. A step that failed has at least one failure, even
if its reports know of none.
"""

import json
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def of_junit(file):
    suites = list(xml.parse(file).iter("testsuite"))
    total, bad, skipped = (
        sum(int(s.get(k)) for s in suites for k in keys)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    return total - bad - skipped, bad


def of_meson(file):
    """Each line of the log is one test program; cmocka says how many tests it has."""
    passed = failed = 0
    for line in file.read_text().splitlines():
        test = json.loads(line)
        text = test.get("stdout", "") + test.get("stderr", "")
        ok, bad = (
            sum(int(n) for n in re.findall(rf"\[  {word}  \] (\d+) test", text))
            for word in ("PASSED", "FAILED")
        )
        if test["result"] not in ("OK", "EXPECTEDFAIL") and not bad:
            bad = 1
        elif not ok and not bad:
            ok = 1
        passed, failed = passed + ok, failed + bad
    return passed, failed


def of_counts(file):
    passed, failed = map(int, file.read_text().split())
    return passed, failed


REPORTS = {".junit.xml": of_junit, ".meson.json": of_meson, ".counts": of_counts}


def counts(folder, step, status):
    found = [read(folder / (step + end)) for end, read in REPORTS.items() if (folder / (step + end)).exists()]
    passed, failed = (sum(f[i] for f in found) for i in (0, 1))
    if not found:
        return (1, 0) if status == 0 else (0, 1)
    return passed, max(failed, 1) if status else failed


def record(folder, step, status, seconds):
    passed, failed = counts(folder, step, int(status))
    with open(folder / "total", "a") as file:
        file.write(f"{passed} {failed}\n")
    print(f"{passed:5} passed {failed:5} failed {seconds:>5} s", flush=True)
    return 0


def total(folder):
    rows = [tuple(map(int, line.split())) for line in (folder / "total").read_text().splitlines()]
    passed, failed = (sum(row[i] for row in rows) for i in (0, 1))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    verb, folder, *rest = sys.argv[1:]
    sys.exit({"record": record, "total": total}[verb](Path(folder), *rest))
