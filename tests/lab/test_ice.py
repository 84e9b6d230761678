#!/usr/bin/env python3
"""SRCs that speak ICE, between real hosts: rows of doc/nat.md's table A for each kind of network of ours. Each plays a
call and hears it; the pair that ICE chose is the table's. The SRC is libnice; where it is aioice or siprec-call the play
says so.
Use: test_ice.py BUILD [PART | PLAY ...]."""
import threading
import time

import lab
from harness import Tap, near, wait_for
from nicesrc import NiceCall, Source, aioice, has_aioice, libnice

lab.enter()
tap = Tap()
SERVER = f"{lab.SERVERS}.1"
TURN = {"TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD, "TURN_SERVERS": f"turn:{SERVER}:3478"}
TCP = dict(TURN, TURN_SERVERS=f"turn:{SERVER}:3478?transport=tcp")
TCP443 = dict(TURN, TURN_SERVERS=f"turn:{SERVER}:443?transport=tcp")
TWO = dict(TURN, TURN_SERVERS=f"{TURN['TURN_SERVERS']},turn:{lab.SERVERS}.3:3478")
TWO_TCP = dict(TCP, TURN_SERVERS=f"{TCP['TURN_SERVERS']},turn:{lab.SERVERS}.3:3478?transport=tcp")
STUN = {"STUN_SERVERS": f"{SERVER}:3478"}
STATIC = {"EXTERNAL_IP": f"{lab.SRS}.1", "BEHIND_NAT": "true"}
RELAY = [f"turn={SERVER}:3478", f"user={lab.TURN_USER}", f"password={lab.TURN_PASSWORD}"]
HEARD = 200  # packets: four seconds
RETURNS = 6  # seconds: two until media is there again (doc/nat.md 9), the rest for counting and for a busy machine


def box(mapping, filtering):
    words = {"E": "independent", "A": "address", "AP": "address-port"}
    return ("box", f"mapping={words[mapping]}", f"filtering={words[filtering]}", "scope=mapping", "ports=random")


class Play:
    """pairs: what the table allows; has_relay: libnice has a TURN server of its own; tcp: it speaks TCP and nothing else; late:
    the TURN server starts when the call has been answered; first: the SRC's NAT is opened from inside before anything of ours
    gets there, however slow the SRC is."""

    def __init__(self, name, pairs, srs=(), src=(), settings=None, arguments=(), has_relay=False, tcp=False, own=None,
                 streams=2, transport="tcp", driver=libnice, late=False, first=False):
        self.name, self.pairs = name, pairs
        if driver == aioice and not has_aioice():
            tap.skip(name, "python3-aioice is not installed")
            return
        with lab.World(srs, src) as world:
            if not late:
                world.coturn()
            world.classic_stun()
            with world.siprecd(*arguments, environment=settings) as recorder:
                recorder.uri = f"sip:srs@{lab.SRS}.1:{lab.SIP}"
                wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)
                relays = bool(settings and "TURN_SERVERS" in settings) and not late
                wait_for(lambda: not relays or recorder.metric("siprecd_relays_ready"), 20)
                own = "192.168.20.2" if src else f"{lab.SRC}.1"
                more = ["tcp"] if tcp else [f"stun={lab.SERVERS}.4:19302" if late else f"stun={SERVER}:3478"]
                source = Source(streams, 1, "controlling", "regular", f"address={own}", *more, *(RELAY if has_relay else []),
                                enter=world.src.enter, driver=driver)
                if first:
                    self.let_src_open(world, streams)
                with world.src.inside():
                    call = NiceCall(recorder, source, to=(f"{lab.SRS}.1", lab.SIP), own=own, transport=transport,
                                    trickle=transport == "udp", answered=world.coturn if late else lambda: self.cross(world))
                self.call = call
                outcome = source.outcome()
                comes = outcome == "ready" and call.hears(HEARD, 30)
                call.end()
                recording = recorder.recording(call.call_id, seconds=30) or {}
                self.judge(recorder, recording, call, outcome, comes)

    @staticmethod
    def let_src_open(world, streams):
        """siprecd waits for the SRC's first check (ICE_HOLD_MS), but a machine at its limit may starve libnice for longer; what we send
        then moves its port at Linux's NAT."""
        router = world.routers["src"][-1].space
        world.srs.nft(f"table ip shut {{ chain out {{ type filter hook output priority 0; udp sport {lab.RTP[0]}-{lab.RTP[1]} drop; }}; }}")

        def until_open():
            wait_for(lambda: router.run("conntrack", "-L", "-p", "udp", "--dst", f"{lab.SRS}.1", check=False).count("sport=") >= 2 * streams, 20)
            world.srs.nft("")
        threading.Thread(target=until_open).start()

    @staticmethod
    def cross(world):
        """The answer takes its time on a real network, these cables need none: it arrives once siprecd, which sends before
        it answers, has been through its own NAT."""
        if world.routers["srs"] and world.routers["srs"][-1].kind == "masquerade":
            router = world.routers["srs"][-1].space
            wait_for(lambda: f"dst={lab.SRC}.1 sport=" in router.run("conntrack", "-L", "-p", "udp", check=False), 3)

    def judge(self, recorder, recording, call, outcome, comes):
        heard = recorder.heard(recording, 1) if recording.get("id") else []
        self.streams = recording.get("streams", [])
        self.verdicts = [s.get("verdict") or {} for s in self.streams]
        self.details = (outcome, heard, self.streams, recording.get("warnings"), call.request, call.answer, recorder.nat(),
                        recorder.log()[-2000:])
        tap.ok(comes and len(heard) == len(self.streams) and all(near(hz, 440 + 220 * i) for i, hz in enumerate(heard)),
               f"{self.name}: the call is heard", *self.details)
        found = {v.get("path") for v in self.verdicts}
        tap.ok(found and found <= set(self.pairs), f"{self.name}: by {found}", f"want {self.pairs}", *self.details)

    def relayed(self, transport):
        """The verdict names the relay, and how far it is."""
        relays = [s.get("relay") or {} for s in self.streams]
        tap.ok(relays and all(r.get("server", "").startswith(SERVER) and r.get("transport") == transport
                              and r.get("rtt_ms") is not None for r in relays),
               f"{self.name}: the relay is named, with its round trip", relays, *self.details)
        tap.ok(all(s["path"] == "relay" for s in self.streams), f"{self.name}: the path is a relay", *self.details)


