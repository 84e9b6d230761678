#!/usr/bin/env python3
"""siprecctl doctor: each cause of silence made on purpose, and named: alone where something decides, among others
where nothing does. Use: test_doctor.py BUILD [PART PARTS | NAME ...]."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import lab
from harness import Tap, built, wait_for

lab.enter()
tap = Tap()
US, THEM, SERVER = f"{lab.SRS}.1", f"{lab.SRC}.1", f"{lab.SERVERS}.1"
RTP = f"{lab.RTP[0]}-{lab.RTP[1]}"
# Who can look from outside: a relay, a STUN server with two addresses, nobody.
RELAY = {"TURN_SERVERS": f"turn:{SERVER}:3478", "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
STUN = {"STUN_SERVERS": f"{SERVER}:3478"}
# With a call shorter than it takes to be answered with the relay.
RELAY6 = {**RELAY, "STUN_SERVERS": f"[{lab.SERVERS6}1]:3478"}
NOBODY = {}
# The settings that forwarded ports ask for.
STATIC = {"EXTERNAL_IP": US, "BEHIND_NAT": "true"}
LISTEN6 = [f"--sip.listen=udp:[::]:{lab.SIP},tcp:[::]:{lab.SIP}"]
SOMEBODY = f"{lab.SERVERS}.9"  # an address that is neither's
ELSEWHERE = f"{lab.SRC}.9"  # another address of the SRC


class Case:
    """One world, one call, and what the doctor is to say of it: causes alone (all of them certain), or among others."""

    def __init__(self, name, causes, settings, among=(), srs=(), src=(), call=(), script=None, before=None, during=None,
                 seconds=3, to=None, live=None, arguments=(), as_root=True, calls=True, transport="tcp", check=None, settle=False, full=False, coturn=(),
                 asked=None, beside=None, **world):
        self.name, self.causes, self.among, self.settings, self.srs, self.src = name, causes, among, settings, srs, src
        self.call, self.script, self.before, self.during, self.seconds = call, script, before, during, seconds
        self.to, self.live, self.arguments, self.as_root, self.calls = to, live, arguments, as_root, calls
        self.transport, self.check, self.settle, self.full, self.world_options = transport, check, settle, full, world
        self.coturn, self.asked = coturn, asked
        self.beside = beside or {}  # calls at the same time, of which the doctor is to say the same

    def play(self):
        with lab.World(self.srs, self.src, **self.world_options) as self.world:
            six = ["-L", f"{lab.SERVERS6}1", "-E", f"{lab.SERVERS6}1"] if self.world_options.get("v6") else []
            self.world.coturn(f"{SERVER}", f"{lab.SERVERS}.2", *six, *self.coturn)
            self.world.classic_stun()
            if not self.src and not self.world_options.get("lan_src"):
                self.world.src.run("ip", "addr", "add", f"{ELSEWHERE}/32", "dev", "eth")
                lab.run("ip", "route", "replace", ELSEWHERE, "dev", "c-src")
            with contextlib.ExitStack() as self.undo:
                recorder = self.world.siprecd(*self.arguments, environment=self.settings)
                self.disk = recorder.recordings_folder
                if self.full:
                    self.disk.mkdir()
                    lab.run("mount", "-t", "tmpfs", "-o", "size=2m", "none", self.disk)
                    self.undo.callback(lab.run, "umount", "-l", self.disk)
                self.recorder = self.undo.enter_context(recorder)
                wait_for(lambda: self.is_known(self.recorder.nat() or {}), 15)
                if self.before:
                    self.before(self)
                report = self.report_of_call()
                self.judge(report)
                if self.check:
                    self.check(self, report)
                if self.full:
                    (self.disk / "filler").unlink(missing_ok=True)  # what is held back is written before it ends

    def is_known(self, nat):
        """Where the test says so, how the NAT behaves, too, which takes longer."""
        return nat.get("state") == "known" and not (self.settle and nat.get("filtering") is None)

    def report_of_call(self):
        if not self.calls:
            return self.report()
        result, words = {}, list(self.call)
        if self.script:
            path = self.world.folder / "script"
            path.write_text(self.script.replace(";", "\n") + "\n")
            words += ["--script", path]
        calling = [threading.Thread(target=lambda: result.update(call=self.world.call(
            *words, to=self.to, seconds=self.seconds, transport=self.transport)[1]))]
        calling += [threading.Thread(target=self.call_beside, args=(result, name), kwargs=how) for name, how in self.beside.items()]
        for one in calling:
            one.start()
        if self.during or self.live:
            wait_for(self.streams, 10)
        if self.during:
            self.during(self)
        if self.live:
            self.live(self)
            report = self.report()
        for one in calling:
            one.join()
        self.called = result.pop("call")
        if self.live:
            return report
        # On a full disk nothing is finished.
        wait_for(lambda: self.full and self.recorder.metric("siprecd_disk_full")
                 or not any(r["state"] != "finished" for r in self.recorder.recordings()), 20)
        for name, called in result.items():
            self.judge(self.report(called["call_id"] or "no call at all"), f"{self.name}: {name}")
        return self.report(self.asked or self.called["call_id"])

    def call_beside(self, result, name, to=None, transport="tcp", arguments=()):
        result[name] = self.world.call(*arguments, to=to, seconds=self.seconds, transport=transport)[1]

    def src_has_sent(self):
        """UDP datagrams, as its host's kernel counts."""
        counts = self.world.src.run("sh", "-c", "grep ^Udp: /proc/net/snmp; grep Udp6OutDatagrams /proc/net/snmp6").splitlines()
        v4 = dict(zip(counts[0].split(), counts[1].split()))["OutDatagrams"]
        return int(v4) + int(counts[2].split()[1])

    def streams(self):
        """Of the newest recording."""
        found = self.recorder.recordings()
        return found[0].get("streams", []) if found else []

    def siprecctl(self, *words):
        enter = [] if self.as_root else ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
        return subprocess.run([*self.world.srs.enter, *enter, built("siprecctl"), *words], capture_output=True, text=True,
                              timeout=60)

    def report(self, call_id=None):
        began = time.monotonic()
        done = self.siprecctl("doctor", *([call_id] if call_id else []), "--json")
        self.asking = time.monotonic() - began
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {"findings": [], "verdict": done.stdout + done.stderr, "healthy": None, "decide": None}

    def judge(self, report, name=None):
        name = name or self.name
        found = [f["cause"] for f in report["findings"]]
        certain = [f["cause"] for f in report["findings"] if f["certainty"] == "certain"]
        details = (json.dumps(report, indent=1), self.recorder.nat(), self.streams(), getattr(self, "called", None),
                   self.recorder.log()[-1500:])
        if self.among:
            tap.ok(len(found) > 1 and not certain and set(self.among) <= set(found) and report["decide"],
                   f"{name}: {' and '.join(self.among)} among others", *details)
        else:
            said = sorted(found) == sorted(certain) == sorted(self.causes)
            tap.ok(said and report["healthy"] == (not self.causes),
                   f"{name}: {' and '.join(self.causes) or 'healthy'}", *details)


