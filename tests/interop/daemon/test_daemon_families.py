"""Both address families in one call: each m-line is answered in its own, of alternatives (RFC 4091) one is taken; and
where one family's ports are gone, INVITE and OPTIONS say the same."""
import os
import pathlib
import re
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from caller import Caller  # noqa: E402
from harness import Siprecd, Tap, wait_for  # noqa: E402

tap = Tap()
HERE = {4: "127.0.0.1", 6: "::1"}
KIND = {4: socket.AF_INET, 6: socket.AF_INET6}


class Src(Caller):
    """An SRC whose SIP is of one family, and whose streams are each of a family of their own."""

    def __init__(self, port, streams, sip=4, anat=None, name="f"):
        super().__init__(port, streams=0, name=name)
        self.families, self.anat, self.over = list(streams), anat, sip
        self.media = [self.bound(f) for f in self.families]
        if sip == 6:
            self.sip = self.bound(6)
            self.to = ("::1", port)

    @staticmethod
    def bound(family):
        s = socket.socket(KIND[family], socket.SOCK_DGRAM)
        s.bind((HERE[family], 0))
        return s

    def request(self, method, body="", cseq=None):
        if self.over == 4:
            return super().request(method, body, cseq)
        self.cseq = cseq or self.cseq + 1
        port = self.sip.getsockname()[1]
        self.sip.sendto((
            f"{method} sip:srs@[::1]:{self.to[1]} SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:{port};branch=z9hG4bK{method}{self.cseq};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:src@example.com>;tag=f\r\nTo: <sip:srs@example.com>{self.tag}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} {method}\r\nContact: <sip:src@[::1]:{port}>;+sip.src\r\n"
            + ("Content-Type: application/sdp\r\n" if body else "") + f"Content-Length: {len(body)}\r\n\r\n{body}").encode(), self.to)
        return None

    def invite(self):
        """Calls; answers holds (port, address) of each m-line."""
        lines = ""
        for i, (media, family) in enumerate(zip(self.media, self.families)):
            lines += (f"m=audio {media.getsockname()[1]} RTP/AVP 0\r\nc=IN IP{family} {HERE[family]}\r\n"
                      f"a=rtpmap:0 PCMU/8000\r\na=label:{i + 1}\r\na=mid:{i + 1}\r\na=sendonly\r\n")
        group = f"a=group:ANAT {self.anat}\r\n" if self.anat else ""
        self.request("INVITE", f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{group}{lines}")
        code = self.response()
        self.answers = []
        if code == 200:
            self.tag = ";tag=" + re.search(r"^To:.*;tag=([^;\r]+)", self.text, re.M | re.I).group(1)
            common, *sections = self.text.partition("\r\n\r\n")[2].split("m=audio ")
            for section in sections:
                address = re.search(r"c=IN IP. (\S+)", section) or re.search(r"c=IN IP. (\S+)", common)
                self.answers.append((int(section.split()[0]), address.group(1)))
            self.request("ACK", cseq=self.cseq)
        return code

    def send(self, packets=50):
        for n in range(packets):
            for i, (media, (port, address)) in enumerate(zip(self.media, self.answers)):
                if port:
                    media.sendto(struct.pack("!BBHII", 0x80, 0, n, n * 160, i + 77) + b"\xd5" * 160, (address, port))


with Siprecd("--rtp.bind=127.0.0.1,::1") as srs:
    src = Src(srs.port, (4, 6, 6, 4))
    tap.equal(src.invite(), 200, "streams of both families in one offer", getattr(src, "text", ""))
    tap.equal([a for _, a in src.answers], ["127.0.0.1", "::1", "::1", "127.0.0.1"], "each is answered in its own family", src.text)
    src.send()
    src.bye()
    recording = srs.recording(src.call_id) or {}
    tap.equal([s.get("packets") for s in recording.get("streams", [])], [50] * 4, "and recorded", recording, srs.log()[-2000:])

    for anat, taken in (("1 2", 0), ("2 1", 1)):
        src = Src(srs.port, (6, 4), anat=anat, name=f"anat{taken}")
        tap.equal(src.invite(), 200, f"alternatives, {anat}", getattr(src, "text", ""))
        tap.equal([port > 0 for port, _ in src.answers], [taken == 0, taken == 1], "the preferred one is taken, and no other", src.text)
        src.bye()

base = 33000 + (os.getpid() % 13) * 2000 + 700
with Siprecd("--rtp.bind=127.0.0.1,::1", f"--sip.listen=udp:127.0.0.1:{base + 90},udp:[::1]:{base + 90}",
             rtp=(base, base + 7)) as srs:
    srs.port = base + 90
    first, second = Src(srs.port, (4, 4), name="first"), Src(srs.port, (4, 4), name="second")
    tap.equal((first.invite(), second.invite()), (200, 200), "all ports of IPv4 are in use")
    tap.equal(Src(srs.port, (4,), name="third").invite(), 503, "a call with IPv4 media: 503")
    tap.ok(wait_for(lambda: Caller(srs.port, name="o").options() == 503, 10), "OPTIONS over IPv4 says so too", srs.log()[-2000:])
    tap.equal(Src(srs.port, (), sip=6, name="six").options(), 200, "OPTIONS over IPv6: 200")
    src = Src(srs.port, (6, 6), sip=6, name="sixth")
    tap.equal(src.invite(), 200, "and such a call is taken")
    tap.equal(srs.get("/health/ready")[0], 200, "there are ports: ready")
    src.bye()
    first.bye()
    second.bye()
    tap.ok(wait_for(lambda: Caller(srs.port, name="p").options() == 200, 20), "ports that have rested: OPTIONS says 200 again")
tap.done()
