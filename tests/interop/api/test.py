"""The whole daemon as its API shows it: real calls' documents against the schema the daemon serves (jsonschema), audio
with ranges (curl, ffprobe), siprecctl, and every series of /metrics made to move. Use: test.py BUILD"""
import json
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, built, need, ports, probe, run, siprec_call, skip_all, wait_for  # noqa: E402

need("curl", "ffprobe", "sqlite3")
try:
    import jsonschema
except ImportError:
    skip_all("python3-jsonschema is not installed")

tap = Tap()


class Contract:
    def __init__(self, daemon):
        self.document = daemon.json("/openapi.json")

    def fault(self, value, schema):
        """None, or what does not fit."""
        whole = {"$ref": "#/components/schemas/" + schema, "components": self.document["components"]}
        validator = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
        faults = [f"{list(e.absolute_path)}: {e.message}"[:300] for e in validator.iter_errors(value)]
        return "\n".join(faults) or None


class Series:
    """Every series of /metrics, its lowest and highest value seen; watches on a thread of its own."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.low, self.high, self.kind = {}, {}, {}
        self.over = threading.Event()
        self.look()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def look(self):
        for line in self.daemon.get("/metrics")[2].decode().splitlines():
            if line.startswith("# TYPE"):
                self.kind[line.split()[2]] = line.split()[3]
            elif not line.startswith("#"):
                name, value = line.split()
                value = float(value)
                self.low[name] = min(value, self.low.get(name, value))
                self.high[name] = max(value, self.high.get(name, value))

    def watch(self):
        while not self.over.wait(0.05):
            try:
                self.look()
            except OSError:
                pass

    def stop(self):
        self.over.set()
        self.thread.join()
        self.look()

    def moved(self):
        return {name for name in self.low if self.high[name] > self.low[name]}


class RawSrc:
    """A call by hand, for what no honest SRC does."""

    def __init__(self, daemon, audio=True, metadata=False):
        self.daemon, self.audio = daemon, audio
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind(("127.0.0.1", 0))
        self.sip.settimeout(60)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.call_id = f"raw-{random.randrange(1 << 48):x}@127.0.0.1"
        self.tag = self.to_tag = ""
        self.sequence = 100

    def message(self, method, cseq, body="", to="", more=""):
        here = f"127.0.0.1:{self.sip.getsockname()[1]}"
        content = "Content-Type: application/sdp\r\n" if body else ""
        return (f"{method} {self.daemon.uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{self.call_id[4:12]}{method}{cseq}"
                f"\r\nMax-Forwards: 70\r\nFrom: <sip:src@example.com>;tag=a1\r\nTo: <{self.daemon.uri}>{to}\r\n"
                f"Call-ID: {self.call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:src@{here}>;+sip.src\r\n"
                f"Require: siprec\r\n{more}{content}Content-Length: {len(body)}\r\n\r\n{body}")

    def sdp(self):
        port = self.rtp.getsockname()[1]
        kind = f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n" if self.audio else f"m=video {port} RTP/AVP 96\r\n"
        return f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{kind}a=sendonly\r\na=label:1\r\n"

    def send(self, text):
        self.sip.sendto(text.encode(), ("127.0.0.1", self.daemon.port))

    def invite(self):
        """The final status; the media port is then known."""
        self.send(self.message("INVITE", 1, self.sdp()))
        while True:
            answer = self.sip.recv(65536).decode()
            status = int(answer.split()[1])
            if status >= 200 and " INVITE" in re.search(r"CSeq:.*", answer).group(0):
                break
        to = re.search(r"^To:[^\r]*?(;tag=[^;\r]+)", answer, re.M | re.I)
        self.to_tag = to.group(1) if to else ""
        media = re.search(r"^m=audio (\d+)", answer, re.M)
        self.media = ("127.0.0.1", int(media.group(1))) if media else None
        return status

    def ack(self):
        self.send(self.message("ACK", 1, to=self.to_tag))

    def bye(self):
        self.send(self.message("BYE", 2, to=self.to_tag))

    def packet(self, ssrc, payload=b"\xff" * 160):
        self.sequence += 1
        return struct.pack("!BBHII", 0x80, 0, self.sequence & 0xffff, self.sequence * 160, ssrc) + payload


def finished(daemon, call_id):
    return daemon.recording(call_id, "finished")


def call_ids(report):
    return [result["call_id"] for result in report["results"]]


def test_documents_and_audio(daemon, contract):
    code, report = siprec_call(daemon.uri, "--streams", 2, "--seconds", 2)
    recording = finished(daemon, call_ids(report)[0])
    if not tap.ok(code == 0 and recording and recording["state"] == "finished", "a call becomes a finished recording",
                  report, daemon.log()[-2000:]):
        return
    base = f"/v1/recordings/{recording['id']}"
    tap.equal(contract.fault(recording, "Recording"), None, "its document fits the schema")
    tap.equal(daemon.json(base), recording, "get gives what the list gives")
    tap.equal(daemon.document(recording), recording, "recording.json holds the same")
    url = f"http://127.0.0.1:{daemon.http}{base}"
    whole = daemon.get(base + "/audio")[2]
    tap.equal(run_bytes("curl", "-s", "-r", "44-1043", url + "/audio"), whole[44:1044], "curl gets a range of the audio")
    tap.equal(run_bytes("curl", "-s", "-r", "-100", url + "/audio"), whole[-100:], "and its end")
    for name, codec in (("wav", "pcm_s16le"), ("flac", "flac"), ("opus", "opus"), ("mp3", "mp3")):
        path = daemon.folder / f"got.{name}"
        status, headers, data = daemon.get(f"{base}/audio?format={name}")
        path.write_bytes(data)
        told = probe(path)
        tap.ok(status == 200 and told.get("codec_name") == codec and told.get("channels") == 2 and
               abs(told["seconds"] - 2) < 0.3, f"audio as {name}: ffprobe reads two channels of two seconds", status, told)
    status, headers, data = daemon.get(base + "/metadata")
    tap.ok(status == 200 and b"<recording" in data and headers["Content-Type"] == "application/rs-metadata+xml",
           "metadata is the XML", status, data[:200])
    status, headers, data = daemon.get(base + "/journal")
    tap.ok(status == 200 and data[:4] == b"\x0a\x0d\x0d\x0a", "journal is a pcapng file", status)
    rows = run("sqlite3", daemon.recordings_folder / "catalog.db",
               f"SELECT call_id,state,directory FROM recordings WHERE id='{recording['id']}'").stdout.strip()
    tap.equal(rows, f"{recording['call_id']}|finished|{daemon.path_of(recording).relative_to(daemon.recordings_folder)}",
              "sqlite3 reads the same in the catalogue")


def run_bytes(*command):
    return subprocess.run(command, capture_output=True, timeout=60, check=False).stdout


def ctl(daemon, *arguments):
    return run(built("siprecctl"), "--url", f"http://127.0.0.1:{daemon.http}", *arguments)


def test_a_call_in_progress(daemon, contract):
    src = RawSrc(daemon)
    src.invite()
    src.ack()

    def heard():
        """The session, once packets of the call are counted."""
        src.rtp.sendto(src.packet(7), src.media)
        session = next((s for s in daemon.json("/v1/sessions")["sessions"] if s["call_id"] == src.call_id), None)
        return session if session and sum(s["packets"] for s in session["streams"]) > 0 else None
    session = wait_for(heard, 60)
    tap.ok(session and session["state"] == "active" and session["streams"][0]["packets"] > 0,
           "a session shows its packets while it goes on", session)
    tap.equal(contract.fault(session, "Recording"), None, "a session fits the schema")
    tap.equal(contract.fault(daemon.json("/health/ready"), "Ready"), None, "readiness fits the schema")
    one = daemon.json(f"/v1/recordings/{session['id']}")
    tap.ok(one["streams"][0]["packets"] > 0 and contract.fault(one, "Recording") is None,
           "and so does the recording, asked for by its id", one)
    tap.ok(session["id"] in ctl(daemon, "sessions").stdout, "siprecctl sessions lists it")
    listed = [r for r in daemon.recordings() if r["call_id"] == src.call_id]
    tap.ok(listed and contract.fault(listed[0], "Recording") is None and listed[0]["ended_at"] is None,
           "the list has it as active", listed)
    gone = ctl(daemon, "recordings", session["id"], "--delete")
    tap.equal(gone.returncode, 1, "what goes on is not deleted")
    status, _, data = daemon.get(f"/v1/recordings/{session['id']}/audio")
    tap.ok(status == 200 and data[:4] == b"RIFF", "its audio until now can be had", status, data[:200])
    src.bye()
    recording = finished(daemon, src.call_id)
    tap.ok(recording and contract.fault(recording, "Recording") is None and recording["warnings"],
           "without metadata it is a recording with a warning", recording)
    out = ctl(daemon, "recordings", "--call-id", src.call_id).stdout
    tap.ok(recording["id"] in out and "(!)" in out, "siprecctl finds it by its Call-ID and marks the warning", out)
    gone = ctl(daemon, "recordings", recording["id"], "--delete")
    tap.ok(gone.returncode == 0 and daemon.get(f"/v1/recordings/{recording['id']}")[0] == 404 and
           not daemon.path_of(recording).exists(), "siprecctl deletes it, files and all", gone)
    tap.ok(f"recording deleted id={recording['id']} by=api" in daemon.log(), "with an audit line in the log")


def test_odd_calls(daemon, contract):
    """Scripts whose recordings have gaps, second SSRCs, digits: each document fits the schema."""
    def one(script):
        _, report = siprec_call(daemon.uri, "--script", script)
        recording = finished(daemon, call_ids(report)[0])
        tap.equal(contract.fault(recording, "Recording"), None, f"the document after script {script} fits the schema")
    tap.together(*[lambda s=s: one(s) for s in ("hold-leak", "ssrc", "dtmf", "silence")])


def malformed(daemon):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"INVITE sip:x@example.com SIP/2.0\r\nnonsense\r\n\r\n", ("127.0.0.1", daemon.port))
        text = RawSrc(daemon).message("OPTIONS", 1).replace("Content-Length: 0", "Content-Length: 500")
        s.sendto(text.encode(), ("127.0.0.1", daemon.port))


def refused(daemon):
    src = RawSrc(daemon, audio=False)
    tap.ok(src.invite() >= 400, "an INVITE without audio is refused")
    src.ack()


def never_acknowledged(daemon):
    src = RawSrc(daemon)
    src.invite()
    src.send(src.message("INVITE", 1, src.sdp()))


def hostile_media(daemon):
    """Junk, a second sender, and more in one go than the socket's buffer holds."""
    src = RawSrc(daemon)
    src.invite()
    src.ack()
    for _ in range(20):
        src.rtp.sendto(src.packet(1), src.media)
        time.sleep(0.01)
    src.rtp.sendto(b"\x40 no RTP at all", src.media)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for n in range(20):
            other.sendto(struct.pack("!BBHII", 0x80, 0, 9000 + n, n * 160, 2) + b"\x7f" * 160, src.media)
            src.rtp.sendto(src.packet(1), src.media)
            time.sleep(0.01)
    flood = [src.packet(1, b"\xff" * 1400) for _ in range(3000)]
    lost = "siprecd_socket_overflows_total"
    for _ in range(30):
        for packet in flood:
            src.rtp.sendto(packet, src.media)
        src.rtp.sendto(src.packet(1), src.media)
        if wait_for(lambda: daemon.metric(lost) > 0, 0.3):
            break
    src.bye()
    finished(daemon, src.call_id)


