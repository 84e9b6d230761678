"""A power cut at any moment costs at most sync_interval of a stream, and siprecd makes finished recordings of what it leaves.

siprecd runs with a shim that writes down what it changed and what it synced when (tests/shim); the folder is rebuilt as
cuts at many moments would leave it, in three kinds of ruin, and looked at; some of them are given back to siprecd."""
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time

here = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(here.parent), str(here.parent / "daemon"), str(here.parent.parent / "shim")]
import powercut  # noqa: E402
from caller import Caller  # noqa: E402
from harness import Siprecd, Tap, built, need, probe, tshark, wait_for  # noqa: E402

need("tshark", "ffprobe")
tap = Tap()
SHIM = sys.argv[2]
INTERVAL = 1.0
seed = random.randrange(1 << 30)
chance = random.Random(seed)
print(f"# seed {seed}")


def packets(path):
    """(ssrc, sequence number) of a journal's RTP by hand: whole blocks up to the first that is none."""
    data, at, found, start = path.read_bytes(), 0, set(), False
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 0x0a0d0d0a:
            start = True
        if length < 12 or length % 4 or at + length > len(data) or struct.unpack_from("<I", data, at + length - 4)[0] != length:
            break
        if kind == 6:
            size = struct.unpack_from("<I", data, at + 20)[0]
            ip = data[at + 28:at + 28 + size]
            if len(ip) >= 40 and ip[0] >> 4 == 4 and ip[9] == 17 and len(ip) == 200 and ip[28] == 0x80:
                found.add((struct.unpack_from("!I", ip, 36)[0], struct.unpack_from("!H", ip, 30)[0]))
        at += length
    return found if start else set()


def call_id_of(path):
    text = path.read_bytes()[:20000]
    for caller in callers:
        if caller.call_id.encode() in text:
            return caller
    return None


folder = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-power-"))
(folder / "recordings").mkdir()
watched = {"POWERCUT_ROOT": str(folder / "recordings"), "POWERCUT_TRACE": str(folder / "trace"), "LD_PRELOAD": SHIM}
srs = Siprecd(f"--recordings.sync_interval={INTERVAL}s", keep=folder)
# siprecd hands siprecd-render none of these: the one that stands beside it here does.
programs = folder / "programs"
programs.mkdir()
srs.arguments[0] = shutil.copy2(built("siprecd"), programs)
render = programs / "siprecd-render"
render.write_text(f"#!/bin/sh\nexec env {shlex.join(f'{k}={v}' for k, v in watched.items())} {built('siprecd-render')} \"$@\"\n")
render.chmod(0o755)
os.environ.update(watched)
srs.start()
for name in watched:
    del os.environ[name]
callers = [Caller(srs.port, name=name) for name in ("short", "long", "late")]
short, long, late = callers
began = time.time()
over = threading.Event()


def play(caller, begin, seconds):
    wait_for(begin, 60)
    caller.code = caller.invite()
    caller.talk(seconds, over.is_set)
    if not over.is_set():
        caller.bye()


def talks(caller, packets):
    """A state to wait for: so many packets of it are out, 50 a second."""
    return lambda: len(caller.sent[0]) >= packets


playing = [threading.Thread(target=play, args=a)
           for a in ((short, talks(long, 15), 1.5), (long, lambda: True, 60), (late, talks(long, 165), 60))]
for thread in playing:
    thread.start()
finished = wait_for(lambda: any(r["state"] == "finished" for r in srs.recordings()), 60)
wait_for(talks(late, 100), 60)
ended = time.time()
srs.process.send_signal(signal.SIGKILL)
srs.process.wait()
over.set()
for thread in playing:
    thread.join()
tap.equal([c.code for c in callers], [200] * 3, "three calls were answered")
tap.ok(finished, "one is finished before the cut", srs.log()[-2000:])

records = [(r, d) for r, d in powercut.read(folder / "trace") if r["ns"] / 1e9 <= ended]
ops = {r["op"] for r, _ in records}
tap.ok({"open", "write", "rename", "mkdir", "syncfs-begin", "syncfs-end", "fsync-end"} <= ops, "the shim saw it all", ops)

