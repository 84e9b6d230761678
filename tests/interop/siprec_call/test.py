#!/usr/bin/env python3
"""siprec-call itself, against a recording server of a hundred lines and against sipp: what it sends is judged by sox,
ffmpeg, xmllint and by this script's own reading of RTP, RTCP and SDP. siprecd takes no part."""
import itertools
import pathlib
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402
from harness import Tap, built, end, free_port, need, run, siprec_call, wait_for  # noqa: E402
from stub_srs import StubSrs, header, media_of, rtp_fields, sdp_of  # noqa: E402

need("sox", "ffmpeg", "xmllint", "sipp")
tap = Tap()
folder = tempfile.TemporaryDirectory(prefix="siprec-call-test-")
here = pathlib.Path(folder.name)
files = itertools.count()


def play(*arguments, **stub):
    """One run against a fresh stub: (status, report of the call, stub)."""
    srs = StubSrs(free_port(), **stub)
    transport = ("--transport", "tcp") if stub.get("tcp") else ()
    status, report = siprec_call(f"sip:srs@127.0.0.1:{srs.port}", *transport, *arguments)
    wait_for(lambda: False, 0.1)  # what is still in the stub's sockets
    srs.close()
    return status, report["results"][0] if report["results"] else {}, srs


def frequency(payloads, name, *raw):
    """What sox hears in payloads put one behind the other."""
    path = here / f"{name}-{next(files)}"  # a file of its own: the tests run side by side
    path.write_bytes(b"".join(payloads))
    source = path
    if raw[0] == "ffmpeg":
        source = path.with_suffix(".wav")
        run("ffmpeg", "-v", "error", "-y", *raw[1:], "-i", path, source)
        raw = ()
    done = run("sox", *raw, source, "-n", "stat")
    told = [line.split(":")[1] for line in done.stderr.splitlines() if line.startswith("Rough")]
    return int(told[0]) if told else 0


def basic(transport):
    status, call, srs = play("--seconds", "1", "--seed", "7", tcp=transport == "tcp")
    tap.equal(status, 0, f"{transport}: a call of one second exits 0", call)
    tap.equal([m.split()[0] for m in srs.messages], ["INVITE", "ACK", "BYE"], f"{transport}: INVITE, ACK and BYE, once each")
    invite = srs.messages[0]
    tap.equal((header(invite, "Require"), "+sip.src" in header(invite, "Contact")), ("siprec", True),
              f"{transport}: it asks for siprec and names itself an SRC")
    body = invite.partition("\r\n\r\n")[2]
    tap.equal(int(header(invite, "Content-Length")), len(body), f"{transport}: Content-Length is right")
    media = media_of(sdp_of(invite))
    tap.equal([m[0] for m in media], ["audio", "audio"], f"{transport}: two m-lines")
    for stream in (0, 1):
        packets = [rtp_fields(p) for p in srs.packets[stream]]
        tap.ok(48 <= len(packets) <= 52, f"{transport}: about 50 packets on stream {stream}", len(packets))
        steps = {(b[2] - a[2] & 0xffff, b[3] - a[3] & 0xffffffff) for a, b in zip(packets, packets[1:])}
        tap.equal(steps, {(1, 160)}, f"{transport}: sequence and timestamp go on evenly on stream {stream}")
        heard = frequency([p[5] for p in packets], f"tone-{transport}-{stream}", "-t", "ul", "-r", "8000", "-c", "1")
        tap.ok(harness.near(heard, (440, 660)[stream]), f"{transport}: sox hears stream {stream}'s own tone", heard)


