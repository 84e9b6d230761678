#!/usr/bin/env python3
"""SRCs that speak ICE, between real hosts: a row of doc/nat.md's table A for each kind of network of ours. Each plays a
call and hears it; the path is what the table says. Use: test_ice.py BUILD [PLAY ...]."""
import sys

import lab
from harness import Tap, near

lab.enter()
tap = Tap()
TURN = {"TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD, "TURN_SERVERS": f"turn:{lab.SERVERS}.1:3478"}
STUN = {"STUN_SERVERS": f"{lab.SERVERS}.1:3478"}


def play(name, srs=(), src=(), settings=None, ice="full", joined=()):
    """joined: the types of ours that the path may begin with."""
    if sys.argv[2:] and name not in sys.argv[2:]:
        return
    with lab.World(srs, src) as world:
        world.coturn()
        world.classic_stun()
        with world.siprecd(environment=settings) as recorder:
            lab.harness.wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)
            status, report = world.call("--ice", ice, seconds=6)
            recording = (status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}
            heard = recorder.heard(recording, 3) if recording.get("id") else []
            streams = recording.get("streams", [])
            details = (heard, report, recording, recorder.nat(), recorder.log()[-3000:])
            tap.ok(len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{name}: the call is heard", *details)
            paths = {s["path"] for s in streams}
            tap.ok(paths and paths <= set(joined), f"{name}: by {paths}", f"want {joined}", *details)


PLAYS = [
    ("open x open", dict(joined=["host"])),
    ("open x symmetric", dict(src=["symmetric"], joined=["host"])),
    ("open x lite", dict(ice="lite", joined=["host"])),
    ("masquerade x open", dict(srs=["masquerade"], settings=STUN, joined=["stun", "peer-reflexive"])),
    ("symmetric x open", dict(srs=["symmetric"], settings=TURN, joined=["peer-reflexive"])),
    ("symmetric x symmetric", dict(srs=["symmetric"], src=["symmetric"], settings=TURN, joined=["relay"])),
]
for name, how in PLAYS:
    play(name, **how)
tap.done()
