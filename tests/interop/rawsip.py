"""SIP by hand: a socket, whole messages in and out, and the requests that follow an INVITE in its dialog."""
import itertools
import os
import re
import socket
import time

from stub_srs import header

hosts = itertools.count(2)


class Talk:
    """One SRC: a socket of its own, on an address of its own, so that answers sent to the Via's port find it."""

    def __init__(self, srs, transport, message="", to=None, own=None):
        """own: over UDP the address to send from, to `to`."""
        self.srs, self.transport, self.buffer = srs, transport, b""
        self.to = to or ("127.0.0.1", srs.port)
        if transport == "tcp":
            self.socket = socket.create_connection(self.to, timeout=60)
            return
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if own:
            self.socket.bind((own, 0))
            return
        sent_by = re.match(r"SIP/2.0/\w+\s+[^:;\s]+:?(\d+)?", header(message, "Via", "v"))
        port = int(sent_by.group(1) or 5060) if sent_by else 5060
        n = next(hosts)
        # Tests run side by side: each process has a net of its own.
        self.socket.bind((f"127.{1 + os.getpid() % 200}.{n // 250}.{n % 250 + 1}", port))

    def close(self):
        self.socket.close()

    def send(self, data):
        if self.transport == "tcp":
            self.socket.sendall(data)
        else:
            self.socket.sendto(data, self.to)

    def receive(self, seconds):
        """The next whole message, or None."""
        self.socket.settimeout(max(seconds, 0.01))
        try:
            if self.transport == "udp":
                data, self.source = self.socket.recvfrom(65536)
                return data.decode("utf-8", "replace")
            while True:
                self.buffer = self.buffer.lstrip(b"\r\n")
                head, gap, rest = self.buffer.partition(b"\r\n\r\n")
                length = int(header(head.decode("utf-8", "replace") + "\r\n", "Content-Length", "l") or 0)
                if gap and len(rest) >= length:
                    self.buffer = rest[length:]
                    return (head + gap + rest[:length]).decode("utf-8", "replace")
                data = self.socket.recv(65536)
                if not data:
                    return None
                self.buffer += data
        except (TimeoutError, OSError):
            return None

    def final(self, method, seconds=60):
        """The final response to a method; requests and other responses on the way are passed over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            message = self.receive(until - time.monotonic())
            if message is None:
                return None
            code = re.match(r"SIP/2.0 (\d+)", message)
            if code and int(code.group(1)) >= 200 and header(message, "CSeq").split()[-1] == method:
                return message
        return None


def code_of(message):
    return int(message.split()[1]) if message else None


def followup(method, request, response, cseq=None, body="", headers="Content-Type: application/sdp\r\n"):
    """ACK or BYE in the dialog that request and response made."""
    target = re.search(r"<([^>]*)>", header(response, "Contact", "m") or "<sip:srs@127.0.0.1>").group(1)
    number = cseq or header(request, "CSeq").split()[0]
    kind = headers if body else ""
    via = re.sub(r"branch=[^;\s]*", lambda m: m.group(0) + method, header(request, "Via", "v"))
    return (f"{method} {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n"
            f"From: {header(request, 'From', 'f')}\r\nTo: {header(response, 'To', 't')}\r\n"
            f"Call-ID: {header(request, 'Call-ID', 'i')}\r\nCSeq: {number} {method}\r\n{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def plain(raw):
    """A message's text with folded lines joined and every line ended by CRLF."""
    text = re.sub(r"\r?\n", "\r\n", raw.decode("utf-8", "replace"))
    head, gap, body = text.partition("\r\n\r\n")
    return re.sub(r"\r\n[ \t]+", " ", head) + gap + body