CASES = []


def of(*settings, **more):
    return {k: v for one in (*settings, more) for k, v in one.items()}


def case(name, causes, settings, **how):
    CASES.append(Case(name, causes.split(), settings, **how))


def among(name, causes, settings, **how):
    CASES.append(Case(name, [], settings, among=causes.split(), **how))


# ---- What is done to the worlds ---------------------------------------------------------------------

def host_drops(rules):
    return lambda c: c.world.srs.nft("table inet filter { chain input { type filter hook input priority 0; policy accept;\n"
                                     + rules + "\n}\n}\n")


STATEFUL = ("table inet mine { chain from-outside { type filter hook input priority 0; policy drop;\niif lo accept\n"
            "ct state established,related accept\ntcp dport 5060 accept\nudp dport 5060 accept\n}\n}\n")


def core_drops(rules):
    """A packet filter that is neither's: a cloud's security group, a provider's firewall."""
    def do(c):
        lab.run("nft", "-f", "-", stdin="table inet between { chain forward { type filter hook forward priority 0; "
                "policy accept;\n" + rules + "\n}\n}\n")
        c.undo.callback(lab.run, "nft", "delete", "table", "inet", "between")
    return do


def src_translates(rules):
    """The SRC's media goes elsewhere than it believes. Without conntrack, which takes it for answers to what we sent."""
    return lambda c: c.world.src.nft("table inet wrong { chain out { type filter hook output priority 0; policy accept;\n"
                                     + rules + "\n}\n}\n")


def in_call_translates(of_stream, to):
    """Once the ports are known; both streams are to be mute until then."""
    def do(c):
        ports = [s["advertised"].rpartition(":")[2] for s in c.streams()]
        src_translates(f"ip daddr 5.5.5.1 udp dport {ports[of_stream]} udp dport set {to(ports)}")(c)
    return do


def in_call_drops(of_stream):
    """This host's firewall drops what comes to that stream's RTP port, and nothing else."""
    def do(c):
        host_drops(f"udp dport {c.streams()[of_stream]['bound'].rpartition(':')[2]} drop")(c)
    return do


def paste(c, report):
    """The rule that doctor prints lets the next call be heard."""
    said = c.siprecctl("doctor").stdout
    rules = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    tap.ok(len(rules) == 1 and rules[0].startswith(f"{c.tool} ") and "as root" not in said, f"{c.name}: a rule to paste", said)
    c.world.srs.run("sh", "-c", rules[0])
    c.script, c.live = None, None
    again = c.report_of_call()
    tap.ok(again["healthy"], f"{c.name}: pasted, the next call is heard", json.dumps(again, indent=1), rules)


def ends_at_once(c, _):
    """Its own BYE would be waited for, half a minute long, from an SRC that does not hear it."""
    c.recorder.stop(signal.SIGKILL)


def names_first(cause):
    """The likeliest of those that are left."""
    return lambda c, report: tap.equal(report["findings"][0]["cause"], cause, f"{c.name}: {cause} is the likeliest", json.dumps(report, indent=1))


def pasted(tool):
    """By the tool that keeps those rules."""
    def do(c, report):
        c.tool = tool
        paste(c, report)
    return do


def iptables(*rules):
    def do(c):
        for rule in rules:
            c.world.srs.run("iptables-nft", *rule.split())
    return do


BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""


def firewalld(c):
    """The real one, on a bus of its own, with its own defaults, and SIP let in."""
    settings, socket_path = c.world.folder / "bus.conf", c.world.folder / "bus"
    settings.write_text(BUS.format(socket=socket_path))
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={socket_path}"
    c.world.srs.start("dbus-daemon", f"--config-file={settings}", "--nofork", "--nopidfile", log=c.world.folder / "bus.log")
    wait_for(socket_path.exists, 10)
    c.world.srs.start("firewalld", "--nofork", "--nopid", f"--log-file={c.world.folder}/firewalld.log",
                      log=c.world.folder / "firewalld.out")
    wait_for(lambda: "running" in c.world.srs.run("firewall-cmd", "--state", check=False), 30)
    c.world.srs.run("firewall-cmd", f"--add-port={lab.SIP}/tcp", f"--add-port={lab.SIP}/udp")


def counts_what_leaves(c):
    """For somebody else, by siprecd or by the relay."""
    spaces = [c.world.srs, c.world.servers]
    for space in spaces:
        space.nft("table ip count { chain out { type filter hook output priority -500; "
                  f"ip daddr {SOMEBODY} counter\n}}\n}}\n")
    c.left = lambda: sum(int(n) for space in spaces for n in re.findall(r"packets (\d+)", space.run("nft", "list", "ruleset")))


