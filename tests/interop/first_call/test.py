#!/usr/bin/env python3
"""One call, end to end: siprec-call calls siprecd, two tones become a stereo file with the right tone on the right
channel, listed by siprecctl, in every format ffmpeg is to read, its journal opening in tshark with both RTP streams
and the INVITE. Over UDP and TCP, IPv4 and IPv6."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, built, near, need, probe, rtp_streams, run, siprec_call, tone_hz, tshark  # noqa: E402

need("ffprobe", "sox", "tshark", "xmllint")
tap = Tap()


def call_once(srs, name, *arguments):
    status, report = siprec_call(srs.uri, "--streams", "2", "--seconds", "4", "--strict", *arguments)
    call = report["results"][0]
    tap.equal((status, call["notes"]), (0, []), f"{name}: the call is answered without fault", call, srs.log()[-3000:])
    recording = srs.recording(call["call_id"])
    tap.equal(recording and recording["state"], "finished", f"{name}: the recording is finished", recording,
              srs.log()[-3000:])
    return call, recording


def listed(srs, call, recording):
    tap.equal(recording["warnings"], [], "no warning on it", recording["warnings"])
    tap.equal([s["packets"] for s in recording["streams"]], [s["packets"] for s in call["streams"]],
              "it counts the packets that were sent")
    tap.equal([s["lost"] for s in recording["streams"]], [0, 0], "none lost")
    tap.equal([s["observed"] for s in recording["streams"]], [s["offered"] for s in call["streams"]],
              "it saw them come from where they were offered")
    tap.equal([s["advertised"] for s in recording["streams"]], [s["answered"] for s in call["streams"]],
              "it advertised what the answer said")
    tap.ok(abs(recording["duration_ms"] - 4000) < 250, "it lasts four seconds", recording["duration_ms"])
    parties = {p["label"]: p["aor"] for p in recording["participants"]}
    tap.equal(parties, {"1": "sip:2025550101@example.com", "2": "sip:2025550102@example.com"},
              "label, stream and participant are tied as the metadata says", recording["participants"])
    done = run(built("siprecctl"), "--url", f"http://127.0.0.1:{srs.http}", "recordings")
    tap.ok(done.returncode == 0 and recording["id"] in done.stdout, "siprecctl lists it", done.stdout, done.stderr)
    tap.ok(all(s["rtcp_seen"] > 0 for s in call["streams"]), "the caller sees our reports on each stream", call["streams"])


def sounds(srs, recording):
    for kind, codec in (("wav", "pcm_s16le"), ("flac", "flac"), ("opus", "opus"), ("mp3", "mp3")):
        status, headers, body = srs.get(f"/v1/recordings/{recording['id']}/audio?format={kind}")
        path = srs.folder / f"audio.{kind}"
        path.write_bytes(body)
        stream = probe(path)
        tap.equal((status, stream.get("codec_name"), stream.get("channels")), (200, codec, 2),
                  f"{kind}: ffprobe reads two channels", headers, body[:300])
        tap.ok(abs(stream["seconds"] - 4) < 0.3, f"{kind}: four seconds of it", stream["seconds"])
        wav = path
        if kind != "wav":
            wav = srs.folder / f"from-{kind}.wav"
            run("ffmpeg", "-v", "error", "-y", "-i", path, wav)
        heard = [tone_hz(wav, channel, 0.5, 3) for channel in (1, 2)]
        tap.ok(near(heard[0], 440) and near(heard[1], 660), f"{kind}: sox hears the right tone on each channel", heard)
    status, headers, body = srs.get(f"/v1/recordings/{recording['id']}/audio?format=wav", {"Range": "bytes=0-3"})
    tap.equal((status, body), (206, b"RIFF"), "a Range of the wav is answered", headers)
    tap.ok((srs.path_of(recording) / "audio.wav").exists(), "the wav lies beside the journal")


def journal(srs, call, recording):
    status, _, body = srs.get(f"/v1/recordings/{recording['id']}/journal")
    path = srs.folder / "journal.pcapng"
    path.write_bytes(body)
    tap.equal(status, 200, "the journal can be fetched")
    methods = [row[0] for row in tshark(path, "sip.Request-Line", "sip.Method")]
    tap.equal(methods, ["INVITE", "ACK", "BYE"], "tshark finds INVITE, ACK and BYE in it")
    codes = [row[0] for row in tshark(path, "sip.Status-Line", "sip.Status-Code") if row[0] != "100"]
    tap.equal(codes, ["200", "200"], "and what was answered")
    streams = rtp_streams(path)
    tap.equal(sorted((s["packets"], s["lost"], s["ssrc"]) for s in streams),
              sorted((s["packets"], 0, s["ssrc"]) for s in call["streams"]), "tshark finds both RTP streams whole", streams)
    tap.equal(sorted(f"{s['destination']}:{s['port']}" for s in streams), sorted(s["answered"] for s in call["streams"]),
              "they go to the addresses that the SDP advertised")
    bad = tshark(path, "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0")
    tap.equal(bad, [], "no packet in it is malformed or has a wrong checksum")
    tap.ok(tshark(path, "rtcp"), "RTCP is in it")
    status, _, xml = srs.get(f"/v1/recordings/{recording['id']}/metadata")
    (srs.folder / "metadata.xml").write_bytes(xml)
    tap.equal((status, run("xmllint", "--noout", srs.folder / "metadata.xml").returncode), (200, 0),
              "the metadata comes back as XML")
    document = srs.document(recording)
    tap.equal((document["id"], document["call_id"]), (recording["id"], call["call_id"]), "recording.json says the same")
    json.dumps(document)


with Siprecd() as srs:
    call, recording = call_once(srs, "UDP")
    if recording and recording["state"] == "finished":
        listed(srs, call, recording)
        sounds(srs, recording)
        journal(srs, call, recording)
    call_once(srs, "TCP", "--transport", "tcp")
    tap.equal(srs.stop(), 0, "SIGTERM ends it with status 0", srs.log()[-2000:])

try:
    with Siprecd(sip_ip="::1") as srs:
        call_once(srs, "IPv6 UDP")
        call_once(srs, "IPv6 TCP", "--transport", "tcp")
except OSError as fault:
    tap.skip("IPv6", fault)
tap.done()