def stalled():
    """A machine that stands still at the call's end, and at a wait's, makes neither longer."""
    script = here / "stalled"
    script.write_text("wait 500ms\nmute 1\nwait 500ms\nbye\n")
    for what, words, counts in (("by --seconds", ["--seconds", "1"], (50, 50)), ("by a script", ["--script", script], (50, 25))):
        srs = StubSrs(free_port())
        caller = subprocess.Popen([built("siprec-call"), f"sip:srs@127.0.0.1:{srs.port}", *words], stdout=subprocess.DEVNULL)
        wait_for(lambda srs=srs: len(srs.packets.get(0, [])) >= 15, 20, 0.005)
        caller.send_signal(signal.SIGSTOP)
        wait_for(lambda: False, 0.9)  # the stall, beyond the end
        caller.send_signal(signal.SIGCONT)
        status = caller.wait(20)
        wait_for(lambda srs=srs: srs.requests("BYE"), 10)
        srs.close()
        sent = tuple(len(srs.packets[i]) for i in (0, 1))
        tap.ok(status == 0 and all(abs(n - want) <= 2 for n, want in zip(sent, counts)),
               f"a machine that stood still makes no call longer, {what}", status, sent)


def codecs():
    for name, raw in (("PCMA", ("-t", "al", "-r", "8000", "-c", "1")),
                      ("L16", ("-t", "s16", "-B", "-r", "16000", "-c", "1")),
                      ("G722", ("ffmpeg", "-f", "g722")), ("GSM", ("ffmpeg", "-f", "gsm"))):
        status, call, srs = play("--seconds", "1", "--codec", name, "--streams", "1")
        heard = frequency([rtp_fields(p)[5] for p in srs.packets.get(0, [])], name.lower(), *raw)
        tap.ok(status == 0 and harness.near(heard, 440), f"{name}: the payload holds the tone", status, heard, call)
    status, call, srs = play("--seconds", "1", "--codec", "OPUS", "--streams", "1")
    steps = {rtp_fields(b)[3] - rtp_fields(a)[3] & 0xffffffff for a, b in zip(srs.packets[0], srs.packets[0][1:])}
    tap.equal((status, steps), (0, {960}), "OPUS: timestamps count at 48 kHz")


def file_sound():
    path = here / "two.wav"
    run("sox", "-n", "-r", "16000", "-c", "2", path, "synth", "1", "sine", "500", "sine", "900")
    status, _, srs = play("--seconds", "1", "--audio", path)
    heard = [frequency([rtp_fields(p)[5] for p in srs.packets[i]], "file", "-t", "ul", "-r", "8000", "-c", "1")
             for i in (0, 1)]
    tap.ok(status == 0 and harness.near(heard[0], 500) and harness.near(heard[1], 900),
           "each channel of a file feeds a stream of its own", status, heard)


def digits():
    script = here / "digits"
    script.write_text("wait 100ms\ndtmf 0 5#\nbye\n")
    status, call, srs = play("--script", script)
    events = [rtp_fields(p) for p in srs.packets[0] if rtp_fields(p)[0] == 101]
    seen = []
    for event in events:
        if not seen or seen[-1][0] != event[3]:
            seen.append((event[3], event[5][0]))
    ends = [e for e in events if e[5][1] & 0x80]
    tap.equal((status, [code for _, code in seen]), (0, [5, 11]), "digits are RFC 4733 events 5 and 11", call)
    tap.equal((len(ends), {struct.unpack("!H", e[5][2:4])[0] for e in ends}), (6, {800}),
              "each ends with three packets of 100 ms")
    tap.equal([e[1] for e in events].count(1), 2, "the marker stands on each event's first packet")


def impairments():
    status, call, srs = play("--seconds", "4", "--loss", "10", "--dup", "5", "--reorder", "5", "--seed", "11")
    for i, stream in enumerate(call["streams"]):
        numbers = [rtp_fields(p)[2] for p in srs.packets[i]]
        first = numbers[0]
        order = [n - first & 0xffff for n in numbers]
        missing = set(range(max(order))) - set(order)
        late = sum(1 for a, b in zip(order, order[1:]) if b < a)
        tap.ok(stream["dropped"] - 3 <= len(missing) <= stream["dropped"] + 1 and stream["dropped"] > 5,
               f"stream {i}: as many packets are missing as it says it dropped", len(missing), stream)
        tap.ok(len(order) - len(set(order)) == stream["duplicated"] > 0, f"stream {i}: as many come twice", stream)
        tap.ok(late > 0 and stream["reordered"] > 0, f"stream {i}: some come late", late, stream)
    tap.equal(status, 0, "impairments fail no call")
    again = play("--seconds", "1", "--loss", "10", "--seed", "5")[1]["streams"][0]
    same = play("--seconds", "1", "--loss", "10", "--seed", "5")[1]["streams"][0]
    tap.equal(again["ssrc"], same["ssrc"], "a seed gives the same run again")
    status, call, srs = play("--seconds", "6", "--drift", "10000")
    counts = [len(srs.packets[i]) for i in (0, 1)]
    tap.ok(2 <= counts[1] - counts[0] <= 4, "10000 ppm of drift are three packets in six seconds", counts)


