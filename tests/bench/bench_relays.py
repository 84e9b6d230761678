#!/usr/bin/env python3
"""What a packet costs siprecd that came over a relay (ChannelData, coturn), beside one that came straight: two worlds of
network namespaces, the same calls and the same packets. Prints lines of "name value unit note" for bench.py.
Use: bench_relays.py BUILD [CALLS [SECONDS]]"""
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))
import lab  # noqa: E402
from harness import wait_for  # noqa: E402

lab.enter()
CALLS = int(sys.argv[2]) if len(sys.argv) > 2 else 500
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 12
TOOL = pathlib.Path(sys.argv[1]).resolve() / "tests/bench/bench_calls"
TICKS = os.sysconf("SC_CLK_TCK")
FIRST = 20000  # where the packets come from
READY, TOGETHER = 100, 10
PACKETS = "siprecd_rtp_packets_received_total"


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Src:
    """Calls of two streams; their packets come from the tool."""

    def __init__(self, world):
        self.to, self.own = (f"{lab.SRS}.1", lab.SIP), f"{lab.SRC}.1"
        with world.src.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.own, 0))
        self.socket.settimeout(5)
        self.port = self.socket.getsockname()[1]

    def send(self, method, n, tag, body=""):
        head = (f"{method} sip:srs@{self.to[0]}:{self.to[1]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {self.own}:{self.port};branch=z9hG4bK-{n}-{method};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:src@example.com>;tag=f{n}\r\nTo: <sip:srs@example.com>{tag}\r\n"
                f"Call-ID: bench-{n}@{self.own}\r\nCSeq: 1 {method}\r\n"
                f"Contact: <sip:src@{self.own}:{self.port}>;+sip.src\r\n")
        if body:
            head += "Require: siprec\r\nContent-Type: application/sdp\r\n"
        self.socket.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.to)

    def call(self, n):
        """Starts a call; where its two streams shall be sent to."""
        sdp = (f"v=0\r\no=- 1 1 IN IP4 {self.own}\r\ns=-\r\nc=IN IP4 {self.own}\r\nt=0 0\r\n" + "".join(
            f"m=audio {FIRST + 2 * n + i} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=label:{i}\r\na=sendonly\r\na=rtcp-mux\r\n"
            for i in range(2)))
        self.send("INVITE", n, "", sdp)
        while True:
            text = self.socket.recv(65536).decode()
            if f"bench-{n}@" in text and text.startswith("SIP/2.0 2"):
                break
            if f"bench-{n}@" in text and not text.startswith("SIP/2.0 1"):
                sys.exit("call refused: " + text.split("\r\n")[0])
        self.send("ACK", n, ";tag=" + re.search(r"^To:.*;tag=([^;\r]+)", text, re.M | re.I).group(1))
        common = re.search(r"^c=IN IP4 (\S+)", text, re.M).group(1)
        out = []
        for part in re.split(r"^(?=m=)", text, flags=re.M)[1:]:
            own = re.search(r"^c=IN IP4 (\S+)", part, re.M)
            out.append(f"{own.group(1) if own else common}:{re.match('m=audio ([0-9]+)', part).group(1)}")
        return out


def measure(srs, environment):
    """CPU a packet in microseconds, by turns; how many of the packets sent were recorded; whom they were sent to."""
    with lab.World(srs) as world:
        coturn = world.coturn(f"{lab.SERVERS}.1", None, "--max-port", "60999")
        world.classic_stun()
        with world.siprecd("--rtp.port_max=19999", "--log.level=warn", f"--nat.ready={READY}",
                           environment=environment) as recorder:
            pid = int(pathlib.Path(f"/proc/{recorder.process.pid}/task/{recorder.process.pid}/children").read_text()
                      or recorder.process.pid)
            if environment:
                wait_for(lambda: recorder.metric("siprecd_relays_ready") >= READY, 60)
            src, targets, senders = Src(world), [], []
            for n in range(CALLS):
                targets += src.call(n)
                if environment:  # a busy site's calls do not all come in one second
                    wait_for(lambda: recorder.metric("siprecd_relays_ready") >= 4, 20)
                if (n + 1) % TOGETHER == 0 or n + 1 == CALLS:  # who sends nothing for long is asked to send elsewhere
                    some = targets[2 * TOGETHER * len(senders):]
                    senders.append(subprocess.Popen(
                        [*world.src.enter, TOOL, "send", "3600", "0", str(FIRST + len(targets) - len(some)), *some],
                        stdout=subprocess.DEVNULL))
            time.sleep(3)  # sources are known, channels bound
            costs, began, first = [], time.monotonic(), recorder.metric(PACKETS)
            for _ in range(SECONDS // 2):
                cpu, count = cpu_seconds(pid), recorder.metric(PACKETS)
                time.sleep(2)
                cpu, count = cpu_seconds(pid) - cpu, recorder.metric(PACKETS) - count
                costs.append(cpu / count * 1e6 if count else float("nan"))
            share = (recorder.metric(PACKETS) - first) / (len(targets) * 50 * (time.monotonic() - began))
            for sender in senders:
                sender.kill()
                sender.wait()
        lab.end(coturn)
        return costs, share, {t.split(":")[0] for t in targets}


TURN = {"TURN_SERVERS": f"turn:{lab.SERVERS}.1", "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
direct, straight_share, _ = measure([], {})
relayed, relay_share, addresses = measure(["symmetric"], TURN)
assert addresses == {f"{lab.SERVERS}.1"}, addresses
print(f"relay.direct {statistics.median(direct):.2f} us a packet straight, {CALLS} calls of 2 streams, {straight_share:.1%} recorded")
print(f"relay.relayed {statistics.median(relayed):.2f} us a packet over coturn, {relay_share:.1%} recorded")
print(f"relay.ratio {statistics.median(relayed) / statistics.median(direct):.2f} times, turns of two seconds: " +
      " ".join(f"{c:.2f}" for c in relayed) + " us")