def both(*deeds):
    return lambda c: [deed(c) for deed in deeds]


def rtp(ssrc, number, payload_type=0):
    return struct.pack("!BBHII", 0x80, payload_type, number & 0xffff, number * 160, ssrc) + b"\x55" * 160


def stranger(space="servers", seconds=2.0):
    """Somebody else sends RTP to the first stream's address."""
    def do(c):
        host, _, port = c.streams()[0]["advertised"].rpartition(":")
        where = getattr(c.world, space)
        with where.inside():
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            for n in range(int(seconds * 50)):
                sock.sendto(rtp(0x5eed5eed, n), (host.strip("[]"), int(port)))
                time.sleep(0.02)
    return do


def invite(call_id, payload_type, rtpmap, pad=0):
    """An INVITE of a siprec SRC's, by hand."""
    sdp = (f"v=0\r\no=src 1 1 IN IP4 {THEM}\r\ns=-\r\nc=IN IP4 {THEM}\r\nt=0 0\r\nm=audio 20002 RTP/AVP {payload_type}\r\n"
           f"a=rtpmap:{payload_type} {rtpmap}\r\na=sendonly\r\na=label:1\r\n").encode()
    return (f"INVITE sip:srs@{US} SIP/2.0\r\nVia: SIP/2.0/UDP {THEM}:5090;branch=z9hG4bK{call_id};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:src@{THEM}>;tag=1\r\nTo: <sip:srs@{US}>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:src@{THEM}:5090>;+sip.src\r\nRequire: siprec\r\nSubject: {'x' * pad}\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n").encode() + sdp


def says(text, transport="tcp"):
    """The SRC says that, and listens for two seconds."""
    def do(c):
        message = text(c)
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        with c.world.src.inside():
            sock = socket.socket(socket.AF_INET6 if ":" in (c.to or US) else socket.AF_INET, kind)
        with sock:
            sock.settimeout(2)
            sock.connect((c.to or US, lab.SIP))
            sock.sendall(message.replace(b"SIP/2.0/UDP", b"SIP/2.0/" + transport.upper().encode()))
            with contextlib.suppress(OSError):
                while b" 100 " in (answer := sock.recv(65536)) and b" 488 " not in answer:
                    pass
    return do


def leaves_with(stat):
    """A call by hand in which not one packet comes, neither RTP nor RTCP; its BYE says that of what was sent."""
    def do(c):
        def request(method, number, to, more="", body=b""):
            sock.sendall((f"{method} sip:srs@{US} SIP/2.0\r\nVia: SIP/2.0/TCP {THEM};branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\n"
                          f"From: <sip:src@{THEM}>;tag=1\r\n{to}\r\nCall-ID: mute\r\nCSeq: {number} {method}\r\n{more}"
                          f"Content-Length: {len(body)}\r\n\r\n").encode() + body)

        offer = invite("mute", "0", "PCMU/8000").partition(b"\r\n\r\n")[2]
        with c.world.src.inside():
            sock = socket.create_connection((US, lab.SIP), 5)
        with sock:
            request("INVITE", 1, f"To: <sip:srs@{US}>", f"Contact: <sip:src@{THEM};transport=tcp>;+sip.src\r\nRequire: siprec\r\n"
                    "Content-Type: application/sdp\r\n", offer)
            answer = ""
            while " 200 OK" not in answer:
                answer += sock.recv(65536).decode()
            to = next(line for line in answer.split(" 200 OK")[1].splitlines() if line.startswith("To:"))
            request("ACK", 1, to)
            time.sleep(2)  # the length of the call
            request("BYE", 2, to, f"P-RTP-Stat: {stat}\r\n" if stat else "")
            sock.recv(65536)
        wait_for(lambda: c.recorder.recordings() and c.recorder.recordings()[0]["state"] == "finished", 20)
    return do


def forget_fragments(c):
    """In two seconds instead of thirty, where they are put together."""
    c.world.srs.sysctl(net__ipv4__ipfrag_time=2, net__ipv6__ip6frag_time=2)


def wait_for_fragments(c):
    """The kernel's counters are all there is to see."""
    def failed():
        text = c.world.srs.run("cat", "/proc/net/snmp").splitlines()
        v4 = dict(zip(*(line.split() for line in text if line.startswith("Ip:"))))["ReasmFails"]
        v6 = c.world.srs.run("sh", "-c", "grep Ip6ReasmFails /proc/net/snmp6").split()[1]
        return int(v4) + int(v6) > 0
    wait_for(failed, 10)


def talks(seconds=0.5):
    """Until both streams have sent for so long."""
    def do(c):
        before = c.src_has_sent()
        wait_for(lambda: c.src_has_sent() > before + 100 * seconds, 20)
    return do


def in_mid_call(deed, seconds=2):
    return both(talks(seconds), deed)


def forgets(c):
    """Our NAT restarts, and has no port mapped any more."""
    c.world.routers["srs"][-1].forget()


def stays(c):
    """The SRC's media goes on to where it was first told, whatever re-INVITEs say."""
    src_translates("\n".join(f"udp sport {s['offered'].rpartition(':')[2]} udp dport set {s['advertised'].rpartition(':')[2]}"
                             for s in c.streams()))(c)


def waits_for(*codes):
    """For the recording's warnings, in mid-call."""
    def do(c):
        wait_for(lambda: {w["code"] for w in (c.recorder.recordings() or [{}])[0].get("warnings", [])} >= set(codes), 20)
    return do


def mutes_reports(c):
    """The SRC's own reports, longer than those below."""
    c.world.src.nft("table inet filter { chain out { type filter hook output priority 0; policy accept;\n"
                    "udp sport { 20003, 20005 } udp length > 40 drop\n}\n}\n")