def database_locked(daemon):
    lock = subprocess.Popen(["sqlite3", str(daemon.recordings_folder / "catalog.db")], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    lock.stdin.write(".timeout 10000\nBEGIN IMMEDIATE;\nSELECT 'held';\n")
    lock.stdin.flush()
    lock.stdout.readline()
    _, report = siprec_call(daemon.uri, "--seconds", 1)
    call_id = call_ids(report)[0]

    def on_disk():
        return [p for p in daemon.recordings_folder.glob("*/*/*/*/recording.json")
                if json.loads(p.read_text())["call_id"] == call_id and json.loads(p.read_text())["state"] == "finished"]
    found = wait_for(on_disk, 120)
    tap.ok(found and daemon.get("/health/ready")[0] == 200, "a call is recorded while the catalogue is locked")
    lock.stdin.write("ROLLBACK;\n")
    lock.stdin.close()
    lock.wait(60)
    tap.ok(finished(daemon, call_id), "and is in it when the lock is gone")


def broken_render(daemon):
    _, report = siprec_call(daemon.uri, "--seconds", 1)
    recording = finished(daemon, call_ids(report)[0])
    (daemon.path_of(recording) / "journal.pcapng").write_bytes(b"this is no journal")
    status, _, _ = daemon.get(f"/v1/recordings/{recording['id']}/audio?format=mp3")
    tap.equal(status, 500, "a journal that cannot be rendered is a problem, not an empty file")


def unwritable(daemon):
    """A file where the day's folder should be: neither journal nor document can be written."""
    year = daemon.recordings_folder / time.strftime("%Y", time.gmtime())
    aside = daemon.recordings_folder / "aside"
    year.rename(aside)
    year.write_text("in the way")
    src = RawSrc(daemon)
    src.invite()
    src.ack()
    wait_for(lambda: daemon.metric("siprecd_recordings_failed_total") > 0, 60)
    year.unlink()
    for recording in aside.glob("*/*/*"):  # one by one: siprecd, too, makes the day's folder now
        day = year / recording.relative_to(aside).parent
        day.mkdir(parents=True, exist_ok=True)
        recording.rename(day / recording.name)
    shutil.rmtree(aside)
    tap.ok(wait_for(lambda: daemon.recording(src.call_id, "failed", 1), 60),
           "a recording whose journal cannot be written is listed as failed once its document can be")


def refused_access(daemon):
    tap.equal(daemon.get("/v1/recordings", {"Host": "evil.example.com"})[0], 421, "a foreign Host is refused")


def crowd(daemon):
    """TCP, many calls that end at once, loss."""
    code, report = siprec_call(daemon.uri, "--transport", "tcp", "--calls", 12, "--rate", 60, "--hold", 2, "--loss", 10)
    tap.equal(code, 0, "twelve calls over TCP", report)
    open_sockets = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(520)]
    wait_for(lambda: daemon.metric("siprecd_sip_connections_refused_total") > 0, 60)
    for s in open_sockets:
        s.close()


