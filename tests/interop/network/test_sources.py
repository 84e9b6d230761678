#!/usr/bin/env python3
"""Who tells our address outside: clouds' metadata, each recognised by its firmware alone, web services, a setting;
what they say side by side; and nobody at all."""
import contextlib
import json
import socket
import struct
import threading
import time
import traceback

from place import (DMI, METADATA, NOBODY, Fake, Sip, Tap, codes, firmware, hide_firmware, lab, metadata_is_there, need, seconds_until,
                   show_firmware, told, wait_for)

need("mount")
lab.enter()
tap = Tap()


def clouds():
    try:
        hide_firmware()
    except RuntimeError as error:
        tap.skip("metadata of clouds", str(error))
        return
    with lab.World(["1:1"]) as world:
        metadata_is_there(world)
        quiet = {**NOBODY, "SIPRECD_NAT_METADATA": "auto"}
        try:
            for name in DMI:
                firmware(name)
                fake = Fake(world, "aws" if name == "nobody" else name, METADATA)
                with world.siprecd(environment=quiet) as srs:
                    if name == "nobody":
                        tap.ok(wait_for(lambda srs=srs: srs.nat()["state"] == "known", 5) and not fake.requests(),
                               "no request leaves a machine that is in no cloud", fake.requests())
                    else:
                        tap.equal(wait_for(lambda srs=srs: told(srs, "metadata"), 20), ["203.0.113.50"],
                                  f"metadata of {name}", fake.requests(), srs.nat(), srs.log()[-1500:])
                        tap.equal(srs.nat()["cloud"], name.split("-")[0], f"{name} is recognised")
                        if name in ("gcp", "aws", "hetzner"):
                            tap.ok(all(line.endswith(" 200") for line in fake.requests()),
                                   f"{name}: no request fails", fake.requests())
                fake.stop()
            firmware("aws")
            with world.siprecd(environment=quiet) as srs:
                tap.ok(seconds_until(lambda: srs.nat()["state"] == "known", 5) is not None and not told(srs, "metadata"),
                       "a cloud whose metadata service is dead", srs.nat())
        finally:
            show_firmware()


def services():
    with lab.World(["masquerade"]) as world:
        fakes = [Fake(world, "text", "5.5.7.1", 81, "<html>Your address is 203.0.113.1</html>"),
                 Fake(world, "text", "5.5.7.1", 82, "2001:db8::1"),
                 Fake(world, "text", "5.5.7.1", 83, "10.1.2.3"),
                 Fake(world, "redirect", "5.5.7.1", 84, "http://5.5.7.1:85/"),
                 Fake(world, "text", "5.5.7.1", 85, "203.0.113.9\n")]
        wanted = {**NOBODY, "SIPRECD_NAT_IP_SERVICES": ",".join(f"http://5.5.7.1:{p}" for p in range(81, 86))}
        with world.siprecd(environment=wanted) as srs:
            tap.equal(wait_for(lambda: told(srs, "service"), 20), ["203.0.113.9"],
                      "services: nonsense, the other family, a private address and a redirect are passed over", srs.nat())
            tap.equal([len(f.requests()) for f in fakes], [1, 1, 1, 1, 1], "each is asked once, no redirect is followed")
            tap.equal((srs.nat()["behind_nat"], srs.nat()["state"]), (True, "known"), "so there is a NAT", srs.nat())
        # STUN and a service that do not agree.
        world.coturn()
        with world.siprecd(environment={**wanted, "STUN_SERVERS": "5.5.7.1"}) as srs:
            wait_for(lambda: told(srs, "service") and told(srs, "stun"), 20)
            tap.equal((told(srs, "stun"), told(srs, "service")), (["5.5.5.1"], ["203.0.113.9"]), "both are told")
            tap.equal(srs.nat()["external"][0]["source"], "stun", "the one that is believed stands first")
            tap.ok(wait_for(lambda: "sources_differ" in codes(srs), 5), "and that they differ is a problem", srs.nat())
        # A setting that is wrong.
        with world.siprecd(environment={**NOBODY, "STUN_SERVERS": "5.5.7.1", "EXTERNAL_IP": "203.0.113.77"}) as srs:
            tap.ok(wait_for(lambda: "external_differs" in codes(srs), 10), "a setting that STUN does not see", srs.nat())
            tap.equal(srs.nat()["external"][0]["address"], "5.5.5.1", "gives way to what is seen")


def stun_servers():
    with lab.World(["masquerade"]) as world:
        world.coturn()
        world.name("alive.example", "5.5.7.1")
        servers = "5.5.7.9:3478,nowhere.example,alive.example"
        with world.siprecd(environment={**NOBODY, "STUN_SERVERS": servers}) as srs:
            took = seconds_until(lambda: told(srs, "stun") == ["5.5.5.1"], 10)
            tap.ok(took is not None and took < 1.5, "a dead server and a name that nobody knows keep nobody waiting", took,
                   srs.nat())

            def answering():
                return sorted((s["server"], s["answers"]) for s in srs.nat()["stun_servers"])
            tap.ok(wait_for(lambda: answering() == [("5.5.7.1:3478", True), ("5.5.7.9:3478", False)], 10),
                   "the report says who answers", srs.nat())
            tap.equal(srs.nat()["names_not_found"], ["nowhere.example"], "and which name leads nowhere")