def reports(seconds):
    """A sender report of the SRC's whose clock is off, from the port of its RTCP: siprec-call's own one holds it, so that
    a raw socket speaks for it."""
    def do(c):
        stream = c.streams()[0]
        (theirs, _, port), (ours, _, to) = stream["offered"].rpartition(":"), stream["advertised"].rpartition(":")
        six = ":" in ours
        now = time.time() + 2208988800 + seconds
        report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 0x5eed, int(now) & 0xffffffff, int(now % 1 * 2**32), 0, 10, 1600)
        datagram = struct.pack("!HHHH", int(port) + 1, int(to) + 1, 8 + len(report), 0) + report
        with c.world.src.inside():
            raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        with raw:
            if six:
                raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 6)
            raw.bind((theirs.strip("[]"), 0))
            for _ in range(3):
                raw.sendto(datagram, (ours.strip("[]"), 0))
                time.sleep(0.1)
    return do


ALG = """
import re, socket, sys, threading
kind = sys.argv[1]
def body(text):
    head, _, sdp = text.partition(b"\\r\\n\\r\\n")
    return re.sub(rb"Content-Length: *\\d+", b"Content-Length: %d" % len(sdp), head) + b"\\r\\n\\r\\n" + sdp
def out(text):
    return body(text.replace(b"c=IN IP4 192.168.20.2", b"c=IN IP4 5.5.6.1"))
def back(text):
    return body(text.replace(b"c=IN IP4 5.5.5.1", b"c=IN IP4 192.168.20.1"))
def messages(sock):
    held = b""
    while data := sock.recv(65536):
        held += data
        while b"\\r\\n\\r\\n" in held:
            head, _, rest = held.partition(b"\\r\\n\\r\\n")
            length = int((re.search(rb"Content-Length: *(\\d+)", head) or [0, b"0"])[1])
            if len(rest) < length:
                break
            yield head + b"\\r\\n\\r\\n" + rest[:length]
            held = rest[length:]
def pipe(one, other, change):
    for message in messages(one):
        other.sendall(change(message))
if kind == "tcp":
    listener = socket.create_server(("192.168.20.1", 5060))
    while True:
        inside = listener.accept()[0]
        outside = socket.create_connection(("5.5.5.1", 5060))
        threading.Thread(target=pipe, args=(inside, outside, out), daemon=True).start()
        threading.Thread(target=pipe, args=(outside, inside, back), daemon=True).start()
else:
    inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inside.bind(("192.168.20.1", 5060))
    outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outside.connect(("5.5.5.1", 5060))
    peers = []
    def home():
        while True:
            inside.sendto(back(outside.recv(65536)), peers[-1])
    threading.Thread(target=home, daemon=True).start()
    while True:
        text, peer = inside.recvfrom(65536)
        peers.append(peer)
        outside.send(out(text))
"""


def alg(c):
    """The SRC's router reads SIP, writes its own address into offers, and another one into answers."""
    program = c.world.folder / "alg.py"
    program.write_text(ALG)
    router = c.world.routers["src"][0].space
    router.start(sys.executable, program, c.transport, log=c.world.folder / "alg.log")
    wait_for(lambda: router.listens(f"192.168.20.1:{lab.SIP}"), 10)


def fill_disk(c):
    """Nothing is left on the disk with the recordings."""
    with contextlib.suppress(OSError), open(c.disk / "filler", "wb") as filler:
        while True:
            filler.write(bytes(1 << 16))
            filler.flush()


def hairpin_sip(c):
    """The router leads SIP to its address outside back in, and nothing else."""
    c.world.routers["srs"][0].space.run("nft", "-f", "-", stdin=f"""table ip hairpin {{
        chain pre {{ type nat hook prerouting priority -110; iifname "lan" ip daddr {US} th dport {lab.SIP} dnat to 192.168.10.2; }}
        chain post {{ type nat hook postrouting priority 90; oifname "lan" ip daddr 192.168.10.2 th dport {lab.SIP} snat to {US}; }}
    }}""")


# ---- The causes -------------------------------------------------------------------------------------

case("nobody calls", "no-sip", RELAY, calls=False)
case("nobody calls, behind a NAT", "no-sip", STUN, calls=False, srs=["masquerade"])
case("SIP is not forwarded", "no-sip", STUN, srs=["masquerade"], sip=False, call=["--timeout", "2"])
case("a call that nobody knows", "no-sip", RELAY, asked="nobody@example.com")
case("no call that sip.allow lets in", "refused", RELAY, arguments=["--sip.allow=192.0.2.1"],
     check=lambda c, report: tap.ok(f"{THEM} to sip.allow" in report["findings"][0]["cure"], "the cure names its address", report))
case("all is well", "", RELAY)
case("all is well with a stateful firewall, which what we send opens", "", NOBODY, before=lambda c: c.world.srs.nft(STATEFUL))
case("all is well in mid-call", "", RELAY, live=talks(), seconds=4)

for name, rules in (("a port range", "udp dport 10000-10199 drop"), ("all of UDP", "iif lo accept\nmeta l4proto udp drop"),
                    ("the SBC's address", f"ip saddr {THEM} meta l4proto udp drop")):
    case(f"the host drops {name}", "host-firewall", STUN if "all" in name else RELAY, before=host_drops(rules))
case("the host drops a port range, looked at by STUN", "host-firewall", STUN, before=host_drops("udp dport 10000-10199 drop"))
case("the host drops a port range, IPv6", "host-firewall", RELAY6, seconds=1, before=host_drops("udp dport 10000-10199 drop"), v6=True,
     to=f"[{lab.SRS6}1]", arguments=LISTEN6)