def tool(name, paths, srs=(), src=(), settings=None, ice="full", transport="tcp", streams=2, before=lambda world: None):
    """siprec-call, which knows nobody but its host; its report."""
    with lab.World(srs, src) as world:
        world.coturn()
        world.classic_stun()
        before(world)
        with world.siprecd(environment=settings) as recorder:
            wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)
            relays = bool(settings and "TURN_SERVERS" in settings)
            wait_for(lambda: not relays or recorder.metric("siprecd_relays_ready"), 20)
            status, report = world.call("--ice", ice, seconds=6, transport=transport, streams=streams)
            recording = (status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}
            heard = recorder.heard(recording, 3) if recording.get("id") else []
            details = (heard, report, recording, recorder.nat(), recorder.log()[-3000:])
            tap.ok(len(heard) == streams and all(near(hz, 440 + 220 * i) for i, hz in enumerate(heard)),
                   f"{name}: the call is heard", *details)
            found = {(s.get("verdict") or {}).get("path") for s in recording.get("streams", [])}
            tap.ok(found and found <= set(paths), f"{name}: by {found}", f"want {paths}", *details)
            return report


def tool_trickles(name):
    """siprec-call offers no candidate, and no address; the answer has but the relay's, which nobody reaches. What both tell by
    INFO is the only way."""
    def shuts_relay(world):
        world.src.nft(f"table ip shut {{ chain in {{ type filter hook input priority 0; ip saddr {SERVER} drop; }}; }}")

    report = tool(name, ["S-D"], ["masquerade"], settings=dict(STUN, **TURN), ice="trickle", transport="udp", streams=4,
                  before=shuts_relay)
    tap.ok(all(s.get("trickled", 0) > 1 for s in report["streams"]) and not report["notes"],
           f"{name}: more than one candidate a stream came by INFO", report)


