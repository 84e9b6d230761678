"""A disk that fills up: 503 for new calls, what goes on is closed properly, nothing written is damaged, and with room it
goes on by itself. Runs on a tmpfs of 6 MB in a mount namespace of its own."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, need, skip_all, tshark, wait_for  # noqa: E402
from caller import Caller  # noqa: E402

need("unshare", "tshark")
if os.environ.get("SIPRECD_DISK_TEST") != "inside":
    flags = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    if subprocess.run(["unshare", *flags, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
        skip_all("no mount namespace here")
    os.execvpe("unshare", ["unshare", *flags, sys.executable, *sys.argv], {**os.environ, "SIPRECD_DISK_TEST": "inside"})

tap = Tap()
folder = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-disk-"))
recordings = folder / "recordings"
recordings.mkdir()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6M", "none", recordings], check=True)
ballast = recordings / "ballast"
del os.environ["SIPRECD_DISK_TEST"]


def fill(leave):
    """Fills the disk but for so many bytes."""
    room = os.statvfs(recordings)
    with open(ballast, "wb") as file:
        size = room.f_bavail * room.f_frsize - leave
        os.posix_fallocate(file.fileno(), 0, max(size, 1))


def code(srs, name):
    caller = Caller(srs.port, name=name)
    got = caller.invite()
    if got == 200:
        caller.bye()
    return got


with Siprecd("--recordings.min_free=10%", keep=folder) as srs:
    tap.equal(code(srs, "room"), 200, "with room a call is answered")

    fill(200 * 1024)
    tap.ok(wait_for(lambda: srs.get("/health/ready")[0] == 503, 60), "below min_free: not ready")
    tap.equal(code(srs, "full"), 503, "below min_free: 503")
    tap.equal(Caller(srs.port, name="o").options(), 503, "OPTIONS says so too")
    ballast.unlink()
    tap.ok(wait_for(lambda: srs.get("/health/ready")[0] == 200, 60), "room again: ready")
    tap.ok(wait_for(lambda: code(srs, f"again{time.monotonic_ns()}") == 200, 60), "room again: answered")

    # To the last byte, in mid-call.
    caller = Caller(srs.port, name="going")
    tap.equal(caller.invite(), 200, "a call goes on")
    caller.talk(1)
    over = threading.Event()
    talking = threading.Thread(target=caller.talk, args=(30, over.is_set))
    talking.start()
    fill(60 * 1024)
    tap.ok(wait_for(lambda: "journal not written" in srs.log(), 60), "the disk is full in mid-call", srs.log()[-2000:])
    tap.ok(wait_for(lambda: code(srs, "meanwhile") == 503, 60), "new calls get 503")
    over.set()
    talking.join()
    ended_by_us = caller.wait_bye(3)
    if not ended_by_us:
        tap.equal(caller.bye(), 200, "its BYE is answered")
    wait_for(lambda: "render: failed" in srs.log(), 3)  # it must not be tried while there is no room
    ballast.unlink()
    tap.ok(wait_for(lambda: srs.get("/health/ready")[0] == 200, 60), "with room again: ready")
    got = srs.recording(caller.call_id, state=None)
    got = wait_for(lambda: (r := srs.recording(caller.call_id, state=None, seconds=1)) and r["state"] in ("finished", "failed")
                   and r, 60)
    tap.ok(got, "the recording is closed", srs.recordings())
    journal = srs.path_of(got) / "journal.pcapng"
    rows = tshark(journal, "rtp", "rtp.ssrc", "rtp.seq")
    for i in range(2):
        have = sorted(int(seq) for ssrc, seq in rows if int(ssrc, 16) == i + 77)
        tap.ok(len(have) >= 50 and have == list(range(len(have))), f"stream {i}: whole up to where the disk was full",
               len(have))
    malformed = subprocess.run(["tshark", "-n", "-r", journal], capture_output=True, text=True)
    tap.equal(malformed.returncode, 0, "the journal is not damaged", malformed.stderr)
    tap.ok(any("disk" in (w["code"] + w["text"]).lower() or "written" in w["text"] for w in got["warnings"]),
           "and its recording says what happened", got["warnings"], got["state"])
    tap.ok((srs.path_of(got) / "audio.wav").exists() and "render-failed" not in [w["code"] for w in got["warnings"]],
           "its audio waited for the room", got["warnings"])
    new = wait_for(lambda: (c := Caller(srs.port, name=f"new{time.monotonic_ns()}")).invite() == 200 and c, 60)
    tap.ok(new, "and calls are taken again, by itself")
    new.talk(0.5)
    new.bye()
    tap.equal((srs.recording(new.call_id) or {}).get("state"), "finished", "and recorded")
    tap.equal(srs.stop(), 0, "ends as ever")

subprocess.run(["umount", recordings], check=False)
shutil.rmtree(folder, ignore_errors=True)
tap.done()
