"""What every interop test shares: TAP, free ports, a siprecd of one's own, its API, and the tools that judge it.

A test is a script: test.py BUILD. It prints TAP, waits for states with a bound and never sleeps to be safe, and ends
only what it started. Bounds are for what hangs, not for what is slow: tests run side by side, on machines that have
other work to do."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUILD", ROOT / "build")).resolve()


printing = threading.Lock()


def note(*details):
    """What is printed beside the points, so that nothing of another thread's gets into a line."""
    with printing:
        for detail in details:
            for line in str(detail).splitlines()[:40]:
                print("#", line, flush=True)


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def ok(self, good, name, *details):
        with printing:
            self.count += 1
            self.failed += not good
            print(("ok" if good else "not ok"), self.count, "-", name, flush=True)
        if not good:
            note(*details)
        return good

    def equal(self, got, want, name, *details):
        return self.ok(got == want, name, f"got  {got!r}", f"want {want!r}", *details)

    def skip(self, name, why):
        with printing:
            self.count += 1
            print("ok", self.count, "-", name, "# SKIP", why, flush=True)

    def together(self, *functions, at_once=6):
        """Runs functions side by side; what one of them throws is a failed test."""
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for function, future in [(f, pool.submit(f)) for f in functions]:
                try:
                    future.result()
                except Exception:  # noqa: BLE001: reported, and the others go on
                    self.ok(False, f"{getattr(function, '__name__', function)} ran to its end", traceback.format_exc())

    def done(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)


def skip_all(why):
    print("1..0 # SKIP", why)
    sys.exit(0)


def need(*programs):
    """Ends the test as skipped when a program of Debian's is missing."""
    for program in programs:
        if not shutil.which(program):
            skip_all(f"{program} is not installed")


def built(name):
    path = BUILD / name
    if not path.exists():
        skip_all(f"{name} is not built")
    return str(path)


def wait_for(condition, seconds, every=0.02):
    """The first true value of condition(), or its last one when time is over."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > until:
            return value
        time.sleep(every)


def sanitized():
    """Whether the programs under test were built with a sanitizer."""
    options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return any(option["name"] == "b_sanitize" and option["value"] != "none" for option in options)


def end(process, seconds=60):
    """Ends what a test has started: by SIGTERM, and where that does not do, for good."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def accepts(port, ip="127.0.0.1"):
    """Somebody takes TCP connections there."""
    try:
        socket.create_connection((ip, port), 1).close()
        return True
    except OSError:
        return False


def answers_stun(ip, port, seconds=30):
    """Somebody there answers a Binding request (RFC 8489 section 2). On a busy machine coturn does so seconds after it has
    bound its port, which is longer than anybody waits for an answer; who asks too early asks from another port again."""
    def is_answered():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.05)
            asking.sendto(bytes.fromhex("00010000 2112a442") + os.urandom(12), (ip, port))
            try:
                return asking.recv(1500).startswith(b"\1\1")
            except OSError:
                return False
    return wait_for(is_answered, seconds)


