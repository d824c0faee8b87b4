"""What the kernel says that a group of processes cost."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """A process and all its descendants that live."""
    found, left = [], [pid]
    while left:
        p = left.pop()
        found.append(p)
        try:
            left += map(int, Path(f"/proc/{p}/task/{p}/children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


class Cost:
    """User and whole CPU seconds since it was made; children that ended count with their parent."""

    def __init__(self, pid):
        self.pid = pid
        self.start = self._now()

    def _now(self):
        user = whole = 0.0
        for pid in tree(self.pid):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                run_ns = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
            utime, stime, cutime, cstime = (int(x) / TICK for x in stat[11:15])
            share = utime / (utime + stime) if utime + stime else 0.0
            # The scheduler's clock is exact; the split into user and kernel is by ticks.
            user += run_ns / 1e9 * share + cutime
            whole += run_ns / 1e9 + cutime + cstime
        return user, whole

    def stop(self):
        """(user, user + kernel) seconds."""
        now = self._now()
        return now[0] - self.start[0], now[1] - self.start[1]


def resident_kib(pid):
    """Proportional set size of the whole tree: shared pages count once."""
    total = 0
    for p in tree(pid):
        try:
            for line in Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total
