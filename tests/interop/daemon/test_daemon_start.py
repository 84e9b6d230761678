"""siprecd's command line, first lines, settings errors, reload by SIGHUP, and what it tells a service manager."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import QUIET, Siprecd, Tap, accepts, built, end, free_port, run, wait_for  # noqa: E402
from caller import Caller  # noqa: E402

tap = Tap()
folder = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-start-"))
SIPRECD = built("siprecd")


def write(name, text):
    (folder / name).write_text(text)
    return folder / name


def command_line():
    tap.equal(run(SIPRECD, "--version").returncode, 0, "--version ends with 0")
    tap.ok(run(SIPRECD, "--version").stdout.startswith("siprecd "), "--version names itself")
    tap.equal(run(SIPRECD, "--nonsense").returncode, 2, "wrong usage ends with 2")
    tap.equal(run(SIPRECD, "-c").returncode, 2, "-c without a file ends with 2")
    missing = run(SIPRECD, "-t", "-c", folder / "missing.conf")
    tap.equal(missing.returncode, 1, "-c with a file that is not there ends with 1")
    tap.ok("missing.conf" in missing.stderr, "and names it", missing.stderr)

    good = write("good.conf", "[sip]\nallow = 192.0.2.0/24\n")
    tap.equal(run(SIPRECD, "-t", "-c", good).returncode, 0, "-t on good settings ends with 0")
    bad = write("bad.conf", "[sip]\n\nlistn = udp:0.0.0.0:5060\n[rtp]\nport_min = 99999\n[nosuch]\nx = 1\n")
    checked = run(SIPRECD, "-t", "-c", bad)
    tap.equal(checked.returncode, 1, "-t on bad settings ends with 1")
    tap.equal(checked.stderr.splitlines(),
              [f"{bad}:3: sip.listn: there is no such key",
               f"{bad}:5: rtp.port_min: 99999 is not between 1 and 65534",
               f"{bad}:6: [nosuch]: there is no such section"],
              "each fault with file, line, key and reason")
    tap.equal(run(SIPRECD, "-c", bad).returncode, 1, "and it does not start with them")

    printed = subprocess.run([SIPRECD, "--print-config", "-c", good, "--log.level=debug"], capture_output=True, text=True,
                             env={**os.environ, "TURN_PASSWORD": "s3cret", "BEHIND_NAT": "true"}).stdout
    tap.ok("allow = 192.0.2.0/24 ; " + f"{good}:2" in printed, "--print-config names the file's line", printed)
    tap.ok("level = debug ; argument --log.level" in printed, "and the argument", printed)
    tap.ok("behind_nat = true ; environment BEHIND_NAT" in printed, "and the environment", printed)
    tap.ok("s3cret" not in printed and "turn_password = ********" in printed, "and no secret", printed)
    tap.equal(run(SIPRECD, "-t", "-c", write("again.conf", printed)).returncode, 0, "what it prints, it reads")


def first_lines():
    with Siprecd() as srs:
        lines = srs.log().splitlines()
        tap.ok(lines and re.match(r"siprecd \d", lines[0]), "the first line says who it is", *lines[:6])
        tap.ok(any(f"sip:127.0.0.1:{srs.port};transport=udp" in line for line in lines[:4]), "where to point an SBC",
               *lines[:6])
        tap.ok(any(str(srs.recordings_folder) in line for line in lines[:5]), "where recordings go", *lines[:6])
        tap.ok(any(f"http://127.0.0.1:{srs.http}/" in line for line in lines[:6]), "where the API is", *lines[:6])
        tap.equal(sum("sip.allow is empty" in line for line in lines), 1, "one warning that sip.allow is empty")
        mode = os.stat(srs.recordings_folder / "catalog.db").st_mode & 0o777
        tap.equal(mode & 0o007, 0, "nobody else may read what it writes", oct(mode))

        second = subprocess.run([*srs.arguments[:2], f"--http.listen=127.0.0.1:{free_port()}", *srs.arguments[3:]],
                                capture_output=True, text=True, timeout=120, env={**os.environ, **QUIET})
        tap.equal(second.returncode, 3, "a second one on the same folder ends with 3", second.stderr)
        tap.ok("another siprecd" in second.stderr, "and says why", second.stderr)
        third = subprocess.run([srs.arguments[0], srs.arguments[1], f"--http.listen=127.0.0.1:{free_port()}",
                                f"--recordings.directory={folder}/other"], capture_output=True, text=True, timeout=120,
                               env={**os.environ, **QUIET})
        tap.equal(third.returncode, 3, "a port that is taken ends with 3", third.stderr)
        tap.ok(f"127.0.0.1:{srs.port}" in third.stderr, "and is named", third.stderr)

    with Siprecd(f"--sip.listen=udp:0.0.0.0:{(port := free_port())}", "--sip.allow=192.0.2.1") as srs:
        text = srs.log()
        tap.ok(f"0.0.0.0:{port}" not in "\n".join(text.splitlines()[:5]), "a wildcard is not told as an address", text)
        tap.ok("sip.allow is empty" not in text, "no warning where sip.allow is set", text)


def log_before_ready():
    """Whoever sees that it is ready finds its first lines in the log: here they get into the pipe only once it is read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    full = 0
    try:
        while True:
            full += os.write(writing, bytes(4096))
    except BlockingIOError:
        pass
    os.set_blocking(writing, True)
    srs = Siprecd()
    process = subprocess.Popen(srs.arguments, stdout=writing, stderr=writing, stdin=subprocess.DEVNULL, env=srs.surroundings(),
                               cwd=srs.folder)
    os.close(writing)
    try:
        tap.ok(wait_for(lambda: accepts(srs.port), 60), "SIP's port is open, and the first lines find no room")
        tap.ok(not wait_for(srs.ready, 0.5), "it is not ready before they are written")
        with os.fdopen(reading, "rb") as pipe:
            pipe.read(full)
            tap.ok(wait_for(srs.ready, 60), "it is once they are")
            tap.ok(os.read(pipe.fileno(), 4096).startswith(b"siprecd "), "and there they are")
    finally:
        end(process)
        srs.__exit__()


