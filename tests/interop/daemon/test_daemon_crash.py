"""kill -9 in mid-call: at most 200 ms of what had reached us is missing, and the next start makes a finished recording of
it, marked recovered, with the gap stated, while it takes new calls."""
import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, need, note, probe, tshark, wait_for  # noqa: E402
from caller import Caller  # noqa: E402

need("tshark", "ffprobe")
tap = Tap()
CALLS = 5

with Siprecd() as srs:
    callers = [Caller(srs.port, name=f"crash{n}") for n in range(CALLS)]
    for caller in callers:
        tap.equal(caller.invite(), 200, f"{caller.name} is answered")
    over = threading.Event()
    talking = [threading.Thread(target=caller.talk, args=(30, over.is_set)) for caller in callers]
    for thread in talking:
        thread.start()
    time.sleep(2.37)  # in the middle of things
    killed = time.time()
    srs.process.send_signal(signal.SIGKILL)
    srs.process.wait()
    over.set()
    for thread in talking:
        thread.join()

    journals = {}
    for path in srs.recordings_folder.glob("*/*/*/*/journal.pcapng"):
        calls = tshark(path, "sip.Method == INVITE", "sip.Call-ID")
        journals[calls[0][0]] = path
    tap.equal(len(journals), CALLS, "every call has a journal that tshark reads after the crash")
    worst = 0
    for caller in callers:
        rows = tshark(journals[caller.call_id], "rtp", "rtp.ssrc", "rtp.seq")
        for i in range(2):
            have = {int(seq) for ssrc, seq in rows if int(ssrc, 16) == i + 77}
            reached = [n for n, moment in enumerate(caller.sent[i]) if moment <= killed]
            lost = [n for n in reached if n not in have]
            if lost:
                worst = max(worst, killed - caller.sent[i][lost[0]])
                tap.ok(lost == list(range(lost[0], reached[-1] + 1)), f"{caller.name} stream {i}: only the end is missing", lost)
    tap.ok(worst <= 0.2, "at most 200 ms are missing", f"{worst * 1000:.0f} ms")
    note(f"missing: {worst * 1000:.0f} ms")

    srs.start()
    new = Caller(srs.port, name="new")
    tap.equal(new.invite(), 200, "new calls are taken")
    new.talk(0.3)
    new.bye()
    for caller in callers:
        got = srs.recording(caller.call_id)
        if not tap.equal(got and got["state"], "finished", f"{caller.name} is finished", got, srs.log()[-3000:]):
            continue
        tap.equal(got["recovered"], True, f"{caller.name} is marked recovered")
        tap.ok(any("recover" in w["code"] or "gap" in w["text"] for w in got["warnings"]), f"{caller.name} states the gap",
               got["warnings"])
        told = probe(srs.path_of(got) / "audio.wav")
        tap.equal(told.get("channels"), 2, f"{caller.name} has two channels")
        tap.ok(1.8 < told["seconds"] < 4, f"{caller.name} is as long as what was heard", told["seconds"])
    got = srs.recording(new.call_id)
    tap.equal(got and (got["state"], got["recovered"]), ("finished", False), "the new call is a recording like any other")
    tap.ok(wait_for(lambda: srs.metric("siprecd_recordings_recovered_total") == CALLS, 60), "counted")

    stops = [srs.stop(), srs.start() and None]
    tap.equal(sum("recovered id=" in line for line in srs.log().splitlines()), CALLS, "and recovered once only")
tap.done()
