"""libnice connects with our ICE agent in every role: full and lite, one and two components, trickled, aggressive,
restarted, relay-only over coturn, and over TCP (RFC 6544); each carries data both ways. Use: test_libnice.py
NICE_DRIVER NICE_TCP_DRIVER. Speaks TAP."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "coturn"))
from coturn import LONG_TERM, Coturn  # noqa: E402

driver, tcp_driver = sys.argv[1:]
PLAYS = [(role, components, mode)
         for role in ("controlling", "controlled") for components in ("1", "2")
         for mode in ("full", "trickle", "restart", "relay")]
PLAYS += [("controlling", "1", "nice-lite"), ("controlling", "2", "nice-lite"), ("controlled", "1", "lite"),
          ("controlled", "2", "lite"), ("controlled", "1", "aggressive"), ("controlled", "2", "aggressive"),
          ("conflict", "1", "full"), ("conflict", "2", "full")]

number = failed = 0
with tempfile.TemporaryDirectory(prefix="siprecd-libnice-") as name:
    server = Coturn(pathlib.Path(name), *LONG_TERM)
    try:
        for role, components, mode in PLAYS:
            turn = [str(server.port)] if mode == "relay" else []
            done = subprocess.run([driver, role, components, mode, *turn], capture_output=True, text=True, timeout=300)
            number += 1
            failed += done.returncode != 0
            print(done.stdout, end="")
            print("ok" if done.returncode == 0 else "not ok", number, "-", f"we are {role}, {components} component(s), {mode}",
                  flush=True)
    finally:
        server.stop()
for role in ("controlling", "controlled"):
    for mode in ("active", "passive", "both"):
        done = subprocess.run([tcp_driver, role, mode], capture_output=True, text=True, timeout=120)
        number += 1
        failed += done.returncode != 0
        print(done.stdout, end="")
        print("ok" if done.returncode == 0 else "not ok", number, "-", f"over TCP, we are {role}, {mode}", flush=True)
print(f"1..{number}")
sys.exit(bool(failed))
