"""coturn on two addresses, or as TURN server with a relay, answers the discovery engine through what the kernel of the
gateway does: nothing, a firewall, masquerading with ports kept, and with random ones. In network namespaces.
Use: test_rfc5780.py DISCOVERY_DRIVER."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / "miniupnpd"), str(pathlib.Path(__file__).resolve().parent.parent)]
import lab  # noqa: E402
from harness import answers_stun, end  # noqa: E402

GATEWAY, FIRST, SECOND = "5.5.5.1", "5.5.5.2", "5.5.5.3"
TABLE = """
flush ruleset
table inet world {{
    chain forward {{ type filter hook forward priority 0; policy {policy}
        iifname "lan" accept
        ct state established,related accept
    }}
    chain postrouting {{ type nat hook postrouting priority 100; policy accept
        {nat}
    }}
}}
"""
# What Linux does is known: it remembers each flow by both its ends (conntrack), so its filter is APDF. Masquerading
# keeps the port while it can, for all destinations alike: doc/nat.md 5, rule 9. With random ports each destination has its
# own; and the flow is all that the filter knows, so its scope is the mapping. Nothing turns round at the gateway.
# And it takes what it refused at its own address for a flow, so that our mapping to that end moves to another port.
PLAYS = [
    ("no NAT", "accept", "", lab.HOST, dict(natted="0", mapping="none", filtering="eif", ports_kept="1")),
    ("a firewall", "drop", "", lab.HOST, dict(natted="0", mapping="none", filtering="apdf", ports_kept="1")),
    ("masquerading", "drop", 'oifname "wan" masquerade', GATEWAY,
     dict(natted="1", mapping="eim", filtering="apdf", hairpin="none", ports_kept="1", clashes="1")),
    ("masquerading with random ports", "drop", 'oifname "wan" meta l4proto udp masquerade fully-random', GATEWAY,
     dict(natted="1", mapping="apdm", filtering="apdf", scope="mapping", hairpin="none", ports_kept="0")),
]


def start_coturn(world, folder, port, *addresses):
    """With two addresses it is a server of RFC 5780, with one a classic one; and always a TURN server."""
    log = open(folder / f"coturn{port}.log", "wb")
    listen = [word for address in addresses for word in ("-L", address)]
    process = subprocess.Popen(
        [*world.outside.inside, "turnserver", "-n", *listen, "-p", str(port), "--alt-listening-port",
         str(port + 1), "--no-tls", "--no-dtls", "--no-cli", "--no-auth", "-r", "example.org", "--pidfile",
         str(folder / f"turn{port}.pid"), "--log-file", "stdout", "--userdb", ":memory:",
         *(["--no-rfc5780"] if len(addresses) == 1 else [])],
        stdout=log, stderr=subprocess.STDOUT)
    for address in addresses:
        answers_stun(address, port, 60)
    return process


def ways(what, want):
    """Servers of RFC 5780; classic ones with a relay; one classic server that is the relay's host, too."""
    # The second "server" is the first one's other address: as good as another classic one.
    yield "by RFC 5780", [f"{FIRST}:3478", f"{SECOND}:3478"], dict(response_port="1", relay="0")
    edm = {"mapping": "edm"} if want["mapping"] == "apdm" else {}
    none = {"hairpin": "unknown", "relay": "1"}  # and what one host sees of the mapping may be
    # for it alone mapping to one host alone may be its own
    yield "by a relay", [f"{FIRST}:4478", f"{SECOND}:5478", f"turn={SECOND}:5478"], dict(none, **edm)
    yield "by one server with a relay", [f"{SECOND}:5478", f"turn={SECOND}:5478"], dict(
        none, mapping="unknown" if want["mapping"] == "eim" else want["mapping"],
        filtering="adf" if want["filtering"] == "eif" else want["filtering"])


def main():
    lab.enter()
    if not shutil.which("turnserver"):
        print("1..0 # SKIP coturn is not installed")
        return
    number = failed = 0
    with tempfile.TemporaryDirectory(prefix="siprecd-rfc5780-") as name:
        folder = pathlib.Path(name)
        world = lab.Lab(folder, GATEWAY, FIRST)
        world.outside.run("ip", "addr", "add", SECOND + "/24", "dev", "eth")
        world.outside.run("ip", "route", "add", "192.168.77.0/24", "via", GATEWAY)
        world.outside.run("ip", "link", "set", "lo", "up")
        servers = [start_coturn(world, folder, 3478, FIRST, SECOND), start_coturn(world, folder, 4478, FIRST),
                   start_coturn(world, folder, 5478, SECOND)]
        try:
            for what, policy, nat, external, want in PLAYS:
                lab.run("nft", "-f", "-", stdin=TABLE.format(policy=policy, nat=nat))
                for how, ask, more in ways(what, want):
                    done = subprocess.run([*world.host.inside, sys.argv[1], lab.HOST, *ask],
                                          capture_output=True, text=True, timeout=300)
                    got = dict(word.split("=") for word in done.stdout.split())
                    wanted = dict(want, external=external, **more)
                    good = done.returncode == 0 and all(got.get(key) == value for key, value in wanted.items())
                    number += 1
                    failed += not good
                    print("ok" if good else "not ok", number, "-", how, "through", what, flush=True)
                    if not good:
                        print("# got:", done.stdout.strip(), done.stderr.strip(), "\n# want:", wanted)
        finally:
            for server in servers:
                end(server)
            world.stop()
    print(f"1..{number}")
    sys.exit(bool(failed))


main()
