"""The networks of doc/nat.md's tables B and B' that can stand between real hosts: rows are siprecd's side, columns the
SRC's, and what must come of each cell: the path of the second call, once the SRC is known, and in both calls the tones."""
import time

import lab
from harness import near

STUN = f"{lab.SERVERS}.1:3478"
TURN = {"TURN_USERNAME": lab.TURN_USER, "TURN_PASSWORD": lab.TURN_PASSWORD}
UDP = dict(TURN, TURN_SERVERS=f"turn:{lab.SERVERS}.1:3478")
TCP = dict(TURN, TURN_SERVERS=f"turn:{lab.SERVERS}.1:3478?transport=tcp")
TCP443 = dict(TURN, TURN_SERVERS=f"turn:{lab.SERVERS}.1:443?transport=tcp")


EDGE = "edge"  # no way without one: unreachable, and why
RACE = "stun or relay"  # who is first there decides; a filter for the very port is let through by either


def box(mapping, filtering, *more, scope="mapping"):
    """The simulator's NAT box by the table's words."""
    words = {"E": "independent", "A": "address", "AP": "address-port"}
    return ("box", f"mapping={words[mapping]}", f"filtering={words[filtering]}", f"scope={scope}", "ports=random", *more)


class Row:
    """chain: siprecd's NATs, the innermost first; settings: its environment; paths: by column, else "*"."""

    def __init__(self, name, chain, settings, **paths):
        self.name, self.chain, self.settings, self.paths = name, chain, settings, paths


# Discovery needs a server that speaks RFC 5780; "default" rows have nothing but what a newcomer has.
FULL = {"STUN_SERVERS": STUN}
ROWS = [
    Row("Open", [], {}, any="host"),
    Row("Open, RFC 5780", [], FULL, any="host"),
    Row("1:1, address set", ["1:1"], {"EXTERNAL_IP": f"{lab.SRS}.1", "BEHIND_NAT": "true"}, any="static"),
    Row("1:1, default", ["1:1"], {}, any=None),
    Row("forwarded range, address set", ["forwarded"], {"EXTERNAL_IP": f"{lab.SRS}.1", "BEHIND_NAT": "true"}, any="static"),
    Row("PCP", ["pcp"], {}, any="mapped"),
    Row("EIM+EIF", [box("E", "E")], FULL, any="stun"),
    Row("EIM+ADF", [box("E", "A")], dict(FULL, **UDP), any="stun", B5=EDGE),
    Row("EIM+APDF", [box("E", "AP")], dict(FULL, **UDP), B1="stun", B6="stun", B2="relay", B3="relay", B4="relay", B5=EDGE),
    # When the SRC's packets reach Linux before our punch, and over a cable they may, it moves our port (doc/nat.md 5, rule
    # 9): then the ladder takes the relay that stands by, or else another port.
    Row("masquerade, default, no relay", ["masquerade"], {}, B1="stun", B6="stun"),
    Row("masquerade, default, relay", ["masquerade"], UDP, B1=RACE, B6=RACE, B2="relay", B3="relay", B4="relay", B5=EDGE),
    Row("EDM+ADF", [box("A", "A")], dict(FULL, **UDP), B1="relay", B2="relay", B3="relay", B4="relay", B5=EDGE, B6=None),
    Row("EDM+APDF", ["symmetric"], dict(FULL, **UDP), B1="relay", B2="relay", B3="relay", B4="relay", B5=EDGE, B6=None),
    Row("EDM+EIF", [box("AP", "E")], FULL, any="stun"),
    Row("CGN, EIM+APDF", ["masquerade", box("E", "E")], dict(FULL, **UDP), B1=RACE, B2="relay", B3="relay", B4="relay", B5=EDGE),
    Row("CGN, EDM", ["masquerade", "symmetric"], dict(FULL, **UDP), B1="relay", B2="relay", B3="relay", B4="relay", B5=EDGE, B6=None),
    Row("UDP blocked", ["tcp-only"], TCP, B1="relay", B2="relay", B3="relay", B4="relay", B5=EDGE, B6="relay"),
    Row("443 only", ["443-only"], TCP443, B1="relay", B2="relay", B3="relay", B4="relay", B5=EDGE, B6="relay"),
]


class Column:
    def __init__(self, name, chain=(), call=(), settings=()):
        self.name, self.chain, self.call, self.settings = name, chain, call, settings


COLUMNS = [
    Column("B1"),
    Column("B2", call=["--send-from", "port"]),
    # The set is known: a farm's network stands in sip.allow.
    Column("B3", call=["--send-from", "5.5.6.6"], settings=["--sip.allow=5.5.6.0/29"]),
    Column("B4", chain=[box("E", "AP")]),
    Column("B5", chain=[box("E", "AP", "pool=8", "arbitrary=1")]),
    Column("B6", call=["--latch"]),
    Column("1:1 NAT", chain=["1:1"]),
    Column("EDM", chain=["symmetric"]),
    Column("CGN", chain=["masquerade", box("E", "A")]),
]


def path_of(row, column):
    """The expected path; None: any; missing: the cell is not played in `make check`."""
    known = {"1:1 NAT": "B1", "EDM": "B4", "CGN": "B4"}.get(column.name, column.name)
    if "any" in row.paths and column.name not in row.paths:
        return row.paths["any"]
    return row.paths[column.name] if column.name in row.paths else row.paths[known]


def cells(rows=ROWS, columns=COLUMNS):
    for row in rows:
        for column in columns:
            try:
                yield row, column, path_of(row, column)
            except KeyError:
                continue


def name(cell):
    return f"{cell[0].name} x {cell[1].name}"


class Played:
    """What came of one call, and when it was."""

    def __init__(self, srs, status, report, began):
        self.began, self.ended = began, time.monotonic()
        self.call_id = report["call_id"]
        self.recording = (status == 0 and srs.recording(self.call_id, seconds=30)) or {}
        self.streams = self.recording.get("streams", [])
        self.heard = srs.heard(self.recording) if self.recording.get("id") else []
        self.good = len(self.heard) == 2 and near(self.heard[0], 440) and near(self.heard[1], 660)
        self.path = "/".join(sorted({s["path"] for s in self.streams}))
        self.report = report

    def told_why(self):
        """Every stream that was not heard has a reason and a cure in its verdict."""
        verdicts = [s.get("verdict") or {} for s in self.streams]
        silent = [v.get("unreachable") or {} for s, v in zip(self.streams, verdicts) if not s.get("packets")]
        return bool(self.streams) and all(u.get("reason") and u.get("cure") for u in silent)

    def first_ms(self):
        times = [(s.get("verdict") or {}).get("first_packet_ms") for s in self.streams]
        return max((t for t in times if t is not None), default=None)


def play(row, column, calls=2, seconds=None):
    """Plays the cell so many times one after the other; yields what came of each, and the siprecd."""
    seconds = seconds or (12 if path_of(row, column) == EDGE else 6)  # until every way was tried
    with lab.World(row.chain, column.chain) as world:
        world.coturn()
        world.classic_stun()
        if not column.chain:
            world.src.run("ip", "addr", "add", "5.5.6.6/32", "dev", "eth")
            lab.run("ip", "route", "replace", "5.5.6.6", "dev", "c-src")
        with world.siprecd(*column.settings, environment=row.settings) as srs:
            # Discovery and allocations take a moment; nobody calls in the very second that a recorder starts.
            lab.harness.wait_for(lambda: (srs.nat() or {}).get("state") == "known", 10)
            for _ in range(calls):
                began = time.monotonic()
                status, report = world.call(*column.call, seconds=seconds)
                yield Played(srs, status, report, began), srs