case("the host drops forwarded ports", "host-firewall", of(STATIC, STUN), srs=["forwarded"], src=["symmetric"],
     before=host_drops("udp dport 10000-10199 drop"))

case("a router drops the range", "router-firewall", RELAY, before=core_drops("ip daddr 5.5.5.1 udp dport 10000-10199 drop"),
     call=["--streams", "8"], check=lambda c, _: tap.ok(c.asking < 10, f"{c.name}: all ports are looked at at once: {c.asking:.1f} s"))
case("a router drops the range, looked at by STUN", "router-firewall", STUN,
     before=core_drops("ip daddr 5.5.5.1 udp dport 10000-10199 drop"))
case("a router drops the range, IPv6", "router-firewall", RELAY6, seconds=1, v6=True, to=f"[{lab.SRS6}1]", arguments=LISTEN6,
     before=core_drops(f"ip6 daddr {lab.SRS6}1 udp dport 10000-10199 drop"))
case("a router drops the range in mid-call", "router-firewall", RELAY, live=talks(), seconds=4,
     before=core_drops("ip daddr 5.5.5.1 udp dport 10000-10199 drop"))
among("a router drops the range, nobody can look", "router-firewall src-silent", NOBODY,
      before=core_drops("ip daddr 5.5.5.1 udp dport 10000-10199 drop"))

case("the range is not forwarded", "not-forwarded", of(STATIC, STUN), srs=["masquerade"], src=["symmetric"], seconds=6)
case("the range is not forwarded, the SRC sends from another port", "not-forwarded", of(STATIC, STUN),
     srs=["masquerade"], call=["--send-from", "port"])
case("the range is not forwarded, and the SRC was quicker than we", "not-forwarded", of(STATIC, STUN), srs=["masquerade"],
     before=lambda c: c.world.hold_back(), during=lambda c: (time.sleep(0.3), c.world.srs.nft("")), seconds=2)
among("the range is not forwarded, nobody can look", "not-forwarded host-firewall", STATIC, srs=["masquerade"],
      src=["symmetric"], as_root=False, check=lambda c, _: tap.ok(
          "run this there as root" in c.siprecctl("doctor").stdout, "without the right to read the ruleset doctor says so"))
case("the range is not forwarded, looked at through a relay", "not-forwarded", of(STATIC, RELAY), srs=["masquerade"], src=["symmetric"])
case("as root the ruleset is read", "host-firewall", NOBODY, before=host_drops("udp dport 10000-10199 drop"), check=pasted("nft"))
case("the ruleset is read where its policy is to drop", "host-firewall", NOBODY, check=pasted("nft"), src=["symmetric"], before=lambda c: c.world.srs.nft(STATEFUL))

case("one port for all beside the range, and the host drops both", "host-firewall", NOBODY, arguments=["--rtp.mux_port=40000"], check=pasted("nft"),
     before=host_drops("udp dport { 40000, 10000-10199 } drop"))
case("iptables keeps the rules", "host-firewall", NOBODY, check=pasted("iptables"), before=iptables(
    "-N media", "-A media -p udp -m multiport --dports 10000:10199 -j DROP", "-A INPUT -j media"))
case("iptables keeps the rules and its policy is to drop", "host-firewall", NOBODY, check=pasted("iptables"), src=["symmetric"], before=iptables(
    "-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", "-A INPUT -p tcp --dport 5060 -j ACCEPT",
    "-P INPUT DROP"))
# Not among the packages that the tests install: on a machine with systemd it would begin to guard that.
if shutil.which("firewalld") and shutil.which("dbus-daemon"):
    case("firewalld keeps the rules", "host-firewall", NOBODY, check=pasted("firewall-cmd"), src=["symmetric"], before=firewalld)
elif sys.argv[2:3] == ["0"]:
    tap.skip("firewalld keeps the rules", "firewalld and dbus-daemon are not installed here")

case("the SRC names a private address", "src-private-address", STUN, srs=["masquerade"], src=["symmetric"])
case("the SRC names a private address, SIP by UDP", "src-private-address", STUN, srs=["masquerade"], src=["symmetric"], transport="udp")
case("the SRC names a private address behind two NATs", "src-private-address", STUN, srs=["masquerade", "masquerade"], src=["symmetric"])
case("the SRC in the open names a private address", "src-private-address", STUN, srs=["masquerade"],
     call=["--say", "192.168.77.7", "--send-from", "port"], before=mutes_reports)
# Nor do ACK and BYE get there.
case("we name a private address behind a symmetric NAT, SIP by UDP", "own-private-address", of(STUN, BEHIND_NAT="false"), srs=["symmetric"],
     transport="udp", call=["--timeout", "1"], seconds=1, live=lambda c: None, check=ends_at_once)
case("we name a private address", "own-private-address", of(STUN, BEHIND_NAT="false"), srs=["masquerade"])
case("we name a private address behind 1:1 NAT", "own-private-address", of(RELAY, BEHIND_NAT="false"), srs=["1:1"])

case("the SRC sends to another port of ours", "src-sends-elsewhere", RELAY,
     before=src_translates("ip daddr 5.5.5.1 udp dport 10000-10179 udp dport set 10180 accept\n"
                           "ip daddr 5.5.5.1 udp dport 10180-10199 udp dport set 10150"), call=["--streams", "1"])
case("the SRC sends to a port where nobody is", "src-sends-elsewhere", RELAY,
     before=src_translates("ip daddr 5.5.5.1 udp dport 10000-10199 udp dport set 9999"))
case("the SRC sends to another address, and its RTCP here", "src-sends-elsewhere", RELAY,
     before=src_translates("ip daddr 5.5.5.1 udp dport { " + ", ".join(map(str, range(*lab.RTP, 2))) + " } ip daddr set 5.5.7.9"),
     seconds=8)

