#!/usr/bin/env python3
"""What a packet costs siprecd that came over a relay (ChannelData, coturn), beside one that came straight: in one world
of network namespaces a siprecd behind a symmetric NAT and one on an open host get the same calls and, in turns, the same
packets (at the same time they would be more than two processors bear). Prints lines of "name value unit note" for bench.py.
Use: bench_relays.py BUILD [CALLS [TURNS [udp|tcp]]]"""
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lab"), str(HERE)]
import lab  # noqa: E402
from parts import Src, child_of, cost, wait_for  # noqa: E402

lab.enter()
CALLS = int(sys.argv[2]) if len(sys.argv) > 2 else 500
TURNS = int(sys.argv[3]) if len(sys.argv) > 3 else 6
TOOL = pathlib.Path(sys.argv[1]).resolve() / "tests/bench/bench_calls"
OPEN = "5.5.8.1"
FIRST = {"relayed": 20000, "direct": 30000}  # where the packets come from
READY, TOGETHER = 64, 25
# Relays over TCP would be taken, too, where those over UDP are all lent; they are another measurement.
TRANSPORT = sys.argv[4] if len(sys.argv) > 4 else "udp"
TURN = {"TURN_SERVERS": f"turn:{lab.SERVERS}.1?transport={TRANSPORT}", "TURN_USERNAME": lab.TURN_USER,
        "TURN_PASSWORD": lab.TURN_PASSWORD}


class Host:
    """Where a second siprecd runs in the same world."""

    def __init__(self, space, folder):
        self.srs, self.folder = space, folder


class Side:
    """One siprecd, its calls, and what sends their packets."""

    def __init__(self, name, world, host, address, settings):
        self.name, self.world = name, world
        self.recorder = lab.Recorder(host, "--rtp.port_max=19999", "--log.level=warn", f"--nat.ready={READY}",
                                     environment=settings)
        self.recorder.start()
        self.pid = child_of(self.recorder.process.pid)
        with world.src.inside():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.src = Src(f"{lab.SRC}.1", (address, lab.SIP), FIRST[name], made)
        self.targets, self.senders = [], []

    def packets(self):
        return self.recorder.metric("siprecd_rtp_packets_received_total")

    def call(self, first, count):
        """So many calls, and their packets from then on: who sends nothing for long is asked to send elsewhere."""
        before = len(self.targets)
        for n in range(first, first + count):
            self.targets += [f"{ip}:{port}" for ip, port in self.src.call(n, "a=rtcp-mux\r\n")[1]]
        words = [TOOL, "send", "3600", "0", str(FIRST[self.name] + before), *self.targets[before:]]
        self.senders.append(subprocess.Popen([*self.world.src.enter, *map(str, words)], stdout=subprocess.DEVNULL))

    def talk(self, on):
        """All packets, or one a second of each stream."""
        for sender in self.senders:
            sender.send_signal(signal.SIGUSR2 if on else signal.SIGUSR1)

    def end(self):
        for sender in self.senders:
            sender.kill()
            sender.wait()
        # What is not rendered does not matter here, and rendering a thousand recordings takes minutes.
        if self.recorder.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.recorder.stop()


def measure(world):
    relayed = Side("relayed", world, world, f"{lab.SRS}.1", TURN)
    direct = Side("direct", world, Host(world.public("open", OPEN), world.folder), OPEN, {"STUN_SERVERS": "none"})
    sides = (relayed, direct)
    try:
        ready = lambda: relayed.recorder.metric("siprecd_relays_ready")  # noqa: E731
        for side in sides:
            for first in range(0, CALLS, TOGETHER):
                count = min(TOGETHER, CALLS - first)
                # The calls of a busy site do not all come in one second: each finds its two relays.
                if side is relayed and not wait_for(lambda: ready() >= 2 * count, 30):
                    sys.exit(f"no relays after {first} calls: {relayed.recorder.json('/v1/nat')['relays']}")
                side.call(first, count)
            side.talk(False)
        everywhere = {t.split(":")[0] for t in relayed.targets}
        if everywhere != {f"{lab.SERVERS}.1"}:
            sys.exit(f"answered with other paths than relays: {everywhere}")
        costs = {side.name: [] for side in sides}
        share = {}
        second = 50 * 2 * CALLS
        for turn in range(-1, TURNS):  # in the first sources become known, channels bound, documents written
            for side in sides:
                side.talk(True)
                # A relay that was nearly silent has its server asked whether it lives: that is no packet's cost.
                start = side.packets()
                wait_for(lambda s=side: s.packets() - start > (4 if turn < 0 else 2) * second, 20)
                if turn >= 0:
                    costs[side.name].append(cost(side.pid, side.packets, 3 * second, 5))
                side.talk(False)
        for side in sides:
            share[side.name] = side.packets()
        lost = relayed.recorder.metric("siprecd_relays_lost_total")
        if lost:  # then packets were measured that came another way, or none
            sys.exit(f"coturn left {lost:.0f} of {2 * CALLS} relays without answers: the machine is too busy for it")
        return costs, share
    finally:
        for side in sides:
            side.end()


with lab.World(["symmetric"]) as lab_world:
    lab_world.coturn(f"{lab.SERVERS}.1", None, "--max-port", "60999", "--log-file", "/dev/null")
    lab_world.classic_stun()
    cost_of, packets_of = measure(lab_world)
ratios = [a / b for a, b in zip(cost_of["relayed"], cost_of["direct"])]
print(f"relay.direct {statistics.median(cost_of['direct']):.2f} us a packet straight, {CALLS} calls of 2 streams, "
      f"{packets_of['direct']:.0f} packets")
print(f"relay.relayed {statistics.median(cost_of['relayed']):.2f} us a packet over coturn, "
      f"{packets_of['relayed']:.0f} packets")
print(f"relay.ratio {statistics.median(ratios):.2f} times median of {len(ratios)} turns: " +
      " ".join(f"{r:.2f}" for r in ratios))
