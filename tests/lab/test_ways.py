#!/usr/bin/env python3
"""Every way in: rows of tables B and B' of doc/nat.md between real hosts. Each plays a call and hears it."""
import threading

import lab
import rows
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


def shifted_ports():
    """The SRC's router shows its media ports 10,000 above those that its SDP names, and our NAT lets in whom we have sent to,
    to the port: a relay, until two calls have shown that (of more than 5 s of RTP: a slow one is played again); then none."""
    with lab.World([rows.box("E", "AP")], ["shifted"]) as world:
        world.coturn()
        with world.siprecd(environment=dict(rows.FULL, **rows.UDP)) as recorder:
            lab.harness.wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)

            def offset():
                return [src["port_offset"] for src in recorder.json("/v1/srcs")["srcs"]]

            def call(number, path, seconds):
                first = lab.SHIFTED[0] + 12 * number  # the same port again would prove nothing
                status, report = world.call("--say", f"{lab.SRC}.1", "--rtp-ports", f"{first}-{first + 11}", seconds=seconds)
                recording = (status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}
                streams = recording.get("streams", [])
                heard = recorder.heard(recording) if recording.get("id") else []
                details = (heard, report, recording, recorder.nat(), recorder.json("/v1/srcs"), recorder.log()[-3000:])
                good = len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660)
                return good and {s["path"] for s in streams} == {path}, streams, details

            for number in range(4):
                good, _, details = call(number, "relay", 9 - 2 * (number > 0))  # the first is heard after 2 to 3 s
                tap.ok(good, "shifted ports: a call that shows them is heard by a relay", *details)
                if offset() == [lab.SHIFT]:
                    break
            tap.equal(offset(), [lab.SHIFT], "shifted ports: /v1/srcs says so", *details)
            good, streams, details = call(4, "stun", 5)
            tap.ok(good and all("+10000" in (s["verdict"]["learned"] or "") for s in streams),
                   "shifted ports: the next is heard without one, and the verdict says why", *details)


shifted_ports()


def wrong_setting(what, srs, external, problems):
    """The settings' address comes first; where it brings nothing the call goes on by what else there is, and it is said. The
    SRC's NAT takes other ports than its SDP says: nothing that we send there opens ours for it."""
    with lab.World(srs, ["symmetric"]) as world:
        world.coturn()
        world.classic_stun()
        settings = {"EXTERNAL_IP": external, "BEHIND_NAT": "true", "TURN_SERVERS": f"turn:{lab.SERVERS}.1",
                    "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
        with world.siprecd(environment=settings) as recorder:
            status, report = world.call(seconds=7)
            recording = (status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}
            heard = recorder.heard(recording, 4) if recording.get("id") else []
            verdicts = [s.get("verdict") or {} for s in recording.get("streams", [])]
            details = (heard, report, recording, recorder.nat(), recorder.log()[-3000:])
            tap.ok(len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{what}: the call is heard", *details)
            tap.equal({s["path"] for s in recording.get("streams", [])}, {"relay"}, f"{what}: by a relay in the end", *details)
            tap.ok(verdicts and all("retried" in [t["event"] for t in v["trail"]] and v["first_packet_ms"] < 3000
                                    for v in verdicts), f"{what}: after the settings' address was tried, in time", *details)
            tap.equal({v.get("external_differs") for v in verdicts}, {bool(problems)}, f"{what}: the verdict says whose fault",
                      *details)
            tap.equal([p["code"] for p in recorder.nat()["problems"]], problems, f"{what}: and so does /v1/nat", *details)


wrong_setting("a wrong address set", ["symmetric"], "5.5.5.77", ["external_differs"])
wrong_setting("the address is right, and nothing is forwarded", ["masquerade"], "5.5.5.1", [])


def quicker_src(what, **more):
    """No relay to go to, and a NAT that keeps ports: it opens for what we send, and gives the port away where the SRC's packets
    were there before. Then another port is told, which we have sent from first."""
    with lab.World(["masquerade"]) as world:
        world.classic_stun()
        settings = {"EXTERNAL_IP": "5.5.5.1", "BEHIND_NAT": "true", "STUN_SERVERS": "none", **more}
        with world.siprecd(environment=settings) as recorder:
            world.hold_back()
            threading.Timer(1, lambda: world.srs.nft("")).start()
            status, report = world.call(seconds=6)
            recording = (status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}
            heard = recorder.heard(recording, 3) if recording.get("id") else []
            verdicts = [s.get("verdict") or {} for s in recording.get("streams", [])]
            details = (heard, report, recording, recorder.nat(), recorder.log()[-3000:])
            tap.ok(len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{what}: the call is heard", *details)
            tap.ok(verdicts and all(v["path"] == "M+H(ip:port)" and (v["first_packet_ms"] or 9999) < 3000 for v in verdicts),
                   f"{what}: at another port, in time", *details)


quicker_src("the address is right, nothing is forwarded, and the SRC is first")
quicker_src("the same, and the TURN server is down", TURN_SERVERS=f"turn:{lab.SERVERS}.9", TURN_USERNAME="x", TURN_PASSWORD="x")
tap.done()
