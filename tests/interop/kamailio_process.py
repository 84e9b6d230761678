"""Kamailio as a process of a test: started with a configuration, awaited, ended."""
import os
import signal
import socket
import subprocess

from harness import wait_for


class KamailioProcess:
    """folder: where it may write; config: its text; port: one of those it hears UDP on, on 127.0.0.1."""

    def __init__(self, folder, config, port):
        self.folder, self.port = folder, port
        self.config = folder / "kamailio.cfg"
        self.config.write_text(config)
        self.start()

    def start(self):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(["kamailio", "-DD", "-E", "-f", str(self.config), "-m", "48", "-M", "8", "-Y",
                                         str(self.folder), "-P", str(self.folder / "pid")], stdout=self.log,
                                        stderr=self.log, cwd=self.folder, start_new_session=True)
        wait_for(lambda: self.answers() or self.process.poll() is not None, 60)

    def answers(self):
        """It takes OPTIONS, if only to refuse it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
            s.sendto((f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKp\r\n"
                      "From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:b@127.0.0.1>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\n"
                      "Max-Forwards: 5\r\nContent-Length: 0\r\n\r\n").encode(), ("127.0.0.1", self.port))
            try:
                return s.recv(4096).startswith(b"SIP/2.0 ")
            except OSError:
                return False

    def signal(self, sign):
        """To it and its children: its session is its own."""
        os.killpg(self.process.pid, sign)

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)  # its children, too
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