def control():
    status, call, srs = play("--seconds", "2")
    packets = srs.control[0]
    kinds = []
    for packet in packets:
        at = 0
        while at < len(packet):
            first, kind, length = struct.unpack("!BBH", packet[at:at + 4])
            kinds.append(kind)
            if kind == 200:
                ssrc, high, _, stamp, count, octets = struct.unpack("!6I", packet[at + 4:at + 28])
                report = (ssrc, stamp, count, octets)
            at += (length + 1) * 4
        tap.equal(at, len(packet), "an RTCP compound packet is as long as its parts say")
    last = rtp_fields(srs.packets[0][-1])
    tap.equal((kinds[0], kinds[-1], 202 in kinds), (200, 203, True), "SR first, SDES with it, BYE last", kinds)
    tap.equal((report[0], report[2]), (last[4], len(srs.packets[0])), "the last SR counts the packets sent", report)
    tap.ok(abs((report[1] - last[3]) & 0xffffffff) < 8000, "its timestamp is the media's clock", report, last)


def silence():
    script = here / "silence"
    script.write_text("wait 500ms\ndtx 0\nmute 1\nwait 1s\ntalk\nwait 300ms\nbye\n")
    _, _, srs = play("--script", script)
    noise = [rtp_fields(p) for p in srs.packets[0] if rtp_fields(p)[0] == 13]
    tap.ok(1 <= len(noise) <= 3 and all(len(p[5]) == 1 for p in noise), "comfort noise where sound is suppressed", noise)
    for i in (0, 1):
        packets = [rtp_fields(p) for p in srs.packets[i] if rtp_fields(p)[0] == 0]
        gap = max(b[3] - a[3] & 0xffffffff for a, b in zip(packets, packets[1:]))
        resumed = [p for p in packets if p[1]]
        tap.ok(7500 <= gap <= 8500, f"stream {i}: the clock runs on while nothing is sent", gap)
        tap.equal(len(resumed), 2, f"stream {i}: a marker where sound begins again")


def script_streams():
    _, _, srs = play("--script", "add-stream")
    offers = [media_of(sdp_of(m)) for m in srs.requests("INVITE")]
    tap.equal([len(o) for o in offers], [2, 3], "add: a third m-line")
    _, _, srs = play("--script", "remove-stream")
    offers = [media_of(sdp_of(m)) for m in srs.requests("INVITE")]
    tap.equal([m[1] == 0 for m in offers[1]], [False, True], "remove: port 0 in place")


def script_reorder():
    _, _, srs = play("--script", "reorder")
    offers = [media_of(sdp_of(m)) for m in srs.requests("INVITE")]
    tap.equal([m[1] for m in offers[1]], [m[1] for m in offers[0]][::-1], "reorder: the same ports in another order")
    _, _, srs = play("--script", "port")
    ports = [m[1] for m in media_of(sdp_of(srs.requests("INVITE")[1]))]
    tap.ok(ports[0] != media_of(sdp_of(srs.messages[0]))[0][1], "port announced: another port in the offer", ports)


