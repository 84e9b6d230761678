#!/usr/bin/env python3
"""Names that lead to several places, some of them dead: registrars and TURN servers are found at the others, within
seconds; names that move to another machine when the old one dies; and address services through the proxy that is the
only way out."""
import contextlib
import pathlib
import socket
import ssl
import tempfile
import threading
import time
import traceback

from place import NOBODY, Fake, Tap, lab, need, seconds_until, told, wait_for
from certificates import Authority  # its folder is known to place alone

lab.enter()
need("tinyproxy")
tap = Tap()
DEAD = [f"{net}{number}" for number in range(6, 10) for net in ("5.5.7.", "2a00:7::")]


def kill(world):
    """What goes to the dead addresses is dropped without a word, where they are and on the way."""
    rules = "\n".join(f"{'ip6' if ':' in address else 'ip'} daddr {address} drop" for address in DEAD)
    lab.run("nft", "-f", "-", stdin="table inet dead {\nchain forward {\ntype filter hook forward priority -10; policy accept\n"
            + rules + "\n}\n}\n")


def names(world, **addresses):
    for host, all_of_it in addresses.items():
        world.name(f"{host}.example", all_of_it[0])
    with open("/etc/hosts", "a", encoding="ascii") as hosts:
        hosts.writelines(f"{address} {host}.example\n" for host, rest in addresses.items() for address in rest[1:])


def registrar(space, address, seconds=0, secure=None):
    """Says 200 to every REGISTER, over UDP and TCP, with secure (a TLS context) over TLS, too, after so many seconds; hears is
    which, with a ? where nothing is bound."""
    hears = []

    def hear(protocol, text):
        hears.append(protocol if "\nContact:" in text else f"{protocol}?")
        time.sleep(seconds)

    def answer(text):
        lines = text.split("\r\n")
        kept = [line for line in lines if line.lower().startswith(("via:", "from:", "call-id:", "cseq:", "contact:"))]
        to = next(line for line in lines if line.lower().startswith("to:"))
        return "\r\n".join(["SIP/2.0 200 OK", *kept, to + ";tag=r", "Expires: 600", "Content-Length: 0", "", ""]).encode()

    def datagrams(s):
        while True:
            data, peer = s.recvfrom(65536)
            if data.startswith(b"REGISTER"):
                hear("udp", data.decode())
                s.sendto(answer(data.decode()), peer)

    def connection(s, protocol):
        with contextlib.suppress(OSError):  # it may be cut
            if protocol == "tls":
                s = secure.wrap_socket(s, server_side=True)
            while data := s.recv(65536):
                if data.startswith(b"REGISTER"):
                    hear(protocol, data.decode())
                    s.sendall(answer(data.decode()))

    def connections(s, protocol):
        while True:
            threading.Thread(target=connection, args=(s.accept()[0], protocol), daemon=True).start()

    with space.inside():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.bind((address, 5060))
        streams = [(socket.create_server((address, 5060), family=family), "tcp")]
        if secure:
            streams.append((socket.create_server((address, 5061), family=family), "tls"))
    threading.Thread(target=datagrams, args=(udp,), daemon=True).start()
    for stream in streams:
        threading.Thread(target=connections, args=stream, daemon=True).start()
    return hears


def registrars():
    with lab.World(v6=True) as world:
        kill(world)
        hears = registrar(world.servers, "5.5.7.1")
        names(world, two=("5.5.7.9", "5.5.7.1"), many=(*DEAD, "5.5.7.1"))
        for host in ("two.example", "many.example"):
            for transport in ("udp", "tcp"):
                hears.clear()
                uri = f"sip:rec@{host}:5060;transport={transport}"  # a port: no name server is asked, there is none
                with world.siprecd(environment={**NOBODY, "SIPRECD_SIP_REGISTER": uri}) as srs:
                    took = seconds_until(lambda: [r["state"] for r in srs.nat()["registrations"]] == ["registered"], 10)
                    # A quarter of a second for each of the dead ones, two seconds for the eight.
                    tap.ok(took is not None and took < 8 and transport in hears,
                           f"{host} over {transport}: dead addresses do not keep us from the other", took, hears, srs.nat(),
                           srs.log()[-3000:])
                    if transport == "tcp":
                        tap.ok(wait_for(lambda: srs.metric("siprecd_sip_connections") == 1, 4), f"{host}: the tries at the others have ended",
                               srs.metric("siprecd_sip_connections"))


