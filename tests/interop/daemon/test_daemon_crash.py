"""kill -9 in mid-call: at most 200 ms of what had reached us is missing, and the next start makes a finished recording of
it, marked recovered, with the gap stated, while it takes new calls."""
import contextlib
import pathlib
import signal
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parent.parent / "lab")]
from harness import Siprecd, Tap, need, note, probe, tshark, wait_for  # noqa: E402
from caller import Caller  # noqa: E402
import still  # noqa: E402

need("tshark", "ffprobe")
tap = Tap()
CALLS = 5

def missing(caller, journal, killed):
    """When the first packet was sent that had reached us and is in no journal; the moment of the end if there is none."""
    rows = tshark(journal, "rtp", "rtp.ssrc", "rtp.seq")
    first = killed
    for i in range(2):
        have = {int(seq) for ssrc, seq in rows if int(ssrc, 16) == i + 77}
        reached = [n for n, moment in enumerate(caller.sent[i]) if moment <= killed]
        lost = [n for n in reached if n not in have]
        tap.equal(lost, reached[len(reached) - len(lost):], f"{caller.name} stream {i}: only the end is missing")
        first = min([first, *(caller.sent[i][n] for n in lost[:1])])
    return first


def kill_in_midcall(srs):
    """(the callers, what came of it): five calls, and siprecd is killed after some seconds of them."""
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
    ended = time.monotonic()
    over.set()
    for thread in talking:
        thread.join()
    journals = {}
    for path in srs.recordings_folder.glob("*/*/*/*/journal.pcapng"):
        calls = tshark(path, "sip.Method == INVITE", "sip.Call-ID")
        journals[calls[0][0]] = path
    tap.equal(len(journals), CALLS, "every call has a journal that tshark reads after the crash")
    worst = killed - min(missing(caller, journals[caller.call_id], killed) for caller in callers)
    note(f"missing: {worst * 1000:.0f} ms")
    return callers, still.Timed(worst <= 0.2, ended - worst - 0.1, ended, [f"{worst * 1000:.0f} ms"])


with contextlib.ExitStack() as stack:
    witness = stack.enter_context(contextlib.closing(still.Witness()))

    def play():
        global srs, callers
        srs = stack.enter_context(Siprecd())
        callers, timed = kill_in_midcall(srs)
        return timed
    still.judge(tap, witness, "at most 200 ms are missing", play(), play)

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