def script_hold():
    _, _, srs = play("--script", "hold-zero")
    second = sdp_of(srs.requests("INVITE")[1])
    tap.ok("c=IN IP4 0.0.0.0" in second and "rs-metadata" not in srs.requests("INVITE")[1],
           "hold zero: c=0.0.0.0 and SDP alone", second)
    _, call, srs = play("--script", "hold")
    tap.ok(all(s["packets"] <= 210 for s in call["streams"]), "hold: nothing is sent while held", call["streams"])
    versions = [int(sdp_of(m).splitlines()[1].split()[2]) for m in srs.requests("INVITE")]
    tap.equal(versions, [1, 2, 3], "o= version counts our offers")


def script_parties():
    _, _, srs = play("--script", "transfer")
    body = srs.requests("INVITE")[1]
    tap.ok("<datamode>partial" in body and "disassociate-time" in body and "sip:2025550103@" in body,
           "transfer: a partial update says who left and who came", body[-2000:])
    _, _, srs = play("--script", "ssrc")
    tap.equal(len({rtp_fields(p)[4] for p in srs.packets[0]}), 2, "ssrc: a second source on the stream")


def script_others():
    _, _, srs = play("--script", "offerless")
    acks = srs.requests("ACK")
    tap.ok("m=audio" not in srs.requests("INVITE")[1] and acks[1].count("m=audio") == 2,
           "a re-INVITE without SDP is answered in the ACK", acks[1])
    _, _, srs = play("--script", "cancel")
    invite, cancel = srs.messages[0], srs.requests("CANCEL")[0]
    tap.equal((header(cancel, "Via"), header(cancel, "CSeq").split()[0]),
              (header(invite, "Via"), header(invite, "CSeq").split()[0]), "CANCEL carries the INVITE's branch and number")


scripts = (script_streams, script_reorder, script_hold, script_parties, script_others)


def dialects():
    """Every profile's metadata is the XML it means to be."""
    done = run(built("siprec-call"), "--list")
    names = [line.split()[0] for line in done.stdout.split("scripts:")[0].splitlines()[1:]]
    tap.ok(len(names) >= 25, "two dozen dialects and more", len(names))
    for name in names:
        status, call, srs = play("--profile", name, "--seconds", "200ms")
        invite = srs.messages[0] if srs.messages else ""
        head, _, body = invite.replace("\r\n", "\n").partition("\n\n")
        raw = invite.partition("\n\n" if name == "audiocodes-lf" else "\r\n\r\n")[2]
        length = int(header(invite, "Content-Length", "l") or -1)
        good = status == 0 and length == len(raw.encode())
        start = min((body.find(tag) for tag in ("<recording", "<tns:recording") if tag in body), default=-1)
        if start >= 0:
            end = max(body.rfind(tag) for tag in ("</recording>", "</recording_metadata>", "</tns:recording>"))
            xml = body[start:body.find(">", end) + 1]
            parsed = subprocess.run(["xmllint", "--noout", "-"], input=xml, capture_output=True, text=True)
            good = good and (parsed.returncode == 0) == (name != "genesys")
        tap.ok(good, f"dialect {name}", status, length, len(raw), call.get("fault"), call.get("notes"), head[:600])


class Unreachable(StubSrs):
    """Drops its connection with the ACK, and for two seconds nobody gets another one: its queue is full (Linux ignores a
    SYN then, and siprec-call's kernel sends the next after 1 and 3 s)."""

    def handle(self, message):
        reply = super().handle(message)
        if message.startswith("ACK") and self.requests("ACK") == [message]:
            self.sip.listen(0)
            self.selector.unregister(self.sip)
            self.fillers = [socket.socket() for _ in range(3)]
            for filler in self.fillers:
                filler.setblocking(False)
                filler.connect_ex((self.ip, self.port))
            threading.Timer(2, lambda: self.selector.register(self.sip, selectors.EVENT_READ, "listen")).start()
            for connection in [k.fileobj for k in self.selector.get_map().values() if k.data == "stream"]:
                self.selector.unregister(connection)
                connection.close()
        return reply


