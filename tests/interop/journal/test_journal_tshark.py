"""tshark, which knows nothing of us, reads a journal: SIP, SDP, both RTP streams by the SDP alone, RTCP, the comments;
no checksum wrong, nothing malformed, nothing that its experts find odd. Speaks TAP. Use: ... journal_make"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

MAKE = sys.argv[1]
PACKETS = 100
done = failed = 0


def check(ok, name, why=""):
    global done, failed
    done += 1
    failed += not ok
    print("ok" if ok else "not ok", done, "-", name)
    if not ok and why:
        print("#", str(why).replace("\n", "\n# "))


CHECKSUMS = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]


def tshark(path, *args):
    run = subprocess.run(["tshark", "-r", str(path), *CHECKSUMS, *args], capture_output=True, text=True, check=False)
    err = "".join(line + "\n" for line in run.stderr.splitlines() if line and not line.startswith("Running as user"))
    return run.stdout, err, run.returncode


def fields(path, names, *args):
    out, err, code = tshark(path, "-T", "fields", "-E", "separator=|", *[x for n in names for x in ("-e", n)], *args)
    return [line.split("|") for line in out.splitlines()]


def streams(path):
    out, _, _ = tshark(path, "-q", "-z", "rtp,streams")
    return [line for line in out.splitlines() if " 0x" in line]


def whole_call(kind, path):
    out, err, code = tshark(path)
    check(code == 0 and err == "", f"{kind}: the file is whole", err)

    rows = fields(path, ["_ws.expert.severity", "_ws.expert.message", "frame.number", "frame.protocols"], "-Y", "_ws.expert")
    odd = [r for r in rows if not all(int(s, 0) <= 0x200000 for s in r[0].split(","))]  # PI_CHAT and comments are none
    check(not odd, f"{kind}: no expert finds anything odd", odd[:5])

    bad, _, _ = tshark(path, "-Y", "ip.checksum.status==0 || udp.checksum.status==0 || tcp.checksum.status==0 || _ws.malformed")
    check(bad == "", f"{kind}: no checksum is wrong, nothing is malformed", bad)
    good = fields(path, ["frame.number"], "-Y", "udp.checksum.status==1 || tcp.checksum.status==1")
    check(len(good) >= 2 * PACKETS + 6, f"{kind}: checksums are there", len(good))

    sip = fields(path, ["sip.Method", "sip.Status-Code"], "-Y", "sip")
    want = [["INVITE", ""], ["", "100"], ["", "200"], ["ACK", ""], ["BYE", ""], ["", "200"]]
    check(sip == want, f"{kind}: SIP methods and answers", sip)
    sdp = fields(path, ["sdp.media.port"], "-Y", "sdp")
    check(sdp == [["4000,4002"], ["10000,10002"]], f"{kind}: SDP of offer and answer", sdp)

    found = streams(path)
    check(len(found) == 2, f"{kind}: both RTP streams are found by the SDP", found)
    whole = [r for r in found if f" {PACKETS} " in r and " 0 (0.0%) " in r]
    check(len(whole) == 2, f"{kind}: every RTP packet is counted, none is lost", found)
    events = fields(path, ["rtpevent.event_id"], "-Y", "rtpevent")
    check(len(events) == 6, f"{kind}: telephone events are known by the SDP", events)
    reports = fields(path, ["rtcp.pt", "rtcp.sdes.text", "rtcp.bye_reason_not_padded"], "-Y", "rtcp")
    check([r[0] for r in reports] == ["200,202,203"] * 2, f"{kind}: RTCP compounds", reports)
    check(all("src@example.com" in r[1] for r in reports), f"{kind}: CNAME", reports)

    comments = [r[0] for r in fields(path, ["frame.comment"], "-Y", "frame.comment")]
    events = [json.loads(c)["siprecd"] for c in comments]
    check(events == ["epoch", "epoch", "pause", "ended"], f"{kind}: our comments are JSON", comments)
    names = fields(path, ["frame.interface_name"], "-Y", "rtp")
    check({n[0] for n in names} == {"label=1 mline=0", "label=2 mline=1"}, f"{kind}: interfaces are named", names[:2])
    times = fields(path, ["frame.time_epoch"], "-Y", "rtp")
    check(times[0][0] == "1772366401.000000000" and times[1][0] == "1772366401.020000000", f"{kind}: arrival in ns", times[:2])


def head_of(path):
    out = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=False).stdout
    check("Wireshark/... - pcapng" in out or "pcapng" in out, "capinfos: a pcapng file", out)
    check("siprecd " in out, "capinfos: written by siprecd", out)
    check('"call_id":"call/1@example.com"' in out and '{"siprecd":1' in out, "capinfos: the head's comment", out)
    check("nanoseconds (9)" in out and "Raw IP" in out, "capinfos: nanoseconds, raw IP", out)


with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "journal.pcapng"
    if not shutil.which("tshark"):
        print("1..0 # SKIP no tshark")
        sys.exit(0)
    for kind in ("udp", "tcp", "v6"):
        subprocess.run([MAKE, kind, path], check=True)
        whole_call(kind, path)
        if kind == "udp":
            head_of(path)

    subprocess.run([MAKE, "patched", path], check=True)
    out, err, code = tshark(path)
    check(code == 0 and err == "", "patched: tshark goes on behind lost pages", err)
    sip = fields(path, ["sip.Method", "sip.Status-Code"], "-Y", "sip")
    check(sip[-2:] == [["BYE", ""], ["", "200"]], "patched: the end of the call is there", sip)
    rtp = fields(path, ["frame.number"], "-Y", "rtp")
    check(2 * PACKETS - 4096 // 232 - 2 <= len(rtp) < 2 * PACKETS, "patched: only what stood there is missing", len(rtp))

    subprocess.run([MAKE, "torn", path], check=True)
    out, err, code = tshark(path)
    check(code == 0 and err == "", "torn and recovered: the file is whole", err)
    comments = [r[0] for r in fields(path, ["frame.comment"], "-Y", "frame.comment")]
    last = json.loads(comments[-1])
    check(last["siprecd"] == "recovered" and last["gap_ms"] > 500000, "torn and recovered: the gap is stated", comments)

print(f"1..{done}")
sys.exit(bool(failed))
