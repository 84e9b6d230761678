"""Worlds of real hosts in network namespaces of this process alone: a siprecd behind any chain of NATs, an SRC behind
any other, STUN and TURN servers between them.

    core (this namespace)  routes between public addresses only
    srs side   5.5.5.0/24     the outermost NAT's, or siprecd's own where there is none
    src side   5.5.6.0/24
    servers    5.5.7.0/24     coturn and whatever else a test puts there

The addresses are public ones, since gateways refuse to forward behind reserved ones (miniupnpd does); nothing leaves
the namespaces, which have no way out."""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import certificates  # noqa: E402
import harness  # noqa: E402

ENTERED = "SIPRECD_LAB"
PROGRAMS = ("unshare", "nsenter", "ip", "nft", "turnserver", "sox")
CLONE_NEWNET = 0x40000000
SIP, RTP = 5060, (10000, 10199)
SHIFTED, SHIFT = range(20002, 20062), 10000  # UDP ports inside of a "shifted" router, and how far above them it shows them
SRS, SRC, SERVERS = "5.5.5", "5.5.6", "5.5.7"
CORE = "5.5.0.1"  # the way out of every public host
SRS6, SRC6, SERVERS6 = "2a00:5::", "2a00:6::", "2a00:7::"
TURN_USER, TURN_PASSWORD = "siprecd", "between-us"
# What Linux does with flows to itself, and how long it remembers, is the test's to say.
libc = ctypes.CDLL(None, use_errno=True)


def enter():
    """Runs this program again inside namespaces of its own; skips the test where that is not allowed."""
    if os.environ.get(ENTERED):
        return
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    harness.need(*PROGRAMS)
    inside = ["unshare", "-Urnm", "--fork", "--pid", "--kill-child", "--mount-proc"]
    probe = subprocess.run([*inside, "sh", "-c", "ip link add name one type veth peer name two && nft list ruleset && "
                            "ip tuntap add dev three mode tun"], capture_output=True, text=True)
    if probe.returncode:
        harness.skip_all("network namespaces are not allowed here: " + probe.stderr.strip().replace("\n", " "))
    os.environ[ENTERED] = "1"
    os.execvp("unshare", [*inside, sys.executable, *sys.argv])


def chosen(plays, name, more=None):
    """Which of the plays this process is to play, by its command line, TEST BUILD [PART PARTS | PART | NAME ...]: every
    PARTS-th from PART on; where they come in groups (lists) the PART-th group; those with that name (of more, where there are
    more than are played otherwise), or with NAME in theirs; all."""
    words, grouped = sys.argv[2:], isinstance(plays[0], list)
    if words and words[0].isdigit():
        return plays[int(words[0])] if grouped else plays[int(words[0])::int(words[1])]
    each = [play for group in plays for play in group] if grouped else plays
    if not words:
        return each
    each = list(more or each)
    return [play for play in each if name(play) in words] or [p for p in each if any(word in name(p) for word in words)]