class Ports:
    """Ports of this process's own, above those the kernel hands out: nobody takes one of them between our finding it
    free and the server's opening it, and tshark takes none for another protocol's. Whoever holds the block's first
    port by TCP holds the block; who finds none free waits."""

    FIRST, END, BLOCK, MEDIA = 61000, 65500, 640, 60

    def __init__(self):
        self.lock, self.holder = threading.Lock(), None

    def hold(self):
        while self.holder is None:
            for base in range(self.FIRST, self.END - self.BLOCK + 1, self.BLOCK):
                holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                try:
                    holder.bind(("127.0.0.1", base))
                    holder.listen()
                except OSError:
                    holder.close()
                    continue
                self.holder, self.base, self.next = holder, base, 1
                return
            time.sleep(1)

    def free(self):
        with self.lock:
            self.hold()
            for _ in range(self.MEDIA):
                port = self.base + self.next
                self.next = self.next % (self.MEDIA - 1) + 1
                if not self.is_taken(port):
                    return port
        raise RuntimeError("no free port")

    @staticmethod
    def is_taken(port):
        """As the kernel lists it. A socket opened to try it would keep it for a moment even when closed: a program that another
        thread is just starting holds what was open. What merely lingers (state 6 of TCP) takes nothing from a server."""
        for table in pathlib.Path("/proc/thread-self/net").glob("[tu][cd]p*"):  # udp, udp6, tcp, tcp6
            for line in table.read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if int(local.rpartition(":")[2], 16) == port and (table.name.startswith("udp") or state != "06"):
                    return True
        return False

    def media(self, slot):
        """One of two ranges for RTP: (lowest, highest)."""
        with self.lock:
            self.hold()
            half = (self.BLOCK - self.MEDIA) // 2
            low = self.base + self.MEDIA + slot % 2 * half
            return low, low + half - 1


ports = Ports()


def free_port():
    """A port that neither UDP nor TCP has in use."""
    return ports.free()


# Nothing leaves this machine: what every siprecd outside a network namespace of its own is run with.
QUIET = {"STUN_SERVERS": "none", "SIPRECD_NAT_PORTMAP": "false", "SIPRECD_NAT_METADATA": "false",
         "SIPRECD_NAT_IP_SERVICES": "none"}


class Siprecd:
    """A siprecd with a folder and ports of its own; listens on 127.0.0.1. It asks nobody about its network, unless
    quiet=False: for tests inside a network namespace."""

    slots = 0

    def __init__(self, *arguments, sip_ip="127.0.0.1", rtp=None, keep=None, quiet=True):
        self.quiet = quiet
        self.folder = pathlib.Path(keep or tempfile.mkdtemp(prefix="siprecd-test-"))
        self.keep = keep is not None
        self.recordings_folder = self.folder / "recordings"
        self.log_path = self.folder / "log"
        self.port, self.http = free_port(), free_port()
        self.ip = sip_ip
        if rtp is None:
            rtp = ports.media(Siprecd.slots)
        Siprecd.slots += 1
        host = f"[{sip_ip}]" if ":" in sip_ip else sip_ip
        self.uri = f"sip:srs@{host}:{self.port}"
        self.arguments = [
            built("siprecd"),
            f"--sip.listen=udp:{host}:{self.port},tcp:{host}:{self.port}",
            f"--http.listen=127.0.0.1:{self.http}",
            f"--recordings.directory={self.recordings_folder}",
            f"--rtp.port_min={rtp[0]}", f"--rtp.port_max={rtp[1]}",
            *arguments,
        ]
        self.process = None

    def surroundings(self):
        """The environment it runs in."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SIPRECD_")}
        environment.update(QUIET if self.quiet else {})
        return environment

    def start(self):
        self.log_file = open(self.log_path, "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.arguments, stdout=self.log_file, stderr=self.log_file,
                                        stdin=subprocess.DEVNULL, env=self.surroundings(), cwd=self.folder)
        wait_for(lambda: self.ready() or self.process.poll() is not None, 60)
        if not self.ready():
            log = self.log()
            self.stop()
            raise RuntimeError("siprecd did not become ready:\n" + log[-4000:])
        return self

    __enter__ = start

    def __exit__(self, *_):
        self.stop()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, sign=signal.SIGTERM, seconds=120):
        """Ends it; its exit status, or None when it had to be killed."""
        if not self.process or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(sign)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            self.log_file.close()

    # The API

    def get(self, path, headers=None):
        """(status, headers, bytes)"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as fault:
            return fault.code, fault.headers, fault.read()

    def ready(self):
        try:
            return self.get("/health/ready")[0] == 200
        except OSError:
            return False

    def json(self, path):
        status, _, body = self.get(path)
        return json.loads(body) if status == 200 else None

    def recordings(self):
        return (self.json("/v1/recordings?limit=500") or self.json("/v1/recordings") or {}).get("recordings", [])

    def recording(self, call_id, state="finished", seconds=120):
        """The recording of a call once it is in that state; whatever there is when time is over."""
        path = "/v1/recordings?call_id=" + urllib.parse.quote(call_id, safe="")

        def find():
            found = (self.json(path) or {}).get("recordings")
            return found[0] if found else None

        def look():
            found = find()
            return found if found and (state is None or found["state"] == state) else None
        return wait_for(look, seconds, every=0.1) or find()

    def path_of(self, recording):
        day = recording["started_at"][:10].split("-")
        return self.recordings_folder.joinpath(*day, recording["id"])

    def document(self, recording):
        return json.loads((self.path_of(recording) / "recording.json").read_text())

    def metric(self, name):
        """Sum of a series over its labels."""
        total, seen = 0.0, False
        for line in self.get("/metrics")[2].decode().splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in ("{", " "):
                total, seen = total + float(line.rsplit(" ", 1)[1]), True
        return total if seen else None


