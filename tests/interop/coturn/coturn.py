"""coturn on loopback, for tests: started on free ports, stopped by its own process."""
import shutil
import socket
import subprocess
import time

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
        self.make_certificate(folder)
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

    @staticmethod
    def make_certificate(folder):
        if not (folder / "cert.pem").exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                            "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                           check=True, capture_output=True)


LONG_TERM = ["--lt-cred-mech", "-u", f"{USER}:{PASSWORD}"]


def is_installed():
    return shutil.which("turnserver") is not None