def race():
    """Two addresses of one registrar that both answer, one of them late in the last play: one is taken, and at the other one
    nothing is bound."""
    with lab.World(v6=True) as world:
        world.servers.run("ip", "addr", "add", "2a00:7::3/64", "dev", "eth", "nodad")
        names(world, both=("2a00:7::1", "5.5.7.1"), late=("2a00:7::3", "5.5.7.1"))
        hears = {"four": registrar(world.servers, "5.5.7.1"), "six": registrar(world.servers, "2a00:7::1"),
                 "late": registrar(world.servers, "2a00:7::3", 2)}
        for host, transport, may in (("both", "udp", ("six", "four")), ("both", "tcp", ("six", "four")), ("late", "udp", ("four",))):
            for heard in hears.values():
                heard.clear()
            with world.siprecd("--sip.listen=udp:0.0.0.0:5060, udp:[::]:5060, tcp:0.0.0.0:5060", environment={
                    **NOBODY, "SIPRECD_SIP_REGISTER": f"sip:rec@{host}.example:5060;transport={transport}"}) as srs:
                wait_for(lambda: [r["state"] for r in srs.nat()["registrations"]] == ["registered"], 10)
                srs.stop()
            taken = [who for who, heard in hears.items() if transport in heard]
            tap.ok(len(taken) == 1 and taken[0] in may and hears[taken[0]].count(transport) >= 2,  # and taken back
                   f"{host} over {transport}: one registration, at one address", hears, srs.log()[-3000:])


def mutes():
    """The address that is tried first takes the connection and says nothing more, no TLS handshake either: the other serves
    within seconds, and alone."""
    with lab.World(v6=True) as world, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as kept:
        authority = Authority(pathlib.Path(folder))
        certificate = authority.leaf("sbc", "DNS:mute.example")
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(*certificate)
        hears = registrar(world.servers, "5.5.7.1", secure=secure)
        names(world, mute=("2a00:7::1", "5.5.7.1"))
        with world.servers.inside():  # nobody accepts: the kernel does, and keeps what comes
            silent = {port: kept.enter_context(socket.create_server(("2a00:7::1", port), family=socket.AF_INET6))
                      for port in (5060, 5061)}
        for transport, port in (("tcp", 5060), ("tls", 5061)):
            hears.clear()
            with world.siprecd(f"--sip.tls_ca={authority.pem}", environment={
                    **NOBODY, "SIPRECD_SIP_REGISTER": f"sip:rec@mute.example:{port};transport={transport}"}) as srs:
                took = seconds_until(lambda: [r["state"] for r in srs.nat()["registrations"]] == ["registered"], 10)
                silent[port].settimeout(0)
                tap.ok(kept.enter_context(silent[port].accept()[0]), f"mute.example over {transport}: it was tried")
                tap.ok(took is not None and took < 5 and transport in hears,
                       f"mute.example over {transport}: a mute address does not keep us from the other", took, hears, srs.nat(),
                       srs.log()[-3000:])
                tap.ok(wait_for(lambda: srs.metric("siprecd_sip_connections") == 1, 4),
                       f"mute.example over {transport}: the try at the mute one has ended", srs.metric("siprecd_sip_connections"))


