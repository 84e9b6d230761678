"""How siprecd ends: SIGTERM drains, a second one does not wait, the drain is bounded, POST /v1/drain waits for the last."""
import pathlib
import signal
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, wait_for  # noqa: E402
from caller import Caller  # noqa: E402

tap = Tap()


def quiet():
    with Siprecd() as srs:
        began = time.monotonic()
        tap.equal(srs.stop(), 0, "SIGTERM without calls: ends with 0")
        tap.ok(time.monotonic() - began < 20, "at once", time.monotonic() - began)


def drain():
    with Siprecd() as srs:
        caller = Caller(srs.port, name="drain")
        caller.invite()
        caller.talk(0.5)
        srs.process.send_signal(signal.SIGTERM)
        tap.ok(wait_for(lambda: "draining" in srs.log(), 60), "SIGTERM with a call: drains", srs.log())
        other = Caller(srs.port, name="late")
        tap.equal(other.invite(), 503, "a new INVITE gets 503")
        tap.ok("retry-after:" in other.text.lower(), "with Retry-After", other.text)
        tap.equal(other.options(), 503, "OPTIONS gets 503")
        tap.equal(wait_for(lambda: srs.get("/health/ready")[0] == 503, 60), True, "not ready")
        tap.equal(srs.get("/health/live")[0], 200, "but alive")
        tap.equal(srs.process.poll(), None, "and does not end while the call goes on")
        caller.talk(0.5)
        tap.equal(caller.bye(), 200, "the call ends as ever")
        tap.equal(srs.process.wait(120), 0, "then siprecd ends with 0")
        found = sorted(srs.recordings_folder.glob("*/*/*/*/audio.wav"))
        tap.equal(len(found), 1, "and the audio is there")


def twice():
    with Siprecd() as srs:
        caller = Caller(srs.port, name="twice")
        caller.invite()
        caller.talk(0.5)
        srs.process.send_signal(signal.SIGTERM)
        tap.ok(wait_for(lambda: "draining" in srs.log(), 60), "SIGTERM with a call")
        srs.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        tap.equal(srs.process.wait(120), 0, "a second SIGTERM ends it")
        tap.ok(time.monotonic() - began < 20, "now", time.monotonic() - began)
        journal = next(srs.recordings_folder.glob("*/*/*/*/journal.pcapng"))
        tap.ok(journal.stat().st_size > 2 * 25 * 172, "what was received is written", journal.stat().st_size)
        srs.start()
        got = srs.recording(caller.call_id)
        tap.equal(got and got["state"], "finished", "and the next start finishes the recording", got, srs.log())


def bounded():
    with Siprecd() as srs:
        caller = Caller(srs.port, name="bounded")
        caller.invite()
        talking = threading.Thread(target=caller.talk, args=(60, lambda: srs.process.poll() is not None))
        talking.start()
        began = time.monotonic()
        srs.process.send_signal(signal.SIGTERM)
        tap.ok(caller.wait_bye(120), "a call that does not end gets BYE")
        tap.ok(25 < time.monotonic() - began < 90, "after 30 seconds", time.monotonic() - began)
        tap.equal(srs.process.wait(120), 0, "and siprecd ends")
        talking.join()
        tap.equal(len(list(srs.recordings_folder.glob("*/*/*/*/audio.wav"))), 1, "with the recording whole")


def by_api():
    with Siprecd() as srs:
        caller = Caller(srs.port, name="api")
        caller.invite()
        request = urllib.request.Request(f"http://127.0.0.1:{srs.http}/v1/drain", data=b"{}", method="POST",
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            tap.ok(answer.status in (200, 202), "POST /v1/drain", answer.status)
        tap.equal(wait_for(lambda: Caller(srs.port, name="late").invite() == 503, 60), True, "no more calls")
        tap.equal(srs.process.poll(), None, "the one going on stays")
        tap.equal(caller.bye(), 200, "until it ends")
        tap.equal(srs.process.wait(120), 0, "then siprecd ends")


def busiest_worker(srs):
    """Seconds of CPU time that the busiest of its media threads has had."""
    tasks = pathlib.Path(f"/proc/{srs.process.pid}/task").iterdir()
    return max(int((t / "schedstat").read_text().split()[0]) / 1e9 for t in tasks if (t / "comm").read_text().startswith("media"))


def without_streams():
    """A recording whose streams went before its end: no port is lent any more, and sockets are looked at twice a second."""
    with Siprecd() as srs:
        spent = []
        for phase in range(4):
            caller = Caller(srs.port, name=f"bare{phase}")
            caller.invite()
            caller.talk(0.1)
            caller.invite(removed=True)
            time.sleep(0.4 + phase * 0.1)  # any moment between two looks
            before = busiest_worker(srs)
            caller.bye()
            if not wait_for(lambda: (srs.recording(caller.call_id) or {}).get("state") == "finished", 60):
                tap.ok(False, "it is finished", srs.log())
            spent.append(busiest_worker(srs) - before)
        tap.ok(max(spent) < 0.05, "the end of a recording without streams is waited for asleep", spent)


tap.together(quiet, drain, twice, bounded, by_api, without_streams)
tap.done()
