#!/usr/bin/env python3
"""Mappings at a real gateway (miniupnpd) that no setting speaks of: by PCP, by NAT-PMP, by UPnP; SIP's port as well as
media's; and a gateway that sits behind another NAT itself."""
import re
import signal
import sys
import threading
import time
import traceback

from place import HERE, NOBODY, Tap, codes, lab, need, told, wait_for

need("miniupnpd")
lab.enter()
tap = Tap()
STUN = {**NOBODY, "STUN_SERVERS": "5.5.7.1", "SIPRECD_NAT_PORTMAP": "auto", "SIPRECD_NAT_READY": "8"}
# PCP's messages begin with its version, 2; NAT-PMP's with 0 (RFC 6887 §9).
# For the 18 ports that are wanted: miniupnpd maps one after the other, which took 0.7 s each on a busy machine. It is not the time
# that tells what is meant (without what is tested it would be half an hour).
ALL_MAPPED_S = 60
DEAF = {"pcp": "", "nat-pmp": "udp dport 5351 @th,64,8 2 drop", "upnp": "udp dport 5351 drop"}


def rules(router):
    """How much the gateway maps."""
    return router.run("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd").count("dnat")


def forget_all(router):
    for chain in ("prerouting_miniupnpd", "postrouting_miniupnpd", "miniupnpd"):
        router.run("nft", "flush", "chain", "inet", "filter", chain)


def given_back(router, began, what):
    """By UPnP, while siprecd ends, which waits for 5 s at most: each takes a slow machine's kernel its time."""
    took = time.monotonic() - began
    tap.ok(took >= 5 or wait_for(lambda: rules(router) == 0, 5), f"{what}: all is given back at the end", rules(router), took)


def worked_off(world, router):
    """Whether all is deleted in the end. miniupnpd does one thing after the other, each when the kernel gets round to it, which took
    0.7 s a rule on a busy machine, and the deletions stand behind what was asked before: it is waited for while it works."""
    log, began = world.folder / "miniupnpd.log", time.monotonic()
    while rules(router) and time.monotonic() - began < 60:
        before = log.stat().st_size
        if not wait_for(lambda: log.stat().st_size > before, 5):
            break
    return rules(router) == 0


def mapped(protocol):
    # Not even SIP is forwarded: the call comes in through the mapping.
    with lab.World([("pcp",)], sip=False) as world:
        router = world.routers["srs"][0].space
        router.run("nft", "add", "chain", "inet", "filter", "ears", "{ type filter hook input priority 0; }")
        if DEAF[protocol]:
            router.run("nft", "add", "rule", "inet", "filter", "ears", *DEAF[protocol].split())
        world.coturn()
        with world.siprecd("--rtp.bind=0.0.0.0", environment=STUN) as srs:
            def portmap():
                return srs.nat()["portmap"] or {}
            # 8 pairs, UDP and TCP of SIP
            tap.ok(wait_for(lambda: portmap().get("mapped", 0) >= 18, ALL_MAPPED_S), f"{protocol}: all that is wanted is mapped",
                   srs.nat(), srs.log()[-2000:])
            tap.equal((portmap()["protocol"], portmap()["gateway"], portmap()["external"]),
                      (protocol, "192.168.10.1", "5.5.5.1"), f"{protocol}: so the report says")
            tap.equal(told(srs, "gateway"), ["5.5.5.1"], f"{protocol}: the gateway tells our address outside")
            tap.ok("needs_relay" not in codes(srs), f"{protocol}: no relay is needed", srs.nat()["problems"])
            tap.ok(srs.metric("siprecd_port_mappings") >= 18, f"{protocol}: counted")
            status, report = world.call("--send-from", "port", seconds=2, transport="udp")
            recording = (status == 0 and srs.recording(report["call_id"], seconds=30)) or {}
            streams = recording.get("streams", [])
            tap.ok(status == 0 and streams and all(s["path"] == "mapped" and s["packets"] > 50 for s in streams),
                   f"{protocol}: a call comes in by SIP's mapping, and its media by theirs", report, recording,
                   srs.log()[-2000:])
            wait_for(lambda: portmap().get("mapped", 0) >= 18, ALL_MAPPED_S)
            if protocol == "pcp":
                world.routers["srs"][0].daemon.kill()
                world.routers["srs"][0].daemon.wait()
                tap.ok(srs.nat()["state"] == "known", "a gateway that dies takes nothing along", srs.nat())
            began = time.monotonic()
        if protocol == "upnp":
            given_back(router, began, protocol)


