"""What other programs encoded (ffmpeg, sox, bcg729), siprecd-render decodes from a journal; what it writes, ffprobe, ffmpeg and
sox read. The tone must come out at its pitch, its place and its length. Speaks TAP. Use: ... BUILD render_make"""
import array
import ctypes
import json
import math
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

BUILD, MAKE = pathlib.Path(sys.argv[1]), sys.argv[2]
RENDER = str(BUILD / "siprecd-render")
MS = 1_000_000
done = failed = 0


def check(ok, name, why=""):
    global done, failed
    done += 1
    failed += not ok
    print("ok" if ok else "not ok", done, "-", name, flush=True)
    if not ok and why:
        print("#", str(why).replace("\n", "\n# "))
    return ok


def skip(name, reason):
    global done
    done += 1
    print("ok", done, "-", name, "# SKIP", reason)


def run(*args, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, check=False, **more)


def must(*args, **more):
    got = run(*args, **more)
    if got.returncode:
        raise RuntimeError(f"{args}: {got.stderr.decode(errors='replace')}")
    return got.stdout


def tone(hz, seconds, rate):
    """16-bit little endian, by ffmpeg."""
    return must("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=frequency={hz}:duration={seconds}:sample_rate={rate}",
                "-af", "volume=8", "-f", "s16le", "-")


def encode(pcm, rate, *options):
    return must("ffmpeg", "-v", "error", "-f", "s16le", "-ar", rate, "-ac", 1, "-i", "-", *options, "-", input=pcm)


def level(samples, rate, hz):
    w, a, b = 2 * math.cos(2 * math.pi * hz / rate), 0.0, 0.0
    for sample in samples:
        a, b = sample + w * a - b, a
    return 2 * math.sqrt(max(a * a + b * b - w * a * b, 0)) / max(len(samples), 1)


def power(samples):
    return math.sqrt(sum(s * s for s in samples) / max(len(samples), 1))


def decoded(path, rate=None):
    """Channels of an audio file as ffmpeg hears it, and its rate."""
    info = json.loads(must("ffprobe", "-v", "error", "-show_streams", "-of", "json", path))["streams"][0]
    rate = rate or int(info["sample_rate"])
    channels = int(info["channels"])
    raw = array.array("h")
    raw.frombytes(must("ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-ar", rate, "-"))
    return [raw[c::channels] for c in range(channels)], rate


class Journal:
    def __init__(self, folder, name="journal.pcapng"):
        self.path, self.lines, self.count = folder / name, [], 0

    def line(self, label, sender, formats, *attributes):
        self.lines.append(f"line {label} {sender} {formats} {'|'.join(attributes)}".rstrip())
        return self

    def begin(self):
        self.lines.append("begin")
        return self

    def rtp(self, stream, at_ns, kind, seq, timestamp, payload, ssrc=None):
        self.lines.append(f"rtp {stream} {int(at_ns)} {kind} {seq & 0xFFFF} {timestamp & 0xFFFFFFFF} "
                          f"{ssrc or stream + 1} {payload.hex()}")

    def send(self, stream, kind, payloads, step, packet_ms, start_ms=0):
        """payloads[i] None: nothing is sent, time goes on."""
        seq = 0
        for i, payload in enumerate(payloads):
            if payload is None:
                continue
            self.rtp(stream, (start_ms + (i + 1) * packet_ms) * MS, kind, seq, i * step, payload)
            seq += 1

    def write(self):
        must(MAKE, self.path, input="\n".join(self.lines + [""]).encode())
        return self.path


def render(journal, output, *options):
    got = run(RENDER, journal, "-o", output, *options)
    result = json.loads(got.stdout) if got.stdout.strip() else {}
    # A place without seccomp, or a sanitizer, is said so and is no fault.
    said = [line for line in got.stderr.decode(errors="replace").splitlines() if "not fully sandboxed" not in line]
    return got.returncode, result, "\n".join(said)


def cut(data, size):
    return [data[i:i + size] for i in range(0, len(data) - size + 1, size)]


# --- packets of each codec, from files that others wrote -----------------------------------------------------------------

AMR_SIZES = [12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0]
AMR_BITS = [95, 103, 118, 134, 148, 159, 204, 244, 39]
AMR_WB_BITS = [132, 177, 253, 285, 317, 365, 397, 461, 477, 40]