def lost_connection():
    srs = Unreachable(free_port(), tcp=True)
    status, report = siprec_call(f"sip:srs@127.0.0.1:{srs.port}", "--transport", "tcp", "--seconds", "5")
    srs.close()
    tap.equal((status, len(srs.requests("BYE"))), (0, 1), "a connection lost and opened again: the call ends as it should", report)
    # Waiting for it would be two seconds; what is less is a busy machine.
    tap.ok(report["late_ms"] < 1500, "media goes on while the connection is opened", report)


class MovesLate(StubSrs):
    """Has not heard the BYE yet when it asks for its media elsewhere: the BYE is answered only when it comes again."""

    def handle(self, message):
        reply = super().handle(message)
        if not message.startswith("BYE") or len(self.requests("BYE")) > 1:
            return reply
        invite = self.requests("INVITE")[0]
        lines = re.sub(r"m=audio (\d+)", lambda m: f"m=audio {int(m[1]) + 100}", self.last_sdp)
        body = f"v=0\r\no=- 7 {self.version + 1} IN IP4 {self.ip}\r\ns=-\r\nc=IN IP4 {self.ip}\r\nt=0 0\r\n{lines}\r\n"
        target = re.search(r"<([^>]*)>", header(invite, "Contact", "m")).group(1)
        return (f"INVITE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {self.ip}:{self.port};branch=z9hG4bKlate\r\nMax-Forwards: 70\r\n"
                f"From: {header(invite, 'To', 't')};tag=stub\r\nTo: {header(invite, 'From', 'f')}\r\n"
                f"Call-ID: {header(invite, 'Call-ID', 'i')}\r\nCSeq: 1 INVITE\r\nContact: <sip:srs@{self.ip}:{self.port}>;+sip.srs\r\n"
                f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}")


def moved_late():
    srs = MovesLate(free_port())
    status, report = siprec_call(f"sip:srs@127.0.0.1:{srs.port}", "--seconds", "200ms")
    srs.close()
    tap.ok(status == 0 and len(srs.requests("BYE")) > 1 and any(m.startswith("SIP/2.0 ") for m in srs.messages),
           "a re-INVITE that crosses the BYE is no fault: nothing is sent any more", report)


# Controls of ASCII, of Unicode, and as bytes that are no UTF-8; a character that is fine.
HOSTILE = "x\x1b[2J\a\x7f\u009b2J\u202e\udc9b2J\udcffü"


def told(*arguments, **stub):
    """What a terminal gets to see of a call."""
    srs = StubSrs(free_port(), **stub)
    done = subprocess.run([built("siprec-call"), f"sip:srs@127.0.0.1:{srs.port}", "--seconds", "200ms", *arguments], capture_output=True,
                          timeout=60)
    srs.close()
    return done.stdout + done.stderr


