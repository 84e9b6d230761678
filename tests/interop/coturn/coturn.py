"""coturn on loopback, for tests: started on free ports, stopped by its own process."""
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import accepts, end, free_port, ports, wait_for  # noqa: E402

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
             "--userdb", ":memory:", *options],
            stdout=self.log, stderr=subprocess.STDOUT)
        wait_for(lambda: self.process.poll() is not None or accepts(self.port), 60)
        if self.process.poll() is not None or not accepts(self.port):
            raise RuntimeError("coturn did not start")

    def stop(self):
        end(self.process)
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
