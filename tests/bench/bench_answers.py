#!/usr/bin/env python3
"""How long an INVITE waits for its 200 from a siprecd behind a NAT, with STUN and TURN at work, and from one on an open
host: in one world of network namespaces, the same load in turns. Prints lines of "name value unit note" for bench.py.
Use: bench_answers.py BUILD [CALLS [RATE [TURNS]]]"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lab"), str(HERE)]
import lab  # noqa: E402
from parts import child_of, wait_for  # noqa: E402

lab.enter()
CALLS = int(sys.argv[2]) if len(sys.argv) > 2 else 100
RATE = int(sys.argv[3]) if len(sys.argv) > 3 else 50
TURNS = int(sys.argv[4]) if len(sys.argv) > 4 else 5
OPEN = "5.5.8.1"
TURN = {"TURN_SERVERS": f"turn:{lab.SERVERS}.1", "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}


class Host:
    """Where a second siprecd runs in the same world."""

    def __init__(self, space, folder):
        self.srs, self.folder = space, folder


def start(host, settings):
    recorder = lab.Recorder(host, "--rtp.port_max=19999", "--log.level=error", environment=settings)
    return recorder.start()


def load(world, address):
    """The p50 and p99 of one turn's answers in milliseconds, and how many came."""
    done = subprocess.run([*world.src.enter, lab.harness.built("siprec-call"), f"sip:srs@{address}:{lab.SIP}", "--calls",
                           str(CALLS), "--rate", str(RATE), "--hold", "1", "--json"], capture_output=True, text=True,
                          timeout=120)
    told = json.loads(done.stdout)
    answers = told.get("answer_ms") or told
    return answers["p50"], answers["p99"], told.get("answered", CALLS)


def kill(recorder):
    if recorder.process.poll() is None:
        os.kill(child_of(recorder.process.pid), signal.SIGKILL)
    recorder.stop()


with lab.World(["masquerade"]) as lab_world:
    lab_world.coturn(f"{lab.SERVERS}.1", None)
    lab_world.classic_stun()
    behind = start(lab_world, TURN)
    straight = start(Host(lab_world.public("open", OPEN), lab_world.folder), {"STUN_SERVERS": "none"})
    sides = (("nat", behind, f"{lab.SRS}.1"), ("open", straight, OPEN))
    try:
        # Warm: the network is known, relays stand ready, and the SRC has called once.
        wait_for(lambda: (behind.metric("siprecd_relays_ready") or 0) > 0
                 and behind.metric("siprecd_network_settling") == 0, 60)
        figures = {name: [] for name, _, _ in sides}
        for number in range(TURNS + 1):
            for name, recorder, address in sides:
                figure = load(lab_world, address)
                wait_for(lambda r=recorder: r.metric("siprecd_recordings_active") == 0, 30)
                if number > 0:
                    figures[name].append(figure)
    finally:
        for _, recorder, _ in sides:
            kill(recorder)
p99 = {name: [f[1] for f in figures[name]] for name in figures}
for name in figures:
    print(f"answer.{name} {statistics.median(p99[name]):.2f} ms p99, p50 {statistics.median(f[0] for f in figures[name]):.2f} ms, "
          f"{sum(f[2] for f in figures[name])} of {TURNS * CALLS} calls answered at {RATE} a second")
more = [a - b for a, b in zip(p99["nat"], p99["open"])]
print(f"answer.more {statistics.median(more):.2f} ms median of {TURNS} pairs of turns: " + " ".join(f"{m:.2f}" for m in more))
