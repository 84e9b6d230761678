#!/usr/bin/env python3
"""Measures siprecd and prints a table, what was measured beside what is aimed at: CPU per recorded packet against a bare
loop, memory per stream, answer times without and with a NAT, relays, checks, engines, render speed. Each number is a
ratio or a time of one run on one machine; the machine stands above the table. What takes too long is ended and says so.
Use: bench.py BUILD [--streams 2000] [--turns 7] [--only calls,answers,paths,journal,nat,relays,render]"""
import argparse
import hashlib
import hmac
import json
import os
import pathlib
import platform
import re
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from parts import Src, cost, environment, rss_kib, steady, wait_for  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--streams", type=int, default=2000)
parser.add_argument("--turns", type=int, default=7, help="of siprecd and of the bare loop")
parser.add_argument("--calls", type=int, default=1000, help="calls of the answer-time run")
parser.add_argument("--folder", help="where recordings go (default: a temporary folder)")
parser.add_argument("--only", default="calls,answers,paths,journal,nat,relays,render")
options = parser.parse_args()
BUILD = options.build.resolve()
TOOL = BUILD / "tests/bench/bench_calls"
running = []  # what must not outlive us
FIRST = 10000  # where the packets come from: ports FIRST..FIRST + streams - 1
rows = []


def row(name, value, unit="", goal=None, note=""):
    """goal: ("<=", 1.5)"""
    aimed = f"{goal[0]} {goal[1]:g}" if goal else ""
    met = "" if not goal or value is None else ("met" if (value <= goal[1] if goal[0] == "<=" else value >= goal[1]) else
                                                "MISSED")
    shown = "not measured" if value is None else f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
    rows.append((name, shown, unit, aimed, met, note))
    print(f"  measured: {name} = {shown} {unit} {note}", file=sys.stderr, flush=True)


class TooLong(Exception):
    pass


def time_is_up(*_):
    raise TooLong


def kernel(name):
    """A counter of UDP's in this network namespace."""
    names, values = [line.split()[1:] for line in pathlib.Path("/proc/net/snmp").read_text().splitlines()
                     if line.startswith("Udp:")]
    return int(values[names.index(name)])


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Siprecd:
    def __init__(self, folder):
        self.sip, self.http = free_port(), free_port()
        env = environment() | {
            "STUN_SERVERS": "none", "SIPRECD_NAT_PORTMAP": "false", "SIPRECD_NAT_METADATA": "false",
            "SIPRECD_NAT_IP_SERVICES": "none"}
        self.log = open(pathlib.Path(folder) / "log", "wb")
        self.process = subprocess.Popen(
            [BUILD / "siprecd", f"--sip.listen=udp:127.0.0.1:{self.sip}", f"--http.listen=127.0.0.1:{self.http}",
             f"--recordings.directory={folder}/recordings", "--recordings.min_free=0", "--rtp.port_min=33000",
             "--rtp.port_max=60999", "--log.level=error"], stderr=self.log, env=env)
        self.pid = self.process.pid
        running.append(self.process)
        if not wait_for(self.ready, 30):
            sys.exit("siprecd did not start")

    def ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.http}/health/ready", timeout=2)
        except OSError:
            return None

    def metric(self, name):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=20).read().decode()
        return int(float(re.search(rf"^{name} (\S+)$", text, re.M).group(1)))

    def packets(self):
        return self.metric("siprecd_rtp_packets_received_total")

    def end(self):
        """At once: rendering what was recorded would take minutes, and nobody hears it."""
        self.process.kill()
        self.process.wait()
        self.log.close()


ROUND = 4  # seconds that each of the two is sent packets in its turn
TURNS_LAST = 90  # no turn begins after so many seconds: the machine is busy


def turn(pid, packets, ports, number):
    """One turn: CPU per packet in microseconds in its middle two seconds, and how many packets were sent."""
    before = packets()
    process = subprocess.Popen([TOOL, "send", str(ROUND), str(number * ROUND * 50), str(FIRST), *map(str, ports)],
                               stdout=subprocess.PIPE, text=True)
    running.append(process)
    second = 50 * len(ports)
    wait_for(lambda: packets() - before >= second, ROUND / 2)
    spent = cost(pid, packets, 2 * second, ROUND / 2)
    return spent, json.loads(process.communicate()[0])["sent"]


