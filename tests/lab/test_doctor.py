#!/usr/bin/env python3
"""siprecctl doctor: each cause of silence made on purpose, and named: alone where something decides, among others
where nothing does."""
import json

import lab
from harness import Tap, wait_for

lab.enter()
tap = Tap()
TURN = {"TURN_SERVERS": f"turn:{lab.SERVERS}.1:3478", "TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}


class Patient:
    """A world with a siprecd in it, and its doctor."""

    def __init__(self, srs=(), src=(), settings=None, turn=True, servers=True, arguments=(), **world):
        self.world = lab.World(srs, src, **world)
        if servers:
            self.world.coturn()
            self.world.classic_stun()
        environment = dict(TURN if turn else {}, **(settings or {}))
        self.srs = self.world.siprecd(*arguments, environment=environment)

    def __enter__(self):
        self.srs.start()
        return self

    def __exit__(self, *_):
        self.srs.stop()
        self.world.stop()

    def report(self, call_id=None, as_root=True):
        words = ["doctor", *([call_id] if call_id else []), "--json"]
        if not as_root:
            # Without the right to see the ruleset, as everybody but root is.
            words = ["--url", "http://127.0.0.1:8080/", *words]
        done = self.srs.siprecctl(*words)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {"findings": [], "verdict": done.stdout + done.stderr, "healthy": None}


def causes(report, certainty=None):
    return [f["cause"] for f in report["findings"] if certainty in (None, f["certainty"])]


def alone(name, report, cause):
    tap.ok(causes(report) == [cause] and causes(report, "certain") == [cause], f"{name}: {cause} alone",
           json.dumps(report, indent=1))


def among(name, report, *wanted):
    found = causes(report)
    tap.ok(len(found) > 1 and not causes(report, "certain") and set(wanted) <= set(found) and report["decide"],
           f"{name}: {', '.join(wanted)} among others", json.dumps(report, indent=1))


def block(space, rules):
    space.nft("table inet filter { chain input { type filter hook input priority 0; policy accept;\n" + rules + "\n}\n}\n")


def signalling():
    with Patient() as p:
        alone("nobody calls", p.report(), "no-sip")
        status, call = p.world.call(seconds=2)
        wait_for(lambda: p.srs.recording(call["call_id"], seconds=20), 20)
        report = p.report(call["call_id"])
        tap.ok(report["healthy"] and not report["findings"], "a call that is heard is healthy", report)


def host_firewall():
    for name, rules in (("a port range", "udp dport 10000-10199 drop"),
                        ("all of UDP", "iif lo accept\nmeta l4proto udp drop"),
                        ("the SBC's address", f"ip saddr {lab.SRC}.1 meta l4proto udp drop")):
        with Patient() as p:
            block(p.world.srs, rules)
            _, call = p.world.call(seconds=3)
            alone(f"the host drops {name}", p.report(call["call_id"]), "host-firewall")


signalling()
host_firewall()
tap.done()
