"""libnice is the SRC: it offers ICE to the running siprecd, sends a tone a stream on the path that was chosen, and is
heard on the right channel: full, relay-only over coturn, restarted, controlling and controlled (a role conflict),
trickled, aggressive, one port for all, over TCP. Use: test_libnice_src.py BUILD. Speaks TAP."""
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "coturn"))
from coturn import LONG_TERM, Coturn, is_installed  # noqa: E402
from harness import Siprecd, Tap, free_port, need  # noqa: E402
from nicesrc import HeardCall, NiceCall, Source, call_in_full, call_restarted  # noqa: E402

need("sox")
tap = Tap()


def play_of(srs, name, source, **how):
    return HeardCall(tap, srs, name, source, **how)


def full(srs, name, *arguments, **how):
    return call_in_full(tap, srs, name, Source(*arguments), **how)


def trickle(srs):
    source = Source(2, 1, "controlling", "regular")
    play = play_of(srs, "trickle", source, trickle=True, candidates=False)
    if not play.good:
        return
    tap.ok("end-of-candidates" in play.answer, "trickle: we say that no more of ours will come", play.answer)
    answer = play.offer()
    same = re.findall(r"a=ice-ufrag:(\S+)", play.answer) == re.findall(r"a=ice-ufrag:(\S+)", answer or "")
    tap.ok(same, "trickle: more candidates are no restart", answer)
    if play.ready():
        play.hear(("host", "peer-reflexive"))


def hundreds(srs):
    """An offer of hundreds of candidates that nobody has, better than its own by their own word: answered at once, bounded,
    and the one that works is found."""
    many = [f"a=candidate:x{n} 1 UDP {2130700000 + n} 127.1.{n // 200}.{n % 200 + 1} {20000 + n} typ host" for n in range(600)]
    began = time.monotonic()
    play = play_of(srs, "hundreds of candidates", Source(1, 1, "controlling", "regular"), more=many)
    tap.ok(time.monotonic() - began < 5, "hundreds of candidates: answered at once")
    if play.good and play.ready():
        play.hear(("host", "peer-reflexive"))


def mismatch(srs):
    """RFC 8839 4.2.5: somebody has rewritten the m-line and not the candidates. We say so, and record without ICE."""
    play = NiceCall(srs, Source(1, 1, "controlling", "regular"),
                    rewrite=lambda sdp: re.sub(r"m=audio (\d+)", lambda m: f"m=audio {int(m[1]) ^ 1}", sdp))
    tap.ok(play.good and "a=ice-mismatch" in play.answer and not re.search("a=(candidate|ice-ufrag|ice-pwd)", play.answer),
           "mismatch: said, and nothing else of ICE", play.answer)
    play.end()
    tap.ok((srs.recording(play.call_id) or {}).get("id"), "mismatch: the call has its recording")


def names_alone(srs):
    """As browsers offer: names of multicast DNS in place of host addresses, and no default. Nobody looks them up: the SRC's checks
    show where it is (RFC 8445 7.3.1.3)."""
    def rewrite(sdp):
        sdp = re.sub(r"(?m)^c=IN IP4 .*?\r$", "c=IN IP4 0.0.0.0\r", re.sub(r"m=audio \d+", "m=audio 9", sdp))
        return re.sub(r"(a=candidate:\S+ \d UDP \d+) \S+ (\d+ typ host)", r"\1 8a2f4d40-5b1c-4f7e-9a55-9a4f0c6d2e11.local \2", sdp)

    counted = srs.metric("siprecd_ice_candidates_refused_total")
    play = play_of(srs, "names alone", Source(2, 1, "controlling", "regular"), rewrite=rewrite)
    tap.ok(".local" in play.request and "typ srflx" not in play.request, "names alone: nothing else is offered", play.request)
    if play.good and play.ready():
        recording = play.hear(("host", "peer-reflexive"))
        tap.ok(not any(w["code"].startswith("ice") for w in recording["warnings"]), "names alone: no warning of ICE",
               recording["warnings"])
    tap.ok(srs.metric("siprecd_ice_candidates_refused_total") - counted >= 2, "names alone: they are counted")


def trickle_by_info(srs):
    """RFC 8840: the offer has no candidate; one stream's come in an INFO, then, once more, all."""
    source = Source(2, 1, "controlling", "regular")
    play = play_of(srs, "INFO", source, trickle=True, candidates=False)
    if not play.good:
        return
    tap.ok(re.search(r"(?m)^Recv-Info: *trickle-ice", play.response) and "trickle-ice" in play.response.partition("Supported")[2],
           "INFO: the answer says that we take it", play.response)
    tap.equal([play.inform([0]), play.inform([0, 1], end=True)], [200, 200], "INFO: is answered")
    stale = dict(source.ufrag)
    if play.ready():
        source.ufrag[0] = "elsewhere"
        tap.equal(play.inform([0]), 200, "INFO: of another generation changes nothing")
        source.ufrag = stale
        play.hear(("host", "peer-reflexive"))


with Siprecd() as srs:
    full(srs, "controlling", 2, 1, "controlling", "regular")
    full(srs, "both controlled: one gives way", 2, 1, "controlled", "regular")
    full(srs, "aggressive", 2, 1, "controlling", "aggressive")
    full(srs, "two components", 2, 2, "controlling", "regular", mux=False)
    call_restarted(tap, srs, Source(2, 1, "controlling", "regular"), "libnice")
    trickle(srs)
    trickle_by_info(srs)
    hundreds(srs)
    mismatch(srs)
    names_alone(srs)
    if is_installed():
        with tempfile.TemporaryDirectory(prefix="siprecd-libnice-") as name:
            server = Coturn(pathlib.Path(name), *LONG_TERM)
            try:
                full(srs, "relay only", 1, 1, "controlling", "regular", f"turn=127.0.0.1:{server.port}", "relay-only")
            finally:
                server.stop()
    tap.equal(srs.stop(), 0, "siprecd ends with status 0", srs.log()[-2000:])
with Siprecd(f"--rtp.mux_port={free_port()}") as srs:
    play = full(srs, "one port", 2, 1, "controlling", "regular")
    ports = re.findall(r"m=audio (\d+)", play.answer)
    tap.ok(len(set(ports)) == 1, "one port: for both streams", ports)
with Siprecd(f"--rtp.tcp_port={free_port()}") as srs:
    full(srs, "over TCP", 2, 1, "controlling", "regular", "tcp", paths=("ice-tcp",))
tap.done()
