#!/usr/bin/env python3
"""Media workers that stand still again and again while calls come and go lose no packet: the first ones, which arrive as
soon as the answer is out, and the last ones before BYE. Use: test_daemon_pauses.py BUILD SHIM."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, siprec_call  # noqa: E402

tap = Tap()


def call(srs, transport):
    status, report = siprec_call(srs.uri, "--seconds", "0.5", "--transport", transport)
    told = report["results"][0]
    recording = srs.recording(told["call_id"])
    streams = srs.document(recording)["streams"] if status == 0 and recording else []
    tap.equal([s["packets"] for s in streams], [s["packets"] for s in told["streams"]],
              f"{transport}: every packet of a call is recorded", told, streams)


os.environ["LD_PRELOAD"] = sys.argv[2]
with Siprecd() as srs:
    del os.environ["LD_PRELOAD"]
    for _ in range(2):
        tap.together(*[lambda t=t: call(srs, t) for t in ("udp", "tcp") * 4], at_once=8)
    tap.equal(srs.metric("siprecd_rtp_foreign_total"), 0, "none was taken for a stranger's")
    tap.equal(srs.stop(), 0, "ends as ever")
tap.done()
