#!/usr/bin/env python3
"""What siprecctl reads in a firewall's rules against what the kernel does with them: every ruleset is loaded, a
datagram sent, and both must say the same. "unknown" is right only where the ruleset alone does not tell."""
import socket
import subprocess

import lab
from harness import BUILD, Tap

lab.enter()
tap = Tap()
US, THEM, PORT = "10.9.0.2", "10.9.0.1", 10000
BASE = "chain input {{\n type filter hook input priority 0; policy {policy};\n {rules}\n }}\n"

# (name, the table, whether "unknown" is allowed)
RULESETS = [
    ("nothing", "", False),
    ("policy drop", "table inet f { %s }" % BASE.format(policy="drop", rules=""), False),
    ("policy accept", "table inet f { %s }" % BASE.format(policy="accept", rules=""), False),
    ("a port dropped", "table inet f { %s }" % BASE.format(policy="accept", rules="udp dport 10000 drop"), False),
    ("another port dropped", "table inet f { %s }" % BASE.format(policy="accept", rules="udp dport 10002 drop"), False),
    ("a range accepted", "table inet f { %s }" % BASE.format(policy="drop", rules="udp dport 9000-11000 accept"), False),
    ("a set of ports", "table inet f { %s }" % BASE.format(policy="drop", rules="udp dport { 53, 9000-11000 } accept"), False),
    ("not that port", "table inet f { %s }" % BASE.format(policy="accept", rules="udp dport != 10000 drop"), False),
    ("but that port", "table inet f { %s }" % BASE.format(policy="accept", rules="udp dport != 5060 drop"), False),
    ("a sender", "table inet f { %s }" % BASE.format(policy="drop", rules="ip saddr 10.9.0.1 accept"), False),
    ("a network", "table inet f { %s }" % BASE.format(policy="drop", rules="ip saddr 10.9.0.0/16 udp dport 10000 accept"), False),
    ("another network", "table inet f { %s }" % BASE.format(policy="drop", rules="ip saddr 10.8.0.0/16 accept"), False),
    ("IPv6 only", "table ip6 f { %s }" % BASE.format(policy="drop", rules=""), False),
    ("IPv4 only", "table ip f { %s }" % BASE.format(policy="drop", rules=""), False),
    ("an IPv6 sender", "table inet f { %s }" % BASE.format(policy="drop", rules="ip6 saddr ::/0 accept"), False),
    ("states", "table inet f { %s }" % BASE.format(policy="drop", rules="ct state established,related accept\n iif lo accept"), False),
    ("a status", "table inet f { %s }" % BASE.format(policy="drop", rules="ct status dnat accept\n ct state invalid drop"), False),
    ("a map of states", "table inet f { %s }" % BASE.format(
        policy="drop", rules="ct state vmap { established : accept, related : accept, invalid : drop }\n udp dport 10000 accept"), False),
    ("a map of ports", "table inet f { %s }" % BASE.format(policy="accept", rules="udp dport vmap { 53 : accept, 10000 : drop }"), False),
    ("rejected", "table inet f { %s }" % BASE.format(policy="accept", rules="meta l4proto udp reject"), False),
    ("TCP only", "table inet f { %s }" % BASE.format(policy="accept", rules="tcp dport 10000 drop\n meta l4proto tcp drop"), False),
    ("a jump", "table inet f { chain media { udp dport 10000 accept\n }\n %s }" % BASE.format(policy="drop", rules="jump media"), False),
    ("a jump that returns", "table inet f { chain media { udp dport 10000 return\n drop\n }\n %s }" % BASE.format(
        policy="accept", rules="jump media\n ip saddr 10.9.0.1 counter accept\n drop"), False),
    ("a goto", "table inet f { chain rest { udp dport 53 accept\n }\n %s }" % BASE.format(policy="drop", rules="goto rest\n accept"), False),
    ("a named set", "table inet f { set good { type ipv4_addr; elements = { 10.9.0.1 } }\n %s }" % BASE.format(
        policy="drop", rules="ip saddr @good accept"), False),
    ("two tables, one drops", "table inet a { %s }\ntable ip b { %s }" % (
        BASE.format(policy="accept", rules="accept"), BASE.format(policy="accept", rules="udp dport 10000 drop")), False),
    ("a limit", "table inet f { %s }" % BASE.format(policy="drop", rules="limit rate 100/second accept"), True),
    ("a limit that makes no difference", "table inet f { %s }" % BASE.format(
        policy="accept", rules="limit rate 100/second accept"), False),
    ("an interface by name", "table inet f { %s }" % BASE.format(policy="drop", rules='iifname "eth" accept'), True),
    ("an interface that makes no difference", "table inet f { %s }" % BASE.format(
        policy="drop", rules='iifname "eth" drop'), False),
]


def arrives(receiver, number, known):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((THEM, 0))
    if known:
        receiver.sendto(b"first", sender.getsockname())
    sender.sendto(b"%d" % number, (US, PORT))
    try:
        while True:
            if receiver.recv(100) == b"%d" % number:
                return True
    except TimeoutError:
        return False


def main():
    space = lab.Space("host")
    lab.run("ip", "link", "set", "lo", "up")
    lab.connect(None, "c-host", space, "eth")
    lab.run("ip", "addr", "add", THEM + "/24", "dev", "c-host")
    space.run("ip", "addr", "add", US + "/24", "dev", "eth")
    with space.inside():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((US, PORT))
        receiver.settimeout(0.3)
    for number, (name, rules, may_be_unknown) in enumerate(RULESETS):
        space.nft(rules + "\n")
        text = space.run("nft", "-j", "list", "ruleset")
        for known in ([], ["known"]):
            said = subprocess.run([BUILD / "tests" / "lab" / "ruleset_driver", f"{THEM}:40000", f"{US}:{PORT}", *known], input=text,
                                  capture_output=True, text=True).stdout.strip()
            did = "let in" if arrives(receiver, 2 * number + len(known), known) else "dropped"
            tap.ok(said == did or (may_be_unknown and said == "unknown"), f"{name}: {'an answer is ' if known else ''}{did}",
                   f"it says {said!r}", text)
    space.stop()
    tap.done()


main()
