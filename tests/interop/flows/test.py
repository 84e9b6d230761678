#!/usr/bin/env python3
"""Call flows: every ready script of siprec-call is played against siprecd, and what became of the call is judged by its
recording, by what sox hears when, and by tshark's count of the RTP in its journal."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, built, near, need, probe, rtp_streams, siprec_call, tone_hz, tshark  # noqa: E402

need("ffprobe", "sox", "tshark")
built("siprecd-render")
tap = Tap()
TONES = (440, 660, 880)


class Played:
    def __init__(self, srs, script, *arguments):
        self.script, self.srs = script, srs
        self.status, report = siprec_call(srs.uri, "--script", script, "--strict", *arguments)
        self.call = report["results"][0]
        tap.equal((self.status, self.call["notes"]), (0, []), f"{script}: every answer is right", self.call)
        self.recording = srs.recording(self.call["call_id"])
        if not tap.ok(self.recording and self.recording["state"] == "finished", f"{script}: it is recorded and finished",
                      self.recording, srs.log()[-2000:]):
            return
        self.path = srs.path_of(self.recording)
        self.wav = self.path / "audio.wav"
        self.document = srs.document(self.recording)

    def good(self):
        return self.recording and self.recording["state"] == "finished"

    def name(self, text):
        return f"{self.script}: {text}"

    def packets(self, paused=0):
        """Each stream's packets, but those sent while it was paused."""
        sent = [s["packets"] for s in self.call["streams"]]
        got = [s["packets"] for s in self.recording["streams"]]
        tap.ok(len(got) == len(sent) and all(abs(s - paused - g) <= 3 for s, g in zip(sent, got)),
               self.name("the streams have the packets that were sent"), sent, got)
        kept = sum(s["packets"] for s in rtp_streams(self.path / "journal.pcapng"))
        tap.ok(kept == sum(got), self.name("tshark counts as many in the journal"), kept, got)

    def events(self):
        return [e["event"] for e in self.document["events"]]

    def hears(self, channel, times, want):
        """The tone in a channel (from 1) at several times; 0 means silence."""
        heard = [tone_hz(self.wav, channel, at, 0.4) for at in times]
        good = all(near(h, w) if w else h == 0 for h, w in zip(heard, want))
        tap.ok(good, self.name(f"what channel {channel} holds, and when"), f"at    {times}", f"heard {heard}",
               f"want  {want}")

    def lasts(self, seconds):
        """So long is the script; answers that took their time made the call longer."""
        call = max(seconds, self.document["duration_ms"] / 1000)
        tap.ok(seconds - 0.3 < probe(self.wav)["seconds"] < call + 0.3, self.name(f"{seconds} s of sound"), call, probe(self.wav))

    def warned(self, *codes, may=()):
        got = {w["code"] for w in self.document["warnings"]}
        tap.equal(got - set(may), set(codes), self.name("its warnings"), self.document["warnings"])


def hold(srs, script, quiet, paused=0):
    played = Played(srs, script)
    if not played.good():
        return
    played.packets(paused)
    played.lasts(6)
    played.warned()
    for channel in (1, 2):
        gap = 0 if channel in quiet else TONES[channel - 1]
        tone = TONES[channel - 1]
        played.hears(channel, (0.5, 1.3, 2.4, 3.3, 4.5, 5.3), (tone, tone, gap, gap, tone, tone))
    tap.equal((played.events().count("pause"), played.events().count("resume")), (len(quiet), len(quiet)),
              played.name("the journal marks each pause and resume"), played.document["events"])
    paused_packets = [s["paused_packets"] for s in played.document["streams"]]
    tap.ok(all(abs(p - paused) <= 3 for p in paused_packets), played.name("packets of the pause are counted"),
           paused_packets)


def parties(srs, script, people, before, after):
    """before and after: tone of each channel before and after two seconds."""
    played = Played(srs, script)
    if not played.good():
        return
    played.packets()
    names = sorted(p["name"] for p in played.document["participants"])
    tap.equal(names, people, played.name("who took part"), played.document["participants"])
    for channel, tones in enumerate(zip(before, after), 1):
        played.hears(channel, (0.4, 3.2), tones)
    played.warned()


def add_stream(srs):
    played = Played(srs, "add-stream")
    if not played.good():
        return
    played.packets()
    played.lasts(5)
    played.warned()
    played.hears(1, (0.5, 4), (440, 440))
    played.hears(3, (0.5, 1.3, 2.4, 4.2), (0, 0, 880, 880))
    tap.equal(len(played.document["participants"]), 3, "add-stream: three participants")