def at_once():
    """A call in the second in which siprecd starts waits until some ports are mapped; the gateway comes to one after the other."""
    with lab.World([("pcp",)]) as world:
        world.coturn()
        with world.siprecd(environment={**STUN, "SIPRECD_NAT_READY": "auto"}) as srs:
            status, report = world.call(seconds=1, streams=4)
            recording = (status == 0 and srs.recording(report["call_id"], seconds=30)) or {}
            tap.equal([s["path"] for s in recording.get("streams", [])], 4 * ["mapped"],
                      "a call right at the start has mapped ports alone", report, srs.nat(), srs.log()[-2000:])


def double():
    """The gateway's address outside is another NAT's inside: what it maps leads nowhere."""
    with lab.World([("pcp",), "masquerade"]) as world:
        world.coturn()
        with world.siprecd(environment=STUN) as srs:
            wait_for(lambda: told(srs, "stun") and srs.nat()["state"] == "known", 15)
            tap.equal(told(srs, "stun"), ["5.5.5.1"], "two NATs: STUN sees the outermost", srs.nat())
            tap.ok(wait_for(lambda: "double_nat" in codes(srs), 15) and srs.nat()["levels"] == 2,
                   "the gateway has no address outside: double NAT", srs.nat(), srs.log()[-2000:])
            status, report = world.call(seconds=1)
            tap.ok({s["answered"].split(":")[0] for s in report.get("streams", [])} == {"5.5.5.1"},
                   "no call is told the address between", report)


def restarted(protocol):
    """The gateway comes up without its state, and says so to all: everything is mapped again at once, not after half of
    the leases' time."""
    with lab.World([("pcp",)], sip=False) as world:
        began = time.monotonic()
        router = world.routers["srs"][0]
        if DEAF[protocol]:
            router.space.run("nft", "add", "chain", "inet", "filter", "ears", "{ type filter hook input priority 0; }")
            router.space.run("nft", "add", "rule", "inet", "filter", "ears", *DEAF[protocol].split())
        world.coturn()

        with world.siprecd("--rtp.bind=0.0.0.0", environment=STUN) as srs:
            tap.ok(wait_for(lambda: rules(router.space) >= 18, ALL_MAPPED_S), f"{protocol}: mapped at first", srs.nat(), srs.log()[-2000:])
            # Its clock tells of the restart only once it stood for longer than clocks may differ (RFC 6887 8.5).
            wait_for(lambda: time.monotonic() - began > 6, 10)
            router.daemon.kill()
            router.daemon.wait()
            forget_all(router.space)
            tap.equal(rules(router.space), 0, f"{protocol}: the gateway has forgotten all")
            router.gateway()
            wait_for(lambda: ":5351 " in router.space.run("ss", "-ulnH"), 20)


            def announced():
                router.daemon.send_signal(signal.SIGUSR1)  # it tells the others; more than once, as RFC 6886 3.2.1 has it
                return rules(router.space) >= 18
            tap.ok(wait_for(announced, ALL_MAPPED_S, 1), f"{protocol}: mapped again at once", rules(router.space), srs.nat(), srs.log()[-2000:])
        tap.ok(worked_off(world, router.space), f"{protocol}: all is given back at the end", rules(router.space))


def silent():
    """An SRC falls silent, and the gateway, asked whether it still maps the port, says nothing for once: what it
    said before holds until it has had its time."""
    with lab.World([("pcp",)]) as world:
        router = world.routers["srs"][0]
        world.coturn()
        with world.siprecd("--rtp.bind=0.0.0.0", environment=STUN) as srs:
            tap.ok(wait_for(lambda: (srs.nat()["portmap"] or {}).get("mapped", 0) >= 18, ALL_MAPPED_S), "silence: mapped at first",
                   srs.nat(), srs.log()[-2000:])
            call = threading.Thread(target=world.call, kwargs={"seconds": 16, "streams": 1})
            call.start()
            tap.ok(wait_for(lambda: srs.metric("siprecd_rtp_packets_received_total") > 50, 20), "silence: a call flows", srs.log()[-2000:])
            router.daemon.send_signal(signal.SIGSTOP)
            world.src.nft("table inet filter { chain out { type filter hook output priority 0; policy accept;\n"
                          "udp sport 20002-32767 drop\n}\n}\n")
            tap.ok(wait_for(lambda: "is it still mapped?" in srs.log(), 20), "silence: the gateway is asked again",
                   srs.log()[-2000:])
            seen = []
            while "speaks neither PCP nor NAT-PMP" not in srs.log() and len(seen) < 500:
                report = srs.nat()
                seen.append((told(srs, "gateway"), (report["portmap"] or {}).get("protocol")))
                time.sleep(0.02)
            tap.ok(len(seen) > 10 and all(s == (["5.5.5.1"], "pcp") for s in seen[:-1]),
                   "silence: meanwhile it is what it was", seen, srs.log()[-2000:])
            call.join()
            tap.ok(wait_for(lambda: "no port mappings" in srs.log(), 20), "silence: UPnP is no way either", srs.log()[-2000:])
            router.daemon.kill()
            router.daemon.wait()
            router.gateway()
            wait_for(lambda: ":5351 " in router.space.run("ss", "-ulnH"), 20)

            def announced():
                router.daemon.send_signal(signal.SIGUSR1)
                return (srs.nat()["portmap"] or {}).get("mapped", 0) >= 18
            tap.ok(wait_for(announced, ALL_MAPPED_S, 1), "silence: mapped again as soon as the gateway says that it is back",
                   srs.nat(), srs.log()[-2000:])


