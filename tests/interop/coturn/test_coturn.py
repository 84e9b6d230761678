"""coturn answers the stun and turn engines: each transport, long-term and REST credentials, a stale nonce, channel data,
mobility, a mismatch, a denied peer. Everything on loopback. Use: test_coturn.py TURN_DRIVER. Speaks TAP."""
import base64
import hashlib
import hmac
import pathlib
import subprocess
import sys
import tempfile
import time

from coturn import LONG_TERM, PASSWORD, SECRET, USER, Coturn, is_installed

driver = sys.argv[1]
def rest_credentials():
    user = f"{int(time.time()) + 3600}:siprecd"
    return user, base64.b64encode(hmac.new(SECRET.encode(), user.encode(), hashlib.sha1).digest()).decode()


SERVERS = [
    (LONG_TERM + ["--mobility", "--denied-peer-ip", "127.0.0.3"], lambda: (USER, PASSWORD),
     [("udp", "data"), ("tcp", "data"), ("tls", "data"), ("udp", "wrong-password"), ("tcp", "wrong-password"),
      ("udp", "mobility"), ("udp", "mismatch"), ("udp", "denied-peer")]),
    (LONG_TERM + ["--stale-nonce=1"], lambda: (USER, PASSWORD), [("udp", "stale-nonce"), ("tcp", "stale-nonce")]),
    (["--use-auth-secret", "--static-auth-secret", SECRET], rest_credentials, [("udp", "data"), ("tls", "data")]),
]

if not is_installed():
    print("1..0 # SKIP coturn is not installed")
    sys.exit(0)

number = failed = 0
with tempfile.TemporaryDirectory(prefix="siprecd-coturn-") as name:
    folder = pathlib.Path(name)
    for options, credentials, plays in SERVERS:
        server = Coturn(folder, *options)
        try:
            for transport, scenario in plays:
                port = server.tls_port if transport == "tls" else server.port
                done = subprocess.run([driver, transport, str(port), scenario, *credentials()],
                                      capture_output=True, text=True, timeout=300)
                number += 1
                failed += done.returncode != 0
                print(done.stdout, end="")
                print("ok" if done.returncode == 0 else "not ok", number, "-",
                      f"{scenario} over {transport} with {options[0]}", flush=True)
        finally:
            server.stop()
print(f"1..{number}")
sys.exit(bool(failed))