def remove_stream(srs):
    played = Played(srs, "remove-stream")
    if not played.good():
        return
    played.packets()
    played.warned()
    played.hears(1, (0.5, 3.3), (440, 440))
    played.hears(2, (0.5, 2.4, 3.3), (660, 0, 0))


def steady(srs, script, seconds, times, may=()):
    """Scripts that must not be heard at all."""
    played = Played(srs, script)
    if not played.good():
        return None
    played.packets()
    played.lasts(seconds)
    played.warned(may=may)
    for channel in (1, 2):
        played.hears(channel, times, [TONES[channel - 1]] * len(times))
    return played


def port(srs):
    # What we send while its offer is under way meets a port that it has left.
    played = steady(srs, "port", 6, (0.5, 1.5, 2.5, 3.5, 4.5, 5.3), may=("packets-refused",))
    if played:
        now = [s["observed"] for s in played.document["streams"]]
        tap.equal(now, [s["offered"] for s in played.call["streams"]], "port: it saw both streams move", now)


def ssrc(srs):
    played = steady(srs, "ssrc", 6, (0.5, 1.5, 2.5, 3.5, 4.5, 5.3))
    if played:
        tap.equal(played.events().count("epoch"), 2, "ssrc: each new source opens an epoch", played.document["events"])


def dtmf(srs):
    played = Played(srs, "dtmf")
    if not played.good():
        return
    digits = [(d["label"], d["digit"]) for d in played.document["digits"]]
    tap.equal(digits, [("1", c) for c in "1234"] + [("2", c) for c in "*#"], "dtmf: the digits, on their streams")
    played.packets()
    tap.equal(len(rtp_streams(played.path / "journal.pcapng")), 2, "dtmf: events belong to their streams in the journal")


def silence(srs):
    played = Played(srs, "silence")
    if not played.good():
        return
    played.lasts(7)
    played.hears(1, (0.4, 1.3, 2.4, 3.3, 4.3, 5.3, 6.3), (440, 0, 440, 440, 0, 0, 440))
    played.hears(2, (0.4, 1.3, 2.4, 3.3, 4.3, 5.3, 6.3), (660, 660, 0, 0, 660, 660, 660))
    tap.equal([s["lost"] for s in played.document["streams"]], [0, 0], "silence: nothing counts as lost")


def cancel(srs):
    status, report = siprec_call(srs.uri, "--script", "cancel")
    tap.equal(status, 0, "cancel: 487, or a 200 that crossed it and then BYE", report)
    call = report["results"][0]
    if call["code"] == 200:
        recording = srs.recording(call["call_id"])
        tap.ok(recording and recording["state"] == "finished", "cancel: the crossed call is finished", recording)


def vanish():
    """An SRC that is gone, and a drain that waits for it in vain: with a siprecd of its own."""
    with Siprecd() as srs:
        status, report = siprec_call(srs.uri, "--script", "vanish")
        gone = report["results"][0]["call_id"]
        recording = srs.recording(gone, state=None)
        tap.ok(status == 0 and recording and recording["state"] == "active",
               "vanish: without a BYE the call goes on", recording)
        tap.equal(srs.stop(), 0, "drained and ended within its bound", srs.log()[-2000:])
        srs.start()
        recording = srs.recording(gone)
        tap.ok(recording and recording["state"] == "finished", "the call whose SRC was gone is finished after that",
               recording)


def snapshot(srs):
    """A partial update before any snapshot: it is taken, and siprecd asks for all of it (RFC 7866 section 9.2)."""
    script, profile = srs.folder / "partial-first.script", srs.folder / "no-metadata.profile"
    profile.write_text("content-type = application/sdp\n[body]\n{sdp}\n")
    script.write_text("wait 300ms\ntransfer 0 update\nwait 1s\nbye\n")
    status, report = siprec_call(srs.uri, "--profile", profile, "--script", script)
    call = report["results"][0]
    recording = srs.recording(call["call_id"])
    if not tap.ok(status == 0 and recording and recording["state"] == "finished", "snapshot: recorded", call, recording):
        return
    requests = tshark(srs.path_of(recording) / "journal.pcapng", "sip.Method == UPDATE", "udp.srcport")
    from_us = [row for row in requests if row[0] == str(srs.port)]
    tap.equal((len(requests), len(from_us)), (3, 1), "snapshot: siprecd asks by one UPDATE and gets one", requests)
    people = sorted(p["name"] for p in srs.document(recording)["participants"])
    tap.equal(people, ["Bob", "Carol"], "snapshot: then it knows everybody", recording["participants"])