def judge():
    """A wrong answer is noticed."""
    status, call, _ = play("--seconds", "200ms", refuse=(488, "Not Acceptable Here"))
    tap.equal((status, call["code"]), (1, 488), "a refused call exits 1")
    status, call, _ = play("--seconds", "200ms", "--expect", "488", refuse=(488, "Not Acceptable Here"))
    tap.equal(status, 0, "unless that was expected")
    tap.equal(siprec_call(f"sip:127.0.0.1:{free_port()}")[0], 3, "nobody there: 3")
    tap.equal(siprec_call("sip:127.0.0.1", "--srtp", "sdes")[0], 2, "--srtp is refused: 2")
    tap.equal(siprec_call("sip:127.0.0.1", "--transport", "sctp")[0], 2, "--transport sctp is refused: 2")
    for word in (["--json"], []):
        for how in ({"refuse": (488, HOSTILE)}, {"label": HOSTILE}):
            said = told(*word, **how)
            tap.ok(b"2J" in said and not re.search(rb"[^\n -~]", said.replace("ü".encode(), b"u")),
                   f"what the SRS writes commands no terminal: {' '.join((*how, *word))}", said)
    # sipp's own answer has one m-line for our two.
    port = free_port()
    sipp = subprocess.Popen(["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=here)
    try:
        # It is there once it answers; no answer of its is right.
        wait_for(lambda: any(c["code"] == 200 for c in siprec_call(f"sip:127.0.0.1:{port}", "--seconds", "100ms", "--timeout", "1s")[1]
                             ["results"]), 60)
        status, report = siprec_call(f"sip:127.0.0.1:{port}", "--seconds", "1")
        call = report["results"][0]
        tap.ok(status == 1 and "2 m-lines offered, 1 answered" in call["notes"],
               "sipp's single m-line for two is called wrong", call)
    finally:
        end(sipp)


def trickle():
    """RFC 8840: an offer without a candidate or an address; then RTP's, then all of them with the end, by INFO or, where the SRS
    takes none, by an offer."""
    takes = "Supported: trickle-ice\r\nRecv-Info: trickle-ice\r\n"
    status, call, srs = play("--ice", "trickle", "--seconds", "500ms", ice=True, headers=takes)
    invite, infos = srs.messages[0], srs.requests("INFO")
    sdp = sdp_of(invite)
    tap.ok([m[1] for m in media_of(sdp)] == [9, 9] and sdp.count("c=IN IP4 0.0.0.0") == 2 and "a=candidate" not in sdp,
           "trickle: the offer names no address (4.1.1)", invite)
    tap.ok("a=ice-options:ice2 trickle" in sdp and header(invite, "Recv-Info") == "trickle-ice" and
           re.search(r"(?m)^Supported: trickle-ice\r?$", invite), "trickle: and says what is to come (5.2)", invite)
    tap.equal([(header(i, "Info-Package"), header(i, "Content-Type"), header(i, "Content-Disposition")) for i in infos],
              [("trickle-ice", "application/trickle-ice-sdpfrag", "Info-Package")] * 2, "trickle: two INFO follow (10)")
    media = [media_of(i.partition("\r\n\r\n")[2]) for i in infos]
    ends = [sum("a=end-of-candidates" in m[4] for m in one) for one in media]
    ports = [[a.split()[5] for m in one for a in m[4] if a.startswith("a=candidate")] for one in media]
    told = [s["offered"].rpartition(":")[2] for s in call["streams"]]
    tap.equal((ends, ports), ([0, 2], [told, told]), "trickle: each with all candidates so far, the last with the end (4.4)", infos)
    mids = [re.findall(r"a=mid:(.*?)\r?$", text, re.M) for text in (sdp, *infos)]
    keys = [sorted(re.findall(r"a=ice-(?:ufrag|pwd):(.*?)\r?$", text, re.M)) for text in (sdp, *infos)]
    tap.ok(mids == mids[:1] * 3 and len(set(mids[0])) == 2 and keys == keys[:1] * 3, "trickle: of the offer's m-lines", mids, keys)
    status, call, srs = play("--ice", "trickle", "--seconds", "500ms", ice=True)
    offers = [sdp_of(m) for m in srs.requests("INVITE")]
    tap.ok(not srs.requests("INFO") and len(offers) == 2 and offers[1].count("a=candidate") == 2 and
           offers[1].count("a=end-of-candidates") == 2 and [m[1] for m in media_of(offers[1])] == [int(p.rpartition(":")[2]) for p in
           (s["offered"] for s in call["streams"])], "trickle: an SRS without INFO is told by an offer", offers)
    status, call, srs = play("--ice", "trickle", "--seconds", "5s", ice=True, glares=1)
    offers = [sdp_of(m) for m in srs.requests("INVITE")]
    tap.ok(status == 0 and [o.count("a=candidate") for o in offers] == [0, 2, 2], "trickle: and once more after a 491", offers)
    status, call, srs = play("--ice", "trickle", "--seconds", "500ms")
    tap.equal((status, [m.split()[0] for m in srs.messages], len(srs.packets[0]) > 0), (0, ["INVITE", "ACK", "BYE"], True),
              "trickle: an SRS without ICE is told nothing, and sent to")


tap.together(lambda: basic("udp"), lambda: basic("tcp"), stalled, codecs, file_sound, digits, impairments, control, silence,
             *scripts, dialects, lost_connection, moved_late, trickle, judge)
tap.done()
