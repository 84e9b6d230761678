"""An SRC small enough to be stopped at any packet: one call over UDP, its own RTP with the moment each packet was sent."""
import re
import socket
import struct
import time


class Caller:
    def __init__(self, port, streams=2, name="c"):
        self.to = ("127.0.0.1", port)
        self.name = name
        self.sip = self._socket()
        self.media = [self._socket() for _ in range(streams)]
        self.sent = [[] for _ in range(streams)]  # moments, by sequence number
        self.tag, self.cseq, self.ports = "", 0, []

    @staticmethod
    def _socket():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 0))
        s.settimeout(60)
        return s

    @property
    def call_id(self):
        return f"{self.name}-{self.sip.getsockname()[1]}@127.0.0.1"

    def request(self, method, body="", cseq=None):
        self.cseq = cseq or self.cseq + 1
        port = self.sip.getsockname()[1]
        head = (f"{method} sip:srs@127.0.0.1:{self.to[1]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{self.name}-{method}-{self.cseq};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:src@example.com>;tag=f{self.name}\r\n"
                f"To: <sip:srs@example.com>{self.tag}\r\nCall-ID: {self.call_id}\r\nCSeq: {self.cseq} {method}\r\n"
                f"Contact: <sip:src@127.0.0.1:{port}>;+sip.src\r\n")
        if body:
            head += "Content-Type: application/sdp\r\n"
        self.sip.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.to)

    def response(self, seconds=60):
        """The next final response: its code, or None."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.sip.settimeout(left)
            try:
                text = self.sip.recv(65536).decode()
            except TimeoutError:
                return None
            if text.startswith("SIP/2.0") and not text.startswith("SIP/2.0 1"):
                self.text = text
                return int(text.split()[1])
        return None

    def invite(self, removed=False):
        """Calls, or once more in the call, with every stream removed; the answer's code."""
        lines = "".join(f"m=audio {0 if removed else m.getsockname()[1]} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
                        f"a=label:{i + 1}\r\na=sendonly\r\n" for i, m in enumerate(self.media))
        self.request("INVITE", f"v=0\r\no=- 1 {self.cseq + 1} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
                               "t=0 0\r\n" + lines)
        code = self.response()
        if code == 200:
            self.tag = ";tag=" + re.search(r"^To:.*;tag=([^;\r]+)", self.text, re.M | re.I).group(1)
            self.ports = [int(p) for p in re.findall(r"^m=audio (\d+)", self.text, re.M)]
            self.request("ACK", cseq=self.cseq)
        return code

    def options(self):
        self.request("OPTIONS")
        return self.response()

    def bye(self):
        self.request("BYE")
        return self.response()

    def wait_bye(self, seconds):
        """True when the SRS ended the call by BYE, which is answered."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.sip.settimeout(left)
            try:
                text, peer = self.sip.recvfrom(65536)
            except TimeoutError:
                return False
            text = text.decode()
            if text.startswith("BYE "):
                keep = [line for line in text.split("\r\n") if re.match(r"(via|from|to|call-id|cseq):", line, re.I)]
                self.sip.sendto(("SIP/2.0 200 OK\r\n" + "\r\n".join(keep) + "\r\nContent-Length: 0\r\n\r\n").encode(), peer)
                return True
        return False

    def talk(self, seconds, until=lambda: False):
        """RTP on every stream, 50 packets a second each, for so long or until something is true."""
        began = time.monotonic()
        number = 0
        while number < seconds * 50 and not until():
            for i, m in enumerate(self.media):
                sequence = len(self.sent[i])
                packet = struct.pack("!BBHII", 0x80, 0, sequence & 0xffff, sequence * 160, i + 77) + b"\xd5" * 160
                m.sendto(packet, ("127.0.0.1", self.ports[i]))
                self.sent[i].append(time.time())
            number += 1
            pause = began + number * 0.02 - time.monotonic()
            if pause > 0:
                time.sleep(pause)