def loss(srs):
    status, report = siprec_call(srs.uri, "--seconds", "6", "--loss", "5", "--reorder", "3", "--dup", "3", "--seed", "3")
    call = report["results"][0]
    recording = srs.recording(call["call_id"])
    if not tap.ok(status == 0 and recording and recording["state"] == "finished", "loss: recorded", call, recording):
        return
    for sent, got in zip(call["streams"], recording["streams"]):
        tap.ok(abs(got["lost"] - sent["dropped"]) <= 2, "loss: as many are counted lost as were dropped",
               sent, got["lost"])
    wav = srs.path_of(recording) / "audio.wav"
    tap.ok(abs(probe(wav)["seconds"] - 6) < 0.3, "loss: the sound is not shortened", probe(wav))
    for channel in (1, 2):
        heard = tone_hz(wav, channel, 1, 4)
        tap.ok(near(heard, TONES[channel - 1], 0.1), f"loss: channel {channel} is still its tone", heard)


def drift(srs):
    """The second leg's clock is 1000 ppm fast; both talk and pause in turns."""
    status, report = siprec_call(srs.uri, "--seconds", "12", "--drift", "1000", "--dtx")
    call = report["results"][0]
    recording = srs.recording(call["call_id"])
    if not tap.ok(status == 0 and recording and recording["state"] == "finished", "drift and DTX: recorded", call):
        return
    tap.equal([s["lost"] for s in recording["streams"]], [0, 0], "DTX: pauses are not loss")
    wav = srs.path_of(recording) / "audio.wav"
    tap.ok(abs(probe(wav)["seconds"] - 12) < 0.3, "drift and DTX: twelve seconds", probe(wav))
    # Stream 1 talks in [0, 1.2), [2, 3.2) ..., stream 2 in [1, 2.2), [3, 4.2) ...
    heard = [[tone_hz(wav, channel, at, 0.3) for at in (0.4, 1.5, 10.4, 11.5)] for channel in (1, 2)]
    tap.ok(near(heard[0][0], 440) and heard[0][1] == 0 and near(heard[0][2], 440) and heard[0][3] == 0,
           "DTX: channel 1 talks and pauses when it did", heard[0])
    tap.ok(heard[1][0] == 0 and near(heard[1][1], 660) and heard[1][2] == 0 and near(heard[1][3], 660),
           "DTX: channel 2 talks and pauses when it did", heard[1])
    tap.ok(all(s["rtcp_seen"] > 0 for s in call["streams"]), "the SRS reports by RTCP", call["streams"])


def codecs(srs, name):
    status, report = siprec_call(srs.uri, "--codec", name, "--seconds", "2", "--strict")
    call = report["results"][0]
    recording = srs.recording(call["call_id"])
    if not tap.ok(status == 0 and recording and recording["state"] == "finished", f"{name}: recorded", call):
        return
    wav = srs.path_of(recording) / "audio.wav"
    heard = [tone_hz(wav, channel, 0.5, 1) for channel in (1, 2)]
    tap.ok(near(heard[0], 440) and near(heard[1], 660), f"{name}: the tones come out", heard)


with Siprecd() as srs:
    tap.together(
        vanish, lambda: drift(srs), lambda: hold(srs, "hold", (1, 2)), lambda: hold(srs, "hold-one", (1,)), lambda: hold(srs, "hold-zero", (1, 2)),
        lambda: hold(srs, "hold-metadata", ()), lambda: hold(srs, "hold-leak", (1, 2), paused=100),
        lambda: parties(srs, "transfer", ["Alice", "Bob", "Carol"], (440, 660, 0), (440, 0, 660)),
        lambda: parties(srs, "transfer-update", ["Alice", "Bob", "Carol"], (440, 660, 0), (440, 0, 660)),
        lambda: add_stream(srs), lambda: remove_stream(srs), lambda: port(srs), lambda: ssrc(srs),
        lambda: steady(srs, "reorder", 4, (0.5, 1.3, 2.4, 3.3)), lambda: steady(srs, "update", 4, (0.5, 1.3, 2.4, 3.3)),
        lambda: steady(srs, "refresh", 3, (0.5, 1.3, 2.4)), lambda: steady(srs, "info", 3, (0.5, 1.3, 2.4)),
        lambda: steady(srs, "offerless", 4, (0.5, 1.3, 2.4, 3.3)), lambda: dtmf(srs), lambda: silence(srs),
        lambda: cancel(srs), lambda: snapshot(srs), lambda: loss(srs),
        *[lambda name=name: codecs(srs, name) for name in ("PCMA", "L16", "G722", "GSM", "OPUS", "OPUS,PCMU")], at_once=10)
    tap.equal(srs.stop(), 0, "ended in order", srs.log()[-2000:])
tap.done()
