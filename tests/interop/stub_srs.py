"""A recording server of a hundred lines: answers INVITE, re-INVITE, UPDATE, OPTIONS, INFO, CANCEL and BYE over UDP and
TCP, receives RTP, and keeps all it saw. The witness siprec-call is tried against before siprecd is."""
import random
import re
import selectors
import socket
import struct
import threading

STATIC = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "3": "GSM/8000", "13": "CN/8000"}
FLIP = {"sendonly": "recvonly", "sendrecv": "recvonly", "inactive": "inactive", "recvonly": "sendonly"}


def header(message, name, short="\0"):
    found = re.search(rf"^(?:{name}|{short})[ \t]*:[ \t]*(.*?)\r?$", message, re.M | re.I)
    return found.group(1) if found else ""


def sdp_of(message):
    """The SDP of a message: its body, or the first application/sdp part of it."""
    head, _, body = message.partition("\r\n\r\n")
    boundary = re.search(r'boundary="?([^";\s]+)', header(head, "Content-Type", "c"))
    if boundary:
        for part in re.split(rf"(?:^|\r\n)--{re.escape(boundary.group(1))}(?:--)?[ \t]*(?=\r\n|$)", body)[1:]:
            fields, _, inner = part.partition("\r\n\r\n")
            if re.search(r"^content-type\s*:\s*application/sdp", fields, re.M | re.I):
                return inner.lstrip()
    found = re.search(r"(?:^|\n)(v=0\r?\n.*?)(?=\r?\n--|\Z)", body, re.S)
    return found.group(1) if found else ""


def media_of(sdp):
    """[(kind, port, profile, formats, lines)] of an SDP."""
    media = []
    for line in re.split(r"\r?\n", sdp):
        if line.startswith("m="):
            words = line[2:].split()
            media.append((words[0], int(words[1]), words[2], words[3:], []))
        elif media and line:
            media[-1][4].append(line)
    return media


