"""coturn on loopback, for tests: started on free ports, stopped by its own process."""
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import free_port, ports  # noqa: E402

REALM, USER, PASSWORD, SECRET = "example.org", "tester", "correct horse", "north"


class Coturn:
    def __init__(self, folder, *options):
        self.port, self.tls_port = free_port(), free_port()
        low, high = ports.media(0)
        self.make_certificate(folder)
        self.log = open(folder / "coturn.log", "wb")
        self.process = subprocess.Popen(
            ["turnserver", "-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(self.port),
             "--tls-listening-port", str(self.tls_port), "--no-dtls", "--no-cli", "-r", REALM, "--allow-loopback-peers",
             "--fingerprint", "--cert", str(folder / "cert.pem"), "--pkey", str(folder / "key.pem"),
             "--pidfile", str(folder / "pid"), "--log-file", "stdout", "--min-port", str(low), "--max-port", str(high),
             "--userdb", str(folder / "db"), *options],
            stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
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

    @staticmethod
    def make_certificate(folder):
        if not (folder / "cert.pem").exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                            "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                           check=True, capture_output=True)


LONG_TERM = ["--lt-cred-mech", "-u", f"{USER}:{PASSWORD}"]


def is_installed():
    return shutil.which("turnserver") is not None