def bench_calls(folder):
    """siprecd and the bare loop take turns, so that what else the machine does meets both; the ratio is the median of
    those of neighbouring turns. The first is not counted: documents are written in it."""
    streams = options.streams
    bare_folder = pathlib.Path(folder) / "bare"
    bare_folder.mkdir()

    daemon = Siprecd(folder)
    idle = steady(lambda: rss_kib(daemon.pid), 10)
    src = Src("127.0.0.1", ("127.0.0.1", daemon.sip), FIRST)
    ports = [port for n in range(streams // 2) for _, port in src.call(n)[1]]
    bare = subprocess.Popen([TOOL, "bare", bare_folder, str(streams)], stdout=subprocess.PIPE, text=True)
    running.append(bare)
    bare_ports = [int(bare.stdout.readline()) for _ in range(streams)]
    assert bare.stdout.readline() == "ready\n"

    def bare_packets():
        bare.send_signal(signal.SIGUSR1)
        return int(bare.stdout.readline())

    ours, theirs, sent, lost = [], [], 0, kernel("RcvbufErrors")
    until = time.monotonic() + TURNS_LAST
    for number in range(options.turns + 1):
        if time.monotonic() > until and ours:
            break
        spent, more = turn(daemon.pid, daemon.packets, ports, number)
        sent += more
        bare_spent = turn(bare.pid, bare_packets, bare_ports, number)[0]
        if number > 0:
            ours.append(spent)
            theirs.append(bare_spent)
    wait_for(lambda: daemon.packets() == sent, 2)
    busy, recorded, dropped = rss_kib(daemon.pid), daemon.packets(), daemon.metric("siprecd_socket_overflows_total")
    lost = kernel("RcvbufErrors") - lost
    bare.kill()
    ratios = [a / b for a, b in zip(ours, theirs)]
    row("CPU a recorded packet", statistics.median(ours), "us", note=f"{streams} streams, {streams * 50} packets/s")
    row("CPU a packet of the bare loop", statistics.median(theirs), "us",
        note="as many sockets: recvmmsg every 100 ms and one writev a call")
    row("ratio", statistics.median(ratios), "", ("<=", 1.5), f"median of {len(ratios)} turns: " +
        " ".join(f"{r:.2f}" for r in ratios))
    row("packets lost under that load", sent - recorded, "", ("<=", 0), f"of {sent} sent; the kernel dropped {dropped} on our "
        f"sockets, RcvbufErrors of the whole machine {lost}")
    row("memory a stream over idle", (busy - idle) / streams, "KiB", ("<=", 48), f"idle {idle} KiB, busy {busy} KiB")
    bench_checks(daemon, ports, src)
    daemon.end()


CHECKED, CHECKS = 5, 300  # calls with ICE, and checks in all


def check(ufrag, key, number):
    """A Binding request as RFC 8445 section 7.2.4 has it, and its transaction id."""
    transaction = os.urandom(12)

    def attribute(kind, value):
        return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)

    def head(length):
        return struct.pack("!HHI", 1, length, 0x2112A442) + transaction

    body = (attribute(0x0006, f"{ufrag}:bench".encode()) + attribute(0x0024, struct.pack("!I", 0x6E7F00FF)) +
            attribute(0x802A, struct.pack("!Q", 7)))
    body += attribute(0x0008, hmac.new(key.encode(), head(len(body) + 24) + body, hashlib.sha1).digest())
    body += attribute(0x8028, struct.pack("!I", (zlib.crc32(head(len(body) + 8) + body) ^ 0x5354554E) & 0xFFFFFFFF))
    return transaction, head(len(body)) + body


def answered_at(sockets, waiting, until):
    """When what comes until then arrived, by the kernel's clock: waiting[id] = when it was sent; milliseconds each."""
    took = []
    while waiting and time.time() < until:
        for s in select.select(sockets, [], [], max(0, until - time.time()))[0]:
            data, extra, _, _ = s.recvmsg(2048, 128)
            seconds, ns = struct.unpack("ll", extra[0][2][:16])
            if data[:2] == b"\x01\x01" and data[8:20] in waiting:
                took.append((seconds + ns / 1e9 - waiting.pop(data[8:20])) * 1000)
    return took


def bench_checks(daemon, ports, src):
    """Checks of some calls with ICE, while all the other streams send."""
    peers = []
    sockets = []
    for n in range(CHECKED):
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        base = next(p for p in range(7000 + 2 * n, 9900, 2 * CHECKED) if bound(pair, p))
        sockets += pair
        parts, places = src.call(options.streams + n, "a=rtcp-mux\r\na=ice-ufrag:bench\r\na=ice-pwd:" + "b" * 24 + "\r\n"
                                 "a=candidate:1 1 UDP 2130706431 127.0.0.1 {port} typ host\r\n", base)
        for part, place, s in zip(parts, places, pair):
            s.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
            peers.append((s, place, re.search(r"^a=ice-ufrag:(\S+)", part, re.M).group(1),
                          re.search(r"^a=ice-pwd:(\S+)", part, re.M).group(1)))
    start = daemon.packets()
    sender = subprocess.Popen([TOOL, "send", "60", "100000", str(FIRST), *map(str, ports)], stdout=subprocess.DEVNULL)
    running.append(sender)
    wait_for(lambda: daemon.packets() - start > 50 * len(ports), 20)
    took, waiting = [], {}
    for number in range(CHECKS):
        s, place, ufrag, key = peers[number % len(peers)]
        transaction, message = check(ufrag, key, number)
        waiting[transaction] = time.time()
        s.sendto(message, place)
        took += answered_at(sockets, waiting, time.time() + 0.02)
    took += answered_at(sockets, waiting, time.time() + 2)
    sender.kill()
    took.sort()
    row("check answered under that load, p99", took[int(len(took) * 0.99)] if took else None, "ms", ("<=", 50),
        f"p50 {took[len(took) // 2] if took else 0:.1f} ms, longest {took[-1] if took else 0:.1f} ms, {len(took)} of {CHECKS} "
        f"checks answered, to {2 * CHECKED} streams with ICE beside the {options.streams}")


def bound(pair, port):
    try:
        for n, s in enumerate(pair):
            s.bind(("127.0.0.1", port + n))
        return True
    except OSError:
        pair[:] = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        return False


def bench_answers(folder):
    daemon = Siprecd(folder)
    done = subprocess.run([BUILD / "siprec-call", f"sip:127.0.0.1:{daemon.sip}", "--calls", str(options.calls), "--rate",
                           "100", "--hold", "2", "--json"], capture_output=True, text=True)
    daemon.end()
    told = json.loads(done.stdout)
    answers = told.get("answer_ms") or told
    row("answer time p99 at 100 calls/s", float(answers["p99"]), "ms", ("<=", 10),
        f"p50 {answers['p50']:.2f} ms, {told.get('answered', options.calls)} of {options.calls} calls answered, 2 streams each, "
        f"2 s long")


def bench_journal(_):
    for tool in ("bench_journal", "bench_media"):
        for line in subprocess.run([BUILD / "tests/bench" / tool], capture_output=True, text=True).stdout.splitlines():
            found = re.match(r"(.*?) +([\d.]+) +([\d.]+)$", line)
            if found:
                row("a packet: " + found.group(1), float(found.group(2)), "ns",
                    note=f"{found.group(3)} times a memcpy of its bytes")


def lines_of(tool, names, goals):
    """Rows out of a bench's lines of "name value unit note"; its own words where it failed."""
    done = subprocess.run(tool, capture_output=True, text=True)
    if done.returncode:
        row(names[next(iter(goals))], None, "", goals[next(iter(goals))],
            ((done.stderr or done.stdout).strip().splitlines() or ["no word"])[-1])
        return
    for line in done.stdout.splitlines():
        name, value, unit, *note = line.split(maxsplit=3)
        row(names.get(name, name), float(value), unit, goals.get(name), "".join(note))


def bench_nat(_):
    for tool in ("bench_stun", "bench_ice"):
        lines_of([BUILD / "tests/bench" / tool], {}, {"ice.agent_10x10": ("<=", 16384)})
    for name, *_, note in list(rows):
        ready = re.search(r"([\d.]+) x ready", note)  # an HMAC whose key was set up before: the harder measure
        if name.startswith("stun.") and ready:
            row(f"{name} against a bare HMAC-SHA1", float(ready.group(1)), "times", ("<=", 2))
    # Random networks of the simulated world, each with a call through it: learned, answered, heard.
    for name, tool, worlds in (("with ICE", "natsim_worlds", 10000), ("without ICE", "natsim_worlds_plain", 2000)):
        before = os.times()
        done = subprocess.run([BUILD / "tests/natsim" / tool, str(worlds)], capture_output=True, text=True)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        note = f"{worlds} worlds on one core" if done.returncode == 0 else done.stdout.strip().splitlines()[-1]
        row(f"worlds a second, {name}", int(worlds / cpu), note=note)


HERE = pathlib.Path(__file__).resolve().parent


def bench_paths(_):
    lines_of([sys.executable, HERE / "bench_answers.py", BUILD],
             {"answer.nat": "answer time p99 behind a NAT", "answer.open": "answer time p99 on an open host",
              "answer.more": "what the NAT adds to p99"}, {"answer.more": ("<=", 1)})


def bench_relays(_):
    lines_of([sys.executable, HERE / "bench_relays.py", BUILD],
             {"relay.ratio": "a packet over a relay against a direct one", "relay.direct": "CPU a packet straight",
              "relay.relayed": "CPU a packet over a relay"}, {"relay.ratio": ("<=", 1.3)})


def bench_render(folder):
    render = BUILD / "siprecd-render"
    maker = BUILD / "tests/bench/bench_render_journal"
    if not render.exists() or not maker.exists():
        row("render", None, "", (">=", 300), "siprecd-render or its journal maker is not built")
        return
    journal, minutes = pathlib.Path(folder) / "hour.pcapng", 60
    for format_, ppm, target in (("wav", 0, (">=", 300)), ("wav", 100, (">=", 300)), ("flac", 0, None), ("opus", 0, None), ("mp3", 0, None)):
        subprocess.run([maker, journal, str(minutes), str(ppm)], check=True)
        before, began = os.times(), time.monotonic()
        subprocess.run([render, journal, "--format", format_, "-o", pathlib.Path(folder) / f"hour.{format_}"], check=True,
                       stdout=subprocess.DEVNULL)
        after, took = os.times(), time.monotonic() - began
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        drift = f", clocks {ppm} ppm apart" if ppm else ""
        row(f"render to {format_}, times real time a core", int(minutes * 60 / cpu), "", target,
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
    jobs = {"calls": (bench_calls, 180), "answers": (bench_answers, 60), "paths": (bench_paths, 120),
            "journal": (bench_journal, 30), "nat": (bench_nat, 120), "relays": (bench_relays, 180), "render": (bench_render, 90)}
    signal.signal(signal.SIGALRM, time_is_up)
    for name in options.only.split(","):
        job, seconds = jobs[name]
        folder = tempfile.mkdtemp(prefix="siprecd-bench-", dir=options.folder)
        signal.alarm(seconds)
        try:
            job(folder)
        except TooLong:
            row(name, None, note=f"not done in {seconds} s")
        finally:
            signal.alarm(0)
            for process in running:
                process.kill()
                process.wait()
            running.clear()
            shutil.rmtree(folder, ignore_errors=True)
    widths = [max(len(r[i]) for r in rows) for i in range(5)] if rows else [0] * 5
    print(f"{'':<{widths[0]}}  {'measured':>{widths[1]}}  {'':<{widths[2]}}  {'goal':<{widths[3]}}")
    for name, value, unit, goal, met, note in rows:
        print(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {unit:<{widths[2]}}  {goal:<{widths[3]}}  {met:<{widths[4]}}  {note}")


main()
