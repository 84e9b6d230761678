#!/usr/bin/env python3
"""Other programs sit in most of the media port range: the few pairs that are left are found at once, and used."""
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from caller import Caller  # noqa: E402
from harness import Siprecd, Tap  # noqa: E402

tap = Tap()
FIRST, PAIRS = 30000, 600
FREE = {100, 101, 400, 401}
held = []
for pair in range(PAIRS):
    if pair not in FREE:
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            other.bind(("0.0.0.0", FIRST + 2 * pair))
        except OSError:
            pass  # somebody else has it: just as well
        held.append(other)

with Siprecd(rtp=(FIRST, FIRST + 2 * PAIRS - 1)) as srs:
    callers = [Caller(srs.port, name=f"call{i}") for i in range(3)]
    tap.equal([c.invite() for c in callers], [200, 200, 503], "two calls of two streams find the four pairs, a third none")
    used = sorted((port - FIRST) // 2 for c in callers[:2] for port in c.ports)
    tap.equal(used, sorted(FREE), "and those are what they got")
    tap.equal([c.bye() for c in callers[:2]], [200, 200], "they end")
    tap.equal(srs.stop(), 0, "ends as ever")
tap.done()
