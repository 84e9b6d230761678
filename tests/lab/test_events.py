#!/usr/bin/env python3
"""What happens in mid-call, between real hosts: addresses that change, NATs that reboot, holds longer than any mapping
lives, ports that move. Every call is heard again afterwards. Use: test_events.py BUILD [PART | PLAY ...]."""
import threading
import time

import lab
from harness import Tap, near

lab.enter()
tap = Tap()
STUN = {"STUN_SERVERS": f"{lab.SERVERS}.1:3478"}
TURN = {"TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD, "TURN_SERVERS": f"turn:{lab.SERVERS}.1:3478"}
WITHOUT = 1.5  # seconds without any address
FORGETFUL = {"net__netfilter__nf_conntrack_udp_timeout": 5, "net__netfilter__nf_conntrack_udp_timeout_stream": 8}


def trail(stream):
    return [step["event"] for step in (stream.get("verdict") or {}).get("trail", [])]


class Play:
    """One call in a world; disturb(world, recorder) comes `at` seconds after the call was placed."""

    def __init__(self, what, srs=(), src=(), settings=None, disturb=None, at=6, seconds=16, call=(), before=None,
                 transport="udp", decode=False):
        self.what, self.decode = what, decode
        with lab.World(srs, src) as world:
            world.turn = world.coturn()
            world.classic_stun()
            if before:
                before(world)
            with world.siprecd(environment=settings) as recorder:
                lab.harness.wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)
                timer = threading.Timer(at, lambda: disturb(world, recorder)) if disturb else None
                if timer:
                    timer.start()
                status, self.report = world.call(*call, seconds=seconds, transport=transport)
                if timer:
                    timer.join()
                self.judge(recorder, status, seconds)

    def judge(self, recorder, status, seconds):
        all_of_it = [r for r in recorder.recordings() if r.get("call_id") == self.report["call_id"]]
        self.recording = (status == 0 and recorder.recording(self.report["call_id"], seconds=30)) or {}
        self.streams = self.recording.get("streams", [])
        self.details = (self.report, self.recording, recorder.log()[-4000:])
        heard = [recorder.heard(self.recording, at) if self.recording.get("id") else [] for at in (3, seconds - 4)]
        if self.decode and self.streams:
            self.decodes(lab.harness.rtp_streams(recorder.path_of(self.recording) / "journal.pcapng"))
        for when, tones in zip(("before", "after"), heard):
            tap.ok(len(tones) == 2 and near(tones[0], 440) and near(tones[1], 660), f"{self.what}: heard {when}", heard,
                   *self.details)
        tap.equal(len(all_of_it), 1, f"{self.what}: one call, one recording", *self.details)
        audio_ms = (self.recording.get("audio") or {}).get("duration_ms", 0)
        tap.ok(abs(audio_ms - seconds * 1000) < 1500, f"{self.what}: as long as the call", audio_ms, *self.details)

    def decodes(self, found):
        """tshark ties RTP to the SDP in the journal by itself, though a stream's four addresses all differ."""
        for stream in self.streams:
            ends = [stream[key] for key in ("offered", "advertised", "bound", "observed")]
            tap.equal(len(set(ends)), 4, f"{self.what}: four addresses", ends)
            packets = [f["packets"] for f in found if f"{f['source']}:{f['source_port']}" == stream["observed"]
                       and f"{f['destination']}:{f['port']}" == stream["advertised"]]
            tap.equal(packets, [stream["packets"]], f"{self.what}: tshark finds all of it", found, stream)

    def told(self, event):
        """The verdict of every stream has that event in its trail."""
        tap.ok(self.streams and all(event in trail(s) for s in self.streams), f"{self.what}: the verdict tells {event}",
               [trail(s) for s in self.streams], *self.details)

    def gap(self):
        """What is missing is said: as lost packets, and from a second on in a warning, too."""
        gaps = [w for w in self.recording.get("warnings", []) if "gap" in str(w)]
        lost = [s["lost"] for s in self.streams]
        tap.ok(gaps or (lost and all(0 < n < 50 for n in lost)), f"{self.what}: the gap is stated", *self.details)


def reboot(side):
    return lambda world, _: world.routers[side][-1].forget()


def box(*more):
    return ("box", "mapping=independent", "filtering=address-port", "scope=mapping", "ports=random", *more)


def srs_reboot():
    Play("our NAT reboots", ["masquerade"], settings=TURN, disturb=reboot("srs"))


def srs_box_reboot():
    Play("our NAT reboots and hands out other ports", [box()], settings=dict(STUN, **TURN), disturb=reboot("srs"), seconds=20)


def src_reboot():
    Play("the SRC's NAT reboots", src=["masquerade"], disturb=reboot("src"))


def relayed_reboot():
    Play("our symmetric NAT reboots under a relay", ["symmetric"], settings=TURN, disturb=reboot("srs"), seconds=20)


def public_address():
    play = Play("our public address changes", disturb=lab.World.move_in_public, seconds=20)
    play.told("address-changed")
    play.gap()