def doubted():
    """By UPnP: of two SRCs that fall silent, one has its port mapped all the while, about which the gateway is asked once, and of
    nothing else; when the other does so the gateway has forgotten all, and is told all of it again."""
    with lab.World([("pcp", "http_port=5000")]) as world:
        router = world.routers["srs"][0].space
        router.run("nft", "add", "chain", "inet", "filter", "ears", "{ type filter hook input priority 0; }")
        router.run("nft", "add", "rule", "inet", "filter", "ears", *DEAF["upnp"].split())
        router.run("nft", "add", "rule", "inet", "filter", "ears", "iifname", "lan", "tcp", "flags", "syn", "counter")
        world.coturn()

        def asked():
            return int(router.run("nft", "list", "chain", "inet", "filter", "ears").split("packets ")[1].split()[0])

        def doubts():
            return srs.log().count("is it still mapped?")

        def mute(*ports):
            """RTP and RTCP, by which it would say that it is silent."""
            world.src.nft("table inet filter { chain out { type filter hook output priority 0; policy accept;\n"
                          f"udp sport {{ {', '.join(map(str, ports))} }} drop\n}}\n}}\n")

        with world.siprecd("--rtp.bind=0.0.0.0", environment={**STUN, "SIPRECD_NAT_READY": "2"}) as srs:
            def is_mapped():
                portmap = srs.nat()["portmap"] or {}
                return portmap.get("wanted") == portmap.get("mapped") and portmap.get("mapped", 0) >= 6
            tap.ok(wait_for(is_mapped, 60), "doubted: mapped at first", srs.nat(), srs.log()[-2000:])
            calls = [threading.Thread(target=world.call, kwargs={"seconds": 32, "streams": 1}) for _ in range(2)]
            for one in calls:
                one.start()
            wait_for(lambda: srs.metric("siprecd_rtp_packets_received_total") > 100, 20)
            tap.ok(wait_for(is_mapped, 20), "doubted: calls flow, and other ports are mapped for the next", srs.nat())
            before, all_of_it = asked(), rules(router)
            mute(20002, 20003)
            tap.ok(wait_for(doubts, 20), "doubted: an SRC is silent, and the gateway asked", srs.log()[-2000:])
            time.sleep(3)  # for what would be asked, too
            tap.ok(before < asked() <= before + 2, "doubted: about that port alone", before, asked(), srs.log()[-2000:])
            world.routers["srs"][0].daemon.kill()
            world.routers["srs"][0].daemon.wait()
            forget_all(router)
            world.routers["srs"][0].gateway()
            mute(20002, 20003, 20004, 20005)
            tap.ok(wait_for(lambda: doubts() == 2 and rules(router) >= all_of_it, 20), "doubted: once it has forgotten it is told all again",
                   doubts(), rules(router), all_of_it, srs.log()[-2000:])
            for one in calls:
                one.join()
            ports = re.findall(r"is it still mapped\? asking the gateway port=(\d+)", srs.log())
            tap.ok(len(ports) == len(set(ports)) == 2, "doubted: about the port of each silence once", ports, srs.log()[-3000:])
            began = time.monotonic()
        given_back(router, began, "doubted")


def later():
    """The address that the gateway knows us by comes to the host after siprecd has started."""
    with lab.World([("pcp",)], sip=False) as world:
        world.coturn()
        with world.siprecd("--rtp.bind=0.0.0.0", "--nat.internal_ip=192.168.10.77", environment=STUN) as srs:
            tap.ok(wait_for(lambda: "cannot be asked from our address" in srs.log(), 15), "our address is missing",
                   srs.log()[-2000:])
            world.srs.run("ip", "addr", "add", "192.168.10.77/24", "dev", "eth")
            tap.ok(wait_for(lambda: (srs.nat()["portmap"] or {}).get("mapped", 0) >= 18, ALL_MAPPED_S), "it comes, and is mapped",
                   srs.nat(), srs.log()[-2000:])