case("the SRC sends to a port where nobody is, IPv6", "src-sends-elsewhere", RELAY6, seconds=2, v6=True, to=f"[{lab.SRS6}1]",
     arguments=LISTEN6, before=src_translates(f"ip6 daddr {lab.SRS6}1 udp dport 10000-10199 udp dport set 9999"))
case("the SRC sends to another port of the router, and its RTCP here", "src-sends-elsewhere", of(STATIC, STUN), srs=["forwarded"],
     before=src_translates("ip daddr 5.5.5.1 udp dport { " + ", ".join(map(str, range(*lab.RTP, 2))) + " } udp dport set 9999"),
     seconds=8)
case("the SRC sends elsewhere, as its BYE says", "src-sends-elsewhere", RELAY, calls=False, before=leaves_with("PS=100,OS=16000"))
case("the SRC is silent, as its BYE says", "src-silent", RELAY, calls=False, before=leaves_with("PS=0,OS=0"))
among("the SRC sends nothing here, and says nothing", "src-silent src-sends-elsewhere", RELAY, calls=False, before=leaves_with(""),
      check=lambda c, report: (names_first("src-silent")(c, report), tap.ok(
          "src port 20002" in report["decide"], f"{c.name}: a look at the SRC decides", report["decide"])))
case("the SRC sends both streams to one port", "src-sends-elsewhere", RELAY, during=in_call_translates(1, lambda ports: ports[0]),
     script="mute;wait 2s;talk;wait 5s", seconds=8)
among("the SRC sends RTP and RTCP to another address", "src-silent src-sends-elsewhere", RELAY,
      before=src_translates("ip daddr 5.5.5.1 udp dport 10000-10199 ip daddr set 5.5.7.9"), seconds=5)
among("the SRC sends RTP and RTCP to another address, looked at by STUN", "src-silent src-sends-elsewhere", STUN,
      before=src_translates("ip daddr 5.5.5.1 udp dport 10000-10199 ip daddr set 5.5.7.9"), seconds=5)
case("one stream is mute", "one-leg", RELAY, script="mute 1;wait 4s")
case("one stream is mute, behind a NAT", "one-leg", of(STATIC, STUN), srs=["forwarded"], script="mute 1;wait 5s")
case("one stream is mute, by relay", "one-leg", of(STUN, RELAY), srs=["symmetric"], script="mute 1;wait 6s")
case("the SRC is silent", "src-silent", RELAY, script="mute;wait 4s")
case("the SRC is silent behind forwarded ports", "src-silent", of(STATIC, RELAY), srs=["forwarded"], script="mute;wait 6s")
case("the SRC is silent, looked at by STUN", "src-silent", STUN, script="mute;wait 4s")

case("a foreign sender", "foreign-sender", RELAY, during=stranger(), seconds=5)
case("a foreign sender, the SRC's other address", "foreign-sender", RELAY, during=stranger("src"), seconds=5)
case("a foreign sender, IPv6", "foreign-sender", RELAY6, during=stranger(), seconds=4, v6=True, to=f"[{lab.SRS6}1]",
     arguments=LISTEN6)
case("a foreign sender behind forwarded ports", "foreign-sender", of(STATIC, STUN), srs=["forwarded"], during=stranger(),
     seconds=5)

case("symmetric NAT, no relay", "symmetric-nat", STUN, srs=["symmetric"])
case("two NATs, symmetric, no relay", "symmetric-nat", STUN, srs=["masquerade", "symmetric"])
case("symmetric NATs at both ends, no relay", "symmetric-nat", STUN, srs=["symmetric"], src=["symmetric"])

case("no UDP gets out", "udp-blocked", STUN, srs=["tcp-only"])
case("no UDP gets out to STUN on 443, SIP by TCP", "udp-blocked", {"STUN_SERVERS": f"{SERVER}:443"}, srs=["443-only"])
case("no UDP gets out, and no TURN server is there", "udp-blocked", of(STUN, RELAY, TURN_SERVERS="turn:5.5.7.9:3478"), srs=["tcp-only"])
case("no UDP gets out, but a relay by TCP does for all", "", of(STUN, RELAY), srs=["tcp-only"])
among("no UDP gets out but by default settings", "udp-blocked", NOBODY, srs=["443-only"])
case("the TURN password is wrong", "turn-credentials", of(STUN, RELAY, TURN_PASSWORD="no"), srs=["symmetric"])
case("the TURN user is wrong, TCP", "turn-credentials",
     of(STUN, RELAY, TURN_USERNAME="no", TURN_SERVERS=f"turn:{SERVER}:3478?transport=tcp"), srs=["symmetric"])
case("the TURN password is wrong where no UDP gets out", "turn-credentials",
     of(STUN, RELAY, TURN_PASSWORD="no", TURN_SERVERS=f"turn:{SERVER}:443?transport=tcp"), srs=["443-only"])
case("the TURN server is down", "turn-down", of(STUN, RELAY, TURN_SERVERS="turn:5.5.7.9:3478"), srs=["symmetric"], seconds=6)
case("the TURN server is down, TCP", "turn-down", of(STUN, RELAY, TURN_SERVERS="turn:5.5.7.9:3478?transport=tcp"),
     srs=["symmetric"], seconds=6)
case("the TURN server is down, TLS", "turn-down", of(STUN, RELAY, TURN_SERVERS="turns:5.5.7.9:443"), srs=["symmetric"], seconds=6)
case("the relay does not let the SRC's other address in, TCP", "relay-permission",
     of(RELAY, TURN_SERVERS=f"turn:{SERVER}:443?transport=tcp"), srs=["443-only"], call=["--send-from", ELSEWHERE], seconds=7)
case("the relay does not let the SRC in at all", "relay-permission", of(STUN, RELAY), srs=["symmetric"], seconds=5,
     coturn=[f"--denied-peer-ip={THEM}"])
