"""An SRC whose media another ICE implementation brings (libnice or aioice) and whose SIP is said here: it offers ICE,
sends a tone a stream on the path that was chosen, trickles by INFO (RFC 8840), and answers what the SRS asks of it."""
import queue
import re
import subprocess
import threading
import time

from harness import HERE, built, near, tone_hz, wait_for
from rawsip import Talk, code_of, followup
from stub_srs import header

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode></recording>
"""


def libnice():
    return [built("tests/interop/libnice/nice_src")]


def aioice():
    """By the interpreter that Debian's packages are for."""
    return ["/usr/bin/python3", str(HERE / "aioice" / "aioice_src.py")]


def has_aioice():
    return subprocess.run(["/usr/bin/python3", "-c", "import aioice.ice"], capture_output=True).returncode == 0


class Source:
    """A driver and its lines."""

    def __init__(self, *arguments, enter=(), driver=libnice):
        self.process = subprocess.Popen([*enter, *driver(), *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.changed = threading.Condition()
        self.ufrag, self.pwd, self.candidates, self.sent = {}, {}, {}, {}
        self.states, self.described, self.ended = [], 0, False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.wait(lambda: self.described)

    def read(self):
        fresh = {"ufrag": {}, "pwd": {}, "candidates": {}}
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            number, _, value = rest.partition(" ")
            with self.changed:
                if word == "candidate":
                    fresh["candidates"].setdefault(int(number), []).append(value)
                elif word in ("ufrag", "pwd"):
                    fresh[word][int(number)] = value
                elif word == "described":
                    self.ufrag, self.pwd, self.candidates = fresh["ufrag"], fresh["pwd"], fresh["candidates"]
                    fresh = {"ufrag": {}, "pwd": {}, "candidates": {}}
                    self.described += 1
                elif word == "sent":
                    self.sent[int(number)] = int(value)
                else:
                    self.states.append(line.strip())
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, condition, seconds=90):
        with self.changed:
            return self.changed.wait_for(lambda: condition() or self.ended, seconds) and bool(condition())

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def restart(self):
        with self.changed:
            before, self.states = self.described, []
        self.say("restart")
        self.wait(lambda: self.described > before)

    def outcome(self):
        """"ready" once every stream has its path; else "failed", or nothing."""
        self.wait(lambda: self.states)
        return self.states[0] if self.states else ""

    def end(self):
        self.say("quit")
        self.reader.join(60)
        self.process.wait(60)


def description(source, version, own="127.0.0.1", trickle=False, candidates=True, mux=True, more=()):
    """more: further lines of each m-line, candidates that the driver does not know of."""
    family = "IP6" if ":" in own else "IP4"
    lines = ["v=0", f"o=- 4711 {version} IN {family} {own}", "s=-", "t=0 0",
             "a=ice-options:ice2" + (" trickle" if trickle else "")]
    for i in sorted(source.ufrag):
        mine = source.candidates.get(i, []) if candidates else []
        at = {n: next((c.split() for c in mine if c.split()[1] == n), None) for n in ("1", "2")}
        address, port = (at["1"][4], at["1"][5]) if at["1"] else ("0.0.0.0", "9")
        lines += [f"m=audio {port} RTP/AVP 0", f"c=IN {'IP6' if ':' in address else 'IP4'} {address}", "a=sendonly",
                  f"a=label:{i + 1}", f"a=mid:{i}", f"a=ice-ufrag:{source.ufrag[i]}", f"a=ice-pwd:{source.pwd[i]}"]
        lines += ["a=rtcp-mux"] if mux else []
        lines += [f"a=rtcp:{at['2'][5]} IN IP4 {at['2'][4]}"] if at["2"] and not mux else []
        lines += mine + list(more)
    return "\r\n".join(lines) + "\r\n"


def sections(sdp):
    return re.split(r"(?m)^(?=m=)", sdp)[1:]


class NiceCall:
    """One call of such an SRC. to: where SIP goes; own: the address that it calls itself by."""

    number = 0

    def __init__(self, srs, source, to=None, own="127.0.0.1", trickle=False, candidates=True, mux=True, more=(),
                 transport="tcp", rewrite=lambda sdp: sdp, answered=lambda: None):
        """rewrite: what somebody on the way makes of the offer; answered: called before the driver hears the answer."""
        NiceCall.number += 1
        self.srs, self.source, self.own, self.trickle, self.mux = srs, source, own, trickle, mux
        self.call_id = f"nice{NiceCall.number}x{srs.port}"
        self.version = self.cseq = 1
        self.responses, self.served, self.told, self.fragments = queue.Queue(), [], {}, []
        self.transport = transport
        self.talk = Talk(srs, transport, to=to, own=own)
        self.ended, self.counted = False, srs.metric("siprecd_rtp_packets_received_total")
        self.request = self.invite(rewrite(description(source, 1, own, trickle, candidates, mux, more)))
        self.talk.send(self.request.encode())
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.response = self.final("INVITE")
        self.good = code_of(self.response) == 200
        self.answer = self.response or ""
        if self.good:
            self.talk.send(followup("ACK", self.request, self.response))
            answered()
            self.streams = self.tell(self.answer)

    def invite(self, sdp):
        port = self.talk.socket.getsockname()[1]
        at = f"[{self.own}]" if ":" in self.own else self.own
        supported = "Supported: trickle-ice\r\n" if self.trickle else ""
        body = (f"--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\n"
                f"Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n{METADATA}\r\n"
                "--b--\r\n")
        return (f"INVITE {self.srs.uri} SIP/2.0\r\nVia: SIP/2.0/{self.transport.upper()} {at}:{port};branch=z9hG4bK{self.call_id}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:src@{at}>;tag=f{self.call_id}\r\nTo: <{self.srs.uri}>\r\n"
                f"Call-ID: {self.call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:src@{at}:{port};transport={self.transport}>;+sip.src\r\n"
                f"Require: siprec\r\n{supported}Content-Type: multipart/mixed;boundary=b\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}")

    # What comes

    def read(self):
        while not self.ended:
            message = self.talk.receive(1)
            if message and message.startswith("SIP/2.0"):
                self.responses.put(message)
            elif message:
                self.serve(message)

    def final(self, method, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                message = self.responses.get(timeout=1)
            except queue.Empty:
                continue
            if code_of(message) >= 200 and header(message, "CSeq").split()[-1] == method:
                return message
        return None

    def serve(self, request):
        """A request of the SRS's in the dialog."""
        method, _, body = request.split()[0], *request.partition("\r\n\r\n")[1:]
        sdp = ""
        if self.transport == "udp":
            self.talk.to = self.talk.source
        if method in ("INVITE", "UPDATE"):  # RFC 3261 12.2.2: it may be reached elsewhere now
            contact = re.search(r"(?mi)^(Contact|m)[ \t]*:[^\r\n]*\r\n", request).group(0)
            self.response = re.sub(r"(?mi)^(Contact|m)[ \t]*:[^\r\n]*\r\n", lambda _: contact, self.response, count=1)
        if method in ("INVITE", "UPDATE") and "m=" in body:
            names = [re.search(r"(?m)^a=ice-ufrag:(\S+)", s) for s in sections(body)]
            if any(n and self.told.get(i) != n.group(1) for i, n in enumerate(names)):
                self.source.restart()
            self.version += 1
            sdp = description(self.source, self.version, self.own, self.trickle, True, self.mux)
            self.tell(request)
        elif method == "INFO":
            self.take_fragment(body)
        self.served.append(request)
        if method != "ACK":
            kind = "Content-Type: application/sdp\r\n" if sdp else ""
            contact = re.search(r"(?mi)^Contact:[^\r\n]*\r\n", self.request).group(0)
            vias = "".join(re.findall(r"(?mi)^Via:[^\r\n]*\r\n", request))
            self.talk.send((f"SIP/2.0 200 OK\r\n{vias}From: {header(request, 'From', 'f')}\r\nTo: {header(request, 'To', 't')}\r\n"
                            f"Call-ID: {self.call_id}\r\nCSeq: {header(request, 'CSeq')}\r\n{contact}{kind}"
                            f"Content-Length: {len(sdp)}\r\n\r\n{sdp}").encode())

    def tell(self, message):
        """The SRS's description to the driver; how many streams have ICE in it."""
        served = 0
        if re.search("(?m)^a=ice-lite", message):
            self.source.say("lite")
        for i, section in enumerate(sections(message.partition("\r\n\r\n")[2])):
            ufrag, pwd = (re.search(rf"(?m)^a=ice-{word}:(\S+)", section) for word in ("ufrag", "pwd"))
            if not ufrag or not pwd:
                continue
            served += 1
            self.told[i] = ufrag.group(1)
            self.source.say(f"remote {i} {ufrag.group(1)} {pwd.group(1)}")
            for line in re.findall(r"(?m)^(a=candidate:[^\r\n]*)", section):
                self.source.say(f"candidate {i} {line}")
        return served

    def take_fragment(self, body):
        self.fragments.append(body)
        for section in sections(body):
            mid = re.search(r"(?m)^a=mid:(\d+)", section)
            for line in re.findall(r"(?m)^(a=candidate:[^\r\n]*)", section):
                self.source.say(f"candidate {mid.group(1) if mid else 0} {line}")

    # What is said

    def again(self, method, body):
        """A request with a description; its final response."""
        self.cseq += 1
        self.talk.send(followup(method, self.request, self.response, self.cseq, body))
        answer = self.final(method)
        if method == "INVITE" and answer:
            self.talk.send(followup("ACK", self.request, self.response, self.cseq))
        return answer

    def offer(self, candidates=True):
        self.version += 1
        return self.again("INVITE", description(self.source, self.version, self.own, self.trickle, candidates, self.mux))

    def inform(self, streams, end=False):
        """RFC 8840: the candidates of these streams in an INFO; the status it is answered with."""
        parts = [[f"m=audio 9 RTP/AVP 0", f"a=ice-ufrag:{self.source.ufrag[i]}", f"a=ice-pwd:{self.source.pwd[i]}", f"a=mid:{i}",
                  *self.source.candidates.get(i, []), *(["a=end-of-candidates"] if end else [])] for i in streams]
        body = "\r\n".join(line for part in parts for line in part) + "\r\n"
        self.cseq += 1
        self.talk.send(followup("INFO", self.request, self.response, self.cseq, body,
                                "Info-Package: trickle-ice\r\nContent-Disposition: Info-Package\r\n"
                                "Content-Type: application/trickle-ice-sdpfrag\r\n"))
        return code_of(self.final("INFO"))

    def packets(self):
        """How many the SRS has recorded since this call began, which has it for itself."""
        return self.srs.metric("siprecd_rtp_packets_received_total") - self.counted

    def hears(self, more, seconds=60):
        """So many packets more come of every stream."""
        enough = self.packets() + more * len(self.source.ufrag)
        return wait_for(lambda: self.packets() >= enough, seconds, every=0.1)

    def end(self):
        self.cseq += 1
        self.talk.send(followup("BYE", self.request, self.response, self.cseq))
        self.final("BYE")
        self.source.end()
        self.ended = True
        self.reader.join()
        self.talk.close()


class HeardCall(NiceCall):
    """The same with its verdicts: what a test of such an SRC asks of every call. HEARD: three seconds of a tone."""

    HEARD = 150

    def __init__(self, tap, srs, name, source, **how):
        self.tap, self.name = tap, name
        super().__init__(srs, source, **how)
        tap.ok(self.good, f"{name}: the offer of ICE is answered", self.response)
        if self.good:
            tap.equal(self.streams, len(source.ufrag), f"{name}: with ICE for every stream", self.answer)

    def ready(self, what="the SRC finds its paths"):
        return self.tap.equal(self.source.outcome(), "ready", f"{self.name}: {what}", self.answer, self.srs.log()[-2000:])

    def hear(self, paths, more=HEARD):
        """Tones until so many packets more have come, then BYE: the recording has each on its channel."""
        tap = self.tap
        tap.ok(self.hears(more), f"{self.name}: packets come", self.packets())
        self.end()
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


def call_in_full(tap, srs, name, source, mux=True, paths=("host",)):
    """A call from the offer to the audio."""
    play = HeardCall(tap, srs, name, source, mux=mux)
    if play.good and play.ready():
        play.hear(paths)
    return play


def call_restarted(tap, srs, source, what):
    """A call whose SRC begins its ICE anew in the middle (RFC 8445 section 9)."""
    play = HeardCall(tap, srs, "restart", source)
    if not play.good or not play.ready():
        return
    tap.ok(play.hears(25), "restart: packets come before it")
    before = re.findall(r"a=ice-ufrag:(\S+)", play.answer)
    source.restart()
    answer = play.offer()
    after = re.findall(r"a=ice-ufrag:(\S+)", answer or "")
    tap.ok(len(after) == 2 and not set(before) & set(after), "restart: the answer has new names", before, after)
    play.tell(answer)
    if play.ready(f"{what} finds paths anew"):
        play.hear(("host",))