def run(*words, stdin=None, check=True):
    done = subprocess.run([str(w) for w in words], input=stdin, text=True, capture_output=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def write(path, text):
    pathlib.Path(path).write_text(str(text), encoding="ascii")


class Space:
    """A network namespace that lives as long as its process, and the programs started in it."""

    def __init__(self, name):
        self.name, self.children = name, []
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep 3000"],
                                       stdout=subprocess.PIPE, text=True)
        self.holder.stdout.readline()
        self.pid = self.holder.pid
        self.enter = ["nsenter", "-t", str(self.pid), "-n"]
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *words, **how):
        return run(*self.enter, *words, **how)

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin="flush ruleset\n" + rules)

    def sysctl(self, **values):
        for name, value in values.items():
            self.run("sysctl", "-qw", name.replace("__", ".") + f"={value}")

    def start(self, *words, log=None, **how):
        output = open(log, "ab") if log else subprocess.DEVNULL
        child = subprocess.Popen([*self.enter, *map(str, words)], stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT, **how)
        self.children.append(child)
        return child

    @contextlib.contextmanager
    def inside(self):
        """This thread's sockets are made in here."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        try:
            if libc.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            yield self
        finally:
            libc.setns(back, CLONE_NEWNET)
            os.close(back)
            os.close(there)

    def listens(self, what):
        """True once something is bound to what ("5.5.7.1:3478")."""
        return f" {what} " in self.run("ss", "-ulnH") + self.run("ss", "-tlnH")

    def stop(self):
        for child in self.children:
            end(child)
        self.holder.kill()
        self.holder.wait()


def end(child, sign=signal.SIGTERM, seconds=20):
    if child.poll() is None:
        child.send_signal(sign)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def connect(near, near_name, far, far_name):
    """A cable. None is this process's own namespace."""
    run("ip", "link", "add", "name", f"x{near_name}", "type", "veth", "peer", "name", f"y{far_name}")
    for space, old, new in ((near, f"x{near_name}", near_name), (far, f"y{far_name}", far_name)):
        if space:
            run("ip", "link", "set", old, "netns", str(space.pid))
        inside = space.run if space else run
        inside("ip", "link", "set", old, "name", new)
        inside("ip", "link", "set", new, "up")


# ---- NATs -----------------------------------------------------------------------------------------

FORWARD = """
    chain forward {{ type filter hook forward priority 0; policy drop
        {allowed}
        ct state established,related accept
        ct status dnat accept
    }}
    chain prerouting {{ type nat hook prerouting priority -100; policy accept
        meta nfproto ipv6 accept
        {inward}
    }}
    chain postrouting {{ type nat hook postrouting priority 100; policy accept
        meta nfproto ipv6 accept
        {outward}
    }}
"""