case("the relay does not let the SRC's other address in", "relay-permission", of(STUN, RELAY), srs=["symmetric"],
     call=["--send-from", ELSEWHERE], seconds=7)

case("the external address is wrong", "external-address-wrong", of(STUN, EXTERNAL_IP="5.5.5.77", BEHIND_NAT="true"),
     srs=["forwarded"])
case("the external address is wrong behind 1:1 NAT", "external-address-wrong",
     of(EXTERNAL_IP="5.5.5.77", BEHIND_NAT="true"), srs=["1:1"])
case("the external address is wrong, symmetric SRC", "external-address-wrong",
     of(STUN, EXTERNAL_IP="5.5.5.77", BEHIND_NAT="true"), srs=["masquerade"], src=["symmetric"])

case("the external address is somebody else's, who is not to be sent anything", "external-address-wrong",
     of(STUN, RELAY, EXTERNAL_IP=SOMEBODY, BEHIND_NAT="true"), srs=["masquerade"], before=counts_what_leaves,
     check=lambda c, _: tap.equal(c.left(), 0, "neither siprecd nor the relay sends there"))
case("no codec in common", "codec", RELAY, calls=False, before=says(lambda c: invite("no-codec", "97", "x-unheard-of/8000")))
case("no codec in common, UDP", "codec", STUN, calls=False, before=says(lambda c: invite("no-codec", "97", "x-unheard-of/8000"), "udp"))
case("no codec in common, behind a NAT", "codec", of(STATIC, STUN), srs=["forwarded"], calls=False,
     before=says(lambda c: invite("no-codec", "97", "x-unheard-of/8000")))
case("an INVITE cut short", "invite-truncated", RELAY, calls=False, before=says(lambda c: invite("cut", "0", "PCMU/8000")[:-90], "udp"))
case("an INVITE cut short behind a NAT", "invite-truncated", STUN, srs=["masquerade"], calls=False,
     before=says(lambda c: invite("cut", "0", "PCMU/8000")[:-90], "udp"))
case("an INVITE cut short, IPv6", "invite-truncated", STUN, calls=False, v6=True, to=f"{lab.SRS6}1", arguments=LISTEN6,
     before=says(lambda c: invite("cut", "0", "PCMU/8000")[:-90], "udp"))
for name, how in (("", {}), (" over IPv6", {"v6": True, "to": f"{lab.SRS6}1", "arguments": LISTEN6}),
                  (" behind the SRC's NAT", {"src": ["masquerade"]})):
    case("fragments are lost" + name, "invite-fragments", STUN, calls=False, before=both(
        core_drops("ip daddr 5.5.5.1 ip frag-off & 0x1fff != 0 drop\nfrag frag-off != 0 drop"), forget_fragments,
        says(lambda c: invite("big", "0", "PCMU/8000", pad=3000), "udp"), wait_for_fragments), **how)
case("the SRC's clock is an hour behind", "clocks", RELAY, seconds=5, before=mutes_reports, during=reports(-3600))
case("the SRC's clock is five seconds ahead, IPv6", "clocks", RELAY, seconds=5, before=mutes_reports, during=reports(5), v6=True,
     to=f"[{lab.SRS6}1]", arguments=LISTEN6)
case("the SRC's clock is three seconds behind, forwarded ports", "clocks", of(STATIC, STUN), srs=["forwarded"], before=mutes_reports,
     during=reports(-3))
for name, how, settings in (("", {}, RELAY), (" behind forwarded ports", {"srs": ["forwarded"]}, of(STATIC, STUN)),
                            (" by UDP", {"transport": "udp"}, STUN)):
    case("a SIP ALG on the SRC's router" + name, "sip-alg", settings, src=["masquerade"], before=alg, seconds=4, to="192.168.20.1",
         **how)
case("the disk is full", "disk-full", RELAY, full=True, before=fill_disk, seconds=3)
case("the disk gets full in mid-call", "disk-full", STUN, full=True, during=fill_disk, seconds=6)
case("the disk gets full in mid-call behind a NAT", "disk-full", of(STATIC, STUN), srs=["forwarded"], full=True, during=fill_disk, seconds=6)
case("our gateway is itself behind a NAT", "double-nat", STUN, srs=["pcp", "masquerade"], src=["symmetric"], settle=True)
case("our gateway is itself behind a NAT, an SRC that sends from another port", "double-nat", STUN, srs=["pcp", "masquerade"],
     call=["--send-from", "port"], settle=True)
case("our gateway is itself behind a NAT, SIP by UDP", "double-nat", STUN, srs=["pcp", "masquerade"],
     src=["symmetric"], settle=True, transport="udp")
among("our gateway is itself behind a NAT, and the SRC is silent", "double-nat", STUN, srs=["pcp", "masquerade"],
      before=src_translates("ip daddr 5.5.5.1 udp dport 1024-65535 ip daddr set 5.5.7.9"), settle=True)
for name, how in ((", SIP by UDP", of(STATIC, STUN)), (" of a NAT that forwards nothing, SIP by UDP", STUN)):
    case("the SRC is a neighbour and calls the outside address" + name, "hairpin", of(how, SIPRECD_NAT_LOCAL_NETWORKS=""),
         srs=["forwarded" if "EXTERNAL_IP" in how else "masquerade"], lan_src=True, before=hairpin_sip, transport="udp", settle=True)
case("the SRC is a neighbour and calls the outside address", "hairpin", of(STATIC, STUN, SIPRECD_NAT_LOCAL_NETWORKS=""), srs=["forwarded"], lan_src=True,
     before=hairpin_sip)

