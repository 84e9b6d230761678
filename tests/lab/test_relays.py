#!/usr/bin/env python3
"""Relays between real hosts: a siprecd that nobody can send to, over TURN by UDP, TCP, port 443 and through a proxy, and
what happens when the server dies or restarts in mid-call. Each plays a call and hears it."""
import subprocess
import threading

import lab
from harness import Tap, near, wait_for

lab.harness.need("tshark")
lab.enter()
tap = Tap()
NAMED = "turn.example"
TURN = {"TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}


def warm(recorder, state="serving", seconds=20):
    """A relay stands ready before the first call."""
    def ready():
        return any(r["state"] == state and r.get("ready", 0) > 0 for r in recorder.nat().get("relays", []))
    return wait_for(ready, seconds)


def check_heard(what, world, recorder, report, status, channels=(440, 660), start=1.0):
    recording = (status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}
    heard = recorder.heard(recording, start) if recording.get("id") else []
    good = len(heard) == len(channels) and all(near(h, c) for h, c in zip(heard, channels))
    tap.ok(status == 0 and good, f"{what}: the call is heard", heard, report, recording, recorder.nat(),
           recorder.log()[-3000:])
    return recording


def check_control(what, recorder, recording):
    """A relayed address has one port, and a=rtcp names it (RFC 3605): sender reports of an SRC that speaks no rtcp-mux
    come to it, beside the RTP."""
    for stream in recording.get("streams", []):
        address, port = stream["advertised"].rsplit(":", 1)
        filtered = f"rtcp.pt == 200 && ip.dst == {address} && udp.dstport == {port}"
        seen = subprocess.run(["tshark", "-r", str(recorder.path_of(recording) / "journal.pcapng"), "-Y", filtered],
                              capture_output=True, text=True).stdout
        tap.ok(seen.strip(), f"{what}: reports come by the relay", stream, seen)


def play(what, srs, servers, transport, environment=None, call=()):
    with lab.World(srs) as world:
        world.coturn()
        world.classic_stun()
        settings = dict(TURN, TURN_SERVERS=servers, **(environment or {}))
        with world.siprecd(environment=settings) as recorder:
            tap.ok(warm(recorder), f"{what}: a relay stands ready", recorder.nat(), recorder.log()[-3000:])
            status, report = world.call(*call)
            recording = check_heard(what, world, recorder, report, status)
            streams = recording.get("streams", [])
            tap.equal({s["path"] for s in streams}, {"relay"}, f"{what}: by a relay", streams)
            tap.equal({(s.get("relay") or {}).get("transport") for s in streams}, {transport},
                      f"{what}: over {transport}", streams)
            check_control(what, recorder, recording)
            lost = [s["verdict"].get("lost_before_first") for s in streams if s.get("verdict")]
            if not call:  # else its source has to be learned first
                tap.ok(all(n is not None and n <= 5 for n in lost), f"{what}: a round trip to TURN is what it costs", lost)


play("symmetric NAT", ["symmetric"], "turn:5.5.7.1", "udp")
play("symmetric NAT, the SRC sends from another port", ["symmetric"], "turn:5.5.7.1", "udp", call=["--send-from", "port"])
play("no UDP gets out", ["tcp-only"], "turn:5.5.7.1", "tcp")
play("443 alone gets out", ["443-only"], "turn:5.5.7.1:443?transport=tcp", "tcp")


def look_back(what, srs, filtering):
    """Two plain STUN servers tell nothing of the filter; a relay does."""
    with lab.World(srs) as world:
        world.coturn(f"{lab.SERVERS}.1", None, rfc5780=False)
        world.classic_stun()
        with world.siprecd(environment=dict(TURN, TURN_SERVERS="turn:5.5.7.1")) as recorder:
            wait_for(lambda: recorder.nat().get("filtering"), 40)
            tap.equal(recorder.nat().get("filtering"), filtering, f"{what}: the filter, seen from a relay",
                      recorder.nat(), recorder.log()[-2000:])


look_back("masquerading", ["masquerade"], "address-and-port-dependent")


def in_mid_call(what, servers, disturb, seconds=14):
    """Something happens to the server five seconds after the call began; it is heard before and after."""
    with lab.World(["symmetric"]) as world:
        first = world.coturn()
        second = world.coturn("5.5.7.3", None) if "5.5.7.3" in servers else None
        world.classic_stun()
        world.name(NAMED, f"{lab.SERVERS}.1")
        with world.siprecd(environment=dict(TURN, TURN_SERVERS=servers)) as recorder:
            warm(recorder)
            timer = threading.Timer(5, lambda: disturb(world, first))
            timer.start()
            status, report = world.call(seconds=seconds)
            timer.join()
            recording = check_heard(what, world, recorder, report, status)
            if recording.get("id"):
                after = recorder.heard(recording, seconds - 4)
                tap.ok(len(after) == 2 and near(after[0], 440) and near(after[1], 660), f"{what}: and afterwards", after,
                       recording, recorder.log()[-3000:])
                switches = [s["verdict"].get("switches", 0) for s in recording["streams"]]
                tap.ok(all(n >= 1 for n in switches), f"{what}: the switch is told", recording["streams"])
                if disturb is move:  # dead for a second before it is believed, a name, a relay, a re-INVITE
                    gaps = [w["text"] for w in recording.get("warnings", []) if w["code"] == "gap"]
                    long_ms = [int(text.split(" ms")[0].split()[-1]) for text in gaps]
                    tap.ok(len(gaps) == 2 and max(long_ms) < 5000, f"{what}: the gap is told, and short", gaps,
                           recorder.log()[-3000:])
        lab.end(first)
        if second:
            lab.end(second)


def kill(_, server):
    server.kill()
    server.wait()


def restart(world, server):
    kill(world, server)
    wait_for(lambda: not world.servers.listens(f"{lab.SERVERS}.1:3478"), 10)
    world.coturn()


def move(world, server):
    """Another machine takes over, and the name says so a moment later."""
    kill(world, server)
    world.coturn("5.5.7.3", None)
    world.name(NAMED, "5.5.7.3")


in_mid_call("its server's name moves to another machine", f"turn:{NAMED}", move)
in_mid_call("its server dies", "turn:5.5.7.1,turn:5.5.7.3", kill)
in_mid_call("its server restarts", "turn:5.5.7.1", restart, seconds=24)
tap.done()