class Router:
    """One level: lan inside, wan outside. kind:

    masquerade       the kernel's usual one: EIM+APDF to its peers, ports kept
    symmetric        masquerade fully-random: EDM+APDF
    shifted          masquerade, with a range of UDP ports (SHIFTED) forwarded, to and fro, from one as far above it (SHIFT)
    1:1              everything to and fro one host
    forwarded        masquerade, with SIP and the RTP range forwarded (option: rtp=MIN-MAX)
    pcp              masquerade with miniupnpd (options: its lines of settings)
    tcp-only         masquerade, no UDP
    443-only         masquerade, TCP to 443 only
    proxy-only       no way out but the HTTP proxy on the router (port 3128)
    firewall         no translation, stateful
    box              natbox_tun with options: mapping=address filtering=independent ...

    sip: whether SIP's port is forwarded, so that calls come in."""

    OUT = {"tcp-only": 'iifname "lan" meta l4proto tcp accept', "443-only": 'iifname "lan" tcp dport 443 accept',
           "proxy-only": ""}

    def __init__(self, side, kind, options, lan, wan, inner, sip=True, v6=False):
        self.kind, self.options, self.inner, self.sip, self.v6 = kind, options, inner, sip, v6
        self.lan, self.wan = lan, wan
        self.space = Space(f"{side}-router")
        self.daemon = None

    def up(self, folder):
        self.folder = folder
        write_forwarding = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
        self.space.run("sh", "-c", write_forwarding)
        if self.kind == "box":
            self.box()
            return
        self.translate()
        if self.kind == "pcp":
            self.gateway()
        if self.kind == "proxy-only":
            self.proxy()

    def translate(self):
        """The rules, for the host that is inside now."""
        inward = ""
        host = self.inner
        if self.kind == "1:1":
            inward = f'iifname "wan" dnat ip to {host}'
        elif self.sip:
            inward = f'iifname "wan" meta l4proto {{ tcp, udp }} th dport {SIP} dnat ip to {host}'
        if self.kind == "forwarded":
            inward += f'\n iifname "wan" udp dport {self.range()} dnat ip to {host}'
        if self.kind == "shifted":
            inward += self.shift(False)
        outward = {"symmetric": 'oifname "wan" meta l4proto { tcp, udp } masquerade fully-random',
                   "shifted": self.shift(True) + 'oifname "wan" masquerade',
                   "firewall": ""}.get(self.kind, 'oifname "wan" masquerade')
        allowed = self.OUT.get(self.kind, 'iifname "lan" accept')
        extra = ""
        if self.kind == "pcp":
            extra = "chain miniupnpd { }\nchain prerouting_miniupnpd { }\nchain postrouting_miniupnpd { }\n"
            allowed = "jump miniupnpd\n" + allowed
            inward += "\n jump prerouting_miniupnpd"
            outward = "jump postrouting_miniupnpd\n" + outward
        if self.kind == "firewall":
            inward, allowed = "", allowed + self.firewall_opens()
        allowed = self.of_v6() + allowed
        self.space.nft(f"table inet filter {{ {extra}"
                       + FORWARD.format(allowed=allowed, inward=inward, outward=outward) + "}")

    def shift(self, outward):
        """The range forwarded both ways: what comes in first and what goes out first are one flow."""
        pairs = [(port, port + SHIFT) for port in SHIFTED]
        if outward:
            to = ", ".join(f"{inside} : {self.wan} . {outside}" for inside, outside in pairs)
            return f'oifname "wan" udp sport {SHIFTED[0]}-{SHIFTED[-1]} snat ip to udp sport map {{ {to} }}\n        '
        to = ", ".join(f"{outside} : {self.inner} . {inside}" for inside, outside in pairs)
        return f'\n iifname "wan" udp dport {SHIFTED[0] + SHIFT}-{SHIFTED[-1] + SHIFT} dnat ip to udp dport map {{ {to} }}'

    def of_v6(self):
        """IPv6 is never translated; it is open, or let in where it answers what went out."""
        if self.v6 != "firewall":
            return "meta nfproto ipv6 accept\n" if self.v6 else ""
        return ('meta nfproto ipv6 iifname "lan" accept\n meta l4proto ipv6-icmp accept\n'
                + (f"meta nfproto ipv6 meta l4proto {{ tcp, udp }} th dport {SIP} accept\n" if self.sip else ""))

    def range(self):
        return next((o[4:] for o in self.options if o.startswith("rtp=")), f"{RTP[0]}-{RTP[1]}")

    def firewall_opens(self):
        return f'\n iifname "wan" meta l4proto {{ tcp, udp }} th dport {SIP} accept' if self.sip else ""

    def gateway(self):
        settings = self.folder / f"miniupnpd-{self.wan}.conf"
        settings.write_text("\n".join([
            "ext_ifname=wan", "listening_ip=lan", "enable_natpmp=yes", "enable_upnp=yes", f"ipv6_disable={'no' if self.v6 else 'yes'}",
            "system_uptime=no", "uuid=1602da75-e59e-492e-8a65-bdaba653e658", "secure_mode=yes", *self.options,
            "allow 1024-65535 0.0.0.0/0 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535", ""]))
        self.daemon = self.space.start("miniupnpd", "-d", "-f", settings, "-P", self.folder / "miniupnpd.pid",
                                       log=self.folder / "miniupnpd.log")

    def proxy(self):
        settings = self.folder / "tinyproxy.conf"
        settings.write_text("\n".join(["Port 3128", "Timeout 600", "MaxClients 200", "Allow 0.0.0.0/0",
                                       "LogLevel Connect", f'PidFile "{self.folder}/tinyproxy.pid"', ""]))
        self.daemon = self.space.start("tinyproxy", "-d", "-c", settings, log=self.folder / "tinyproxy.log")
        harness.wait_for(lambda: ":3128 " in self.space.run("ss", "-tlnH"), 20)

    def box(self):
        """Packets that come from either cable go to the device; what comes out of it goes by the main table."""
        program = harness.BUILD / "tests" / "lab" / "natbox_tun"
        words = [o for o in self.options]
        if self.sip:
            words.append(f"forward={SIP}>{self.inner}:{SIP}")
        log = self.folder / f"natbox-{self.wan}.log"
        self.daemon = self.space.start(program, "nat", f"external={self.wan}", *words, log=log)
        harness.wait_for(lambda: "nat" in self.space.run("ip", "-o", "link"), 20)
        self.space.run("sh", "-c", "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done")
        self.space.run("ip", "link", "set", "nat", "up")
        self.space.run("ip", "route", "add", "default", "dev", "nat", "table", "100")
        for cable in ("lan", "wan"):
            self.space.run("ip", "rule", "add", "iif", cable, "lookup", "100")

    def forget(self):
        """It reboots: every mapping is gone."""
        if self.kind == "box":
            self.daemon.send_signal(signal.SIGHUP)
            # It looks up at the next packet.
        else:
            self.space.run("conntrack", "-F")

    def stop(self):
        if self.daemon:
            end(self.daemon)
        self.space.stop()