def trail(stream):
    return [step["event"] for step in (stream.get("verdict") or {}).get("trail", [])]


def hear_relays_alone(world):
    world.src.nft(f"table ip shut {{ chain in {{ type filter hook input priority 0; ip saddr {lab.SRS}.0/24 udp sport != {lab.SIP} drop; }}; }}")


def restarted(name, change, pairs, srs=(), settings=None, tells="address-changed", before=lambda world: None):
    """Our address changes in mid-call, or the relay: we offer anew, ICE restarts, and it is one recording, with its gap."""
    with lab.World(srs) as world:
        world.turn = world.coturn()
        world.coturn(f"{lab.SERVERS}.3", None)
        world.classic_stun()
        before(world)
        with world.siprecd(environment=settings) as recorder:
            recorder.uri = f"sip:srs@{lab.SRS}.1:{lab.SIP}"
            wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)
            source = Source(2, 1, "controlling", "regular", f"address={lab.SRC}.1", f"stun={SERVER}:3478", enter=world.src.enter)
            with world.src.inside():
                call = NiceCall(recorder, source, to=(f"{lab.SRS}.1", lab.SIP), own=f"{lab.SRC}.1", transport="udp")
            at_first = source.outcome() == "ready" and call.hears(HEARD, 30)
            change(world)
            changed = time.monotonic()
            anew = wait_for(lambda: any(r.startswith("INVITE") for r in call.served), 20)
            after = anew and source.outcome() == "ready" and call.hears(25, 20)
            took = time.monotonic() - changed
            call.hears(HEARD, 20)
            call.end()
            recording = recorder.recording(call.call_id, seconds=30) or {}
            all_of_it = [r for r in recorder.recordings() if r.get("call_id") == call.call_id]
            streams = recording.get("streams", [])
            length = recording.get("duration_ms", 0) / 1000
            heard = recorder.heard(recording, max(length - 3, 0)) if recording.get("id") else []
            details = (at_first, anew, after, took, heard, call.served, streams, recording.get("warnings"), source.states,
                       recorder.log()[-3000:])
            tap.ok(at_first and after, f"{name}: heard before and after", *details)
            tap.ok(took < RETURNS, f"{name}: within {RETURNS} s: {took:.1f}", *details)
            tap.ok(len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{name}: the tones go on", *details)
            tap.equal(len(all_of_it), 1, f"{name}: one recording", *details)
            found = {(s.get("verdict") or {}).get("path") for s in streams}
            tap.ok(found and found <= set(pairs), f"{name}: by {found}", f"want {pairs}", *details)
            tap.ok(streams and all(tells in trail(s) for s in streams), f"{name}: the verdict tells it", *details)
            # From a second on it is a gap; below that, packets lost.
            lost = [s["lost"] for s in streams]
            gaps = [w["text"] for w in recording.get("warnings", []) if w["code"] == "gap"]
            tap.ok((gaps or all(0 < n < 50 for n in lost)) and all(f"({tells})" in text for text in gaps),
                   f"{name}: what is missing is stated, and why", *details)


def kill_turn(world):
    lab.end(world.turn, lab.signal.SIGKILL)


def move_in_lan(world):
    host = world.srs
    host.run("ip", "addr", "del", "192.168.10.2/24", "dev", "eth")
    host.run("ip", "addr", "add", "192.168.10.7/24", "dev", "eth")
    host.run("ip", "route", "replace", "default", "via", "192.168.10.1")


def leaves_relay(name):
    """While paths are sought nothing gets through but by our relay; then all does, and the call goes over to the direct one."""
    with lab.World(["masquerade"]) as world:
        world.coturn()
        world.classic_stun()
        with world.siprecd(environment=dict(STUN, **TURN)) as recorder:
            recorder.uri = f"sip:srs@{lab.SRS}.1:{lab.SIP}"
            wait_for(lambda: (recorder.nat() or {}).get("state") == "known" and recorder.metric("siprecd_relays_ready"), 20)
            hear_relays_alone(world)
            source = Source(2, 1, "controlling", "regular", f"address={lab.SRC}.1", f"stun={SERVER}:3478", enter=world.src.enter)
            with world.src.inside():
                call = NiceCall(recorder, source, to=(f"{lab.SRS}.1", lab.SIP), own=f"{lab.SRC}.1")
            before = source.outcome() == "ready" and call.hears(50, 20)
            world.src.nft("")
            anew = wait_for(lambda: any(r.startswith("INVITE") for r in call.served), 20)
            after = anew and source.outcome() == "ready" and call.hears(HEARD, 20)
            call.end()
            recording = recorder.recording(call.call_id, seconds=30) or {}
            streams = recording.get("streams", [])
            heard = recorder.heard(recording, 1) if recording.get("id") else []
            details = (before, anew, after, heard, call.served, streams, recording.get("warnings"), recorder.log()[-3000:])
            tap.ok(before and after and len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{name}: heard", *details)
            found = {(s.get("verdict") or {}).get("path") for s in streams}
            tap.ok(found == {"S-D"}, f"{name}: by {found}", *details)


def both_symmetric():
    """Neither sees the other's port, and the SRC has no relay: ours carries it."""
    Play("symmetric x symmetric", ["Rw-P"], ["symmetric"], ["symmetric"], TURN).relayed("udp")


def short_answer(name):
    """Over UDP an answer with all candidates of four streams does not fit: the relay's stand in it, the rest comes by INFO."""
    play = Play(name, ["S-D"], ["masquerade"], settings=dict(STUN, **TURN), streams=4, transport="udp")
    answer, told = play.call.answer, "".join(play.call.fragments)
    tap.ok(len(answer) <= 1300 or answer.count("a=candidate") == 4, f"{name}: one candidate a stream", len(answer), answer)
    tap.ok("end-of-candidates" not in answer and told.count("a=end-of-candidates") >= 4 and " typ srflx" in told,
           f"{name}: the rest, and the end, in INFO", answer, told)


def late_relay(name, transport):
    """No relay stands ready when the call comes, and nothing but one leads through: it is told when it does, by INFO (RFC 8840)
    where the SRC takes that, else by an offer."""
    play = Play(name, ["Rw-P", "Rt-P"], ["symmetric"], ["symmetric"], TURN, transport=transport, late=True)
    told = [r for r in play.call.served if r.startswith("INFO" if transport == "udp" else "INVITE")]
    tap.ok(" typ relay" not in play.call.answer and " typ relay" in "".join(told),
           f"{name}: the relay is told later", play.call.answer, play.call.served)


def of_two_families(name, world, recorder, addresses):
    """A call of libnice's with these addresses, which is heard; its answer, its streams, and what to print where more is wrong."""
    source = Source(2, 1, "controlling", "regular", *(f"address={a}" for a in addresses), enter=world.src.enter)
    with world.src.inside():
        call = NiceCall(recorder, source, to=(f"{lab.SRS}.1", lab.SIP), own=f"{lab.SRC}.1")
    comes = source.outcome() == "ready" and call.hears(HEARD, 30)
    call.end()
    recording = recorder.recording(call.call_id, seconds=30) or {}
    heard = recorder.heard(recording, 1) if recording.get("id") else []
    streams = recording.get("streams", [])
    details = (heard, call.request, call.answer, streams, recording.get("warnings"), recorder.nat(), recorder.log()[-3000:])
    tap.ok(comes and len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{name}: the call is heard", *details)
    return call.answer, streams, details


def shuts(world, family):
    """No media leaves the SRC's host by that family."""
    world.src.nft(f"table inet t {{ chain c {{ type filter hook output priority 0; meta nfproto {family} udp dport 10000-65535 drop; }}; }}")


def both_families(name, broken, pairs, srs=(), settings=None):
    """The SRC has IPv4 and IPv6 candidates on each m-line, its c= names the family that is broken; ours are of both, IPv6
    first (RFC 8421 4), and the call is heard over the other."""
    six = f"[::]:{lab.SIP}"
    with lab.World(srs, v6="open") as world:
        world.coturn()
        world.classic_stun()
        with world.siprecd(f"--sip.listen=tcp:{six},tcp:0.0.0.0:{lab.SIP}", environment=settings) as recorder:
            recorder.uri = f"sip:srs@{lab.SRS}.1:{lab.SIP}"
            wait_for(lambda: (recorder.nat() or {}).get("state") == "known", 10)
            shuts(world, broken)
            addresses = [f"{lab.SRC}.1", f"{lab.SRC6}1"]
            answer, streams, details = of_two_families(name, world, recorder, addresses[::-1] if broken == "ipv6" else addresses)
            found = {(s.get("verdict") or {}).get("path") for s in streams}
            tap.ok(found and found <= set(pairs), f"{name}: by {found}", f"want {pairs}", *details)
            hosts = [line.split() for line in answer.splitlines() if " typ host" in line]
            best = max(hosts, key=lambda words: int(words[3]), default=[""] * 5)
            tap.ok(len(hosts) == 4 and ":" in best[4], f"{name}: both families in the answer, IPv6 first", *details)
            tap.ok(wait_for(lambda: recorder.metric("siprecd_ports_lent") == 0, 10), f"{name}: all ports come back",
                   recorder.metric("siprecd_ports_lent"))


def bridged(name):
    """Only IPv6 leads to the SRC, and we have none: our relay's address of that family is told, and carries the call."""
    with lab.World(v6="open") as world:
        world.coturn(SERVER, f"{lab.SERVERS}.2", "-L", f"{lab.SERVERS6}1", "-E", f"{lab.SERVERS6}1")
        world.srs.run("ip", "-6", "addr", "flush", "dev", "eth", "scope", "global")
        with world.siprecd(environment=TURN) as recorder:
            recorder.uri = f"sip:srs@{lab.SRS}.1:{lab.SIP}"
            wait_for(lambda: (recorder.nat() or {}).get("state") == "known" and recorder.metric("siprecd_relays_ready"), 20)
            shuts(world, "ipv4")
            _, streams, details = of_two_families(name, world, recorder, [f"{lab.SRC}.1", f"{lab.SRC6}1"])
            tap.equal({(s.get("verdict") or {}).get("path") for s in streams}, {"Rw6-D6"}, f"{name}: by the relay's IPv6", *details)
            tap.equal({s["path"] for s in streams}, {"relay"}, f"{name}: the path is a relay", *details)


def tcp_only():
    Play("UDP blocked x EIM+APDF", ["Rt-S"], ["tcp-only"], ["masquerade"], TCP).relayed("tcp")


PARTS = [
    [("open x open", lambda n: tool(n, ["D-D"])),
     ("open x lite", lambda n: tool(n, ["D-D"], ice="lite")),
     ("siprec-call trickles", tool_trickles),
     ("open x EIM+APDF", lambda n: Play(n, ["D-S"], src=["masquerade"], first=True)),
     ("open x EDM+APDF", lambda n: Play(n, ["D-P"], src=["symmetric"])),
     ("open x UDP blocked", lambda n: Play(n, ["T-P"], src=["tcp-only"], arguments=["--rtp.tcp_port=443"], tcp=True)),
     ("1:1 x EIM+APDF", lambda n: Play(n, ["M-S"], ["1:1"], ["masquerade"], STATIC)),
     ("aioice: EIM+APDF x EIM+APDF", lambda n: Play(n, ["S-S"], ["masquerade"], ["masquerade"], dict(STUN, **TURN), driver=aioice))],
    [("PCP x EIM+APDF", lambda n: Play(n, ["M-S"], ["pcp"], ["masquerade"])),
     ("EIM+EIF x EDM+APDF", lambda n: Play(n, ["S-P"], [box("E", "E")], ["symmetric"], STUN)),
     ("EIM+ADF x EDM+APDF", lambda n: Play(n, ["S-P"], [box("E", "A")], ["symmetric"], STUN)),
     ("EIM+APDF x open", lambda n: Play(n, ["S-D"], ["masquerade"], settings=STUN)),
     ("EIM+APDF x EIM+APDF", lambda n: Play(n, ["S-S"], ["masquerade"], ["masquerade"], dict(STUN, **TURN), has_relay=True)),
     ("EIM+APDF x EIM+APDF, ports moved", lambda n: Play(n, ["S-S"], [box("E", "AP")], [box("E", "AP")], STUN))],
    [("EIM+APDF x EDM+APDF", lambda n: Play(n, ["Rw-P"], ["masquerade"], ["symmetric"], dict(STUN, **TURN)).relayed("udp")),
     ("EDM+APDF x open", lambda n: Play(n, ["P-D"], ["symmetric"], settings=TURN)),
     ("EDM+APDF x EIM+APDF", lambda n: Play(n, ["Rw-S"], ["symmetric"], ["masquerade"], TURN).relayed("udp")),
     ("EDM+APDF x EDM+APDF", lambda n: both_symmetric()),
     ("EDM+APDF x EIM+ADF", lambda n: Play(n, ["P-S"], ["symmetric"], [box("E", "A")], TURN))],
    [("CGN x EIM+APDF", lambda n: Play(n, ["S-S"], ["masquerade", box("E", "AP")], ["masquerade"], dict(STUN, **TURN))),
     ("CGN EDM x EIM+EIF", lambda n: Play(n, ["P-S"], ["masquerade", "symmetric"], [box("E", "E")], dict(STUN, **TURN))),
     ("UDP blocked x EIM+APDF", lambda n: tcp_only()),
     ("candidates by INFO", short_answer),
     ("a relay comes late, by INFO", lambda n: late_relay(n, "udp")),
     ("a relay comes late, by an offer", lambda n: late_relay(n, "tcp")),
     ("the relay's server dies", lambda n: restarted(n, kill_turn, ["Rw-D", "Rt-D"], ["symmetric"], TWO, "relay-lost", hear_relays_alone)),
     ("the relay's server dies, TCP", lambda n: restarted(n, kill_turn, ["Rt-D"], ["tcp-only"], TWO_TCP, "relay-lost")),
     ("443 only x open", lambda n: Play(n, ["Rt-D"], ["443-only"], settings=TCP443).relayed("tcp"))],
    [("EIM+APDF x EIM+APDF, no STUN there", lambda n: tool(n, ["S-S", "Rw-S", "Rw-P"], ["masquerade"], ["masquerade"],
                                                         dict(STUN, **TURN))),
     ("a relay is left", leaves_relay),
     ("a relay of a family that we have not", bridged),
     ("our public address changes", lambda n: restarted(n, lab.World.move_in_public, ["D-D"])),
     ("our LAN address changes", lambda n: restarted(n, move_in_lan, ["S-D", "P-D"], ["masquerade"], STUN)),
     ("both families, IPv4 broken", lambda n: both_families(n, "ipv4", ["D6-D6"])),
     ("both families, IPv6 broken", lambda n: both_families(n, "ipv6", ["S-D"], ["masquerade"], STUN))],
]
for name, play in lab.chosen(PARTS, lambda named: named[0]):
    play(name)
tap.done()
