#!/usr/bin/env python3
"""Media workers that stand still again and again while calls come and go lose no packet: the first ones, which arrive as
soon as the answer is out, and the last ones before BYE. One that stands still for long, so that its journal has the packets of
one socket after those of another, is heard all the same. Use: test_daemon_pauses.py BUILD SHIM."""
import os
import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, near, probe, siprec_call, tone_hz, wait_for  # noqa: E402

tap = Tap()


def call(srs, transport):
    status, report = siprec_call(srs.uri, "--seconds", "0.5", "--transport", transport)
    told = report["results"][0]
    recording = srs.recording(told["call_id"])
    streams = srs.document(recording)["streams"] if status == 0 and recording else []
    tap.equal([s["packets"] for s in streams], [s["packets"] for s in told["streams"]],
              f"{transport}: every packet of a call is recorded", told, streams)


def stand_still(srs):
    """Three seconds in which nothing is received, in the middle of a call."""
    if tap.ok(wait_for(lambda: srs.metric("siprecd_rtp_packets_received_total") > 60, 20), "packets come"):
        srs.process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        srs.process.send_signal(signal.SIGCONT)


def long_pause():
    with Siprecd() as srs:
        blow = threading.Thread(target=stand_still, args=(srs,))
        blow.start()
        status, report = siprec_call(srs.uri, "--seconds", "6", "--streams", "2")
        blow.join()
        recording = srs.recording(report["results"][0]["call_id"]) if status == 0 else None
        if not tap.ok(recording, "a call in which siprecd stood still for three seconds", report):
            return
        document, audio = srs.document(recording), srs.path_of(recording) / "audio.wav"
        tap.equal([s["packets"] for s in document["streams"]], [s["packets"] for s in report["results"][0]["streams"]],
                  "every packet of it is recorded", document)
        tap.ok(near(probe(audio)["seconds"], 6), "its audio is as long as the call", document)
        for channel, hz in (1, 440), (2, 660):
            heard = [tone_hz(audio, channel, second + 0.2, 0.6) for second in range(6)]
            tap.ok(all(near(h, hz) for h in heard), f"{hz} Hz in each second of it", heard, document)


os.environ["LD_PRELOAD"] = sys.argv[2]
with Siprecd() as srs:
    del os.environ["LD_PRELOAD"]
    for _ in range(2):
        tap.together(*[lambda t=t: call(srs, t) for t in ("udp", "tcp") * 4], at_once=8)
    tap.equal(srs.metric("siprecd_rtp_foreign_total"), 0, "none was taken for a stranger's")
    tap.equal(srs.stop(), 0, "ends as ever")
long_pause()
tap.done()
