#!/usr/bin/env python3
"""Networks that are more than a NAT: IPv6 beside it or alone, firewalls, ways out over TCP, TLS and a proxy only, calls
that come down a registration. Each plays two calls and hears them; the path is what doc/nat.md says.
Use: test_networks.py BUILD [PART PARTS | PLAY ...]."""
import re
import sys

import lab
from harness import ROOT, Tap, near, wait_for

sys.path.insert(0, str(ROOT / "tests" / "interop" / "network"))
import place  # noqa: E402

lab.enter()
tap = Tap()
TURN = {"TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
UDP = dict(TURN, TURN_SERVERS=f"turn:{lab.SERVERS}.1:3478")
NAME, SBC = "turn.example.com", "sbc.example.com"
TLS = dict(TURN, TURN_SERVERS=f"turns:{NAME}:443")
SIX = [f"--sip.listen=udp:[::]:{lab.SIP},tcp:[::]:{lab.SIP},udp:0.0.0.0:{lab.SIP},tcp:0.0.0.0:{lab.SIP}"]
US6, BEHIND6, SERVER6 = f"[{lab.SRS6}1]", f"[{lab.SRS6.removesuffix(':')}1::2]", f"{lab.SERVERS6}1"
PLAYS = []


class Play:
    """paths: of the first call and the next (None: any). register: sip.register's value, and calls go to the registrar.
    names: the only ones that siprecd's host knows (lines of /etc/hosts); else all."""

    def __init__(self, name, srs=(), src=(), settings=None, arguments=(), call=(), paths=(None, None), to=None, tls=False,
                 register=None, transport="tcp", v6=False, relay_over=None, warm=False, before=None, seconds=5, check=None,
                 src_v4=True, sip=True, names=None, conf=None, **world):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
        PLAYS.append(self)

    def run(self):
        with lab.World(self.srs, self.src, v6=self.v6, sip=self.sip, **self.world) as world:
            six = ["-L", SERVER6, "-E", SERVER6] if self.v6 else []
            world.coturn(f"{lab.SERVERS}.1", f"{lab.SERVERS}.2", *six, tls=NAME if self.tls else None)
            world.classic_stun()
            words, to = list(self.arguments), self.to
            if self.conf:
                (world.folder / "siprecd.conf").write_text(self.conf)
                words += ["-c", world.folder / "siprecd.conf"]
            self.registers = self.register or "register" in (self.conf or "")
            if self.registers:
                world.kamailio()
                to = to or f"{lab.SERVERS}.6"
            if self.register:
                words += [f"--sip.register={self.register}", "--sip.register_username=recorder",
                          "--sip.register_password=secret"]
            if self.tls or self.registers:
                words.append(f"--sip.tls_ca={world.authority().pem}")
            if not self.src_v4:
                world.src.run("ip", "-4", "address", "flush", "dev", "eth")
            if self.before:
                self.before(world)
            recorder = world.siprecd(*words, environment=self.settings)
            if self.names:
                (world.folder / "few").write_text("127.0.0.1 localhost\n" + self.names)
                blind = f'mount --bind {world.folder}/few /etc/hosts && exec "$0" "$@"'
                recorder.arguments[len(world.srs.enter):0] = ["unshare", "-m", "sh", "-c", blind]
            with recorder:
                self.settled(recorder)
                for number, path in enumerate(self.paths):
                    self.hear(world, recorder, to, path, "first call" if number == 0 else "next call")
                if self.check:
                    self.check(self, world, recorder)

    def settled(self, recorder):
        wait_for(lambda: recorder.nat().get("state") == "known", 20)
        if self.warm:
            wait_for(lambda: any(r["state"] == "serving" and r.get("ready", 0) > 0 for r in recorder.nat().get("relays", [])), 30)
        if self.registers:
            wait_for(lambda: any(r.get("state") == "registered" for r in recorder.nat().get("registrations", [])), 30)

    def hear(self, world, recorder, to, path, which):
        status, report = world.call(*self.call, to=to, transport=self.transport, seconds=self.seconds,
                                    user="recorder" if self.registers else "srs")
        recording = (status == 0 and recorder.recording(report["call_id"], seconds=30)) or {}
        heard = recorder.heard(recording, 2 if self.seconds < 8 else 3) if recording.get("id") else []
        streams = recording.get("streams", [])
        details = (heard, report, recording, recorder.nat(), recorder.log()[-3000:])
        want = [440 + 220 * n for n in range(len(heard))]
        tap.ok(len(heard) == 2 and all(near(h, w) for h, w in zip(heard, want)),
               f"{self.name}: {which} is heard ({sorted({s['path'] for s in streams})})", *details)
        if path:
            tap.equal({s["path"] for s in streams}, {path}, f"{self.name}: {which} by {path}", *details)
        if self.relay_over:
            tap.equal({(s.get("relay") or {}).get("transport") for s in streams}, {self.relay_over},
                      f"{self.name}: {which} over {self.relay_over}", streams)


# Both families, the old one behind a NAT: each call by its own.
Play("dual stack, IPv4 behind a NAT, called over IPv4", ["symmetric"], v6="open", settings=UDP, arguments=SIX,
     paths=("relay", "relay"))
Play("dual stack, IPv4 behind a NAT, called over IPv6", ["symmetric"], v6="open", settings=UDP, arguments=SIX, to=BEHIND6,
     paths=("host", "host"))
Play("an SRC that has IPv6 alone", ["masquerade"], v6="open", arguments=SIX, to=BEHIND6, src_v4=False, paths=("host", "host"))
# A firewall for IPv6: what answers comes in, and we have to have sent first.
Play("IPv6 behind a firewall", ["masquerade"], v6="firewall", arguments=SIX, to=BEHIND6, paths=("host", "host"))
Play("IPv6 behind a firewall, the SRC sends from another port", ["masquerade"], v6="firewall", arguments=SIX, to=BEHIND6,
     settings=dict(TURN, TURN_SERVERS=f"turn:[{SERVER6}]:3478"), call=["--send-from", "port"], paths=(None, "relay"), warm=True,
     seconds=8)


def routers_as_they_are(world):
    """The next hop of IPv6 is the router's link-local address, as router advertisements have it."""
    world.routers["srs"][0].space.run("ip", "-6", "addr", "add", "fe80::1/64", "dev", "lan", "nodad")
    world.srs.run("ip", "-6", "route", "replace", "default", "via", "fe80::1", "dev", "eth")


Play("IPv6 behind a firewall that opens by PCP, the SRC sends from another port", ["pcp"], v6="firewall", sip=False, arguments=SIX,
     to=BEHIND6, call=["--send-from", "port"], paths=(None, "mapped"), before=routers_as_they_are)
Play("IPv6 behind a firewall, the SRC latches", ["masquerade"], v6="firewall", arguments=SIX, to=BEHIND6, call=["--latch"],
     paths=("host", "host"))
# No UDP.
Play("no UDP gets out, TURN over TLS", ["tcp-only"], settings=TLS, tls=True, warm=True, paths=("relay", "relay"),
     relay_over="tls")
Play("443 alone gets out, called down a registration", ["443-only"], settings=TLS, tls=True, warm=True, sip=False,
     register=f"sip:recorder@{SBC}:443;transport=tls", paths=("relay", "relay"), relay_over="tls")
# Nobody can call us, so we register.
for transport in ("udp", "tcp", "tls"):
    port = ":5061" if transport == "tls" else ":5060"
    Play(f"symmetric NAT, called down a registration over {transport}", ["symmetric"], settings=UDP, warm=True, sip=False,
         register=f"sip:recorder@{SBC}{port};transport={transport}", paths=("relay",), relay_over="udp")
Play("masquerade, called down a registration, punched", ["masquerade"], settings=UDP, warm=True, sip=False,
     register=f"sip:recorder@{SBC}:5060;transport=tcp")
# An INVITE that does not fit one packet.
BOX = ("box", "mapping=independent", "filtering=address-port", "ports=random")


def went_in_pieces(play, world, _):
    names, values = (line.split() for line in world.src.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Ip:"))
    made = int(values[names.index("FragCreates")])
    tap.ok(made >= 4, f"{play.name}: two fragments at the least a call", made)


Play("NATs on both sides, SIP over UDP in fragments", [BOX], [BOX], settings=dict(UDP, STUN_SERVERS=f"{lab.SERVERS}.1:3478"), transport="udp",
     warm=True, check=went_in_pieces)
# The set-ups of README.md, word for word; addresses and secrets are this world's.


def readme(words):
    """What stands in `code` in the item that begins so."""
    item = re.search(r"^- \*\*" + words + r"\*\*:(.*?)(?=^- |^$)", (ROOT / "README.md").read_text(), re.M | re.S).group(1)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", item)]


def settings_of(code, **here):
    return dict(dict(word.split("=", 1) for word in code.split()), **here)


DEFAULTS = ["--rtp.port_min=10000", "--rtp.port_max=20000"]
FORWARDED = ("forwarded", "rtp=10000-20000")
by_hand, = readme("An office router")
outside, register, password = readme("A locked-down enterprise")
Play("README: a cloud VM", ["1:1"], arguments=DEFAULTS)
Play("README: an office router that maps ports", ["pcp"], arguments=DEFAULTS, paths=("mapped", "mapped"))
Play("README: an office router, forwarded by hand", [FORWARDED], arguments=DEFAULTS, paths=("static", "static"),
     settings=settings_of(by_hand, EXTERNAL_IP=f"{lab.SRS}.1"))
Play("README: a locked-down enterprise", ["proxy-only"], settings=settings_of(outside, TURN_PASSWORD=lab.TURN_PASSWORD), tls=True,
     warm=True, sip=False, paths=("relay", "relay"), relay_over="tls", names="192.168.10.1 proxy\n",
     conf=f"{register.replace('] ', ']' + chr(10))}\n{password} = secret\n")
# Those of doc/nat.md.


def chapter(words):
    """The lines to paste of the paragraph that begins so."""
    text = (ROOT / "doc" / "nat.md").read_text().split("\n## 16. ")[1]
    block = re.search(r"^\*\*" + words + r"\.\*\*.*?\n\n((?:    [^\n]*\n)+)", text, re.M | re.S).group(1)
    return "".join(line[4:] + "\n" for line in block.splitlines())


def in_a_cloud(world):
    """Its metadata service, its firmware, and a packet filter that lets nothing in, as Debian's; then what is to be pasted."""
    place.hide_firmware()
    place.firmware("gcp")
    place.metadata_is_there(world)
    world.fake = place.Fake(world, "gcp", place.METADATA, says=f"{lab.SRS}.1")
    world.srs.nft("table inet filter { chain input { type filter hook input priority 0; policy drop\n"
                  "iif lo accept\n ct state established,related accept\n}\n}\n")
    world.srs.run("sh", "-ec", chapter("A cloud VM"))


def out_of_the_cloud(play, world, recorder):
    tap.equal(place.told(recorder, "metadata"), [f"{lab.SRS}.1"], f"{play.name}: metadata tell the address", recorder.nat())
    place.show_firmware()


Play("doc/nat.md: a cloud VM", ["1:1"], src=["symmetric"], arguments=DEFAULTS, before=in_a_cloud, check=out_of_the_cloud,
     paths=(None,))
Play("doc/nat.md: an office router, forwarded by hand", [FORWARDED], src=["symmetric"], arguments=DEFAULTS, paths=("static",),
     conf=chapter("An office router").replace("203.0.113.7", f"{lab.SRS}.1"))
Play("doc/nat.md: a locked-down enterprise", ["proxy-only"], tls=True, warm=True, sip=False, paths=("relay",), relay_over="tls",
     names="192.168.10.1 proxy\n", conf=chapter("A locked-down enterprise"))
# ICE with a mapping.
Play("PCP, the SRC speaks ICE", ["pcp"], call=["--ice", "full"], paths=("mapped", "mapped"))

for play in lab.chosen(PLAYS, lambda play: play.name):
    play.run()
tap.done()