# Cuts: every tenth of a second, and just before and after each rename and each end of a sync.
moments = {began + n / 10 for n in range(int((ended - began) * 10))} | {ended}
for r, _ in records:
    if r["op"] in ("rename", "syncfs-end", "fsync-end"):
        moments |= {r["ns"] / 1e9 - 1e-6, r["ns"] / 1e9 + 1e-6}
moments = sorted(m for m in moments if began < m <= ended)
print(f"# {len(moments)} cuts over {ended - began:.1f} s, {len(records)} changes")

world, done = powercut.World(), 0
worst, bad_finished, looked, kept = 0, [], 0, []
audio_size = {p.parent.name: p.stat().st_size for p in (folder / "recordings").glob("*/*/*/*/audio.wav")}
for moment in moments:
    while done < len(records) and records[done][0]["ns"] / 1e9 <= moment:
        world.apply(*records[done])
        done += 1
    for kind in ("strict", "names", "zeros"):
        ruin = pathlib.Path(tempfile.mkdtemp(prefix="ruin-", dir=folder))
        world.rebuild(ruin, kind)
        looked += 1
        have = {}
        for path in ruin.glob("*/*/*/*/journal.pcapng"):
            have.setdefault(call_id_of(path), set()).update(packets(path))
        for caller in callers:
            for i in range(2):
                there = have.get(caller, set())
                missing = [t for n, t in enumerate(caller.sent[i]) if t <= moment and (i + 77, n & 0xffff) not in there]
                if missing:
                    worst = max(worst, moment - missing[0])
        for path in ruin.glob("*/*/*/*/recording.json"):
            try:
                state = json.loads(path.read_text() or "{}").get("state")
            except ValueError:
                state = None  # half of it: siprecd goes by the journal then
            audio = path.parent / "audio.wav"
            if state == "finished" and (not audio.exists() or audio.stat().st_size != audio_size[path.parent.name]
                                        or (kind == "zeros" and not any(audio.read_bytes()[44:]))):
                bad_finished.append((kind, round(moment - began, 3), str(path.parent)))
        # Six of them, each as likely as any other.
        kept.append((moment, kind, ruin))
        if len(kept) > 6:
            place = chance.randrange(looked)
            last = kept.pop()
            if place < 6:
                last, kept[place] = kept[place], last
            shutil.rmtree(last[2])
tap.ok(worst <= INTERVAL, f"at most {INTERVAL:.0f} s of any stream is missing", f"{worst * 1000:.0f} ms")
print(f"# {looked} ruins; the worst lacks {worst * 1000:.0f} ms of {INTERVAL * 1000:.0f} ms")
tap.equal(bad_finished[:5], [], "what is called finished has its audio, whole")

for moment, kind, ruin in kept:
    where = f"cut at {moment - began:.2f} s ({kind})"
    home = pathlib.Path(tempfile.mkdtemp(prefix="again-", dir=folder))
    ruin.rename(home / "recordings")
    with Siprecd(keep=home) as again:
        journals = {call_id_of(p): p for p in again.recordings_folder.glob("*/*/*/*/journal.pcapng") if packets(p)}
        for caller, journal in journals.items():
            got = again.recording(caller.call_id)
            if not tap.equal(got and got["state"], "finished", f"{where}: {caller.name} is finished", got, again.log()[-2500:]):
                continue
            told = probe(again.path_of(got) / "audio.wav")
            heard = min(moment, caller.sent[0][-1]) - caller.sent[0][0]
            tap.ok(heard - INTERVAL - 0.3 <= told["seconds"] <= heard + 0.7, f"{where}: {caller.name} has its audio",
                   told["seconds"], heard)
            tap.ok(len(tshark(journal, "rtp")) > 0, f"{where}: {caller.name}'s journal is read by tshark")
shutil.rmtree(folder, ignore_errors=True)
tap.done()