def amr_frames(pcm, rate, folder):
    """(frame type, bytes): narrow out of sox's AMR file (RFC 4867 section 5), wide by vo-amrwbenc at 23.85 kbit/s."""
    frames = []
    if rate == 16000:
        lib = ctypes.CDLL("libvo-amrwbenc.so.0")
        lib.E_IF_init.restype = ctypes.c_void_p
        state = ctypes.c_void_p(lib.E_IF_init())
        for frame in cut(pcm, 640):
            out = (ctypes.c_uint8 * 64)()
            size = lib.E_IF_encode(state, 8, (ctypes.c_int16 * 320).from_buffer_copy(frame), out, 0)
            frames.append((out[0] >> 3 & 15, bytes(out[1:size])))
        return frames
    path = folder / "tone.amr-nb"
    must("sox", "-t", "raw", "-r", rate, "-e", "signed", "-b", 16, "-c", 1, "-", path, input=pcm)
    data = path.read_bytes()
    data = data[data.index(b"\n") + 1:]
    while data:
        kind = data[0] >> 3 & 15
        frames.append((kind, data[1:1 + AMR_SIZES[kind]]))
        data = data[1 + AMR_SIZES[kind]:]
    return frames


def amr_aligned(frames):
    """RFC 4867 section 4.4: CMR 15, a table of contents, whole octets."""
    head = bytes([0xF0]) + bytes((0x80 if i + 1 < len(frames) else 0) | kind << 3 | 4 for i, (kind, _) in enumerate(frames))
    return head + b"".join(data for _, data in frames)


def amr_efficient(frames, wide):
    """RFC 4867 section 4.3: the same without any padding but at the end."""
    bits = "1111"
    for i, (kind, _) in enumerate(frames):
        bits += f"{int(i + 1 < len(frames))}{kind:04b}1"
    for kind, data in frames:
        size = (AMR_WB_BITS if wide else AMR_BITS)[kind]
        bits += "".join(f"{byte:08b}" for byte in data)[:size]
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def opus_packets(pcm, *options):
    """Packets out of ffmpeg's Ogg file (RFC 3533 segment tables), without the two headers."""
    data = encode(pcm, 48000, "-c:a", "libopus", "-b:a", "32k", *options, "-f", "ogg")
    packets, part = [], b""
    while data[:4] == b"OggS":
        table = data[27:27 + data[26]]
        data = data[27 + data[26]:]
        for size in table:
            part += data[:size]
            data = data[size:]
            if size < 255:
                packets.append(part)
                part = b""
    return packets[2:]


def g729_packets(pcm, vad):
    """bcg729, two frames a packet; with VAD the second of two may be a silence descriptor of two octets."""
    lib = ctypes.CDLL("libbcg729.so.0")
    lib.initBcg729EncoderChannel.restype = ctypes.c_void_p
    state = ctypes.c_void_p(lib.initBcg729EncoderChannel(ctypes.c_uint8(vad)))
    frames = []
    for frame in cut(pcm, 160):
        out, size = (ctypes.c_uint8 * 10)(), ctypes.c_uint8(0)
        lib.bcg729Encoder(state, (ctypes.c_int16 * 80).from_buffer_copy(frame), out, ctypes.byref(size))
        frames.append(bytes(out[:size.value]))
    packets = []
    for a, b in zip(frames[::2], frames[1::2]):
        # RFC 3551 4.5.6: a comfort noise frame only at the end of a packet, and nothing while nothing is to be said.
        packets.append(a + b if len(a) in (0, 10) else (a if len(b) == 0 else b))
    return [p if p else None for p in packets]