def old_recording(daemon, n=1):
    """The folder of a recording that ended on 2026-03-01."""
    folder = daemon.recordings_folder / f"2026/03/01/019ca945-0a00-7000-8000-{n:012x}"
    folder.mkdir(parents=True)
    (folder / "recording.json").write_text(json.dumps(
        {"id": folder.name, "call_id": "old@example.com", "state": "finished", "recovered": False,
         "started_at": "2026-03-01T12:00:00.000Z", "ended_at": "2026-03-01T12:00:01.000Z", "duration_ms": 1000,
         "participants": [], "streams": [], "warnings": []}))
    (folder / "journal.pcapng").write_bytes(b"journal")
    return folder


def test_retention():
    settings = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-conf-")) / "siprecd.conf"
    settings.write_text("[recordings]\nkeep_days = 0\n")
    daemon = Siprecd("-c", str(settings))
    folder = old_recording(daemon)
    with daemon:
        # The catalogue reads the folders once it has started.
        tap.ok(wait_for(lambda: len(daemon.recordings()) == 1, 60) and folder.exists(), "keep_days=0 keeps for ever")
        settings.write_text("[recordings]\nkeep_days = 3\n")
        daemon.process.send_signal(signal.SIGHUP)
        tap.ok(wait_for(lambda: not folder.exists() and not daemon.recordings(), 60),
               "keep_days, reloaded, deletes what ended earlier: files and row", daemon.log()[-1000:])
        tap.ok(wait_for(lambda: "by=keep_days" in daemon.log(), 10), "with an audit line that says by what")
    shutil.rmtree(settings.parent)
    daemon = Full()
    folders = [old_recording(daemon, n) for n in (1, 2)]
    with daemon:
        tap.ok(wait_for(lambda: not any(f.exists() for f in folders) and daemon.log().count("by=min_free") == 2, 60),
               "min_free deletes the oldest while the disk has less", daemon.log()[-1000:])


