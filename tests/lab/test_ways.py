#!/usr/bin/env python3
"""Every way in: rows of tables B and B' of doc/nat.md between real hosts. Each plays a call and hears it."""
import lab
from harness import Tap, near

lab.enter()
tap = Tap()


def play(name, srs=(), src=(), settings=None, call=(), path=None, lan_src=False, to=None):
    with lab.World(srs, src, lan_src=lan_src) as world:
        world.coturn()
        world.classic_stun()
        world.src.run("ip", "addr", "add", "5.5.6.9/32", "dev", "eth")
        lab.run("ip", "route", "replace", "5.5.6.9", "dev", "c-src", check=False)
        with world.siprecd(environment=settings) as srs_host:
            status, report = world.call(*call, to=to)
            recording = (status == 0 and srs_host.recording(report["call_id"], seconds=30)) or {}
            heard = srs_host.heard(recording) if recording.get("id") else []
            tap.ok(status == 0 and len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660),
                   f"{name}: the call is heard", heard, report, recording, srs_host.log()[-3000:])
            if path:
                tap.equal({s["path"] for s in recording.get("streams", [])}, {path}, f"{name}: by the path {path}",
                          srs_host.nat(), recording.get("streams"))


play("open", path="host")
play("open, SRC sends from another port", call=["--send-from", "port"], path="host")
play("open, SRC sends from another address", call=["--send-from", "5.5.6.9"], path="host")
play("open, SRC latches", call=["--latch"], path="host")
play("1:1 NAT, address set", srs=["1:1"], settings={"EXTERNAL_IP": "5.5.5.1", "BEHIND_NAT": "true"}, path="static")
play("SRC behind a NAT", src=["masquerade"], path="host")
play("one network", srs=["masquerade"], lan_src=True, to="192.168.10.2", path="host")
tap.done()
