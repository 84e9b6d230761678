"""A gateway with miniupnpd between a host and the outside, in network namespaces of this process alone."""
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

LAN, HOST, OTHER_HOST = "192.168.77.1", "192.168.77.2", "192.168.77.3"
RULES = """
table inet filter {
    chain forward { type filter hook forward priority 0; policy drop
        jump miniupnpd
        iifname "lan" accept
        ct state established,related accept
    }
    chain miniupnpd { }
    chain prerouting { type nat hook prerouting priority -100; policy accept
        jump prerouting_miniupnpd
    }
    chain postrouting { type nat hook postrouting priority 100; policy accept
        jump postrouting_miniupnpd
        oifname "wan" masquerade
    }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
"""
ENTERED = "SIPRECD_LAB"


def enter():
    """Runs this program again inside namespaces of its own; skips the test where that is not allowed."""
    if os.environ.get(ENTERED):
        return
    for program in ("miniupnpd", "unshare", "ip", "nft", "nsenter"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            print(f"1..0 # SKIP {program} is not installed")
            sys.exit(0)
    inside = ["unshare", "-Urnm", "--fork", "--pid", "--kill-child", "--mount-proc"]
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    probe = subprocess.run([*inside, "sh", "-c", "ip link add name one type veth peer name two && nft list ruleset"],
                           capture_output=True, text=True)
    if probe.returncode:
        print("1..0 # SKIP network namespaces are not allowed here:", probe.stderr.strip().replace("\n", " "))
        sys.exit(0)
    os.environ[ENTERED] = "1"
    os.execvp("unshare", [*inside, sys.executable, *sys.argv])


def run(*words, stdin=None):
    subprocess.run(words, check=True, input=stdin, text=True, capture_output=True)


class Namespace:
    """A network namespace that lives as long as its process."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep 1000"],
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.inside = ["nsenter", "-t", str(self.process.pid), "-n"]

    def run(self, *words):
        run(*self.inside, *words)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Lab:
    """host -- lan [gateway: this namespace] wan -- outside."""

    def __init__(self, folder, wan, outside):
        self.folder, self.wan, self.outside_address = folder, wan, outside
        self.host, self.outside = Namespace(), Namespace()
        self.daemon = None
        for name, space in (("lan", self.host), ("wan", self.outside)):
            run("ip", "link", "add", "name", name, "type", "veth", "peer", "name", "eth", "netns", str(space.process.pid))
            space.run("ip", "link", "set", "eth", "up")
            run("ip", "link", "set", name, "up")
        run("ip", "link", "set", "lo", "up")
        run("ip", "addr", "add", LAN + "/24", "dev", "lan")
        run("ip", "addr", "add", wan + "/24", "dev", "wan")
        for address in (HOST, OTHER_HOST):
            self.host.run("ip", "addr", "add", address + "/24", "dev", "eth")
        self.host.run("ip", "route", "add", "default", "via", LAN)
        self.outside.run("ip", "addr", "add", outside + "/24", "dev", "eth")
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as forward:
            forward.write("1")
        self.number = 0

    def start(self, *lines):
        """miniupnpd, new: without the rules, mappings and the epoch of the one before."""
        run("nft", "flush", "ruleset")
        run("nft", "-f", "-", stdin=RULES)
        self.number += 1
        settings = self.folder / "miniupnpd.conf"
        settings.write_text("\n".join([
            "ext_ifname=wan", "listening_ip=lan", "enable_natpmp=yes", "enable_upnp=no", "ipv6_disable=yes",
            "system_uptime=no", "uuid=1602da75-e59e-492e-8a65-bdaba653e658", *lines,
            "allow 1024-65535 192.168.77.0/24 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535", ""]))
        self.log = open(self.folder / f"miniupnpd{self.number}.log", "wb")
        self.daemon = subprocess.Popen(
            ["miniupnpd", "-d", "-f", str(settings), "-P", str(self.folder / f"pid{self.number}")],
            stdout=self.log, stderr=subprocess.STDOUT)

    def stop_daemon(self):
        if not self.daemon:
            return
        # It sleeps in select(): a signal between its look at whether to quit and that sleep has no effect until another comes.
        for _ in range(20):
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(1)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            raise RuntimeError("miniupnpd does not end")
        self.log.close()
        self.daemon = None

    def stop(self):
        self.stop_daemon()
        for name in ("lan", "wan"):
            run("ip", "link", "delete", name)
        self.host.stop()
        self.outside.stop()

    def send_from_outside(self, port, text, to=None):
        self.outside.run(sys.executable, "-c",
                         "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
                         f".sendto({text.encode()!r}, ({(to or self.wan)!r}, {port}))")


class Driver:
    """gateway_driver on the host."""

    def __init__(self, program, lab, *options, own=HOST):
        self.process = subprocess.Popen([*lab.host.inside, program, LAN, own, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def tell(self, command):
        self.process.stdin.write(command + "\n")

    def wait(self, *starts, seconds=60):
        """The next line that begins with one of starts; others are passed over. "" when none comes in time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                break
            if line.startswith(starts):
                return line
        return ""

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
