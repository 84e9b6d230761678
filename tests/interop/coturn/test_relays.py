"""A worker's relays against coturn: each transport, two servers of which one is killed, UDP that nobody answers, wrong and
new credentials, a move; and coturn's own log as witness that no allocation is left. Everything on loopback.
Use: test_relays.py RELAYS_DRIVER. Speaks TAP."""
import base64
import hashlib
import hmac
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from coturn import LONG_TERM, PASSWORD, SECRET, USER, Coturn, accepts, end, free_port, is_installed, wait_for

driver = sys.argv[1]
SECOND = ["-u", "second:password of the second"]
MADE = re.compile(rb"ALLOCATE processed, success")
GONE = re.compile(rb"session (\d+): (?:refreshed, .*lifetime=0\s|delete: realm)")

if not is_installed():
    print("1..0 # SKIP coturn is not installed")
    sys.exit(0)


def allocations(server):
    """How many were made, and how many of them are gone, by the server's log."""
    log = (server.folder / "coturn.log").read_bytes()
    return len(MADE.findall(log)), len(set(GONE.findall(log)))


class Play:
    """One run of the driver; servers as "udp", "tcp", "tls" of coturn number 0 or 1, or "udp-silent"."""

    def __init__(self, text, scenario, ways, options=(), password=PASSWORD, trusted=True, witness=True, rest=False):
        self.text, self.scenario, self.ways, self.options = text, scenario, ways, list(options)
        self.user, self.password, self.trusted, self.witness = USER, password, trusted, witness
        self.options += ["--use-auth-secret", "--static-auth-secret", SECRET] if rest else [*LONG_TERM, *SECOND]
        if rest:
            self.user = f"{int(time.time()) + 3600}:siprecd"
            self.password = base64.b64encode(hmac.new(SECRET.encode(), self.user.encode(), hashlib.sha1).digest()).decode()

    def run(self, folder):
        servers, silent, proxy = [], socket.socket(socket.AF_INET, socket.SOCK_DGRAM), None
        silent.bind(("127.0.0.1", 0))
        try:
            for number in range(1 + max([which for _, which in self.ways])):
                place = folder / str(number)
                place.mkdir()
                servers.append(Coturn(place, "-v", *self.options))
                servers[-1].folder = place
            arguments = []
            if self.scenario == "proxy":
                proxy = start_proxy(folder)
                arguments.append(f"via:{proxy.port}")
            for kind, which in self.ways:
                port = {"far": servers[which].tls_port, "nul": servers[which].tls_port, "udp-silent": silent.getsockname()[1], "tls": servers[which].tls_port}.get(
                    kind, servers[which].port)
                arguments.append(f"{kind[:3]}:{port}")
            environment = dict(os.environ)
            if self.trusted:
                environment["RELAYS_CA"] = str(servers[0].folder / "cert.pem")
            done = subprocess.run([driver, self.scenario, self.user, self.password, str(servers[0].process.pid), *arguments],
                                  capture_output=True, text=True, timeout=120, env=environment)
            print(done.stdout, done.stderr, end="", sep="")
            good = done.returncode == 0
            for server in servers:
                # Its log comes a little late.
                wait_for(lambda: server.process.poll() is not None or len(set(allocations(server))) == 1, 30)
                made, gone = allocations(server)
                print(f"# coturn: {made} allocations made, {gone} of them given back")
                killed = self.scenario == "failover" and server is servers[0]
                good = good and (killed or made == gone) and (made > 0 or not self.witness)
            return good
        finally:
            silent.close()
            if proxy:
                end(proxy)
            for server in servers:
                if server.process.poll() is None:
                    server.stop()


def start_proxy(folder):
    port, settings = free_port(), folder / "tinyproxy.conf"
    settings.write_text(f'Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nAllow 127.0.0.1\nLogLevel Connect\n'
                        f'PidFile "{folder}/proxy.pid"\n')
    with open(folder / "proxy.log", "wb") as log:
        process = subprocess.Popen(["tinyproxy", "-d", "-c", settings], stdout=log, stderr=log)
    process.port = port
    if not wait_for(lambda: accepts(port), 60):
        raise RuntimeError("tinyproxy did not start")
    return process


UDP, TCP, TLS = ("udp", 0), ("tcp", 0), ("tls", 0)
PLAYS = [
    Play("data over UDP", "data", [UDP]),
    Play("data over TCP", "data", [TCP]),
    Play("data over TLS", "data", [TLS]),
    Play("data under time-limited credentials", "data", [UDP], rest=True),
    Play("many frames over TCP", "burst", [TCP]),
    Play("many frames over TLS", "burst", [TLS]),
    Play("a server killed in mid-call", "failover", [UDP, ("udp", 1)]),
    Play("a server killed in mid-call, over TCP", "failover", [TCP, ("tcp", 1)]),
    Play("UDP is dropped: TCP", "fallback", [("udp-silent", 0), TCP]),
    Play("UDP is dropped: TLS", "fallback", [("udp-silent", 0), TLS]),
    *([Play("through a proxy", "proxy", [("far", 0)]), Play("a name that only the proxy knows", "proxy", [("nul", 0)])]
      if shutil.which("tinyproxy") else []),
    Play("a wrong password", "wrong-password", [UDP], password="not it", witness=False),
    Play("a certificate nobody vouches for", "untrusted", [TLS], trusted=False, witness=False),
    Play("new credentials", "credentials", [UDP]),
    Play("our address changes, with tickets", "moved", [UDP], options=("--mobility",)),
]
failed = 0
for count, play in enumerate(PLAYS, 1):
    with tempfile.TemporaryDirectory(prefix="siprecd-relays-") as name:
        ok = play.run(pathlib.Path(name))
    failed += not ok
    print("ok" if ok else "not ok", count, "-", play.text, flush=True)
print(f"1..{len(PLAYS)}")
sys.exit(bool(failed))
