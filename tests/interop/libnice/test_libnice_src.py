"""libnice is the SRC: it offers ICE to the running siprecd, sends a tone a stream on the path that was chosen, and is
heard on the right channel: full, relay-only over coturn, restarted, controlling and controlled (a role conflict),
trickled, aggressive, one port for all, over TCP. Use: test_libnice_src.py BUILD NICE_SRC. Speaks TAP."""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "coturn"))
from coturn import LONG_TERM, Coturn, is_installed  # noqa: E402
from harness import Siprecd, Tap, free_port, near, need, tone_hz, wait_for  # noqa: E402
from rawsip import Talk, code_of, followup  # noqa: E402
from stub_srs import header  # noqa: E402

need("sox")
tap = Tap()
driver = sys.argv[2]
METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode></recording>
"""


class Source:
    """The driver: its lines."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([driver, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        self.read_description()

    def read_description(self):
        self.ufrag, self.pwd, self.candidates, self.sent = {}, {}, {}, {}
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "described":
                return
            number, _, value = rest.partition(" ")
            if word == "candidate":
                self.candidates.setdefault(int(number), []).append(value)
            elif word in ("ufrag", "pwd"):
                getattr(self, word)[int(number)] = value

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, *words):
        """The next line that begins with one of these."""
        for line in self.process.stdout:
            if line.split()[0] in words:
                return line.strip()
        return ""

    def end(self):
        self.say("quit")
        for line in self.process.stdout:
            if line.startswith("sent"):
                _, number, count = line.split()
                self.sent[int(number)] = int(count)
        self.process.wait(30)


def description(source, version, trickle=False, candidates=True, mux=True):
    lines = ["v=0", f"o=- 4711 {version} IN IP4 127.0.0.1", "s=-", "t=0 0",
             "a=ice-options:ice2" + (" trickle" if trickle else "")]
    for i in sorted(source.ufrag):
        mine = source.candidates.get(i, []) if candidates else []
        first = next((c.split() for c in mine if c.split()[1] == "1"), None)
        address, port = (first[4], first[5]) if first else ("0.0.0.0", "9")
        lines += [f"m=audio {port} RTP/AVP 0", f"c=IN IP4 {address}", "a=sendonly", f"a=label:{i + 1}",
                  f"a=ice-ufrag:{source.ufrag[i]}", f"a=ice-pwd:{source.pwd[i]}"]
        lines += ["a=rtcp-mux"] if mux else []
        second = next((c.split() for c in mine if c.split()[1] == "2"), None)
        lines += [f"a=rtcp:{second[5]} IN IP4 {second[4]}"] if second and not mux else []
        lines += mine
    return "\r\n".join(lines) + "\r\n"


def invite(srs, port, call_id, sdp):
    body = (f"--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\n"
            f"Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n{METADATA}\r\n--b--\r\n")
    return (f"INVITE {srs.uri} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:src@127.0.0.1>;tag=f{call_id}\r\nTo: <{srs.uri}>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:src@127.0.0.1:{port};transport=tcp>;+sip.src\r\nRequire: siprec\r\n"
            f"Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {len(body)}\r\n\r\n{body}")


def tell(source, answer):
    """The SRS's description to libnice; how many streams have ICE in it."""
    sections = re.split(r"(?m)^(?=m=)", answer.partition("\r\n\r\n")[2])[1:]
    served = 0
    for i, section in enumerate(sections):
        ufrag, pwd = (re.search(rf"(?m)^a=ice-{word}:(\S+)", section) for word in ("ufrag", "pwd"))
        if not ufrag or not pwd:
            continue
        served += 1
        source.say(f"remote {i} {ufrag.group(1)} {pwd.group(1)}")
        for line in re.findall(r"(?m)^(a=candidate:[^\r\n]*)", section):
            source.say(f"candidate {i} {line}")
    return served


