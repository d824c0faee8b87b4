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
        run_s, ticks, reaped = 0.0, [0.0, 0.0], [0.0, 0.0]
        for pid in tree(self.pid):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                run_ns = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
            times = [int(x) / TICK for x in stat[11:15]]
            run_s += run_ns / 1e9
            ticks = [ticks[0] + times[0], ticks[1] + times[1]]
            reaped = [reaped[0] + times[2], reaped[1] + times[3]]
        return [run_s, *ticks, *reaped]

    def stop(self):
        """(user, user + kernel) seconds. The scheduler's clock is exact; the split is by ticks."""
        run_s, user, kernel, reaped_user, reaped_kernel = (b - a for a, b in zip(self.start, self._now()))
        share = user / (user + kernel) if user + kernel else 0.0
        return run_s * share + reaped_user, run_s + reaped_user + reaped_kernel


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
