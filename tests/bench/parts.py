"""What the benches share: CPU and memory of a process, waiting for a state, and an SRC whose calls' packets come from
elsewhere."""
import os
import pathlib
import queue
import re
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from harness import wait_for  # noqa: E402


def cpu_us(pid):
    """Of all its threads that are alive, in microseconds."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1000


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def child_of(pid):
    """The program that a wrapper such as nsenter started, or the process itself."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def steady(value, seconds, times=10, every=0.1):
    """value() once it has stayed the same so many times in a row, or whatever it is when time is over."""
    until, last, same = time.monotonic() + seconds, value(), 0
    while same < times and time.monotonic() < until:
        time.sleep(every)
        now = value()
        same = same + 1 if now == last else 0
        last = now
    return last


def cost(pid, packets, wanted, seconds):
    """CPU a packet in microseconds over the next so many packets, or as many as come in the time."""
    first, cpu = packets(), cpu_us(pid)
    wait_for(lambda: packets() - first >= wanted, seconds, every=0.2)
    cpu, count = cpu_us(pid) - cpu, packets() - first
    return cpu / count if count > 0 else float("nan")


class Src:
    """Calls of two streams each without media of their own: their packets come from the tool, from the ports first,
    first + 1 and so on. Other paths than the first it does not take, and says so."""

    def __init__(self, own, to, first, made=None):
        self.to, self.own, self.first = to, own, first
        self.socket = made or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((own, 0))
        self.port = self.socket.getsockname()[1]
        self.dialogs, self.answers = [], queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            text = self.socket.recv(65536).decode()
            if text.startswith("SIP/2.0 "):
                self.answers.put(text)
            elif text.strip() and not text.startswith("ACK "):
                self.refuse(text)

    def refuse(self, text):
        offers = text.startswith(("INVITE ", "UPDATE "))
        same = re.findall(r"^(?:Via|From|To|Call-ID|CSeq):[^\r]*\r\n", text, re.M | re.I)
        status = "488 Not Acceptable Here" if offers else "200 OK"
        self.socket.sendto((f"SIP/2.0 {status}\r\n" + "".join(same) + "Content-Length: 0\r\n\r\n").encode(), self.to)

    def send(self, method, n, tag, cseq, body=""):
        head = (f"{method} sip:srs@{self.to[0]}:{self.to[1]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {self.own}:{self.port};branch=z9hG4bK-{n}-{cseq}-{method};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:src@example.com>;tag=f{n}\r\nTo: <sip:srs@example.com>{tag}\r\n"
                f"Call-ID: bench-{n}-{self.port}@{self.own}\r\nCSeq: {cseq} {method}\r\n"
                f"Contact: <sip:src@{self.own}:{self.port}>;+sip.src\r\n")
        if body:
            head += "Require: siprec\r\nContent-Type: application/sdp\r\n"
        self.socket.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.to)

    def answer(self, n, method):
        while True:
            text = self.answers.get(timeout=20)
            ours = f"bench-{n}-{self.port}@" in text and re.search(rf"^CSeq: *\d+ {method}", text, re.M | re.I)
            if ours and text.startswith("SIP/2.0 2"):
                return text
            if ours and text.startswith("SIP/2.0 ") and not text.startswith("SIP/2.0 1"):
                sys.exit(f"call {n} refused: " + text.split("\r\n")[0])

    def call(self, n, lines="", first=None):
        """Starts a call; the m-lines of its answer, and where each is to be sent to. lines: more of each m-line."""
        first = self.first + 2 * n if first is None else first
        sdp = (f"v=0\r\no=- 1 1 IN IP4 {self.own}\r\ns=-\r\nc=IN IP4 {self.own}\r\nt=0 0\r\n" + "".join(
            f"m=audio {first + i} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=label:{i + 1}\r\na=sendonly\r\n"
            f"{lines.format(port=first + i)}" for i in range(2)))
        self.send("INVITE", n, "", 1, sdp)
        text = self.answer(n, "INVITE")
        tag = ";tag=" + re.search(r"^To:.*;tag=([^;\r]+)", text, re.M | re.I).group(1)
        self.dialogs.append((n, tag))
        self.send("ACK", n, tag, 1)
        common = re.search(r"^c=IN IP4 (\S+)", text, re.M).group(1)
        parts = re.split(r"^(?=m=)", text, flags=re.M)[1:]
        places = []
        for part in parts:
            own = re.search(r"^c=IN IP4 (\S+)", part, re.M)
            places.append((own.group(1) if own else common, int(re.match("m=audio ([0-9]+)", part).group(1))))
        return parts, places

    def end(self):
        for n, tag in self.dialogs:
            self.send("BYE", n, tag, 2)
            self.answer(n, "BYE")
        self.dialogs = []


def environment():
    """Ours, without what would set up a siprecd or send it through a proxy."""
    unwanted = ("SIPRECD_", "STUN_", "TURN_", "EXTERNAL_IP", "INTERNAL_IP", "BEHIND_NAT", "https_proxy", "HTTPS_PROXY")
    return {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