# What we send first opens what lets answers in for an SRC in the open.
GUARDED = "ip daddr 5.5.5.1 ct state established,related accept\nip daddr 5.5.5.1 udp dport 10000-10199 drop"
SILENT = src_translates("ip daddr 5.5.5.1 udp dport 10000-10199 drop")
among("a stateful firewall, and an SRC in the open that sends nothing", "src-silent router-firewall", STUN, before=both(core_drops(GUARDED), SILENT),
      check=names_first("src-silent"))

# An SRC that speaks ICE, whose checks find nothing, nor do ours.
ICE = ["--ice", "full"]
case("ICE, and the host drops a port range", "host-firewall", STUN, srs=["masquerade"], call=ICE, before=host_drops("udp dport 10000-10199 drop"))
case("ICE, and a router drops the range", "router-firewall", RELAY, call=ICE, before=core_drops("ip daddr 5.5.5.1 udp dport 10000-10199 drop"))
case("ICE, a stateful firewall, and an SRC behind a symmetric NAT", "router-firewall", STUN, call=ICE, src=["symmetric"],
     before=core_drops(GUARDED))
among("ICE, a stateful firewall, and an SRC in the open that sends nothing", "src-silent router-firewall", RELAY, call=ICE,
      before=both(core_drops(GUARDED), SILENT), check=names_first("src-silent"))
case("ICE, and the range is not forwarded", "not-forwarded", of(STATIC, STUN), srs=["masquerade"], src=["symmetric"], call=ICE)
among("ICE, symmetric NATs at both ends, no relay", "symmetric-nat src-silent", STUN, srs=["symmetric"], src=["symmetric"], call=ICE,
      check=names_first("symmetric-nat"))
among("ICE, symmetric NATs at both ends, and the TURN password is wrong", "turn-credentials src-silent", of(STUN, RELAY, TURN_PASSWORD="no"),
      srs=["symmetric"], src=["symmetric"], call=ICE, check=names_first("turn-credentials"))

# Media that came, and stops.
BOX = ("box", "mapping=independent", "filtering=address-port", "scope=mapping", "ports=random")
case("a router closes in mid-call", "router-firewall", RELAY, seconds=14,
     during=in_mid_call(core_drops("ip daddr 5.5.5.1 udp dport 10000-10199 drop")))
case("the host's firewall closes in mid-call", "host-firewall", STUN, srs=["masquerade"], settle=True, seconds=10,
     during=in_mid_call(host_drops("udp dport 10000-10199 drop")))
case("the SRC stops sending in mid-call", "src-silent", of(STATIC, STUN), srs=["forwarded"], script="wait 2s;mute;wait 9s", seconds=11)
case("the SRC is gone without a BYE", "src-silent", RELAY, script="wait 2s;vanish", seconds=9, live=waits_for("packets-refused"), check=ends_at_once)
case("the SRC's port moves, and our NAT knows the old one", "interrupted", STUN, srs=["masquerade"], settle=True,
     script="mute;wait 1s;talk;wait 2s;port silent;wait 15s", seconds=18, check=lambda c, report: tap.ok(
         report["findings"][0]["cure"].startswith("At the SBC:"), f"{c.name}: the cure is the SRC's", report))
case("our NAT forgets, and the SRC does not follow", "nat-forgot", STUN, srs=[BOX], settle=True, seconds=22,
     during=both(stays, in_mid_call(forgets, 4)))
case("our NAT forgets, and the SRC follows", "interrupted", STUN, srs=[BOX], settle=True, seconds=13, during=in_mid_call(forgets))
case("the host's firewall closes for one stream, and the SRC mutes the other", "host-firewall src-silent", RELAY, seconds=12,
     during=in_mid_call(in_call_drops(0)), script="wait 3s;mute 1;wait 9s")

# Two at once.
case("the host's firewall and a mute stream", "host-firewall", RELAY, before=host_drops("udp dport 10000-10199 drop"), script="mute 1;wait 4s")
case("the host's firewall and a wrong external address", "host-firewall external-address-wrong",
     of(STUN, EXTERNAL_IP="5.5.5.77", BEHIND_NAT="true"), srs=["forwarded"], before=host_drops("udp dport 10000-10199 drop"))
case("the host's firewall and a wrong TURN password", "host-firewall turn-credentials", of(STUN, RELAY, TURN_PASSWORD="no"),
     srs=["symmetric"], before=host_drops("udp dport 10000-10199 drop"))
case("the host's firewall on one stream, and the other mute", "host-firewall src-silent", RELAY, during=in_call_drops(0),
     script="mute;wait 2s;talk 0;wait 5s", seconds=8, check=lambda c, report: tap.equal(
         sorted((f["cause"], f["streams"]) for f in report["findings"]), [("host-firewall", ["1"]), ("src-silent", ["2"])],
         "each stream by its own cause"))
case("the disk is full and a foreign sender", "disk-full foreign-sender", RELAY, full=True, during=both(stranger(), fill_disk), seconds=7)
case("a foreign sender and a mute stream", "foreign-sender one-leg", RELAY, script="mute 1;wait 5s", during=stranger(), seconds=5)
case("a foreign sender and a clock apart", "foreign-sender clocks", RELAY, before=mutes_reports, during=both(stranger(), reports(-3600)), seconds=6)
# Told by nothing shorter than 15 s of media: three calls at once.
case("a clock runs fast", "clocks", STUN, srs=["masquerade"], v6="open", call=["--drift", "1000"], seconds=18,
     arguments=[f"--sip.listen=tcp:0.0.0.0:{lab.SIP},udp:[::]:{lab.SIP}"], beside={
         "slow, over IPv6": {"arguments": ["--drift", "-1000"], "to": f"[{lab.SRS6.removesuffix(':')}1::2]", "transport": "udp"},
         "fast, with ICE": {"arguments": [*ICE, "--drift", "1000"]}})

for one in lab.chosen(CASES, lambda one: one.name):
    one.play()
tap.done()