def relays():
    with lab.World(["masquerade"], v6=True) as world:
        world.coturn()
        kill(world)
        names(world, turn4=("5.5.7.9", "5.5.7.1"), turn6=("2a00:7::9", "5.5.7.1"))
        for host in ("turn4.example", "turn6.example"):
            for transport in ("udp", "tcp"):
                settings = {**NOBODY, "STUN_SERVERS": "5.5.7.1", "TURN_SERVERS": f"turn:{host}?transport={transport}",
                            "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
                with world.siprecd(environment=settings) as srs:
                    took = seconds_until(lambda: any((r.get("ready") or 0) > 0 for r in srs.nat()["relays"]), 15)
                    tap.ok(took is not None and took < 4, f"{host} over {transport}: a relay at the address that lives", took,
                           srs.nat()["relays"], srs.log()[-2000:])


def broken_family():
    """IPv6 that leads nowhere, by an address and a route as good as any: neither the start nor the first relay is late, though
    names lead there first."""
    with lab.World(v6=True) as world:
        world.coturn()
        world.classic_stun()
        lab.run("nft", "-f", "-", stdin="table inet dead {\nchain forward {\ntype filter hook forward priority -10; policy accept\n"
                "meta nfproto ipv6 drop\n}\n}\n")
        names(world, server=("2a00:7::1", "5.5.7.1"))
        for stun in ("server.example", "stun.l.google.com:19302,server.example"):
            settings = {**NOBODY, "STUN_SERVERS": stun, "TURN_SERVERS": "turn:server.example", "BEHIND_NAT": "auto",
                        "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
            with world.siprecd(environment=settings) as srs:
                status, report = world.call(seconds=1)
                tap.ok(status == 0 and report["answer_ms"] < 1500, f"{stun}: a call right at the start waits for a moment",
                       report, srs.log()[-2000:])


def one_family_alone():
    """Nobody is there to ask about IPv6, and the first questions about IPv4 are lost: a call right at the start waits for the
    answer to the next."""
    with lab.World(["masquerade"], v6="open") as world:
        world.coturn()
        world.servers.nft("table inet lossy { chain in { type filter hook input priority 0; udp dport 3478 quota 600 bytes drop; }; }")
        with world.siprecd(environment={**NOBODY, "STUN_SERVERS": "5.5.7.1", "BEHIND_NAT": "auto"}) as srs:
            status, report = world.call(seconds=1)
            recording = (status == 0 and srs.recording(report["call_id"])) or {}
            tap.equal({s["advertised"].split(":")[0] for s in recording.get("streams", [])}, {"5.5.5.1"},
                      "IPv4 alone has a server: a call at the start is told the address outside", report, srs.log()[-2000:])


def moved():
    """The machine behind a name is gone, and the name leads to another: a STUN server's and a registrar's (a TURN server's
    is in lab/test_relays.py)."""
    with lab.World(["masquerade"]) as world:
        old = world.coturn("5.5.7.1", None)
        before = registrar(world.servers, "5.5.7.1")
        after = registrar(world.servers, "5.5.7.3")
        names(world, stun=("5.5.7.1",), sbc=("5.5.7.1",))
        settings = {**NOBODY, "STUN_SERVERS": "stun.example:3478", "SIPRECD_SIP_REGISTER": "sip:rec@sbc.example;transport=tcp"}
        with world.siprecd(environment=settings) as srs:
            wait_for(lambda: told(srs, "stun") and before, 15)
            lab.end(old, lab.signal.SIGKILL)
            world.coturn("5.5.7.3", None)
            names(world, stun=("5.5.7.3",), sbc=("5.5.7.3",))
            world.servers.run("ss", "-K", "src", "5.5.7.1")
            # Any change of our own makes us look at once, not at the next turn a quarter of a minute later.
            world.srs.run("ip", "link", "add", "name", "other", "type", "bridge")
            world.srs.run("ip", "addr", "add", "192.168.99.1/24", "dev", "other")
            stun = seconds_until(lambda: [s for s in srs.nat()["stun_servers"] if s["server"] == "5.5.7.3:3478" and s["answers"]],
                                 15)
            tap.ok(stun is not None, "a STUN server's name is looked up again when it falls silent", srs.nat()["stun_servers"],
                   srs.log()[-3000:])
            tap.ok(wait_for(lambda: after, 15), "and a registrar's", srs.nat()["registrations"], srs.log()[-3000:])


def by_proxy():
    with lab.World(["proxy-only"], sip=False) as world:
        fake = Fake(world, "text", "5.5.7.1", 80, "5.5.5.1\n")
        settings = {**NOBODY, "SIPRECD_NAT_IP_SERVICES": "http://5.5.7.1/", "https_proxy": "http://192.168.10.1:3128"}
        with world.siprecd(environment=settings) as srs:
            took = seconds_until(lambda: told(srs, "service") == ["5.5.5.1"], 15)
            tap.ok(took is not None and fake.requests(), "an address service is asked through the proxy where nothing else gets out",
                   took, srs.nat(), srs.log()[-2000:])


for test in lab.chosen([registrars, race, mutes, relays, broken_family, one_family_alone, moved, by_proxy], lambda test: test.__name__):
    try:
        test()
    except Exception:  # noqa: BLE001: reported, and the others go on
        tap.ok(False, f"{test.__name__} ran to its end", traceback.format_exc())
tap.done()
