#!/usr/bin/env python3
"""What changes while siprecd runs, and what it knows when it starts again: several interfaces, addresses that come and
go, another address outside, the profile on disk."""
import json
import os
import time
import traceback

from place import NOBODY, Sip, Tap, harness, lab, seconds_until, told, wait_for

lab.enter()
tap = Tap()
STUN = {**NOBODY, "STUN_SERVERS": "5.5.7.1"}


def interfaces():
    """eth on the way to the world, a second card, and what docker and a VPN leave on every host; the first of the list
    is never the answer."""
    with lab.World(["masquerade"]) as world:
        world.srs.run("ip", "link", "add", "name", "a-docker0", "type", "bridge")
        world.srs.run("ip", "addr", "add", "172.17.0.1/16", "dev", "a-docker0")
        world.srs.run("ip", "link", "set", "a-docker0", "up")
        world.srs.run("ip", "link", "add", "name", "lan2", "type", "veth", "peer", "name", "other")
        second = lab.Space("second")
        world.spaces["second"] = second
        world.srs.run("ip", "link", "set", "other", "netns", str(second.pid))
        for space, device, address in ((world.srs, "lan2", "10.9.0.1"), (second, "other", "10.9.0.2")):
            space.run("ip", "addr", "add", f"{address}/24", "dev", device)
            space.run("ip", "link", "set", device, "up")
        world.srs.run("ip", "-6", "addr", "add", "fd00:9::1/64", "dev", "lan2", "nodad")
        second.run("ip", "-6", "addr", "add", "fd00:9::2/64", "dev", "other", "nodad")
        world.coturn()
        with world.siprecd("--sip.listen=udp:0.0.0.0:5060,udp:[::]:5060,tcp:0.0.0.0:5060", environment=STUN) as srs:
            wait_for(lambda: told(srs, "stun"), 10)
            links = {i["name"]: i for i in srs.nat()["interfaces"]}
            tap.equal({n for n, i in links.items() if i["default"]} - {"lan2"}, {"eth"}, "IPv4 leaves by eth", links)
            tap.equal(links["a-docker0"]["kind"], "bridge", "the bridge is known for what it is", links)

            def answered(space, to, transport="udp"):
                world.src, mine = space, world.src
                status, report = world.call(to=to, transport=transport, seconds=1)
                world.src = mine
                streams = report.get("streams", [])
                return status, {s["answered"].rsplit(":", 1)[0] for s in streams if s["answered"]}, report
            status, addresses, report = answered(second, "10.9.0.1")
            tap.ok(status == 0 and addresses == {"10.9.0.1"}, "an SRC on the second card gets that card's address", addresses,
                   report, srs.log()[-1500:])
            status, addresses, report = answered(second, "[fd00:9::1]")
            tap.ok(status == 0 and addresses == {"[fd00:9::1]"}, "over IPv6, too", addresses, report)
            status, addresses, report = answered(world.src, "5.5.5.1", "tcp")
            tap.ok(addresses == {"5.5.5.1"}, "one beyond the NAT the address outside", addresses, report)

            # Local changes are seen within a second.
            def addresses_of(name):
                return next((i["addresses"] for i in srs.nat()["interfaces"] if i["name"] == name), [])
            world.srs.run("ip", "addr", "add", "10.9.0.77/24", "dev", "lan2")
            took = seconds_until(lambda: "10.9.0.77" in addresses_of("lan2"), 5)
            tap.ok(took is not None and took < 1, "an address that comes is noticed within a second", took)
            tap.ok(told(srs, "stun") == ["5.5.5.1"] and srs.nat()["state"] == "known", "it tears nothing down", srs.nat())
            world.srs.run("ip", "addr", "del", "10.9.0.77/24", "dev", "lan2")
            took = seconds_until(lambda: "10.9.0.77" not in addresses_of("lan2"), 5)
            tap.ok(took is not None and took < 1, "one that goes, too", took)

            before = srs.metric("siprecd_local_address_changes_total")
            world.srs.run("ip", "addr", "del", "192.168.10.2/24", "dev", "eth")
            world.srs.run("ip", "addr", "add", "192.168.10.9/24", "dev", "eth")
            world.srs.run("ip", "route", "replace", "default", "via", "192.168.10.1")
            took = seconds_until(lambda: srs.metric("siprecd_local_address_changes_total") > before, 5)
            tap.ok(took is not None and took < 1, "our own address becomes another one: noticed within a second", took)
            tap.ok(wait_for(lambda: told(srs, "stun") == ["5.5.5.1"] and srs.nat()["state"] == "known", 15),
                   "and found out anew", srs.nat())

            world.srs.run("ip", "link", "set", "eth", "down")
            world.srs.run("ip", "link", "set", "lan2", "down")
            world.srs.run("ip", "link", "set", "a-docker0", "down")
            tap.ok(wait_for(lambda: srs.nat()["state"] == "offline", 6), "no interface is left: offline", srs.nat())
            tap.equal([p["code"] for p in srs.nat()["problems"]], ["offline"], "and that is the problem")
            world.srs.run("ip", "link", "set", "eth", "up")
            world.srs.run("ip", "route", "replace", "default", "via", "192.168.10.1")
            tap.ok(wait_for(lambda: told(srs, "stun") == ["5.5.5.1"], 15), "and back", srs.nat())


