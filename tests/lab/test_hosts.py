#!/usr/bin/env python3
"""Hosts with several addresses: what leaves on a stream comes from the address that its SRC was told, whatever the
kernel's own choice would be, and the recording says where its packets arrived. Use: test_hosts.py BUILD [PART | PLAY ...]."""
import http.client
import json
import re
import signal
import socket
import threading
import time

import lab
import rawsip
from harness import Tap, built, near, wait_for

lab.enter()
tap = Tap()
NOBODY = {"STUN_SERVERS": "none", "SIPRECD_NAT_PORTMAP": "false", "SIPRECD_NAT_IP_SERVICES": "none"}
RANGE = f"{lab.RTP[0]}-{lab.RTP[1]}"


def count_sources(space, address, device):
    """Counts what comes in from siprecd's media ports: from the address that was advertised, and from others."""
    family = "ip6" if ":" in address else "ip"
    space.run("nft", "-f", "-", stdin=f"""
table inet hosts
delete table inet hosts
table inet hosts {{
    counter told {{ }}
    counter others {{ }}
    chain input {{ type filter hook prerouting priority -300; policy accept
        iifname "{device}" udp sport {RANGE} {family} saddr {address} counter name told
        iifname "{device}" udp sport {RANGE} {family} saddr != {address} counter name others
    }}
}}""")


def counted(space, name):
    words = space.run("nft", "list", "counter", "inet", "hosts", name).split()
    return int(words[words.index("packets") + 1])


def play(world, name, to, caller, device, arguments=(), call=(), seconds=7):
    count_sources(caller, to, device)
    with world.siprecd(*arguments, environment=NOBODY) as srs:
        world.src, before = caller, world.src
        # Long enough for reports: they are what an open host sends.
        status, report = world.call(*call, to=f"[{to}]" if ":" in to else to, seconds=seconds)
        world.src = before
        recording = (status == 0 and srs.recording(report["call_id"], seconds=30)) or {}
        heard = srs.heard(recording) if recording.get("id") else []
        tap.ok(status == 0 and len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660),
               f"{name}: the call is heard", heard, report, recording, srs.log()[-3000:])
        streams = recording.get("streams", [])
        tap.equal({s["advertised"].rsplit(":", 1)[0].strip("[]") for s in streams}, {to},
                  f"{name}: the address that was called is advertised", streams)
        tap.equal({s["bound"] for s in streams}, {s["advertised"] for s in streams},
                  f"{name}: bound is where its packets arrived, no wildcard", streams)
        tap.ok(counted(caller, "told") > 0, f"{name}: what we send reaches the SRC", srs.log()[-3000:])
        tap.equal(counted(caller, "others"), 0, f"{name}: and all come from the address that it was told")


def second_card():
    """A second card with a way out of its own, by rules; reverse paths are filtered strictly on both sides."""
    with lab.World() as world:
        world.srs.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
        lab.write("/proc/sys/net/ipv4/conf/all/rp_filter", 1)
        lab.connect(None, "c-second", world.srs, "second")
        lab.write("/proc/sys/net/ipv4/conf/c-second/rp_filter", 1)
        world.srs.run("ip", "addr", "add", "5.5.8.1/32", "dev", "second")
        lab.run("ip", "route", "add", "5.5.8.1", "dev", "c-second")
        lab.run("ip", "addr", "add", "5.5.8.254/32", "dev", "c-second")
        world.srs.run("ip", "route", "add", "5.5.8.254", "dev", "second", "table", "8")
        world.srs.run("ip", "route", "add", "default", "via", "5.5.8.254", "dev", "second", "onlink", "table", "8")
        world.srs.run("ip", "rule", "add", "from", "5.5.8.1", "lookup", "8")
        world.srs.run("sysctl", "-qw", "net.ipv4.conf.second.rp_filter=2")  # in by rules, out by rules
        play(world, "second card", "5.5.8.1", world.src, "eth")
        # ICE's checks and answers tell at once.
        play(world, "second card, ICE", "5.5.8.1", world.src, "eth", call=("--ice", "full"), seconds=4)


