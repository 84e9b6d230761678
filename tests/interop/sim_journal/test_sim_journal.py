"""tshark reads the journals of whole calls that the simulated world played: every checksum right, nothing malformed,
SIP and SDP understood, and as many RTP packets for each stream's advertised address as the recording's document counts.
Speaks TAP. Use: ... sim_program..."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

CHECKS = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
tests = failed = 0


def report(ok, name, why=""):
    global tests, failed
    tests += 1
    failed += not ok
    print("ok" if ok else "not ok", tests, "-", name)
    if not ok:
        print("#", str(why)[:2000].replace("\n", "\n# "))


FIELDS = ["_ws.malformed", "ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "sip.Method", "rtp.ssrc",
          "frame.interface_description", "ip.dst", "udp.dstport"]


def tshark(path):
    run = subprocess.run(["tshark", "-r", str(path), *CHECKS, "-T", "fields", *[x for f in FIELDS for x in ("-e", f)]],
                         capture_output=True, text=True, check=False)
    noise = [line for line in run.stderr.splitlines() if line and not line.startswith("Running as user")]
    return [line.split("\t") for line in run.stdout.splitlines()], noise


def look_at(path):
    """What is wrong with one journal, as a list of sentences."""
    document = json.loads(path.with_suffix(".json").read_text())
    rows, noise = tshark(path)
    wrong = [f"tshark: {line}" for line in noise]
    methods, counts, apart = [], collections.Counter(), collections.Counter()
    for number, (malformed, *sums, method, ssrc, description, address, port) in enumerate(rows, 1):
        if malformed or "0" in sums:
            wrong.append(f"frame {number}: malformed, or a checksum is wrong: {malformed} {sums}")
        methods += [method] if method else []
        about = json.loads(description)
        apart[about.get("stream")] += bool(ssrc) and about["role"] == "apart"
        if ssrc and about["role"] == "media":
            counts[about["stream"]] += 1
            if f"{address}:{port}" != about["advertised"]:
                wrong.append(f"frame {number}: sent to {address}:{port}, we advertised {about['advertised']}")
    if methods[:1] != ["INVITE"]:
        wrong.append(f"the first SIP request is no INVITE: {methods}")
    moved = any(event["event"] in ("epoch", "source") for event in document["events"])
    learned = any((stream.get("verdict") or {}).get("src_class") in ("B2", "B3", "B4", "B5") for stream in document["streams"])
    for number, stream in enumerate(document["streams"]):
        # A stream that came from several places has some of its packets apart.
        if learned and counts[number] + apart[number] != stream["packets"]:
            wrong.append(f"stream {number}: tshark sees {counts[number]} and {apart[number]} RTP packets, the document says {stream['packets']}")
        if not moved and not learned and counts[number] != stream["packets"]:
            wrong.append(f"stream {number}: tshark sees {counts[number]} RTP packets, the document says {stream['packets']}")
    return wrong


for program in sys.argv[1:]:
    with tempfile.TemporaryDirectory() as folder:
        played = subprocess.run([program], env={**os.environ, "SIM_DUMP": folder}, capture_output=True, text=True,
                                check=False)
        journals = sorted(pathlib.Path(folder).glob("*.pcapng"))
        name = pathlib.Path(program).name
        report(played.returncode == 0 and len(journals) > 0, f"{name}: {len(journals)} journals", played.stdout)
        wrong = [f"{path.name}: {what}" for path in journals for what in look_at(path)]
        report(not wrong, f"{name}: tshark reads all of them", "\n".join(wrong))

print(f"1..{tests}")
sys.exit(bool(failed))