class Play:
    number = 0

    def __init__(self, srs, name, source, trickle=False, mux=True):
        Play.number += 1
        self.srs, self.name, self.source, self.trickle, self.mux = srs, name, source, trickle, mux
        self.call_id = f"nice{Play.number}x{srs.port}"
        self.talk = Talk(srs, "tcp")
        self.cseq = 1
        sdp = description(source, 1, trickle, candidates=not trickle, mux=mux)
        self.request = invite(srs, self.talk.socket.getsockname()[1], self.call_id, sdp)
        self.talk.send(self.request.encode())
        self.response = self.talk.final("INVITE")
        self.good = tap.equal(code_of(self.response), 200, f"{name}: the offer of ICE is answered", self.response)
        self.answer = self.response or ""
        if self.good:
            self.talk.send(followup("ACK", self.request, self.response))
            tap.equal(tell(source, self.answer), len(source.ufrag), f"{name}: with ICE for every stream", self.answer)

    def ready(self, what="libnice finds its paths"):
        line = self.source.until("ready", "failed")
        return tap.equal(line, "ready", f"{self.name}: {what}", self.answer, self.srs.log()[-2000:])

    def again(self, method, body):
        self.cseq += 1
        self.talk.send(followup(method, self.request, self.response, self.cseq, body))
        answer = self.talk.final(method)
        if method == "INVITE" and answer:
            self.talk.send(followup("ACK", self.request, self.response, self.cseq))
        return answer

    def hear(self, paths, seconds=3.0):
        """Tones for some seconds, then BYE: the recording has each on its channel."""
        time.sleep(seconds)
        self.cseq += 1
        self.talk.send(followup("BYE", self.request, self.response, self.cseq))
        self.talk.final("BYE")
        self.source.end()
        self.talk.close()
        recording = self.srs.recording(self.call_id)
        streams = recording["streams"] if recording else []
        tap.equal([s["packets"] for s in streams], [self.source.sent[i] for i in sorted(self.source.sent)],
                  f"{self.name}: every packet is recorded", streams)
        tap.ok(all(s["path"] in paths for s in streams), f"{self.name}: the path is {' or '.join(paths)}",
               [s["path"] for s in streams])
        _, _, wav = self.srs.get(f"/v1/recordings/{recording['id']}/audio?format=wav")
        path = self.srs.folder / f"{self.call_id}.wav"
        path.write_bytes(wav)
        heard = [tone_hz(path, channel + 1, 0.5, 2) for channel in range(len(streams))]
        tap.ok(all(near(hz, 440 + 220 * i) for i, hz in enumerate(heard)), f"{self.name}: each tone is heard on its channel",
               heard, recording["warnings"])
        return recording


def full(srs, name, *arguments, mux=True, paths=("host",)):
    play = Play(srs, name, Source(*arguments), mux=mux)
    if play.good and play.ready():
        play.hear(paths)
    return play


def restart(srs):
    source = Source(2, 1, "controlling", "regular")
    play = Play(srs, "restart", source)
    if not play.good or not play.ready():
        return
    time.sleep(1)
    before = re.findall(r"a=ice-ufrag:(\S+)", play.answer)
    source.say("restart")
    source.read_description()
    answer = play.again("INVITE", description(source, 2))
    after = re.findall(r"a=ice-ufrag:(\S+)", answer or "")
    tap.ok(len(after) == 2 and not set(before) & set(after), "restart: the answer has new names", before, after)
    tell(source, answer)
    if play.ready("libnice finds paths anew"):
        play.hear(("host",))


def trickle(srs):
    source = Source(2, 1, "controlling", "regular")
    play = Play(srs, "trickle", source, trickle=True)
    if not play.good:
        return
    tap.ok("end-of-candidates" in play.answer, "trickle: we say that no more of ours will come", play.answer)
    answer = play.again("INVITE", description(source, 2, trickle=True))
    same = re.findall(r"a=ice-ufrag:(\S+)", play.answer) == re.findall(r"a=ice-ufrag:(\S+)", answer or "")
    tap.ok(same, "trickle: more candidates are no restart", answer)
    if play.ready():
        play.hear(("host", "peer-reflexive"))


with Siprecd() as srs:
    full(srs, "controlling", 2, 1, "controlling", "regular")
    full(srs, "both controlled: one gives way", 2, 1, "controlled", "regular")
    full(srs, "aggressive", 2, 1, "controlling", "aggressive")
    full(srs, "two components", 2, 2, "controlling", "regular", mux=False)
    restart(srs)
    trickle(srs)
    if is_installed():
        with tempfile.TemporaryDirectory(prefix="siprecd-libnice-") as name:
            server = Coturn(pathlib.Path(name), *LONG_TERM)
            try:
                full(srs, "relay only", 1, 1, "controlling", "regular", "relay", server.port)
            finally:
                server.stop()
    tap.equal(srs.stop(), 0, "siprecd ends with status 0", srs.log()[-2000:])
with Siprecd(f"--rtp.mux_port={free_port()}") as srs:
    play = full(srs, "one port", 2, 1, "controlling", "regular")
    ports = re.findall(r"m=audio (\d+)", play.answer)
    tap.ok(len(set(ports)) == 1, "one port: for both streams", ports)
with Siprecd(f"--rtp.tcp_port={free_port()}") as srs:
    full(srs, "over TCP", 2, 1, "controlling", "regular", "tcp", paths=("ice-tcp",))
tap.done()