def vantage():
    """Two servers with one address each, as the default ones, tell nothing of filters; a relay of ours does."""
    turn = {**NOBODY, "TURN_SERVERS": "turn:5.5.7.1", "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD,
            "STUN_SERVERS": "stun.l.google.com:19302,stun1.l.google.com:19302"}
    for kind, filtering in (("1:1", "endpoint-independent"), ("masquerade", "address-and-port-dependent")):
        with lab.World([kind]) as world:
            world.coturn(rfc5780=False)
            world.classic_stun()
            with world.siprecd(environment=turn) as srs:
                tap.ok(wait_for(lambda: srs.nat()["filtering"] == filtering, 20), f"{kind}: the filter, seen from a relay",
                       srs.nat(), srs.log()[-1500:])
                tap.ok("needs_relay" not in codes(srs), f"{kind}: nothing is missing", srs.nat()["problems"])


def slow_stun(space, address, port, seconds):
    """Tells everybody's address, so late."""
    with space.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, port))

    def send(answer, peer):
        with contextlib.suppress(OSError):  # the network may be gone by then
            s.sendto(answer, peer)

    def answer():
        while True:
            request, peer = s.recvfrom(2048)
            if request[:2] != b"\0\1":
                continue
            cookie = 0x2112A442  # RFC 8489 §14.2
            mapped = struct.pack("!HHBBHI", 0x20, 8, 0, 1, peer[1] ^ cookie >> 16,
                                 int.from_bytes(socket.inet_aton(peer[0]), "big") ^ cookie)
            threading.Timer(seconds, send, (b"\1\1" + struct.pack("!H", len(mapped)) + request[4:20] + mapped, peer)).start()

    threading.Thread(target=answer, daemon=True).start()


def slow_servers():
    """The TURN server answers at once, the STUN server takes its time: what the first tells alone is not the last word."""
    turn = {**NOBODY, "TURN_SERVERS": "turn:5.5.7.1", "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD,
            "STUN_SERVERS": "5.5.7.4:19302"}
    with lab.World(["1:1"]) as world:
        world.coturn(rfc5780=False)
        slow_stun(world.servers, "5.5.7.4", 19302, 2.4)
        with world.siprecd(environment=turn) as srs:
            tap.ok(wait_for(lambda: srs.nat()["mapping"] == srs.nat()["filtering"] == "endpoint-independent", 40),
                   "a STUN server that takes 2.4 s is heard all the same", srs.nat(), srs.log()[-1500:])


def all_dead():
    with lab.World(["masquerade"]) as world:
        # Nothing comes back: packets are dropped, names are not known.
        world.routers["srs"][0].space.run("nft", "add", "chain", "inet", "filter", "dead",
                                          "{ type filter hook forward priority -5; }")
        world.routers["srs"][0].space.run("nft", "add", "rule", "inet", "filter", "dead", "ip", "daddr", "5.5.7.0/24", "drop")
        dead = {"STUN_SERVERS": "5.5.7.1,5.5.7.2", "SIPRECD_NAT_IP_SERVICES": "http://5.5.7.3,http://5.5.7.4"}
        with world.siprecd(environment=dead) as srs:
            health = json.loads(srs.get("/health/ready")[2])
            tap.equal(health["reasons"], ["settling"], "the start waits for nobody", health)
            answer = Sip(world, "5.5.5.1").options()
            tap.ok(answer.startswith("SIP/2.0 503") and "\r\nRetry-After: 3\r\n" in answer,
                   "OPTIONS while settling: 503, Retry-After: 3", answer)
            status, report = world.call(seconds=1)
            streams = report.get("streams", [])
            took = time.monotonic() - srs.started
            tap.ok(status == 0 or streams, "a call that comes then is answered", report, srs.log()[-3000:])
            tap.ok(2 < took < 6.5, "when the three seconds are over", took, report.get("answer_ms"))
            tap.ok(report.get("answer_ms", 9999) <= 3300, "within three seconds of its INVITE", report.get("answer_ms"))
            tap.ok(streams and all(s["answered"].startswith("192.168.10.2:") for s in streams),
                   "with the internal address", streams)
            tap.ok(wait_for(lambda: "external_unknown" in codes(srs) and "no_udp" in codes(srs), 10),
                   "the report says so", srs.nat())
            tap.ok("no STUN server answers" in srs.log(), "and the log", srs.log()[-2000:])
            status, report = world.call(seconds=1)
            tap.ok(report.get("answer_ms", 9999) < 500, "the next call waits for nothing", report.get("answer_ms"))
            # Retries: once somebody answers, all is well.
            world.routers["srs"][0].space.run("nft", "flush", "chain", "inet", "filter", "dead")
            world.coturn()
            tap.ok(seconds_until(lambda: told(srs, "stun") == ["5.5.5.1"], 40) is not None, "a server that comes later is found",
                   srs.nat())


def nothing_to_find_out():
    with lab.World(["masquerade"]) as world:
        for name, settings in (("behind_nat=false", {"BEHIND_NAT": "false"}),
                               ("an explicit address", {"BEHIND_NAT": "true", "EXTERNAL_IP": "5.5.5.1"}),
                               ("nobody to ask", NOBODY)):
            with world.siprecd(environment=settings) as srs:
                tap.ok(srs.nat()["state"] == "known" and "calls wait" not in srs.log(), f"{name}: nothing to settle",
                       srs.nat(), srs.log())
                tap.ok(Sip(world, "5.5.5.1").options().startswith("SIP/2.0 200"), f"{name}: OPTIONS is answered at once")


for test in (clouds, services, stun_servers, vantage, slow_servers, all_dead, nothing_to_find_out):
    try:
        test()
    except Exception:  # noqa: BLE001: reported, and the others go on
        tap.ok(False, f"{test.__name__} ran to its end", traceback.format_exc())
tap.done()