def one_codec(folder, name, kind, rtpmap, payloads, step, packet_ms, want_rate, hz=440, fmtp=None, least=3000):
    attributes = ([f"rtpmap:{kind} {rtpmap}"] if rtpmap else []) + ([f"fmtp:{kind} {fmtp}"] if fmtp else [])
    journal = Journal(folder).line("1", "alice", str(kind), *attributes).begin()
    journal.send(0, kind, payloads, step, packet_ms)
    code, result, error = render(journal.write(), folder / "out.wav")
    if not check(code == 0 and not error, f"{name}: rendered", f"{code} {error}"):
        return
    (samples,), rate = decoded(folder / "out.wav")
    middle = samples[rate // 2:2 * rate]
    pitch, beside = level(middle, rate, hz), level(middle, rate, hz * 1.5)
    check(rate == want_rate, f"{name}: at {want_rate} Hz", rate)
    check(pitch > least and pitch > 8 * beside and pitch > 0.9 * math.sqrt(2) * power(middle) * 0.95, f"{name}: the tone and nothing else",
          f"{pitch:.0f} beside {beside:.0f} of {power(middle):.0f}")
    wanted_ms = len(payloads) * packet_ms
    check(abs(result["duration_ms"] - wanted_ms) <= packet_ms, f"{name}: {wanted_ms} ms long", result["duration_ms"])
    check(not result["warnings"], f"{name}: no warnings", result["warnings"])


def test_codecs(folder):
    narrow, wide, full = tone(440, 3, 8000), tone(440, 3, 16000), tone(440, 3, 48000)
    for name, kind, option in (("PCMU", 0, "mulaw"), ("PCMA", 8, "alaw")):
        one_codec(folder, name, kind, f"{name}/8000", cut(encode(narrow, 8000, "-f", option), 160), 160, 20, 8000)
    one_codec(folder, "PCMA by its number alone", 8, None, cut(encode(narrow, 8000, "-f", "alaw"), 240), 240, 30, 8000)
    # RFC 3551 4.5.2: timestamps count 8000 a second, samples 16000.
    g722 = encode(wide, 16000, "-c:a", "g722", "-f", "g722")
    one_codec(folder, "G722", 9, "G722/8000", cut(g722, 160), 160, 20, 16000)
    one_codec(folder, "G722 counted at 16000", 9, "G722/8000", cut(g722, 160), 320, 20, 16000)
    gsm = encode(narrow, 8000, "-c:a", "libgsm", "-f", "gsm")
    one_codec(folder, "GSM", 3, "GSM/8000", cut(gsm, 33), 160, 20, 8000, least=2000)
    l16 = encode(wide, 16000, "-f", "s16be")
    one_codec(folder, "L16/16000", 97, "L16/16000", cut(l16, 640), 320, 20, 16000)
    l16 = encode(tone(440, 3, 44100), 44100, "-ac", "2", "-f", "s16be")
    one_codec(folder, "L16/44100/2", 10, None, cut(l16, 441 * 4), 441, 10, 48000)
    one_codec(folder, "opus", 111, "opus/48000/2", opus_packets(full)[:150], 960, 20, 48000, fmtp="useinbandfec=1")
    stereo = opus_packets(full, "-ac", "2")[:150]
    one_codec(folder, "opus in stereo", 111, "opus/48000/2", stereo, 960, 20, 48000)
    for rate, name, kind in ((8000, "AMR", 96), (16000, "AMR-WB", 98)):
        try:
            frames = amr_frames(narrow if rate == 8000 else wide, rate, folder)
        except OSError as reason:
            skip(name, reason)
            continue
        pairs = [frames[i:i + 2] for i in range(0, len(frames) - 1, 2)]
        for shape, payloads, fmtp in (
                ("octet-aligned", [amr_aligned(p) for p in pairs], "octet-align=1"),
                ("bandwidth-efficient", [amr_efficient(p, rate == 16000) for p in pairs], "mode-set=0,2,4,7")):
            one_codec(folder, f"{name} {shape}", kind, f"{name}/{rate}", payloads, rate // 25, 40, rate, fmtp=fmtp, least=2000)
    try:
        for vad in (0, 1):
            one_codec(folder, f"G729{' with VAD' if vad else ''}", 18, "G729/8000", g729_packets(narrow, vad), 160, 20, 8000, least=2000)
    except OSError as reason:
        skip("G729", reason)


def test_g729_silence_suppression(folder):
    """Two seconds of tone, two of silence, two of tone: bcg729 stops sending; the second tone must come in its place."""
    pcm = tone(440, 2, 8000)
    try:
        payloads = g729_packets(pcm + bytes(32000) + pcm, 1)
    except OSError as reason:
        skip("G729 silence suppression", reason)
        return
    journal = Journal(folder).line("1", "alice", "18", "rtpmap:18 G729/8000", "fmtp:18 annexb=yes").begin()
    journal.send(0, 18, payloads, 160, 20)
    check(payloads.count(None) > 20, "G729 with VAD really is silent for a while", payloads.count(None))
    code, result, error = render(journal.write(), folder / "out.wav")
    (samples,), rate = decoded(folder / "out.wav")
    check(code == 0 and abs(len(samples) - 48000) <= 320, "G729 silence keeps its length", f"{code} {len(samples)} {error}")
    check(level(samples[32800:47000], rate, 440) > 2000, "G729: the tone behind the silence is there")
    check(power(samples[20000:31000]) < 300, "G729: the silence is silent", power(samples[20000:31000]))


def test_ilbc(folder):
    """No encoder at hand: what matters is that ffmpeg, given the same frames as a file, says the same."""
    random.seed(20)
    for ms, size, name in ((20, 38, "iLBC 20 ms"), (30, 50, "iLBC 30 ms")):
        frames = [bytes([random.randrange(256) for _ in range(size - 1)]) + b"\0" for _ in range(90)]
        file = folder / "frames.lbc"
        file.write_bytes(b"#!iLBC%d\n" % ms + b"".join(frames))
        want = array.array("h")
        want.frombytes(must("ffmpeg", "-v", "quiet", "-i", file, "-f", "s16le", "-"))
        journal = Journal(folder).line("1", "alice", "97", "rtpmap:97 iLBC/8000", f"fmtp:97 mode={ms}").begin()
        journal.send(0, 97, frames, ms * 8, ms)
        code, result, error = render(journal.write(), folder / "out.wav")
        (samples,), rate = decoded(folder / "out.wav")
        check(code == 0 and list(samples) == list(want)[:len(samples)] and len(samples) == 90 * ms * 8,
              f"{name}: as ffmpeg decodes the same frames", f"{code} {len(samples)} {len(want)} {error}")
        two = [a + b for a, b in zip(frames[::2], frames[1::2])]
        journal = Journal(folder).line("1", "alice", "97", "rtpmap:97 iLBC/8000", f"fmtp:97 mode={50 - ms}").begin()
        journal.send(0, 97, two, ms * 16, ms * 2)
        code, result, error = render(journal.write(), folder / "out.wav")
        (again,), rate = decoded(folder / "out.wav")
        check(code == 0 and list(again) == list(samples), f"{name}: two frames a packet, and the wrong mode in the fmtp",
              f"{code} {len(again)} {error}")


def test_g711_is_exact(folder):
    """Every octet of mu-law and A-law comes out as ffmpeg's."""
    octets = bytes(range(256)) * 5
    for name, kind, option in (("PCMU", 0, "mulaw"), ("PCMA", 8, "alaw")):
        want = must("ffmpeg", "-v", "error", "-f", option, "-ar", 8000, "-ac", 1, "-i", "-", "-f", "s16le", "-", input=octets)
        journal = Journal(folder).line("1", "alice", str(kind)).begin()
        journal.send(0, kind, cut(octets, 160), 160, 20)
        code, result, error = render(journal.write(), folder / "out.wav")
        check((folder / "out.wav").read_bytes()[44:] == want, f"{name}: every sample as ffmpeg has it")


def stereo_journal(folder, seconds=4):
    left = cut(encode(tone(440, seconds, 8000), 8000, "-f", "mulaw"), 160)
    right = cut(encode(tone(660, seconds, 8000), 8000, "-f", "mulaw"), 160)
    journal = Journal(folder).line("1", "alice", "0").line("2", "bob", "0").begin()
    journal.send(0, 0, left, 160, 20)
    journal.send(1, 0, right, 160, 20, start_ms=3)
    return journal.write()


def test_formats(folder):
    journal = stereo_journal(folder)
    for format_, codec, container in (("wav", "pcm_s16le", "wav"), ("flac", "flac", "flac"), ("opus", "opus", "ogg"), ("mp3", "mp3", "mp3")):
        output = folder / f"call.{format_}"
        code, result, error = render(journal, output)
        check(code == 0 and result.get("format") == format_ and not error, f"{format_}: rendered by its ending", f"{code} {result} {error}")
        info = json.loads(must("ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", output))
        stream = info["streams"][0]
        check(stream["codec_name"] == codec and info["format"]["format_name"] == container and stream["channels"] == 2,
              f"{format_}: ffprobe sees {codec} in {container}, two channels", info)
        # mp3 counts the encoder's delay and whole frames of 72 ms in.
        check(abs(float(info["format"]["duration"]) - 4) < (0.25 if format_ == "mp3" else 0.1), f"{format_}: ffprobe reads its length from the header", info["format"])
        (left, right), rate = decoded(output)
        left, right = left[rate // 2:3 * rate], right[rate // 2:3 * rate]
        check(level(left, rate, 440) > 20 * level(left, rate, 660) and level(right, rate, 660) > 20 * level(right, rate, 440),
              f"{format_}: 440 Hz on the left, 660 Hz on the right")
    stat = run("sox", folder / "call.wav", "-n", "remix", 1, "stat").stderr.decode()
    rough = [line.split()[-1] for line in stat.splitlines() if "Rough" in line]
    check(rough and abs(int(rough[0]) - 440) < 20, "sox hears about 440 Hz on the left", stat)
    stat = run("soxi", "-D", folder / "call.flac").stdout.decode()
    check(abs(float(stat) - 4) < 0.05, "sox reads the flac's length", stat)


def test_layouts(folder):
    journal = stereo_journal(folder)
    code, result, error = render(journal, folder / "mono.wav", "--layout", "mono")
    (samples,), rate = decoded(folder / "mono.wav")
    check(code == 0 and min(level(samples, rate, 440), level(samples, rate, 660)) > 3000, "mono: both are heard", f"{code} {error}")
    check(len(result["channels"]) == 1 and len(result["channels"][0]["sum_of"]) == 2, "mono: the result says who", result["channels"])
    code, result, error = render(journal, folder / "each.wav", "--layout=each")
    names = [str(folder / f"each-{i}.wav") for i in (1, 2)]
    check(code == 0 and result["files"] == names and not (folder / "each.wav").exists(), "each: a file a participant", f"{code} {result} {error}")
    for name, hz, other in zip(names, (440, 660), (660, 440)):
        (samples,), rate = decoded(name)
        check(level(samples, rate, hz) > 20 * level(samples, rate, other), f"each: {hz} Hz alone in {pathlib.Path(name).name}")
    check(sorted(p.name for p in folder.glob("each*")) == ["each-1.wav", "each-2.wav"], "each: nothing else is left behind")
    three = Journal(folder, "three.pcapng")
    for i, name in enumerate(("alice", "bob", "carol")):
        three.line(str(i + 1), name, "0")
    three.begin()
    for i, hz in enumerate((440, 660, 1000)):
        three.send(i, 0, cut(encode(tone(hz, 2, 8000), 8000, "-f", "mulaw"), 160), 160, 20)
    three.write()
    code, result, error = render(three.path, folder / "three.flac")
    channels, rate = decoded(folder / "three.flac")
    check(code == 0 and len(channels) == 3 and all(level(c[4000:12000], rate, hz) > 3000 for c, hz in zip(channels, (440, 660, 1000))),
          "three participants, three channels, in the order of m-lines", f"{code} {error}")
    code, result, error = render(three.path, folder / "three.opus")
    channels, rate = decoded(folder / "three.opus")
    check(code == 0 and len(channels) == 3 and all(level(c[rate // 2:rate], rate, hz) > 3000 for c, hz in zip(channels, (440, 660, 1000))),
          "Opus keeps three channels apart, too", f"{code} {len(channels)} {error}")
    code, result, error = render(three.path, folder / "three.mp3")
    check(code == 0 and [w["code"] for w in result["warnings"]] == ["channels-summed"], "mp3 has two channels: summed, and said so", result)


def test_program(folder):
    journal = stereo_journal(folder)
    for args, want, name in (
            ((), 2, "no arguments"), ((journal,), 2, "no -o"), ((journal, "-o", folder / "x.wav", "--format", "wma"), 2, "unknown format"),
            ((journal, "-o", folder / "x.wav", "--layout", "quad"), 2, "unknown layout"), (("--help",), 0, "--help"), (("--version",), 0, "--version"),
            ((folder / "nothing", "-o", folder / "x.wav"), 3, "no such journal"), ((folder, "-o", folder / "x.wav"), 3, "a folder for a journal"),
            ((journal, "-o", folder / "no" / "x.wav"), 3, "output in no folder")):
        got = run(RENDER, *args)
        check(got.returncode == want, f"exit code {want}: {name}", f"{got.returncode} {got.stderr.decode()}")
    for name, data in (("empty", b""), ("text", b"this is no journal\n" * 1000), ("random", random.randbytes(100000))):
        path = folder / f"{name}.pcapng"
        path.write_bytes(data)
        code, result, error = render(path, folder / "x.wav")
        check(code == 1 and error and not (folder / "x.wav").exists(), f"exit code 1, no file: a journal that is {name}", f"{code} {error}")
    output = folder / "kept.wav"
    output.write_bytes(b"what was there")
    code, _, _ = render(folder / "text.pcapng", output)
    check(output.read_bytes() == b"what was there", "a render that fails leaves the old file alone")
    got = run(RENDER, journal, "--format", "wav", "-o", "/dev/stderr")
    check(got.returncode == 0 and b"RIFF" in got.stderr[:200] and json.loads(got.stdout), "writes to a pipe, too", got.returncode)
    whole = journal.read_bytes()
    codes = set()
    for share in range(1, 10):
        part = folder / "part.pcapng"
        part.write_bytes(whole[:len(whole) * share // 10])
        code, result, error = render(part, folder / "part.wav")
        codes.add(code)
    check(codes == {0} and 3400 < result["duration_ms"] < 3700, "any part of a journal is rendered as far as it goes", f"{codes} {result}")
    broken = bytearray(whole)
    for at in range(len(whole) // 2, len(whole) // 2 + 4096):
        broken[at] = 0
    part.write_bytes(broken)
    code, result, error = render(part, folder / "part.wav")
    check(code == 0 and "journal-damaged" in [w["code"] for w in result["warnings"]] and abs(result["duration_ms"] - 4000) < 50,
          "a page of zeros in the middle costs what was on it", f"{code} {result}")
    got = run("prlimit", "--fsize=20000", RENDER, journal, "-o", folder / "full.wav")
    check(got.returncode == 1 and not list(folder.glob("full*")), "a full disk: exit code 1 and nothing half left", f"{got.returncode} {got.stderr}")


def test_bad_payloads(folder):
    """Random octets for every codec: a result, silence or noise, never a crash."""
    random.seed(7)
    kinds = {0: "PCMU/8000", 9: "G722/8000", 3: "GSM/8000", 18: "G729/8000", 96: "AMR/8000", 97: "iLBC/8000", 98: "AMR-WB/16000",
             99: "AMR/8000", 100: "L16/16000", 111: "opus/48000/2", 112: "NOSUCH/8000", 113: "AMR-WB/16000"}
    fmtp = {99: "octet-align=1", 113: "octet-align=1"}
    journal = Journal(folder).line("1", "alice", ",".join(map(str, kinds)), *[f"rtpmap:{k} {v}" for k, v in kinds.items()],
                                   *[f"fmtp:{k} {v}" for k, v in fmtp.items()])
    journal.line("2", "bob", "0").begin()
    for i, kind in enumerate(kinds):
        for k in range(200):
            payload = random.randbytes(random.choice((0, 1, 2, 3, 10, 12, 20, 33, 38, 50, 62, 160, 700)))
            journal.rtp(0, (i * 4000 + (k + 1) * 20) * MS, kind, k, k * 160, payload, ssrc=1000 + i)
    journal.send(1, 0, cut(encode(tone(660, 48, 8000), 8000, "-f", "mulaw"), 160), 160, 20)
    code, result, error = render(journal.write(), folder / "out.wav")
    check(code == 0 and not error, "random payloads of every codec: rendered", f"{code} {error}")
    channels, rate = decoded(folder / "out.wav")
    check(level(channels[1][rate * 40:rate * 42], rate, 660) > 3000, "and the other participant is heard as ever")
    codes = {w["code"] for w in result["warnings"]}
    check({"payload-broken", "decoder-refused", "payload-unknown"} <= codes, "and warnings say so", codes)


def main():
    for test in (test_g711_is_exact, test_codecs, test_g729_silence_suppression, test_ilbc, test_formats, test_layouts, test_program,
                 test_bad_payloads):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="render-"))
        try:
            test(folder)
        except Exception as reason:  # a witness that failed is a failed test, the others still run
            check(False, test.__name__, repr(reason))
        finally:
            if not os.environ.get("KEEP"):
                shutil.rmtree(folder, ignore_errors=True)
    print(f"1..{done}")
    return 1 if failed else 0


sys.exit(main())