def siprec_call(uri, *arguments, timeout=300):
    """(exit status, report) of one run of siprec-call."""
    done = subprocess.run([built("siprec-call"), uri, "--json", *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {"results": [{"fault": done.stdout + done.stderr, "notes": [], "steps": [], "streams": [],
                               "call_id": "", "code": 0}]}
    return done.returncode, report


# Witnesses

def run(*command, timeout=300):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout)


def probe(path):
    """ffprobe's view of an audio file: its first stream, with the duration in seconds."""
    done = run("ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path)
    told = json.loads(done.stdout or "{}")
    if not told.get("streams"):
        note(f"ffprobe {path}: exit status {done.returncode}", done.stderr)
    stream = (told.get("streams") or [{}])[0]
    stream["seconds"] = float(stream.get("duration") or told.get("format", {}).get("duration") or 0)
    return stream


def tone_hz(path, channel, start=0.0, seconds=None):
    """What sox hears in one channel (from 1): its rough frequency, or 0 when there is no sound to speak of; then what sox
    says of it is printed."""
    trim = ["trim", str(start)] + ([str(seconds)] if seconds else [])
    done = run("sox", path, "-n", "remix", channel, *trim, "stat")
    values = {}
    for line in done.stderr.splitlines():
        name, _, value = line.partition(":")
        try:
            values["".join(name.split())] = float(value)
        except ValueError:
            pass
    if values.get("RMSamplitude", 0) >= 0.005 and values["Roughfrequency"] > 0:
        return int(values["Roughfrequency"])
    note(f"no sound in channel {channel} of {path}, {' '.join(trim)}: sox ended with {done.returncode}", done.stderr)
    return 0


def near(got, want, part=0.05):
    return abs(got - want) <= want * part


def tshark(path, display_filter, *fields):
    """Rows of a capture's packets that pass the filter, one list of the fields' values each."""
    command = ["tshark", "-n", "-r", path, "-Y", display_filter, "-T", "fields"]
    for field in fields or ("frame.number",):
        command += ["-e", field]
    done = run(*command)
    return [line.split("\t") for line in done.stdout.splitlines()]


def rtp_streams(path):
    """tshark's own list of RTP streams: [(source, source port, destination, port, ssrc, payload, packets, lost)]."""
    done = run("tshark", "-n", "-r", path, "-q", "-z", "rtp,streams")
    rows = []
    for line in done.stdout.splitlines():
        words = line.split()
        at = next((i for i, word in enumerate(words) if word.startswith("0x")), None)
        if at is None or at < 4:
            continue
        numbers = [int(word) for word in words[at + 1:] if word.isdigit()]
        rows.append({"source": words[at - 4], "source_port": int(words[at - 3]), "destination": words[at - 2],
                     "port": int(words[at - 1]), "ssrc": int(words[at], 16), "codec": words[at + 1],
                     "packets": numbers[0], "lost": numbers[1]})
    return rows