def move_in_lan(world, _, without=WITHOUT, to="192.168.10.3"):
    """Another address by DHCP, and a router whose forwarding of SIP has been told."""
    host, router = world.srs, world.routers["srs"][0]
    old, router.inner = router.inner, to
    host.run("ip", "addr", "flush", "dev", "eth")
    time.sleep(without)
    host.run("ip", "addr", "add", f"{to}/24", "dev", "eth")
    host.run("ip", "route", "replace", "default", "via", "192.168.10.1")
    router.translate()
    for side in ("-s", "-r"):  # what it forwarded to the old one it forwards no more
        router.space.run("conntrack", "-D", side, old, check=False)


def lan_address():
    play = Play("our address in the LAN changes", ["masquerade"], settings=TURN, disturb=move_in_lan, seconds=20)
    play.told("address-changed")
    play.gap()


def lan_address_twice():
    """The second change meets what the first one has begun."""
    def disturb(world, _):
        move_in_lan(world, _)
        time.sleep(1)
        move_in_lan(world, _, to="192.168.10.4")

    play = Play("our address in the LAN changes twice in a moment", ["masquerade"], settings=TURN, disturb=disturb, seconds=20)
    play.told("address-changed")
    play.gap()


def lan_and_turn():
    """The TURN server restarts meanwhile, and is there later than we are."""
    def disturb(world, _):
        lab.end(world.turn, lab.signal.SIGKILL)
        move_in_lan(world, _)
        time.sleep(WITHOUT)
        world.coturn()

    play = Play("our address and the TURN server change at once", ["symmetric"], settings=TURN, disturb=disturb, seconds=26)
    play.told("address-changed")
    play.gap()


def lan_address_tcp():
    """The connection that the SRC opened is gone with our address: it is called at its Contact."""
    Play("our address in the LAN changes, SIP over TCP", ["symmetric"], settings=TURN, disturb=move_in_lan, seconds=20,
         transport="tcp").told("address-changed")


def srs_reboot_tcp():
    """The relay's mapping and the connection are lost at once."""
    Play("our NAT reboots, SIP over TCP", ["symmetric"], settings=TURN, disturb=reboot("srs"), seconds=22, transport="tcp").gap()


def reboot_and_restart():
    """Our NAT reboots, and a second later the TURN server restarts: what stands ready by then is known to nobody."""
    def disturb(world, _):
        world.routers["srs"][-1].forget()
        time.sleep(1)
        lab.end(world.turn, lab.signal.SIGKILL)
        lab.harness.wait_for(lambda: not world.servers.listens(f"{lab.SERVERS}.1:3478"), 10)
        world.coturn()

    Play("our NAT reboots, then the TURN server", ["symmetric"], settings=TURN, disturb=disturb, seconds=24).gap()


def forgetful(world):
    for routers in world.routers.values():
        for router in routers:
            router.space.sysctl(**FORGETFUL)


HOLD = "wait 5s; hold inactive; wait 22s; resume; wait 7s"


def script(text):
    path = lab.pathlib.Path(lab.tempfile.mkdtemp()) / "script"
    path.write_text(text.replace("; ", "\n") + "\n")
    return ["--script", path]


def hold():
    Play("held longer than mappings live", ["masquerade"], settings=TURN, before=forgetful, call=script(HOLD), seconds=34)


def hold_relayed():
    Play("held, over a relay", ["symmetric"], settings=TURN, before=forgetful, call=script(HOLD), seconds=34)


def silent_port():
    Play("the SRC's port moves without a word", call=script("wait 6s; port silent; wait 8s"), seconds=14)


def silent_port_stun():
    Play("the same towards our NAT", ["masquerade"], settings=TURN, call=script("wait 6s; port silent; wait 14s"), seconds=20)


def silent_port_relayed():
    Play("the same towards a relay", ["symmetric"], settings=TURN, call=script("wait 6s; port silent; wait 8s"), seconds=14)


def both_symmetric():
    play = Play("symmetric NATs on both sides", ["symmetric"], ["symmetric"], settings=TURN, seconds=8, decode=True)
    tap.equal({s["path"] for s in play.streams}, {"relay"}, f"{play.what}: by the relay", *play.details)


def nat_that_forgets():
    """Our NAT forgets within 8 s what only comes in, and no server can tell that: the first call shows it, once, and
    loses what silence takes to be noticed; the next loses nothing."""
    nat = ("box", "mapping=independent", "filtering=address", "ports=kept", "initial=8", "established=8", "inbound=0")
    with lab.World([nat]) as world:
        world.classic_stun()
        with world.siprecd() as recorder:
            lab.harness.wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)
            for which, seconds, least, most in (("the first call shows it", 18, 100, 400), ("the next is whole", 14, 0, 25)):
                status, report = world.call(seconds=seconds)
                streams = ((status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}).get("streams", [])
                lost = [s["lost"] for s in streams]
                tap.ok(len(lost) == 2 and all(least <= n <= most for n in lost), f"our NAT forgets soon: {which}", lost,
                       report, streams, recorder.log()[-4000:])


PARTS = [[srs_reboot, srs_box_reboot, src_reboot, relayed_reboot],
         [public_address, silent_port, silent_port_relayed, nat_that_forgets],
         [hold, hold_relayed],
         [silent_port_stun, both_symmetric, lan_address_twice],
         [lan_address, lan_and_turn],
         [lan_address_tcp, srs_reboot_tcp, reboot_and_restart]]
for function in lab.chosen(PARTS, lambda function: function.__name__):
    function()
tap.done()