def bridge():
    """A container on a bridge of the host calls the host's public address: the kernel would answer with the bridge's."""
    with lab.World() as world:
        container = world.spaces["container"] = lab.Space("container")
        world.srs.run("ip", "link", "add", "name", "docker0", "type", "bridge", "forward_delay", "0")
        world.srs.run("ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
        world.srs.run("ip", "link", "set", "docker0", "up")
        lab.connect(world.srs, "veth0", container, "eth")
        world.srs.run("ip", "link", "set", "veth0", "master", "docker0")
        container.run("ip", "addr", "add", "172.17.0.2/16", "dev", "eth")
        container.run("ip", "route", "add", "default", "via", "172.17.0.1")
        play(world, "container to the public address", "5.5.5.1", container, "eth")


def tunnel():
    """An SRC at the other end of a VPN, which no default route leads to."""
    with lab.World() as world:
        lab.connect(world.srs, "tun0", world.src, "tun0")
        for space, inner in ((world.srs, "10.8.0.1"), (world.src, "10.8.0.2")):
            space.run("ip", "addr", "add", f"{inner}/24", "dev", "tun0")
        play(world, "tunnel", "10.8.0.1", world.src, "tun0")


def second_card_v6():
    with lab.World(v6=True) as world:
        lab.connect(None, "c-second", world.srs, "second")
        lab.run("ip", "-6", "addr", "add", "fe80::8/64", "dev", "c-second", "nodad")
        world.srs.run("ip", "-6", "addr", "add", "2a00:8::1/128", "dev", "second", "nodad")
        lab.run("ip", "-6", "route", "add", "2a00:8::1", "dev", "c-second")
        world.srs.run("ip", "-6", "route", "add", "default", "via", "fe80::8", "dev", "second", "table", "8")
        world.srs.run("ip", "-6", "rule", "add", "from", "2a00:8::1", "lookup", "8")
        play(world, "second card, IPv6", "2a00:8::1", world.src, "eth",
             arguments=["--sip.listen=udp:[::]:5060,tcp:[::]:5060,udp:0.0.0.0:5060,tcp:0.0.0.0:5060"])


def sip_through_a_forgetful_nat():
    """A call over UDP, its SRC behind a NAT that forgets flows after 26 s: our BYE after 34 s without SIP arrives."""
    with lab.World(src=["masquerade"]) as world:
        world.routers["src"][0].space.sysctl(net__netfilter__nf_conntrack_udp_timeout=26,
                                             net__netfilter__nf_conntrack_udp_timeout_stream=26)
        with world.siprecd(environment=NOBODY) as srs:
            log = world.folder / "call.json"
            call = world.src.start(built("siprec-call"), f"sip:srs@5.5.5.1:{lab.SIP};transport=udp", "--json", "--seconds",
                                   "90", log=log)
            wait_for(lambda: any(r["state"] == "active" for r in srs.recordings()), 20)
            began = time.monotonic()
            wait_for(lambda: time.monotonic() - began > 4, 10)
            srs.stop()  # it gives calls 30 s to end by themselves: the NAT's time is real
            ended = wait_for(lambda: call.poll() is not None, 20) and time.monotonic() - began > 30
            tap.ok(ended, "call of half a minute over UDP: our BYE still finds its way through the SRC's NAT", srs.log()[-3000:])
            report = json.loads(log.read_text())["results"][0] if ended else {}
            tap.ok(report.get("code") == 200, "and the call had been one", report)


def second_card_behind_its_own_nat(kind, paths):
    """INTERNAL_IP names the card that the default route does not take: what asks STUN, TURN and the gateway leaves by that one,
    too, also from media ports that are bound to all addresses."""
    with lab.World(srs=["443-only"]) as world:
        world.coturn()
        world.classic_stun()
        router = lab.Router("second", kind, [], "192.168.30.1", "5.5.8.1", "192.168.30.2")
        world.spaces["second"] = router.space
        world.routers["srs"].append(router)
        lab.connect(router.space, "lan", world.srs, "second")
        lab.connect(None, "c-second", router.space, "wan")
        router.space.run("ip", "addr", "add", "192.168.30.1/24", "dev", "lan")
        world.wire_public(router.space, "wan", "c-second", ["5.5.8.1"])
        router.up(world.folder)
        world.srs.run("ip", "addr", "add", "192.168.30.2/24", "dev", "second")
        world.srs.run("ip", "route", "add", "default", "via", "192.168.30.1", "dev", "second", "table", "8")
        world.srs.run("ip", "rule", "add", "from", "192.168.30.2", "lookup", "8")
        turn = {"TURN_SERVERS": f"turn:{lab.SERVERS}.1", "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
        with world.siprecd(environment={"INTERNAL_IP": "192.168.30.2", **(turn if "relay" in paths else {})}) as srs:
            name = f"INTERNAL_IP names the second card, behind its own NAT ({kind})"
            wait_for(lambda: srs.nat()["state"] == "known" and srs.metric("siprecd_stun_requests_total") >= 8 and
                     ("mapped" not in paths or srs.nat()["portmap"]["mapped"] >= 8) and
                     ("relay" not in paths or any(r["ready"] >= 2 for r in srs.nat()["relays"])), 20)
            nat = srs.nat()
            tap.equal({e["address"] for e in nat["external"]}, {"5.5.8.1"}, f"{name}: its address outside alone is found", nat)
            status, report = world.call(to="5.5.8.1")
            recording = (status == 0 and srs.recording(report["call_id"], seconds=30)) or {}
            heard = srs.heard(recording) if recording.get("id") else []
            tap.ok(len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{name}: the call is heard", heard, report,
                   recording, srs.nat(), srs.log()[-3000:])
            streams = recording.get("streams", [])
            tap.equal({s["path"] for s in streams}, paths, f"{name}: by the path that its NAT leaves", recording)
            where = f"{lab.SERVERS}.1" if "relay" in paths else "5.5.8.1"
            tap.equal({s["advertised"].rsplit(":", 1)[0] for s in streams}, {where}, f"{name}: at {where}", recording)


def second_card_behind_nats():
    for kind, path in (("masquerade", "stun"), ("pcp", "mapped"), ("symmetric", "relay")):
        second_card_behind_its_own_nat(kind, {path})


def addresses_that_go():
    """Ports bound to an address that goes in mid-call: the call moves to another's; without another it waits for it."""
    with lab.World() as world:
        world.srs.run("ip", "addr", "add", "5.5.5.3/32", "dev", "eth")
        lab.run("ip", "route", "add", "5.5.5.3", "dev", "c-srs")

        def play(name, binds, disturb, at=5, seconds=16, arguments=()):
            with world.siprecd(f"--rtp.bind={binds}", *arguments, environment=NOBODY) as srs:
                timer = threading.Timer(at, disturb, (srs,))
                timer.start()
                status, report = world.call(to="5.5.5.1", seconds=seconds, transport="udp")
                timer.join()
                recording = (status == 0 and srs.recording(report["call_id"], seconds=30)) or {}
                heard = [srs.heard(recording, when) if recording.get("id") else [] for when in (2, seconds - 4)]
                tap.ok(all(len(h) == 2 and near(h[0], 440) and near(h[1], 660) for h in heard), f"{name}: heard before and after",
                       heard, report, recording, srs.log()[-4000:])
                return recording

        def leave_by(address):
            world.srs.run("ip", "route", "replace", lab.CORE, "dev", "eth")
            world.srs.run("ip", "route", "replace", "default", "via", lab.CORE, "dev", "eth", "src", address)

        def go(_):
            world.srs.run("ip", "addr", "del", "5.5.5.1/32", "dev", "eth")
            leave_by("5.5.5.3")

        def come():
            world.srs.run("ip", "addr", "add", "5.5.5.1/32", "dev", "eth")
            leave_by("5.5.5.1")

        conf = world.folder / "siprecd.conf"

        def read_again_and_go(srs):
            """Other listeners need a restart: those that are open stay."""
            conf.write_text("[sip]\nlisten = tcp:5.5.5.1:5090, tcp:5.5.5.3:5091\n")
            srs.process.send_signal(signal.SIGHUP)
            tap.ok(wait_for(lambda: "settings read again" in srs.log(), 10), "its settings name others meanwhile", srs.log()[-2000:])
            go(srs)

        recording = play("of two addresses one goes", "5.5.5.3,5.5.5.1", go)
        tap.equal({s["bound"].rsplit(":", 1)[0] for s in recording.get("streams", [])}, {"5.5.5.3"},
                  "its streams moved to the other", recording)
        come()
        conf.write_text(f"[sip]\nlisten = udp:5.5.5.3:5070, udp:5.5.5.1:{lab.SIP}\n")
        recording = play("of two addresses one goes, one port for all", "5.5.5.3,5.5.5.1", read_again_and_go, 3, 10,
                         ["--rtp.mux_port=40000", "-c", conf])
        tap.equal(recording.get("ended_why"), "bye", "and its SIP to the other listener, at another port", recording)
        tap.equal({s["bound"].rsplit(":", 1)[0] for s in recording.get("streams", [])}, {"5.5.5.3"},
                  "its streams moved to the other, too", recording)
        come()
        play("the only address goes and comes back", "5.5.5.1", lambda srs: (go(srs), time.sleep(2), come()))
        with world.siprecd("--rtp.bind=5.5.5.9,5.5.5.1", environment=NOBODY) as srs:
            tap.equal(world.call(to="5.5.5.1", seconds=2)[0], 0, "an address that is not there yet keeps no call from the other")
            world.srs.run("ip", "addr", "add", "5.5.5.9/32", "dev", "eth")
            lab.run("ip", "route", "add", "5.5.5.9", "dev", "c-srs")
            tap.ok(wait_for(lambda: "address is back" in srs.log(), 10), "and its ports are opened when it comes", srs.log()[-2000:])
        with world.siprecd("--rtp.bind=5.5.5.9", environment=NOBODY) as srs:
            tap.equal(world.call(to="5.5.5.1", seconds=2)[0], 0, "one address for media alone")
            world.srs.run("ip", "addr", "del", "5.5.5.9/32", "dev", "eth")
            tap.ok(wait_for(lambda: srs.get("/health/ready")[0] == 503, 10), "it goes: not ready", srs.log()[-2000:])
            tap.equal(world.call(to="5.5.5.1", seconds=2)[1].get("code"), 503, "and 503", srs.log()[-2000:])
            world.srs.run("ip", "addr", "add", "5.5.5.9/32", "dev", "eth")
            tap.ok(wait_for(lambda: srs.get("/health/ready")[0] == 200, 10), "until it comes back", srs.log()[-2000:])
            tap.equal(world.call(to="5.5.5.1", seconds=2)[0], 0, "then calls are taken", srs.log()[-2000:])


def second_family_goes():
    """Streams with ICE that have ports of both families: of each family ports stand ready for the next call, and those that
    streams have are closed by nothing but their end, also where their address goes."""
    with lab.World(v6=True) as world, world.src.inside():
        with world.siprecd("--rtp.bind=5.5.5.1,2a00:5::1", "--nat.ready=2", environment=NOBODY) as srs:
            def request(talk, method, n, to="<sip:srs@5.5.5.1>", body=""):
                talk.send((f"{method} sip:srs@5.5.5.1 SIP/2.0\r\nVia: SIP/2.0/TCP 5.5.6.1;branch=z9hG4bK{method}{n}\r\n"
                           f"Max-Forwards: 70\r\nFrom: <sip:src@5.5.6.1>;tag={n}\r\nTo: {to}\r\nCall-ID: both-{n}\r\n"
                           f"CSeq: {['INVITE', 'BYE'].index(method) + 1} {method}\r\n"
                           "Contact: <sip:src@5.5.6.1;transport=tcp>;+sip.src\r\nContent-Type: application/sdp\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
                while (text := talk.receive(20)) and not re.match(r"SIP/2.0 [2-6]", text):
                    pass
                return text or ""

            def call(n):
                talks.append(rawsip.Talk(srs, "tcp", to=("5.5.5.1", lab.SIP)))
                return request(talks[-1], "INVITE", n, body=(
                    "v=0\r\no=- 1 1 IN IP4 5.5.6.1\r\ns=-\r\nc=IN IP4 5.5.6.1\r\nt=0 0\r\na=ice-ufrag:abcd\r\n"
                    "a=ice-pwd:0123456789abcdefghijkl\r\nm=audio 20000 RTP/AVP 0\r\na=rtcp-mux\r\na=sendonly\r\na=label:1\r\n"
                    "a=candidate:1 1 UDP 2130706431 5.5.6.1 20000 typ host\r\n"
                    "a=candidate:2 1 UDP 2130706175 2a00:6::1 20000 typ host\r\n"))

            def hosts(answer):
                return {words.split()[4] for words in answer.splitlines() if words.startswith("a=candidate:") and " typ host" in words}

            def calls(first, ready):
                answers = []
                for n in range(first, first + count):
                    wait_for(lambda: srs.process.poll() is not None or srs.nat()["stock"]["ready"] == ready, 5)
                    answers.append(call(n) if srs.process.poll() is None else "")
                return answers

            talks, count = [], 8
            answers = early = calls(0, 4)
            tap.equal([hosts(a) for a in answers], [{"5.5.5.1", "2a00:5::1"}] * count,
                      "four times as many calls as ports stand ready: each gets ports of both families", answers[-1], srs.log()[-3000:])
            tap.equal(srs.metric("siprecd_ports_lent"), 2 * count, "and all of them count as lent")
            world.srs.run("ip", "addr", "del", "2a00:5::1/128", "dev", "eth")
            tap.ok(wait_for(lambda: "is not on this host" in srs.log(), 10), "the other family's address goes", srs.log()[-2000:])
            answers = calls(count, 2)
            tap.equal([hosts(a) for a in answers], [{"5.5.5.1"}] * count, "as many calls are taken after that", answers[-1],
                      srs.process.poll(), srs.log()[-3000:])
            tap.equal(srs.process.poll(), None, "siprecd lives", srs.log()[-3000:])
            for n, answer in enumerate(early + answers):
                request(talks[n], "BYE", n, rawsip.header(answer, "To", "t"))


def listeners_that_wait():
    """Listeners of SIP and the API and the one port for media on addresses that are not there when siprecd starts, come, go, and come
    back."""
    late = ("5.5.5.8", "5.5.5.9", "5.5.5.7")  # the last one the API's alone
    with lab.World() as world:
        certificate, key = world.authority().leaf("srs", f"IP:{late[0]}")
        listen = [f"{protocol}:{address}:{lab.SIP}" for address in (late[1], "5.5.5.1") for protocol in ("udp", "tcp")]
        with world.siprecd(f"--sip.listen={','.join(listen)},tls:{late[0]}:{lab.SIP}", f"--rtp.bind={','.join(late[:2])},5.5.5.1",
                           f"--sip.tls_certificate={certificate}", f"--sip.tls_key={key}", "--rtp.mux_port=40000",
                           "--rtp.tcp_port=40000", f"--http.listen=127.0.0.1:8080,{late[2]}:8080", environment=NOBODY) as srs:
            tap.ok(f"{late[2]}:8080" in srs.log() and "http.listen waits" in srs.log(), "the log says that the API waits, too",
                   srs.log()[:3000])

            def call(to, what, transport):
                status, report = world.call(to=to, seconds=2, transport=transport)
                recording = (status == 0 and srs.recording(report["call_id"], seconds=30)) or {}
                heard = srs.heard(recording, 0.5, 1) if recording.get("id") else []
                tap.ok(len(heard) == 2 and near(heard[0], 440) and near(heard[1], 660), f"{what}: heard over {transport}",
                       heard, report, recording, srs.log()[-3000:])
                streams = recording.get("streams", [])
                tap.equal({s["advertised"].rsplit(":", 1)[0] for s in streams}, {to}, f"{what}: at the address that was called",
                          recording)
                tap.equal([s["advertised"] for s in streams].count(f"{to}:40000"), 1, f"{what}: one of them at the one port",
                          recording)

            def missing(addresses, what):
                """Every address or none: /v1/nat says so within a second."""
                began = time.monotonic()

                def told():
                    texts = [p["text"] for p in srs.nat()["problems"] if p["code"] == "address_missing"]
                    return all(a in texts[0] for a in addresses) if texts and addresses else bool(texts) == bool(addresses)
                ok = wait_for(told, 10, every=0.05)
                tap.ok(ok and time.monotonic() - began < 2, f"{what}: /v1/nat says it at once", srs.nat()["problems"],
                       time.monotonic() - began)

            def change(verb, addresses=late):
                for address in addresses:
                    world.srs.run("ip", "addr", verb, f"{address}/32", "dev", "eth")

            for address in late:
                lab.run("ip", "route", "add", address, "dev", "c-srs")
            missing(late, "addresses are not there yet")
            one = srs.nat()["stock"]["ready"]  # ports of the address that is there
            call("5.5.5.1", "another is", "tcp")
            for what, to, transport in (("they come", late[1], "udp"), ("they come back", late[1], "tcp"),
                                        ("they come back among forty", late[0], "tls")):
                if "forty" in what:  # more than are told from each other
                    for n in range(40):
                        world.srs.run("ip", "addr", "add", f"192.0.2.{n}/32", "dev", "eth")
                change("add")
                missing((), what)
                tap.ok(wait_for(lambda: srs.nat()["stock"]["ready"] >= 3 * one, 10), f"{what}: their ports stand ready", srs.nat())
                call(to, what, transport)
                with world.src.inside():
                    socket.create_connection((late[1], 40000), 5).close()
                    api = http.client.HTTPConnection(late[2], 8080, timeout=5)
                    api.request("GET", "/health/live")
                    tap.equal(api.getresponse().status, 200, f"{what}: the API answers there")
                    api.close()
                tap.ok(True, f"{what}: media over TCP finds its port")
                change("del")
                missing(late, f"{what}, and go again")
            tap.equal(srs.get("/health/ready")[0], 200, "one listener has its address: ready")
            change("del", ["5.5.5.1"])
            tap.ok(wait_for(lambda: srs.get("/health/ready")[0] == 503, 10), "none has: not ready", srs.log()[-2000:])
            tap.ok(b"no_address" in srs.get("/health/ready")[2], "and the reason is said")


PARTS = [[addresses_that_go, second_family_goes, sip_through_a_forgetful_nat],
         [listeners_that_wait, second_card, second_card_behind_nats, bridge, tunnel, second_card_v6]]
for function in lab.chosen(PARTS, lambda function: function.__name__):
    function()
tap.done()