class StubSrs:
    def __init__(self, port=0, tcp=False, ip="127.0.0.1", refuse=None, label=None, ice=False, headers="", glares=0):
        self.ip, self.tcp, self.refuse, self.label, self.ice, self.headers = ip, tcp, refuse, label, ice, headers
        self.glares = glares  # re-INVITEs that cross one of its own
        self.messages, self.packets, self.control, self.version = [], {}, {}, 1
        self.last_sdp, self.sockets, self.buffers = None, [], {}
        self.selector = selectors.DefaultSelector()
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.sip.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sip.bind((ip, port))
        if tcp:
            self.sip.listen()
        self.port = self.sip.getsockname()[1]
        self.selector.register(self.sip, selectors.EVENT_READ, "listen" if tcp else "sip")
        self.ports, self.running = [], True
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def close(self):
        self.running = False
        self.thread.join(5)
        for s in [self.sip] + self.sockets:
            s.close()

    def pair(self, index):
        while len(self.ports) <= index:
            for port in random.sample(range(38000, 39998, 2), 200):
                rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
                try:
                    rtp.bind((self.ip, port))
                    rtcp.bind((self.ip, port + 1))
                except OSError:
                    rtp.close()
                    rtcp.close()
                    continue
                number = len(self.ports)
                self.ports.append(port)
                self.packets[number], self.control[number] = [], []
                self.selector.register(rtp, selectors.EVENT_READ, ("rtp", number))
                self.selector.register(rtcp, selectors.EVENT_READ, ("rtcp", number))
                self.sockets += [rtp, rtcp]
                break
        return self.ports[index]

    def answer(self, sdp):
        lines = []
        for index, (kind, port, profile, formats, attributes) in enumerate(media_of(sdp)):
            if kind != "audio" or port == 0:
                lines.append(f"m={kind} 0 {profile} {' '.join(formats)}")
                continue
            lines.append(f"m=audio {self.pair(index)} {profile} {' '.join(formats)}")
            lines += [f"a=label:{self.label}" if self.label and a.startswith("a=label") else a
                      for a in attributes if a.startswith(("a=rtpmap", "a=label", "a=fmtp"))]
            if self.ice:  # credentials, one candidate that leads nowhere, and more to come (RFC 8838)
                lines += ["a=rtcp-mux", "a=ice-options:ice2 trickle", "a=ice-ufrag:stub", "a=ice-pwd:stubstubstubstubstubstub",
                          f"a=candidate:1 1 UDP 2130706431 {self.ip} {self.pair(index)} typ host"]
            direction = [a[2:] for a in attributes if a[2:] in FLIP]
            lines.append("a=" + FLIP[direction[0] if direction else "sendrecv"])
        text = "\r\n".join(lines)
        if self.last_sdp not in (None, text):
            self.version += 1
        self.last_sdp = text
        return (f"v=0\r\no=- 7 {self.version} IN IP4 {self.ip}\r\ns=-\r\nc=IN IP4 {self.ip}\r\nt=0 0\r\n{text}\r\n")

    def reply(self, message, code, phrase, body=""):
        to = header(message, "To", "t")
        if ";tag=" not in to:
            to += ";tag=stub"
        copied = "".join(f"Via: {v}\r\n" for v in re.findall(r"^(?:Via|v)[ \t]*:[ \t]*(.*?)\r?$", message, re.M))
        routes = "".join(f"Record-Route: {v}\r\n" for v in re.findall(r"^Record-Route: (.*?)\r?$", message, re.M))
        kind = "Content-Type: application/sdp\r\n" if body else ""
        transport = ";transport=tcp" if self.tcp else ""
        return (f"SIP/2.0 {code} {phrase}\r\n{copied}{routes}From: {header(message, 'From', 'f')}\r\nTo: {to}\r\n"
                f"Call-ID: {header(message, 'Call-ID', 'i')}\r\nCSeq: {header(message, 'CSeq')}\r\n"
                f"Contact: <sip:srs@{self.ip}:{self.port}{transport}>;+sip.srs\r\n"
                f"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE\r\n{self.headers}{kind}"
                f"Content-Length: {len(body)}\r\n\r\n{body}")

    def handle(self, message):
        self.messages.append(message)
        message = re.sub(r"\r?\n", "\r\n", message)
        head, gap, body = message.partition("\r\n\r\n")
        message = re.sub(r"\r\n[ \t]+", " ", head) + gap + body
        method = message.split(" ", 1)[0]
        if method in ("ACK", "SIP/2.0"):
            return None
        if method == "INVITE" and self.refuse:
            return self.reply(message, *self.refuse)
        if method == "INVITE" and ";tag=" in header(message, "To", "t") and self.glares:
            self.glares -= 1
            return self.reply(message, 491, "Request Pending")
        sdp = sdp_of(message)
        if method == "INVITE" and not sdp:
            offer = "".join(f"m=audio {self.pair(i)} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
                            f"a=label:{i + 1}\r\na=recvonly\r\n" for i in range(2))
            return self.reply(message, 200, "OK", f"v=0\r\no=- 7 1 IN IP4 {self.ip}\r\ns=-\r\n"
                                                  f"c=IN IP4 {self.ip}\r\nt=0 0\r\n{offer}")
        return self.reply(message, 200, "OK", self.answer(sdp) if sdp and method in ("INVITE", "UPDATE") else "")

    def take_stream(self, connection):
        data = connection.recv(65536)
        if not data:
            self.selector.unregister(connection)
            return
        buffer = self.buffers.get(connection, b"") + data
        while b"\r\n\r\n" in buffer:
            head, _, rest = buffer.partition(b"\r\n\r\n")
            length = int(header(head.decode("utf-8", "replace") + "\r\n", "Content-Length", "l") or 0)
            if len(rest) < length:
                break
            reply = self.handle((head + b"\r\n\r\n" + rest[:length]).decode("utf-8", "replace"))
            if reply:
                connection.sendall(reply.encode("utf-8", "surrogateescape"))
            buffer = rest[length:]
        self.buffers[connection] = buffer

    def loop(self):
        while self.running:
            for key, _ in self.selector.select(0.05):
                if key.data == "listen":
                    connection, _ = key.fileobj.accept()
                    self.sockets.append(connection)
                    self.selector.register(connection, selectors.EVENT_READ, "stream")
                elif key.data == "stream":
                    self.take_stream(key.fileobj)
                elif key.data == "sip":
                    data, peer = key.fileobj.recvfrom(65536)
                    reply = self.handle(data.decode("utf-8", "replace"))
                    if reply:
                        key.fileobj.sendto(reply.encode("utf-8", "surrogateescape"), peer)
                else:
                    data, _ = key.fileobj.recvfrom(2048)
                    (self.packets if key.data[0] == "rtp" else self.control)[key.data[1]].append(data)

    def requests(self, method):
        return [m for m in self.messages if m.startswith(method + " ")]


def rtp_fields(packet):
    """(payload type, marker, sequence, timestamp, ssrc, payload)"""
    _, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", packet[:12])
    return second & 127, second >> 7, sequence, timestamp, ssrc, packet[12:]
