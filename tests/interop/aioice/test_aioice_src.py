"""aioice is the SRC (a second ICE implementation beside libnice, with an aggressive controlling side and a tie-breaker a
stream): it offers ICE to the running siprecd and is heard on the right channel: controlling and controlled, with two
components, restarted, over coturn, on one port. Use: test_aioice_src.py BUILD. Speaks TAP."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "coturn"))
from coturn import LONG_TERM, PASSWORD, USER, Coturn, is_installed  # noqa: E402
from harness import Siprecd, Tap, free_port, need, skip_all  # noqa: E402
from nicesrc import Source, aioice, call_in_full, call_restarted, has_aioice  # noqa: E402

need("sox")
if not has_aioice():
    skip_all("python3-aioice is not installed")
tap = Tap()


def source_of(streams, components, role, *options):
    return Source(streams, components, role, "aggressive", *options, driver=aioice)


def full(srs, name, *arguments, **how):
    return call_in_full(tap, srs, name, source_of(*arguments), **how)


with Siprecd() as srs:
    full(srs, "controlling, two components", 2, 2, "controlling", mux=False)
    # Ours lies between theirs: no role of ours would do for both streams.
    full(srs, "both controlled", 2, 1, "controlled", "tie-breakers=0,18446744073709551615")
    call_restarted(tap, srs, source_of(2, 1, "controlling"), "aioice")
    if is_installed():
        with tempfile.TemporaryDirectory(prefix="siprecd-aioice-") as folder:
            server = Coturn(pathlib.Path(folder), *LONG_TERM)
            try:
                full(srs, "relay only, over TCP", 1, 1, "controlling", f"turn-tcp=127.0.0.1:{server.port}", f"user={USER}",
                     f"password={PASSWORD}", "relay-only")
            finally:
                server.stop()
    tap.equal(srs.stop(), 0, "siprecd ends with status 0", srs.log()[-2000:])
with Siprecd(f"--rtp.mux_port={free_port()}") as srs:
    full(srs, "one port", 2, 1, "controlling")
tap.done()
