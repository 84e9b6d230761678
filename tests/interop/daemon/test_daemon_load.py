"""Many calls leave nothing behind: descriptors, ports, dialogs and memory return to where they were; a range of few ports
says 503 when none is free, and lends a port again once it has rested."""
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, sanitized, siprec_call, wait_for  # noqa: E402
from caller import Caller  # noqa: E402

tap = Tap()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def idle(srs):
    return all(srs.metric("siprecd_" + name) == 0 for name in ("recordings_active", "streams_active", "sip_dialogs",
                                                                 "ports_lent", "renders_waiting"))


with Siprecd() as srs:
    pid = srs.process.pid
    seen = []
    for turn in range(3):
        status, report = siprec_call(srs.uri, "--calls", 60, "--rate", 40, "--hold", 1)
        tap.equal((status, report.get("answered")), (0, 60), f"turn {turn}: 60 calls answered")
        tap.ok(wait_for(lambda: idle(srs), 60, every=0.2), f"turn {turn}: nothing goes on any more", srs.log()[-500:])
        seen.append((descriptors(pid), rss_kib(pid)))
    print("# descriptors and KiB after each turn:", seen)
    tap.ok(seen[2][0] <= seen[0][0] + 8, "descriptors do not grow", seen)
    if sanitized():
        tap.skip("memory grows by no more than pools that fill", "sanitizers keep what was freed")
    else:
        tap.ok(seen[2][1] <= seen[1][1] + 3000, "memory grows by no more than pools that fill", seen)
    tap.ok(wait_for(lambda: len(srs.recordings()) == 180, 20, every=0.2), "every call is a recording", len(srs.recordings()))
    tap.equal({r["state"] for r in srs.recordings()}, {"finished"}, "and finished")

base = 33000 + (os.getpid() % 13) * 2000 + 500
with Siprecd("--rtp.bind=127.0.0.1", rtp=(base + 1, base + 9)) as srs:
    # 501..509: the even ports 502, 504, 506 and 508 with the ones above them.
    first, second, third = (Caller(srs.port, name=n) for n in ("first", "second", "third"))
    tap.equal((first.invite(), second.invite()), (200, 200), "four ports: two calls of two streams")
    ports = first.ports + second.ports
    tap.equal(sorted(ports), [base + n for n in (2, 4, 6, 8)], "even ports, each once")
    tap.equal(third.invite(), 503, "a third call: 503, none is free")
    tap.ok("retry-after" in third.text.lower(), "with Retry-After", third.text)
    tap.ok(wait_for(lambda: srs.get("/health/ready")[0] == 503, 5), "not ready")
    first.bye()
    gone = time.monotonic()
    again = wait_for(lambda: (c := Caller(srs.port, name=f"try{time.monotonic_ns()}")).invite() == 200 and c, 15, every=0.1)
    tap.ok(again, "once ports have rested a call is taken again")
    tap.ok(time.monotonic() - gone >= 2, "not before 2 s", time.monotonic() - gone)
    tap.equal(sorted(again.ports), sorted(first.ports), "with the ports of the first")
    tap.ok(srs.metric("siprecd_ports_hurried_total") >= 2, "which is counted: they should have rested longer")
    tap.ok(srs.metric("siprecd_ports_exhausted_total") >= 1, "and so is that there was none")
tap.done()