def test_every_series_moves():
    moved, known = set(), set()

    def collect(series):
        series.stop()
        moved.update(series.moved())
        known.update(series.low)

    def busy():
        with Siprecd() as daemon:
            series = Series(daemon)
            never_acknowledged(daemon)
            silent = RawSrc(daemon)
            silent.invite()
            silent.ack()
            steps = (test_documents_and_audio, test_a_call_in_progress, test_odd_calls)
            contract = Contract(daemon)
            for step in steps:
                step(daemon, contract)
            for step in (malformed, refused, refused_access, hostile_media, database_locked, broken_render, crowd):
                step(daemon)
            wait_for(lambda: daemon.metric("siprecd_sip_ack_timeouts_total") > 0, 120)
            tap.ok(wait_for(lambda: daemon.metric("siprecd_streams_silent_total") > 0, 60), "silence is noticed")
            silent.bye()
            wait_for(lambda: daemon.metric("siprecd_streams_active") == 0, 60)
            unwritable(daemon)
            # Killed in the middle of a call, and started again over the same folder.
            src = RawSrc(daemon)
            src.invite()
            src.ack()
            for _ in range(50):
                src.rtp.sendto(src.packet(3), src.media)
                time.sleep(0.01)
            collect(series)
            daemon.process.kill()
            daemon.process.wait()
            daemon.start()
            recovered = finished(daemon, src.call_id)
            tap.ok(recovered and recovered["recovered"] and Contract(daemon).fault(recovered, "Recording") is None,
                   "after SIGKILL the call is a recovered recording that fits the schema", recovered)
            moved.update(name for name in known if name.endswith("recovered_total") and daemon.metric(name) > 0)
            tap.equal(ctl(daemon, "drain").returncode, 0, "siprecctl drain")
            tap.equal(wait_for(lambda: daemon.process.poll() is not None, 120) and daemon.process.returncode, 0,
                      "drained, the daemon ends with status 0")

    def cramped():
        """Ten ports and a disk that is never free enough."""
        with Siprecd(rtp=(few := ports.media(0)[0], few + 19)) as daemon:
            series = Series(daemon)
            for calls in (4, 4, 8):
                siprec_call(daemon.uri, "--streams", 2, "--calls", calls, "--rate", 40, "--hold", 3)

            def port_was_hurried():
                """Lent again between 2 and 30 s after its last call: when that happens is the machine's affair."""
                siprec_call(daemon.uri, "--streams", 2, "--calls", 4, "--rate", 40, "--hold", 1)
                return daemon.metric("siprecd_ports_hurried_total") > 0
            wait_for(port_was_hurried, 120)
            collect(series)
        with Full() as daemon:
            moved.update({"siprecd_disk_full"} if wait_for(lambda: daemon.metric("siprecd_disk_full") == 1, 60) else set())
            wait_for(lambda: daemon.reasons() == ["disk_full"], 60)
            status, _, data = daemon.get("/health/ready")
            tap.ok(status == 503 and json.loads(data)["reasons"] == ["disk_full"], "a full disk is not ready, and says so",
                   status, data)
            tap.ok(RawSrc(daemon).invite() == 503, "and its INVITEs are answered 503")

    tap.together(busy, cramped, test_retention)
    # What needs a NAT, a server of theirs or a certificate moves in interop/network, interop/tls and lab.
    elsewhere = ("external_address_", "first_packet_", "ice_", "latch_", "local_address_", "media_", "nat_", "network_", "path_",
                 "port_mapping", "ports_unprepared", "relay", "stream_paths_", "streams_relayed", "streams_unreachable",
                 "sip_regist", "stun_", "tls_")
    moved.update(name for name in known if name.removeprefix("siprecd_").startswith(elsewhere))
    tap.ok(len(known) > 40 and not known - moved, "every exported series moved",
           "these did not: " + ", ".join(sorted(known - moved)))


class Full(Siprecd):
    """Started although it never gets ready: no disk in use is as free as that."""

    def __init__(self):
        super().__init__("--recordings.min_free=99%")

    def reasons(self):
        return json.loads(self.get("/health/ready")[2])["reasons"]

    def ready(self):
        """The API answers before SIP does: an INVITE sent then would find no listener."""
        try:
            return "starting" not in self.reasons()
        except OSError:
            return False


test_every_series_moves()
tap.done()
