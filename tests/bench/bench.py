#!/usr/bin/env python3
"""Measures siprecd and prints a table: CPU per recorded packet against a bare loop, memory per stream, answer times,
render speed. Each number is a ratio or a time of one run on one machine; the machine stands above the table.
Use: bench.py BUILD [--streams 2000] [--seconds 20] [--only calls,answers,journal,nat,relays,render]"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
parser = argparse.ArgumentParser()
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--streams", type=int, default=2000)
parser.add_argument("--seconds", type=int, default=28, help="for siprecd; the bare loop gets as long")
parser.add_argument("--calls", type=int, default=1000, help="calls of the answer-time run")
parser.add_argument("--folder", help="where recordings go (default: a temporary folder)")
parser.add_argument("--only", default="calls,answers,journal,nat,relays,render")
options = parser.parse_args()
BUILD = options.build.resolve()
TOOL = BUILD / "tests/bench/bench_calls"
running = []  # what must not outlive us
FIRST = 10000  # where the packets come from: ports FIRST..FIRST + streams - 1
rows = []


def row(name, value, limit="", note=""):
    rows.append((name, value, limit, note))
    print(f"  measured: {name} = {value} {note}", file=sys.stderr, flush=True)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Siprecd:
    def __init__(self, folder):
        self.sip, self.http = free_port(), free_port()
        env = {k: v for k, v in os.environ.items() if not k.startswith("SIPRECD_")} | {
            "STUN_SERVERS": "none", "SIPRECD_NAT_PORTMAP": "false", "SIPRECD_NAT_METADATA": "false",
            "SIPRECD_NAT_IP_SERVICES": "none"}
        self.log = open(pathlib.Path(folder) / "log", "wb")
        self.process = subprocess.Popen(
            [BUILD / "siprecd", f"--sip.listen=udp:127.0.0.1:{self.sip}", f"--http.listen=127.0.0.1:{self.http}",
             f"--recordings.directory={folder}/recordings", "--recordings.min_free=0", "--rtp.port_min=33000",
             "--rtp.port_max=60999", "--log.level=warn"], stderr=self.log, env=env)
        self.pid = self.process.pid
        running.append(self.process)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.http}/health/ready", timeout=2)
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("siprecd did not start")

    def metric(self, name):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=20).read().decode()
        return int(float(re.search(rf"^{name} (\S+)$", text, re.M).group(1)))

    def end(self):
        # Twice: what is not rendered does not matter here.
        for _ in range(2):
            self.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


class Src:
    """Calls of two streams without media of their own: their packets come from the tool."""

    def __init__(self, sip):
        self.to = ("127.0.0.1", sip)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.port = self.socket.getsockname()[1]
        self.dialogs = []

    def send(self, method, n, tag, cseq, body="", kind=""):
        head = (f"{method} sip:srs@127.0.0.1:{self.to[1]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK-{n}-{cseq}-{method};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:src@example.com>;tag=f{n}\r\nTo: <sip:srs@example.com>{tag}\r\n"
                f"Call-ID: bench-{n}@127.0.0.1\r\nCSeq: {cseq} {method}\r\n"
                f"Contact: <sip:src@127.0.0.1:{self.port}>;+sip.src\r\n")
        if body:
            head += f"Require: siprec\r\nContent-Type: {kind}\r\n"
        self.socket.sendto(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.to)

    def call(self, n):
        """Starts a call; its two media ports."""
        sdp = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + "".join(
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=label:{label}\r\na=sendonly\r\n"
            for port, label in ((FIRST + 2 * n, 1), (FIRST + 2 * n + 1, 2))))
        self.send("INVITE", n, "", 1, sdp, "application/sdp")
        while True:
            text = self.socket.recv(65536).decode()
            if f"bench-{n}@" in text and text.startswith("SIP/2.0 2"):
                break
            if f"bench-{n}@" in text and not text.startswith("SIP/2.0 1"):
                sys.exit("call refused: " + text.split("\r\n")[0])
        tag = ";tag=" + re.search(r"^To:.*;tag=([^;\r]+)", text, re.M | re.I).group(1)
        self.dialogs.append((n, tag))
        self.send("ACK", n, tag, 1)
        return [int(p) for p in re.findall(r"^m=audio (\d+)", text, re.M)]

    def end(self):
        for n, tag in self.dialogs:
            self.send("BYE", n, tag, 2)
            try:
                self.socket.recv(65536)
            except TimeoutError:
                pass


ROUND = 4  # seconds that each of the two is sent packets in its turn


def turn(pid, packets, ports, number):
    """One turn: CPU per packet in microseconds in its middle two seconds, and how many packets were sent."""
    process = subprocess.Popen([TOOL, "send", str(ROUND), str(number * ROUND * 50), str(FIRST), *map(str, ports)],
                               stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    cpu, count = cpu_seconds(pid), packets()
    time.sleep(ROUND - 2)
    cpu, count = cpu_seconds(pid) - cpu, packets() - count
    return cpu / count * 1e6, json.loads(process.communicate()[0])["sent"]


def bench_calls(folder):
    """siprecd and the bare loop take turns, so that what else the machine does meets both; the ratio is the median of
    those of neighbouring turns."""
    streams = options.streams
    bare_folder = pathlib.Path(folder) / "bare"
    bare_folder.mkdir()

    daemon = Siprecd(folder)
    time.sleep(2)
    idle = rss_kib(daemon.pid)
    src = Src(daemon.sip)
    ports = [port for n in range(streams // 2) for port in src.call(n)]
    bare = subprocess.Popen([TOOL, "bare", bare_folder, str(streams)], stdout=subprocess.PIPE, text=True)
    running.append(bare)
    bare_ports = [int(bare.stdout.readline()) for _ in range(streams)]
    assert bare.stdout.readline() == "ready\n"

    def bare_packets():
        bare.send_signal(signal.SIGUSR1)
        return int(bare.stdout.readline())

    ours, theirs, sent = [], [], 0
    for number in range(max(1, options.seconds // ROUND)):
        cost, more = turn(daemon.pid, lambda: daemon.metric("siprecd_rtp_packets_received_total"), ports, number)
        ours.append(cost)
        sent += more
        theirs.append(turn(bare.pid, bare_packets, bare_ports, number)[0])
    busy = rss_kib(daemon.pid)
    recorded = daemon.metric("siprecd_rtp_packets_received_total")
    dropped = daemon.metric("siprecd_socket_overflows_total")
    src.end()
    daemon.end()
    bare.send_signal(signal.SIGTERM)
    bare.wait(10)

    ratios = [a / b for a, b in zip(ours, theirs)]
    row("CPU a recorded packet", f"{statistics.median(ours):.2f} us",
        note=f"{streams} streams, {streams * 50} packets/s, {recorded} of {sent} sent were recorded, {dropped} dropped by the "
             f"kernel")
    row("CPU a packet of the bare loop", f"{statistics.median(theirs):.2f} us",
        note="as many sockets: recvmmsg every 100 ms and one writev a call")
    row("ratio", f"{statistics.median(ratios):.2f}", "<= 1.50", f"median of {len(ratios)} turns: " +
        " ".join(f"{r:.2f}" for r in ratios))
    row("memory a stream over idle", f"{(busy - idle) / streams:.1f} KiB", "<= 48 KiB", f"idle {idle} KiB, busy {busy} KiB")


def bench_answers(folder):
    daemon = Siprecd(folder)
    done = subprocess.run([BUILD / "siprec-call", f"sip:127.0.0.1:{daemon.sip}", "--calls", str(options.calls), "--rate",
                           "100", "--hold", "2", "--json"], capture_output=True, text=True)
    daemon.end()
    told = json.loads(done.stdout)
    answers = told.get("answer_ms") or told
    row("answer time p99 at 100 calls/s", f"{answers['p99']:.2f} ms", "< 10 ms",
        f"p50 {answers['p50']:.2f} ms, {told.get('answered', options.calls)} of {options.calls} calls answered, "
        f"2 streams each, 2 s long")


def bench_journal(_):
    for tool in ("bench_journal", "bench_media"):
        for line in subprocess.run([BUILD / "tests/bench" / tool], capture_output=True, text=True).stdout.splitlines():
            found = re.match(r"(.*?) +([\d.]+) +([\d.]+)$", line)
            if found:
                row("a packet: " + found.group(1), found.group(2) + " ns", "",
                    f"{found.group(3)} times a memcpy of its bytes")


def bench_nat(_):
    limits = {"stun.decode_check": "<= 2 x bare", "stun.decode_check_answer": "<= 2 x bare", "ice.agent_10x10": "<= 16384"}
    for tool in ("bench_stun", "bench_ice"):
        for line in subprocess.run([BUILD / "tests/bench" / tool], capture_output=True, text=True, check=True).stdout.splitlines():
            name, value, unit, *note = line.split(maxsplit=3)
            row(name, f"{value} {unit}", limits.get(name, ""), "".join(note))
    # Random networks of the simulated world, each with a call through it: learned, answered, heard.
    for name, tool, worlds in (("with ICE", "natsim_worlds", 10000), ("without ICE", "natsim_worlds_plain", 2000)):
        before = os.times()
        done = subprocess.run([BUILD / "tests/natsim" / tool, str(worlds)], capture_output=True, text=True)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        note = f"{worlds} worlds on one core" if done.returncode == 0 else done.stdout.strip().splitlines()[-1]
        row(f"worlds a second, {name}", f"{worlds / cpu:.0f}", "", note)


def bench_relays(_):
    tool = pathlib.Path(__file__).resolve().parent / "bench_relays.py"
    done = subprocess.run([sys.executable, tool, BUILD], capture_output=True, text=True)
    if done.returncode:
        row("relays", "not measured", "<= 1.30", (done.stderr or done.stdout).strip().splitlines()[-1])
        return
    for line in done.stdout.splitlines():
        name, value, unit, *note = line.split(maxsplit=3)
        row(name, f"{value} {unit}", "<= 1.30" if name == "relay.ratio" else "", "".join(note))


def bench_render(folder):
    render = BUILD / "siprecd-render"
    maker = BUILD / "tests/bench/bench_render_journal"
    if not render.exists() or not maker.exists():
        row("render", "not measured", ">= 300", "siprecd-render or its journal maker is not built")
        return
    journal, minutes = pathlib.Path(folder) / "hour.pcapng", 60
    for format_, ppm, target in (("wav", 0, ">= 300"), ("wav", 100, ">= 300"), ("flac", 0, ""), ("opus", 0, ""), ("mp3", 0, "")):
        subprocess.run([maker, journal, str(minutes), str(ppm)], check=True)
        before, began = os.times(), time.monotonic()
        subprocess.run([render, journal, "--format", format_, "-o", pathlib.Path(folder) / f"hour.{format_}"], check=True,
                       stdout=subprocess.DEVNULL)
        after, took = os.times(), time.monotonic() - began
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        drift = f", clocks {ppm} ppm apart" if ppm else ""
        row(f"render to {format_}, times real time a core", f"{minutes * 60 / cpu:.0f}", target,
            f"{minutes} min of G.711 noise, 2 streams{drift}: {cpu:.2f} s of CPU, {took:.2f} s by the clock")


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", text)
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) // 1048576
    load = os.getloadavg()[0]
    return (f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, {memory} GiB, Linux "
            f"{platform.release()}, load {load:.1f} before the run")


def main():
    print(machine())
    jobs = {"calls": bench_calls, "answers": bench_answers, "journal": bench_journal, "nat": bench_nat,
            "relays": bench_relays, "render": bench_render}
    for name in options.only.split(","):
        folder = tempfile.mkdtemp(prefix="siprecd-bench-", dir=options.folder)
        try:
            jobs[name](folder)
        finally:
            for process in running:
                process.kill()
            shutil.rmtree(folder, ignore_errors=True)
    widths = [max(len(r[i]) for r in rows) for i in range(3)] if rows else [0, 0, 0]
    for name, value, limit, note in rows:
        print(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {limit:<{widths[2]}}  {note}")


main()