# ---- The world ------------------------------------------------------------------------------------

class World:
    """srs and src: a chain of NATs, the innermost first, each "kind" or ("kind", option, ...); empty: none.
    v6: IPv6 everywhere, too; behind routers "open", or "firewall": only what answers comes in (and SIP)."""

    def __init__(self, srs=(), src=(), sip=True, v6=False, lan_src=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-lab-"))
        self.spaces, self.routers = {}, {"srs": [], "src": []}
        self.hosts_file = {}
        run("ip", "link", "set", "lo", "up")
        run("ip", "addr", "replace", CORE + "/32", "dev", "lo")
        write("/proc/sys/net/ipv4/ip_forward", 1)
        write("/proc/sys/net/ipv6/conf/all/forwarding", 1)
        self.v6 = v6
        self.srs = self.side("srs", srs, SRS, "192.168.10", "100.64.10", sip)
        if lan_src:
            self.src = self.beside("src", "srs", "192.168.10", 3)
        else:
            self.src = self.side("src", src, SRC, "192.168.20", "100.64.20", False)
        self.servers = self.public("servers", f"{SERVERS}.1", SERVERS6 + "1")
        more = [f"{SERVERS}.{n}" for n in range(2, 10)]
        self.servers.run("ip", "-batch", "-", stdin="".join(f"addr add {ip}/32 dev eth\n" for ip in more))
        run("ip", "-batch", "-", stdin="".join(f"route add {ip} dev c-servers\n" for ip in more))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def public(self, name, address, address6=None):
        """A host with a public address, on a cable to the core."""
        space = self.spaces[name] = Space(name)
        connect(None, f"c-{name}", space, "eth")
        self.wire_public(space, "eth", f"c-{name}", [address], address6)
        return space

    def wire_public(self, space, device, core, addresses, address6=None):
        for address in addresses:
            space.run("ip", "addr", "add", f"{address}/32", "dev", device)
            run("ip", "route", "add", address, "dev", core)
        space.run("ip", "route", "add", CORE, "dev", device)
        space.run("ip", "route", "add", "default", "via", CORE, "dev", device, "src", addresses[0])
        if self.v6 and address6:
            run("ip", "-6", "addr", "add", "fe80::1/64", "dev", core, "nodad")
            space.run("ip", "-6", "addr", "add", f"{address6}/128", "dev", device, "nodad")
            space.run("ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", device)
            run("ip", "-6", "route", "add", address6, "dev", core)

    def side(self, name, chain, public, lan, carrier, sip):
        six = SRS6 if name == "srs" else SRC6
        chain = [(k,) if isinstance(k, str) else k for k in chain]
        if not chain:
            return self.public(name, f"{public}.1", six + "1")
        nets = [lan, carrier, carrier.replace("100.64", "100.65")]
        host = self.spaces[name] = Space(name)
        inside, device, own = host, "eth", "2"
        for level, (kind, *options) in enumerate(chain):
            net, last = nets[level], level == len(chain) - 1
            wan = f"{public}.1" if last else f"{nets[level + 1]}.2"
            router = Router(name, kind, options, f"{net}.1", wan, f"{net}.{own}", sip, self.v6)
            self.routers[name].append(router)
            self.spaces[f"{name}-router{level}"] = router.space
            self.lan_cable(router.space, inside, device, net, own)
            inside, device, own = router.space, "wan", "2"
            if last:
                core = f"c-{name}"
                connect(None, core, router.space, "wan")
                self.wire_wan(router, core, public, kind, options, six)
                if self.v6 and level == 0:
                    self.lan_v6(router.space, host, six, core)
            router_up = router
            self.after = getattr(self, "after", [])
            self.after.append(router_up)
        for router in self.after:
            router.up(self.folder)
        self.after = []
        return host

    def lan_cable(self, router, inside, device, net, own):
        """A bridge called lan on the router, so that more hosts may be put there."""
        router.run("ip", "link", "add", "name", "lan", "type", "bridge", "forward_delay", "0")
        router.run("ip", "link", "set", "lan", "up")
        router.run("ip", "addr", "add", f"{net}.1/24", "dev", "lan")
        connect(router, "l0", inside, device)
        router.run("ip", "link", "set", "l0", "master", "lan")
        inside.run("ip", "addr", "add", f"{net}.{own}/24", "dev", device)
        inside.run("ip", "route", "add", "default", "via", f"{net}.1")

    def lan_v6(self, router, inside, prefix, core):
        """Addresses of the world on the only network behind a router: PREFIX:1::2 is the host."""
        net = prefix.removesuffix(":") + "1::"
        router.run("ip", "-6", "addr", "add", net + "1/64", "dev", "lan", "nodad")
        inside.run("ip", "-6", "addr", "add", net + "2/64", "dev", "eth", "nodad")
        inside.run("ip", "-6", "route", "add", "default", "via", net + "1")
        run("ip", "-6", "route", "add", net + "/64", "via", prefix + "1", "dev", core)

    def wire_wan(self, router, core, public, kind, options, six):
        pool = next((int(o.split("=")[1]) for o in options if o.startswith("pool=")), 1)
        addresses = [f"{public}.{n}" for n in range(1, pool + 1)]
        if kind != "box":
            self.wire_public(router.space, "wan", core, addresses, six + "1")
            return
        # The box owns its addresses; the router itself has another one.
        self.wire_public(router.space, "wan", core, [f"{public}.200"], six + "1")
        for address in addresses:
            run("ip", "route", "add", address, "via", f"{public}.200", "dev", core)

    def beside(self, name, neighbour, net, own):
        """Another host on the innermost network of a side."""
        space, router = Space(name), self.routers[neighbour][0].space
        self.spaces[name] = space
        connect(router, f"l{own}", space, "eth")
        router.run("ip", "link", "set", f"l{own}", "master", "lan")
        space.run("ip", "addr", "add", f"{net}.{own}/24", "dev", "eth")
        space.run("ip", "route", "add", "default", "via", f"{net}.1")
        return space

    # Servers

    def coturn(self, address=f"{SERVERS}.1", other=f"{SERVERS}.2", *options, rfc5780=True, auth=True, tls=None):
        """STUN and TURN on 3478 and, for the two-address tests, 3479; TURN over TCP on 443. tls: over TLS there, too,
        with a certificate that names so; its authority is self.authority()."""
        name = f"coturn-{address}"
        words = ["turnserver", "-n", "-L", address, *(["-L", other] if other else []), "-E", address, "-p", "3478",
                 "--alt-listening-port", "3479", "--no-cli", "--no-dtls", "-r", "example.org", "--min-port", "49152", "--max-port",
                 "50999", "--pidfile", self.folder / f"{name}.pid", "--log-file", "stdout", "--userdb", ":memory:",
                 "--aux-server", f"{address}:443", "--relay-threads", "1", *options]
        words += ["--lt-cred-mech", "-u", f"{TURN_USER}:{TURN_PASSWORD}"] if auth else ["--no-auth"]
        if tls:
            certificate, key = self.authority().leaf(f"turn-{address}", *(f"DNS:{n}" for n in (tls,)))
            words += ["--cert", certificate, "--pkey", key, "--tls-listening-port", "5349"]
            self.name(tls, address)
        else:
            words.append("--no-tls")
        if not rfc5780:
            words.append("--no-rfc5780")
        child = self.servers.start(*words, log=self.folder / f"{name}.log")
        self.await_stun(address, 3478, self.folder / f"{name}.log")
        return child

    def await_stun(self, ip, port, log):
        with self.servers.inside():
            if not harness.answers_stun(ip, port):
                raise RuntimeError(f"no STUN at {ip}:{port}: " + log.read_text()[-2000:])

    def classic_stun(self, address=f"{SERVERS}.4", other=f"{SERVERS}.5"):
        """What the default settings ask: two servers that tell an address and nothing else, on port 19302."""
        for n, ip in enumerate((address, other)):
            self.servers.start("turnserver", "-n", "-L", ip, "-p", "19302", "--stun-only", "--no-rfc5780", "--no-auth",
                               "--no-cli", "--no-tls", "--no-dtls", "-r", "example.org", "--pidfile",
                               self.folder / f"stun{n}.pid", "--log-file", "stdout", "--userdb",
                               ":memory:", log=self.folder / f"stun{n}.log")
        for n, ip in enumerate((address, other)):
            self.await_stun(ip, 19302, self.folder / f"stun{n}.log")
        self.name("stun.l.google.com", address)
        self.name("stun1.l.google.com", other)

    def kamailio(self, name="sbc.example.com", address=f"{SERVERS}.6", algorithm="MD5"):
        """A registrar and edge with that name: SIP over UDP and TCP on 5060, TLS on 5061 and 443. User recorder, password
        secret (as interop/register has it)."""
        folder = self.folder / "kamailio"
        folder.mkdir()
        certificate, key = self.authority().leaf("sbc", f"DNS:{name}", f"URI:sip:{name}")
        tls = (f'loadmodule "tls.so"\nmodparam("tls", "tls_method", "TLSv1.2+")\n'
               f'modparam("tls", "certificate", "{certificate}")\nmodparam("tls", "private_key", "{key}")\n')
        listen = "".join(f"listen={where}\n" for where in (f"udp:{address}:5060", f"tcp:{address}:5060", f"tls:{address}:5061",
                                                           f"tls:{address}:443"))
        text = (harness.HERE / "register" / "kamailio.cfg").read_text()
        for word, value in (("LISTEN", f"{listen}alias={name}\n"), ("LOADTLS", tls), ("ALGORITHM", algorithm),
                            ("FLOW_TIMER", "0"), ("MIN_EXPIRES", "10"), ("NONCE_EXPIRE", "300")):
            text = "\n".join(line if line.startswith("#") else line.replace(word, value) for line in text.splitlines())
        (folder / "kamailio.cfg").write_text(text + "\n")
        child = self.servers.start("kamailio", "-DD", "-E", "-f", folder / "kamailio.cfg", "-m", "48", "-M", "8", "-Y", folder,
                                   "-P", folder / "pid", log=folder / "log", cwd=folder)
        self.name(name, address)
        if not harness.wait_for(lambda: self.servers.listens(f"{address}:443"), 60):
            raise RuntimeError("kamailio did not start: " + (folder / "log").read_text()[-2000:])
        return child

    def authority(self):
        """Whose certificates the servers of this world show: its .pem is for sip.tls_ca."""
        if not hasattr(self, "signs"):
            self.signs = certificates.Authority(self.folder)
        return self.signs

    def name(self, name, address):
        """The name means the address from now on, in every namespace of this world."""
        if not self.hosts_file:
            self.hosts = self.folder / "hosts"
            self.hosts.write_text("127.0.0.1 localhost\n")
            run("mount", "--bind", self.hosts, "/etc/hosts")
            # Names that are not there are not asked for elsewhere: there is no elsewhere.
            switch = self.folder / "nsswitch.conf"
            switch.write_text("hosts: files\n")
            run("mount", "--bind", switch, "/etc/nsswitch.conf")
        self.hosts_file[name] = address
        self.hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in self.hosts_file.items()))

    def move_in_public(self, *_, without=1.5):
        """siprecd's host has another public address, after so many seconds without any."""
        run("ip", "route", "add", f"{SRS}.3", "dev", "c-srs")
        self.srs.run("ip", "addr", "del", f"{SRS}.1/32", "dev", "eth")
        time.sleep(without)
        self.srs.run("ip", "addr", "add", f"{SRS}.3/32", "dev", "eth")
        self.srs.run("ip", "route", "replace", CORE, "dev", "eth")
        self.srs.run("ip", "route", "replace", "default", "via", CORE, "dev", "eth", "src", f"{SRS}.3")

    # Programs

    def hold_back(self):
        """None of siprecd's media ports gets anything out to the SRC's until srs.nft("")."""
        self.srs.nft(f"table inet late {{ chain out {{ type filter hook output priority 0; udp sport {RTP[0]}-{RTP[1]} "
                     "udp dport 20000-20100 drop; }; }")

    def siprecd(self, *arguments, **settings):
        return Recorder(self, *arguments, **settings)

    def call(self, *arguments, to=None, transport="tcp", seconds=5, streams=2, timeout=120, user="srs"):
        """(exit status, the call's report) of siprec-call on the SRC's host."""
        to = to or f"{SRS}.1"
        uri = f"sip:{user}@{to}:{SIP};transport={transport}"
        done = subprocess.run([*self.src.enter, harness.built("siprec-call"), uri, "--json", "--streams", str(streams),
                               "--seconds", str(seconds), *map(str, arguments)], capture_output=True, text=True,
                              timeout=timeout)
        try:
            report = json.loads(done.stdout)["results"][0]
        except (ValueError, KeyError, IndexError):
            report = {"fault": done.stdout + done.stderr, "notes": [], "streams": [], "call_id": "", "code": 0}
        return done.returncode, report

    def stop(self):
        for routers in self.routers.values():
            for router in routers:
                router.stop()
        for space in self.spaces.values():
            space.stop()
        if self.hosts_file:
            run("umount", "/etc/hosts", check=False)
            run("umount", "/etc/nsswitch.conf", check=False)
        for link in run("ip", "-o", "link").splitlines():
            name = link.split(": ")[1].split("@")[0]
            if name.startswith("c-"):
                run("ip", "link", "delete", name, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Recorder(harness.Siprecd):
    """siprecd on the SRS's host, with the settings a newcomer would have: none, but where the test says so."""

    def __init__(self, world, *arguments, environment=None, quiet=False):
        self.world, self.space = world, world.srs
        self.folder, self.keep = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-", dir=world.folder)), False
        self.recordings_folder, self.log_path = self.folder / "recordings", self.folder / "log"
        self.port, self.http = SIP, 8080
        self.arguments = [
            *self.space.enter, harness.built("siprecd"), f"--recordings.directory={self.recordings_folder}",
            f"--rtp.port_min={RTP[0]}", f"--rtp.port_max={RTP[1]}", *arguments]
        self.environment = dict(environment or {})
        if quiet:
            self.environment.update(STUN_SERVERS="none")
        self.process = None

    def surroundings(self):
        unwanted = ("SIPRECD_", "STUN_", "TURN_", "EXTERNAL_IP", "INTERNAL_IP", "BEHIND_NAT", "https_proxy", "HTTPS_PROXY")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        environment.update(self.environment)
        return environment

    def get(self, path, headers=None):
        with self.space.inside():
            return super().get(path, headers)

    def siprecctl(self, *words):
        return subprocess.run([*self.space.enter, harness.built("siprecctl"), *words], capture_output=True, text=True,
                              timeout=60)

    def nat(self):
        return self.json("/v1/nat")

    def heard(self, recording, start=1.0, seconds=2.0):
        """The tone on each channel of the recording's audio, in Hz."""
        path = self.path_of(recording) / "audio.wav"
        harness.wait_for(path.exists, 60)
        channels = int(harness.probe(path).get("channels") or 0)
        return [harness.tone_hz(path, c + 1, start, seconds) for c in range(channels)]
