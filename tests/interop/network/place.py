"""A siprecd behind a NAT, and whom it can ask: what the tests of this folder share."""
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "lab"))
sys.path.insert(0, str(HERE.parent))
import lab  # noqa: E402
import harness  # noqa: E402, F401
from harness import ROOT, Tap, need, skip_all, wait_for  # noqa: E402, F401

METADATA = "169.254.169.254"
NOBODY = {"STUN_SERVERS": "none", "SIPRECD_NAT_PORTMAP": "false", "SIPRECD_NAT_METADATA": "false",
          "SIPRECD_NAT_IP_SERVICES": "none"}


DMI = {
    "gcp": {"sys_vendor": "Google", "product_name": "Google Compute Engine"},
    "aws": {"sys_vendor": "Amazon EC2", "product_name": "m5.large"},
    "azure": {"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"},
    "azure-standard": {"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"},
    "oci": {"sys_vendor": "QEMU", "chassis_asset_tag": "OracleCloud.com"},
    "digitalocean": {"sys_vendor": "DigitalOcean"},
    "hetzner": {"sys_vendor": "Hetzner"},
    "nobody": {"sys_vendor": "QEMU", "product_name": "Standard PC"},
}
FIRMWARE = pathlib.Path("/sys/class/dmi/id")


def firmware(name):
    """What /sys says this machine is, from here on: in this mount namespace alone."""
    FIRMWARE.mkdir(parents=True, exist_ok=True)
    for old in FIRMWARE.iterdir():
        old.unlink()
    for key, text in DMI[name].items():
        (FIRMWARE / key).write_text(text + "\n")


def hide_firmware():
    """Over the whole of it: many machines have no firmware that says anything. In this mount namespace alone."""
    lab.run("mount", "-t", "tmpfs", "firmware", "/sys/class")


def show_firmware():
    lab.run("umount", "/sys/class")


def metadata_is_there(world):
    """Where clouds have it, for the fakes to listen at."""
    world.servers.run("ip", "addr", "add", METADATA + "/32", "dev", "eth")
    lab.run("ip", "route", "add", METADATA, "dev", "c-servers")


class Fake:
    """fakes.py in the servers' namespace."""

    def __init__(self, world, kind, address, port=80, says=None):
        self.log = world.folder / f"fake-{kind}-{port}-{time.monotonic_ns()}.log"
        self.child = world.servers.start(sys.executable, HERE / "fakes.py", kind, self.log, address, port,
                                         *([says] if says else []), log=world.folder / "fakes.err")
        shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        if not wait_for(lambda: world.servers.listens(shown), 30):
            raise RuntimeError("fake did not start: " + (world.folder / "fakes.err").read_text())

    def requests(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def stop(self):
        lab.end(self.child)


def told(srs, source):
    """The addresses outside that one source tells."""
    return [e["address"] for e in (srs.nat() or {}).get("external", []) if e["source"] == source]


def codes(srs):
    return [p["code"] for p in srs.nat()["problems"]]


def seconds_until(condition, most):
    """How long it took; None: it did not happen."""
    start = time.monotonic()
    return time.monotonic() - start if wait_for(condition, most, every=0.01) else None


class Sip:
    """A UDP socket on the SRC's host that asks the recorder."""

    def __init__(self, world, to):
        import socket
        self.to = (to, lab.SIP)
        with world.src.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("0.0.0.0", 0))
        self.socket.settimeout(8)
        self.port = self.socket.getsockname()[1]

    def options(self):
        self.socket.sendto((f"OPTIONS sip:srs@{self.to[0]} SIP/2.0\r\nVia: SIP/2.0/UDP 5.5.6.1:{self.port};rport;"
                            f"branch=z9hG4bK{time.monotonic_ns()}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:srs@{self.to[0]}>"
                            f"\r\nCall-ID: {time.monotonic_ns()}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
                            "Content-Length: 0\r\n\r\n").encode(), self.to)
        return self.socket.recv(65536).decode()
