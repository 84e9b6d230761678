"""coturn answers the stun and turn engines: each transport, long-term and REST credentials, a stale nonce, channel data,
mobility, a mismatch, a denied peer. Everything on loopback. Use: test_coturn.py TURN_DRIVER. Speaks TAP."""
import base64
import hashlib
import hmac
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

driver = sys.argv[1]
REALM, USER, PASSWORD, SECRET = "example.org", "tester", "correct horse", "north"


def free_port():
    """A port that is free for UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
            except OSError:
                continue


class Coturn:
    def __init__(self, folder, *options):
        self.port, self.tls_port = free_port(), free_port()
        self.log = open(folder / "coturn.log", "wb")
        self.process = subprocess.Popen(
            ["turnserver", "-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(self.port),
             "--tls-listening-port", str(self.tls_port), "--no-dtls", "--no-cli", "-r", REALM, "--allow-loopback-peers",
             "--fingerprint", "--cert", str(folder / "cert.pem"), "--pkey", str(folder / "key.pem"),
             "--pidfile", str(folder / "pid"), "--log-file", "stdout", "--min-port", "49152", "--max-port", "49400",
             "--userdb", str(folder / "db"), *options],
            stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError("coturn did not start")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def rest_credentials():
    user = f"{int(time.time()) + 3600}:siprecd"
    return user, base64.b64encode(hmac.new(SECRET.encode(), user.encode(), hashlib.sha1).digest()).decode()


LONG_TERM = ["--lt-cred-mech", "-u", f"{USER}:{PASSWORD}"]
SERVERS = [
    (LONG_TERM + ["--mobility", "--denied-peer-ip", "127.0.0.3"], lambda: (USER, PASSWORD),
     [("udp", "data"), ("tcp", "data"), ("tls", "data"), ("udp", "wrong-password"), ("tcp", "wrong-password"),
      ("udp", "mobility"), ("udp", "mismatch"), ("udp", "denied-peer")]),
    (LONG_TERM + ["--stale-nonce=1"], lambda: (USER, PASSWORD), [("udp", "stale-nonce"), ("tcp", "stale-nonce")]),
    (["--use-auth-secret", "--static-auth-secret", SECRET], rest_credentials, [("udp", "data"), ("tls", "data")]),
]

if not shutil.which("turnserver"):
    print("1..0 # SKIP coturn is not installed")
    sys.exit(0)

number = failed = 0
with tempfile.TemporaryDirectory(prefix="siprecd-coturn-") as name:
    folder = pathlib.Path(name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    for options, credentials, plays in SERVERS:
        server = Coturn(folder, *options)
        try:
            for transport, scenario in plays:
                port = server.tls_port if transport == "tls" else server.port
                done = subprocess.run([driver, transport, str(port), scenario, *credentials()],
                                      capture_output=True, text=True, timeout=60)
                number += 1
                failed += done.returncode != 0
                print(done.stdout, end="")
                print("ok" if done.returncode == 0 else "not ok", number, "-",
                      f"{scenario} over {transport} with {options[0]}", flush=True)
        finally:
            server.stop()
print(f"1..{number}")
sys.exit(bool(failed))