def outside():
    """The NAT gets another address: a new lease, another elastic address. Flows that stand keep the old one in the
    kernel, as with many NATs, so only new sockets can see it."""
    with lab.World([("masquerade", "pool=2")]) as world:
        router = world.routers["srs"][0].space

        def address(outside):
            router.run("nft", "flush", "chain", "inet", "filter", "postrouting")
            router.run("nft", "add", "rule", "inet", "filter", "postrouting", "oifname", "wan", "snat", "ip", "to", outside)
        address("5.5.5.1")
        world.coturn()
        with world.siprecd(environment={**STUN, "SIPRECD_LOG_LEVEL": "debug"}) as srs:
            wait_for(lambda: told(srs, "stun") == ["5.5.5.1"] and srs.nat()["state"] == "known", 15)
            address("5.5.5.2")
            took = seconds_until(lambda: told(srs, "stun") == ["5.5.5.2"], 30)
            tap.ok(took is not None and took < 20, "another address outside is noticed within 20 s", took, srs.nat(),
                   srs.log()[-2000:])
            tap.equal(srs.metric("siprecd_external_address_changes_total"), 1, "and counted, once")
            tap.ok(wait_for(lambda: srs.nat()["state"] == "known", 15), "what the NAT does is found out anew", srs.nat())
            status, report = world.call(seconds=1)
            # Ports whose mappings stand are told with those: this NAT keeps them, and so they lead in.
            tap.ok({s["answered"].split(":")[0] for s in report["streams"]} <= {"5.5.5.1", "5.5.5.2"},
                   "calls are told what leads to their ports", report)


def kept():
    with lab.World(["masquerade"]) as world:
        turn = world.coturn()
        with world.siprecd(environment=STUN) as srs:
            wait_for(lambda: srs.nat()["state"] == "known" and srs.nat()["filtering"], 15)
            # Kept some seconds later; the end of the program comes with it at the latest.
            file = srs.recordings_folder / ".network.json"
            tap.ok(wait_for(lambda: file.exists() and "behaviour" in json.loads(file.read_text()).get("ipv4", {}), 15),
                   "what is known is kept on disk")
            before = srs.nat()
            srs.stop()
            lab.end(turn)  # nobody answers any more: all that is known now is from the file
            file_text = file.read_text()
            srs.start()
            now = srs.nat()
            tap.equal({k: now[k] for k in ("state", "mapping", "filtering", "behind_nat")},
                      {k: before[k] for k in ("state", "mapping", "filtering", "behind_nat")}, "and known at the next start", now)
            tap.equal(told(srs, "stun"), ["5.5.5.1"], "with the address outside")
            tap.ok(Sip(world, "5.5.5.1").options().startswith("SIP/2.0 200"), "so nothing settles")
            status, report = world.call(seconds=1)
            tap.ok(report.get("answer_ms", 9999) < 500 and
                   {s["answered"].split(":")[0] for s in report["streams"]} <= {"5.5.5.1", "192.168.10.2"},
                   "and a call is answered at once", report)
            srs.stop()
            # Another gateway, the same address: another network.
            file.write_text(file_text.replace('"gateway": "192.168.10.1"', '"gateway": "192.168.10.254"'))
            srs.start()
            tap.ok(srs.nat()["state"] == "settling" and not told(srs, "stun"), "behind another gateway it is not believed",
                   srs.nat())
            srs.stop()
            file.write_text("{\"version\":1,\"ipv4\":")
            srs.start()
            tap.ok(wait_for(lambda: srs.nat()["state"] == "known", 6), "a broken file is no harm", srs.log()[-1500:])


def slow_disk():
    """What changes again while it is being written waits for its turn: two writers would take each other's file."""
    shim = {"LD_PRELOAD": harness.BUILD / "tests/shim/libslowdisk.so", "SLOWDISK_MS": "4000", "SLOWDISK_FILE": ".network.json.new",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}  # it wants to be loaded first
    with lab.World() as world:
        with world.siprecd(environment={**NOBODY, **shim}) as srs:
            file = srs.recordings_folder / ".network.json"
            beside = file.with_name(".network.json.new")
            tap.ok(wait_for(beside.exists, 15), "a profile is being written to a slow disk")
            first = beside.stat().st_ino
            world.srs.run("ip", "addr", "add", "5.5.5.9/32", "dev", "eth")
            world.srs.run("ip", "route", "replace", "default", "via", lab.CORE, "dev", "eth", "src", "5.5.5.9")
            tap.ok(wait_for(lambda: srs.metric("siprecd_local_address_changes_total") == 1, 5), "and becomes another one", srs.nat())
            tap.ok(wait_for(lambda: file.exists() and file.stat().st_ino == first, 10) and "5.5.5.9" not in file.read_text(),
                   "what was being written is put into place")
            tap.ok(wait_for(lambda: "5.5.5.9" in file.read_text(), 15), "then the other", file.read_text())
            tap.ok("not kept" not in srs.log(), "neither was disturbed", srs.log())


for test in (interfaces, outside, kept, slow_disk):
    try:
        test()
    except Exception:  # noqa: BLE001: reported, and the others go on
        tap.ok(False, f"{test.__name__} ran to its end", traceback.format_exc())
tap.done()
