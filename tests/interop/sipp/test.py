#!/usr/bin/env python3
"""sipp plays an SRC: each scenario of this folder over UDP and TCP. sipp checks every response by itself; what became of
the call is read from siprecd's API."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, free_port, need  # noqa: E402

need("sipp")
tap = Tap()
refused = []
HERE = pathlib.Path(__file__).resolve().parent
# Scenario: how many m-lines its recording has; 0: none is made.
SCENARIOS = {"add-stream": 3, "basic": 2, "bye-before-ack": 2, "hold": 2, "no-ack": 2, "no-codec": 0,
             "offerless": 2, "options": 2, "plain": 1, "reliable": 2, "session-timer": 0, "session-timer-good": 2,
             "unknown-require": 0, "update": 2}


def play(srs, folder, name, transport):
    port = free_port()
    work = folder / f"{name}-{transport}"
    work.mkdir()
    call_id = f"{name}-{transport}-%u@sipp"
    command = ["sipp", "-sf", HERE / f"{name}.xml", f"127.0.0.1:{srs.port}", "-i", "127.0.0.1", "-p", str(port), "-m",
               "1", "-t", {"udp": "u1", "tcp": "t1"}[transport], "-cid_str", call_id, "-nostdin", "-timeout", "240",
               "-timeout_error", "-trace_err", "-trace_msg", "-error_file", "errors", "-message_file", "messages"]
    done = subprocess.run([str(c) for c in command], cwd=work, capture_output=True, text=True,
                          errors="replace", timeout=300)
    told = [(work / f).read_text(errors="replace")[-3000:] for f in ("errors", "messages") if (work / f).exists()]
    title = f"{name} over {transport}"
    tap.equal(done.returncode, 0, f"{title}: sipp has nothing to complain of", *told, srs.log()[-1500:])
    if SCENARIOS[name] == 0:
        refused.append((title, call_id.replace("%u", "1")))
        return
    recording = srs.recording(call_id.replace("%u", "1"))
    tap.ok(recording and recording["ended_at"] and len(recording["streams"]) == SCENARIOS[name],
           f"{title}: the recording is ended and has its streams", recording)


tap.equal(sorted(SCENARIOS), sorted(p.stem for p in HERE.glob("*.xml")), "every scenario is played")
with tempfile.TemporaryDirectory(prefix="sipp-test-") as name, Siprecd() as srs:
    folder = pathlib.Path(name)
    tap.together(*[lambda n=n, t=t: play(srs, folder, n, t) for n in sorted(SCENARIOS, key=lambda n: n != "no-ack")
                   for t in ("udp", "tcp") if (n, t) != ("no-ack", "tcp")],  # sipp knows no 200 sent again over TCP
                 at_once=10)
    for title, call_id in refused:  # by now the others' recordings are finished: theirs would be there, were there any
        tap.equal(srs.recording(call_id, state=None, seconds=0), None, f"{title}: nothing is recorded")
tap.done()