def reload():
    settings = write("reload.conf", "[sip]\nallow = 192.0.2.1\n")
    with Siprecd("-c", str(settings)) as srs:
        tap.equal(Caller(srs.port, name="before").invite(), 403, "not in sip.allow: 403")
        settings.write_text("[sip]\nallow = 127.0.0.0/8\n[log]\nlevel = debug\n")
        srs.process.send_signal(signal.SIGHUP)
        tap.ok(wait_for(lambda: "settings read again" in srs.log(), 60), "SIGHUP reads them again", srs.log())
        caller = Caller(srs.port, name="after")
        tap.equal(caller.invite(), 200, "and the new sip.allow counts")

        settings.write_text("[sip]\nallow = 192.0.2.1\n[rtp]\nport_min = x\n")
        srs.process.send_signal(signal.SIGHUP)
        tap.ok(wait_for(lambda: "the old ones stay" in srs.log(), 60), "bad ones are refused", srs.log())
        tap.ok(f"{settings}:4: rtp.port_min" in srs.log(), "with file and line", srs.log())
        other = Caller(srs.port, name="still")
        tap.equal(other.invite(), 200, "and the old ones stay")
        tap.equal(caller.bye(), 200, "the call from before goes on")
        tap.equal(other.bye(), 200, "so does the other")

        settings.write_text("[sip]\nallow = 127.0.0.0/8\n[rtp]\nbind = 127.0.0.1\n")
        srs.process.send_signal(signal.SIGHUP)
        tap.ok(wait_for(lambda: "needs a restart: rtp.bind" in srs.log(), 60), "what needs a restart is said", srs.log())


def service_manager():
    path = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(60)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            with Siprecd() as srs:
                tap.equal(manager.recv(1000), b"READY=1", "READY=1 to the service manager")
                srs.process.send_signal(signal.SIGHUP)
                tap.ok(manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC="), "RELOADING=1")
                tap.equal(manager.recv(1000), b"READY=1", "and READY=1 again")
                srs.stop()
                tap.ok(manager.recv(1000).startswith(b"STOPPING=1"), "STOPPING=1")
        finally:
            del os.environ["NOTIFY_SOCKET"]


def logs_as_json():
    with Siprecd("--log.format=json") as srs:
        caller = Caller(srs.port, name="json")
        caller.invite()
        caller.bye()
        lines = [json.loads(line) for line in srs.log().splitlines() if line.startswith("{")]
        tap.ok(any(line.get("call_id") == caller.call_id for line in lines), "log.format=json: objects with call_id",
               srs.log())


for part in (command_line, first_lines, log_before_ready, reload, service_manager, logs_as_json):
    part()
subprocess.run(["rm", "-r", folder], check=False)
tap.done()