def off():
    with lab.World([("pcp",)]) as world:
        router = world.routers["srs"][0].space
        router.run("nft", "add", "chain", "inet", "filter", "ears", "{ type filter hook input priority 0; }")
        router.run("nft", "add", "rule", "inet", "filter", "ears", "udp", "dport", "{ 1900, 5351 }", "counter")
        world.coturn()
        with world.siprecd(environment={**STUN, "SIPRECD_NAT_PORTMAP": "false"}) as srs:
            wait_for(lambda: srs.nat()["state"] == "known", 15)
            tap.ok(srs.nat()["portmap"] is None and "packets 0 " in router.run("nft", "list", "chain", "inet", "filter", "ears"),
                   "portmap=false: nobody is asked", srs.nat(), router.run("nft", "list", "chain", "inet", "filter", "ears"))


def nobody():
    """While a gateway is still looked for siprecd ends all the same: what has mapped nothing has nothing to give back."""
    with lab.World(["masquerade"]) as world:
        world.coturn()
        with world.siprecd(environment=STUN) as srs:
            asked = wait_for(lambda: "asking by UPnP" in srs.log(), 20)
            began = time.monotonic()
            status = srs.stop()
            took = time.monotonic() - began
            tap.ok(asked and status == 0 and took < 2.5, f"nobody: the end does not wait for the search: {took:.1f} s", srs.log()[-2000:])


def liars():
    """Who else says to be a gateway, and where a gateway's description sends us, is not asked."""
    with lab.World([("pcp",)], sip=False) as world:
        gateway = world.routers["srs"][0]
        router = gateway.space
        router.run("nft", "add", "chain", "inet", "filter", "ears", "{ type filter hook input priority 0; }")
        router.run("nft", "add", "rule", "inet", "filter", "ears", *DEAF["upnp"].split())
        world.coturn()
        # A neighbour that is no gateway, and one on the gateway that sends those who believe it to that neighbour.
        neighbour = world.beside("liar", "srs", "192.168.10", 66)
        logs = []
        for space, address, port in ((neighbour, "192.168.10.66", 8999), (router, "192.168.10.1", 8998)):
            logs.append(world.folder / f"liar-{port}.log")
            space.start(sys.executable, HERE / "liar.py", logs[-1], address, port, "192.168.10.66:8999",
                        log=world.folder / "liar.err")
            wait_for(lambda: space.listens(f"{address}:{port}"), 30)
        with world.siprecd("--rtp.bind=0.0.0.0", environment=STUN) as srs:
            tap.ok(wait_for(lambda: (srs.nat()["portmap"] or {}).get("mapped", 0) >= 18, ALL_MAPPED_S),
                   "among liars the gateway is found", srs.nat(), srs.log()[-2000:])
            tap.equal(told(srs, "gateway"), ["5.5.5.1"], "and believed alone")
        # Which of the two on the router is looked at first hangs on who answers first. Alone the liar is looked at for certain.
        lab.end(gateway.daemon)
        with world.siprecd("--rtp.bind=0.0.0.0", environment=STUN) as srs:
            tap.ok(wait_for(lambda: "no port mappings" in srs.log() and logs[1].exists(), 20) and told(srs, "gateway") == [],
                   "a liar alone is not believed", srs.nat(), srs.log()[-2000:])
            asked = [set(log.read_text().splitlines()) if log.exists() else set() for log in logs]
            tap.equal(asked, [set(), {"GET /root.xml"}], "nothing is asked of who is no gateway", srs.log()[-2000:])


def fickle():
    """A gateway that names another address outside each time: what it maps is asked for anew, but not without end."""
    with lab.World([("pcp",)], sip=False) as world:
        router = world.routers["srs"][0]
        lab.end(router.daemon)
        log = world.folder / "fickle.log"
        router.space.start(sys.executable, HERE / "liar.py", log, "192.168.10.1", 8998, "192.168.10.1:8998", "fickle",
                           log=world.folder / "fickle.err")
        wait_for(lambda: router.space.listens("192.168.10.1:8998"), 30)
        world.coturn()
        with world.siprecd("--rtp.bind=0.0.0.0", environment=STUN) as srs:
            again = "no longer mapped by UPnP"
            tap.ok(wait_for(lambda: again in srs.log(), 60), "a gateway with another address outside is asked for all anew",
                   srs.nat(), srs.log()[-2000:])
            before = len(log.read_text().splitlines())
            time.sleep(4)
            asked = len(log.read_text().splitlines()) - before
            tap.ok(asked < 60, "and is left in peace then, however often it changes", asked, srs.log()[-2000:])


TESTS = [*((p, lambda p=p: mapped(p)) for p in DEAF), ("restarted", lambda: restarted("pcp")),
         ("restarted-nat-pmp", lambda: restarted("nat-pmp")),
         *((test.__name__, test) for test in (at_once, silent, doubted, later, nobody, liars, fickle, double, off))]
for name, test in lab.chosen(TESTS, lambda one: one[0]):
    try:
        test()
    except Exception:  # noqa: BLE001: reported, and the others go on
        tap.ok(False, f"{name} ran to its end", traceback.format_exc())
tap.done()
