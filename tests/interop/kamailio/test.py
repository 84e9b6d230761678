#!/usr/bin/env python3
"""A foreign SRC: baresip calls, Kamailio turns its INVITE into a recording session's, siprecd records. None of the two
was written by us, nor for us. The tone baresip plays must be heard in the recording, its digits known, its hold be silence."""
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, end, free_port, near, need, ports, probe, rtp_streams, tone_hz, tshark, wait_for  # noqa: E402
from kamailio_process import KamailioProcess  # noqa: E402

need("kamailio", "baresip", "sox", "ffprobe", "tshark")
tap = Tap()
HERE = pathlib.Path(__file__).resolve().parent
MODULES = "/usr/lib/baresip/modules"


class Kamailio(KamailioProcess):
    def __init__(self, folder, srs):
        port = free_port()
        text = (HERE / "kamailio.cfg").read_text()
        text = text.replace("listen=LISTEN", f"listen=udp:127.0.0.1:{port}").replace("LABEL", "1")
        text = text.replace("$du = SRS;", f'$du = "sip:127.0.0.1:{srs.port}";')
        super().__init__(folder, text, port)


class Baresip:
    """baresip without a sound card: a sine is its microphone; told what to do over its control port."""

    def __init__(self, folder, proxy, codec):
        self.folder, self.control = folder, free_port()
        folder.mkdir()
        (folder / "config").write_text(
            f"sip_listen 127.0.0.1:{free_port()}\nnet_interface 127.0.0.1\nmodule_path {MODULES}\n"
            "audio_player aufile,/dev/null\naudio_source ausine,440\nausrc_format s16\nauplay_format s16\n"
            "auenc_format s16\naudec_format s16\nausrc_channels 2\nausrc_srate 48000\n"
            f"rtp_ports {ports.media(1)[0]}-{ports.media(1)[1]}\n"
            "module stdio.so\nmodule g711.so\nmodule g722.so\nmodule opus.so\nmodule ausine.so\nmodule aufile.so\n"
            "module_tmp account.so\nmodule_app contact.so\nmodule_app menu.so\nmodule ctrl_tcp.so\n"
            f"ctrl_tcp_listen 127.0.0.1:{self.control}\n")
        (folder / "accounts").write_text(
            f'<sip:tester@127.0.0.1;transport=udp>;regint=0;audio_codecs={codec};dtmfmode=rtpevent;'
            f'outbound="sip:127.0.0.1:{proxy};transport=udp"\n')
        (folder / "contacts").write_text("")
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(["baresip", "-f", str(folder), "-v"], stdin=subprocess.PIPE, stdout=self.log,
                                        stderr=self.log, cwd=folder)
        wait_for(self.tell_connect, 60)

    def tell_connect(self):
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.control), timeout=5)
            return True
        except OSError:
            return False

    def tell(self, command, parameters=""):
        """A command over ctrl_tcp: a netstring that holds JSON."""
        text = f'{{"command":"{command}","params":"{parameters}"}}'
        self.socket.sendall(f"{len(text)}:{text},".encode())

    def stop(self):
        end(self.process)
        self.log.close()

    def told(self):
        return (self.folder / "log").read_text(errors="replace")[-3000:]


def active(srs, known):
    found = [r for r in srs.recordings() if r["call_id"] not in known]
    return found[0] if found else None


def call(srs, folder, kamailio, codec, shown):
    known = {r["call_id"] for r in srs.recordings()}
    phone = Baresip(folder / f"baresip-{shown}", kamailio.port, codec)
    try:
        phone.tell("dial", "sip:srs@127.0.0.1")
        recording = wait_for(lambda: active(srs, known), 60)
        if not tap.ok(recording, f"{shown}: baresip's call is being recorded", phone.told(), srs.log()[-2000:]):
            return
        call_id = recording["call_id"]
        begin = time.monotonic()
        wait_for(lambda: time.monotonic() - begin > 3, 4)
        for digit in "42":
            phone.tell("sndcode", digit)
            wait_for(lambda: False, 0.4)
        phone.tell("hold")
        wait_for(lambda: time.monotonic() - begin > 6, 8)
        phone.tell("resume")
        wait_for(lambda: time.monotonic() - begin > 9, 10)
        phone.tell("hangup")
        recording = srs.recording(call_id)
        tap.ok(recording and recording["state"] == "finished", f"{shown}: hung up, and the recording is finished",
               recording, phone.told(), srs.log()[-2000:])
        judge(srs, recording, shown)
    finally:
        phone.stop()


def judge(srs, recording, shown):
    document = srs.document(recording)
    path = srs.path_of(recording)
    stream = document["streams"][0]
    tap.ok(stream["packets"] > 200 and stream["lost"] == 0, f"{shown}: its packets are there", stream)
    tap.ok(any("tester@127.0.0.1" in p["aor"] for p in document["participants"]), f"{shown}: its participant is known",
           document["participants"])
    heard = tone_hz(path / "audio.wav", 1, 0.5, 2)
    tap.ok(near(heard, 440), f"{shown}: baresip's tone is heard", heard, probe(path / "audio.wav"))
    digits = "".join(d["digit"] for d in document["digits"])
    tap.equal(digits, "42", f"{shown}: its digits are known", document["digits"])
    # baresip holds by a=sendonly, which asks to be recorded, and then sends nothing.
    tap.equal(tone_hz(path / "audio.wav", 1, 4.8, 0.6), 0, f"{shown}: nothing is heard while it holds")
    tap.ok(near(tone_hz(path / "audio.wav", 1, 7.5, 1), 440), f"{shown}: the tone is back afterwards")
    kept = sum(s["packets"] for s in rtp_streams(path / "journal.pcapng"))
    tap.equal(kept, stream["packets"], f"{shown}: tshark counts the same packets in the journal")
    invites = tshark(path / "journal.pcapng", "sip.Method == INVITE", "sip.Record-Route", "sip.Contact")
    tap.ok(invites and "127.0.0.1" in invites[0][0] and "+sip.src" in invites[0][1],
           f"{shown}: the INVITE came through Kamailio", invites)


with tempfile.TemporaryDirectory(prefix="kamailio-test-") as name, Siprecd() as srs:
    folder = pathlib.Path(name)
    kamailio = Kamailio(folder, srs)
    try:
        if tap.ok(kamailio.process.poll() is None, "Kamailio runs", (folder / "log").read_text()[-2000:]):
            call(srs, folder, kamailio, "pcma/8000/1", "PCMA")
            call(srs, folder, kamailio, "opus/48000/2", "Opus")
    finally:
        kamailio.stop()
tap.done()
