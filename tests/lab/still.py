#!/usr/bin/env python3
"""Machines that stand still: the host of a virtual one stops it for tenths of a second, and then what a play measured says
nothing of siprecd. The witness is a process of its own that sleeps 10 ms at a time and looks at the clock, and at what the
kernel calls stolen of each processor: whatever makes siprecd, siprec-call or a test slow does not make it late."""
import collections
import os
import subprocess
import sys
import time

STEP, STILL = 0.01, 0.08  # seconds: it sleeps; that much later than due is standing still
LOOK = 0.2  # at what was stolen
AGAIN = 2

# Of a play: whether it kept its time; when that ran, by time.monotonic(); what to print where it did not.
Timed = collections.namedtuple("Timed", "good began ended details")


def stolen():
    """Seconds of each processor that the host gave to others."""
    with open("/proc/stat", encoding="ascii") as stat:
        return [int(line.split()[8]) / os.sysconf("SC_CLK_TCK") for line in stat if line[:3] == "cpu" and line[3] != " "]


def watch():
    """The witness: a line for each time that the machine stood still, from when to when."""
    looked, before = time.monotonic(), stolen()
    while True:
        slept = time.monotonic()
        time.sleep(STEP)
        now = time.monotonic()
        if now - slept > STEP + STILL:
            print(slept, now, flush=True)
        if now - looked < LOOK:
            continue
        after = stolen()
        if any(b - a > STILL for a, b in zip(before, after)):
            print(looked, now, flush=True)
        looked, before = now, after


class Witness:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text, self.pauses = b"", []

    def close(self):
        self.process.kill()
        self.process.wait()

    def saw(self, began, ended):
        """[(from, to)]: when it stood still between the two."""
        time.sleep(2 * LOOK)  # what it has seen is told by then
        self.text += self.process.stdout.read() or b""
        *lines, self.text = self.text.split(b"\n")
        self.pauses += [tuple(map(float, line.split())) for line in lines]
        return [(start, end) for start, end in self.pauses if start < ended and end > began]


def judge(tap, witness, name, timed, again):
    """A point that judges time. Where it was missed while the machine stood still it says nothing: again() plays another
    and returns what came of that, twice at most."""
    for _ in range(AGAIN):
        pauses = [] if timed.good else witness.saw(timed.began, timed.ended)
        if not pauses:
            break
        longest = max(end - start for start, end in pauses)
        print(f"# {name}: missed while the machine stood still for {longest * 1000:.0f} ms, which says nothing: played again",
              flush=True)
        timed = again()
    return tap.ok(timed.good, name, *timed.details)


if __name__ == "__main__":
    watch()
