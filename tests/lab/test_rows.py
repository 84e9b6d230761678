#!/usr/bin/env python3
"""Cells of tables B and B' between real hosts. Use: test_rows.py BUILD [PART PARTS | "ROW x COLUMN" ...]."""
import lab
import rows
import still
from harness import Tap

LATEST_MS = 3500  # the ladder's next path: 2.5 s after the ACK, and what offering it takes
lab.enter()
tap = Tap()
witness = still.Witness()


def described(played, srs):
    return (f"path {played.path}", f"heard {played.heard}", f"first packet {played.first_ms()} ms", srs.nat(), played.streams,
            played.report["streams"], srs.log()[-2500:])


def timed(played, details):
    first = played.first_ms()
    return still.Timed(first is not None and first < LATEST_MS, played.began, played.ended, details)


def timed_again(row, column, number):
    """What the call with that number comes to in another play of the cell."""
    *_, last = (timed(played, described(played, srs)) for played, srs in rows.play(row, column, calls=number + 1))
    return last


def check(row, column, path):
    name, times = rows.name((row, column)), []
    for number, (played, srs) in enumerate(rows.play(row, column)):
        which = "first call" if number == 0 else "next call"
        details = described(played, srs)
        if path == rows.EDGE:
            tap.ok(played.good or played.told_why(), f"{name}: {which} is heard, or said to need an edge ({played.path}, {played.first_ms()} ms)",
                   *details)
            continue
        tap.ok(played.good, f"{name}: {which} is heard ({played.path}, {played.first_ms()} ms)", *details)
        if number == 1 and path:
            # Streams of one call may have come by different ways.
            ways = set(played.path.split("/"))
            tap.ok(ways and ways <= set(path.split(" or ")), f"{name}: {which} by {path}", played.path, *details)
        if column.name in ("B1", "B4", "B6"):
            times.append((f"{name}: {which} is heard in time", number, timed(played, details)))
    for what, number, of_it in times:
        still.judge(tap, witness, what, of_it, lambda number=number: timed_again(row, column, number))


MORE = {("1:1, address set", "B3"), ("EIM+EIF", "B5"), ("EIM+ADF", "B3"), ("EIM+APDF", "B2"), ("EIM+APDF", "B5"),
        ("masquerade, default, no relay", "B6"), ("EDM+ADF", "B6"), ("EDM+APDF", "B3"),
        ("EDM+APDF", "B6"), ("CGN, EIM+APDF", "B3"), ("UDP blocked", "B2"), ("443 only", "B6")}  # what each class asks of a kind of row
here = [cell for cell in rows.cells()
        if (cell[1].name in ("B1", "B4") or (cell[0].name, cell[1].name) in MORE)]
for row, column, path in lab.chosen(here, rows.name, rows.cells()):
    check(row, column, path)
tap.done()
