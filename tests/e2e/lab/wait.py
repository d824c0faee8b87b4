"""Waiting for a condition, never for luck."""

import time


class Timeout(AssertionError):
    pass


def until(condition, seconds, what="the condition", pause=0.02):
    """Polls until condition() is true and returns its value; Timeout after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"{what} did not come within {seconds} s")
        time.sleep(pause)


def stays(condition, seconds, what="the condition", pause=0.05):
    """Asserts that condition() holds during so many seconds: the proof of an absence."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"{what} did not stay"
        time.sleep(pause)
