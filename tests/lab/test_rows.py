#!/usr/bin/env python3
"""Cells of tables B and B' between real hosts. Use: test_rows.py BUILD PART PARTS [ROW [COLUMN]]: every PARTS-th cell."""
import sys

import lab
import rows
from harness import Tap

lab.enter()
tap = Tap()
part, parts = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (0, 1)
wanted = sys.argv[4:]


def check(row, column, path):
    name = f"{row.name} x {column.name}"
    for number, (played, srs) in enumerate(rows.play(row, column)):
        which = "first call" if number == 0 else "next call"
        details = (f"path {played.path}", f"heard {played.heard}", f"first packet {played.first_ms()} ms", srs.nat(),
                   played.streams, played.report["streams"], srs.log()[-2500:])
        tap.ok(played.good, f"{name}: {which} is heard ({played.path}, {played.first_ms()} ms)", *details)
        if number == 1 and path:
            tap.equal(played.path, path, f"{name}: {which} by {path}", *details)


for number, (row, column, path) in enumerate(rows.cells()):
    if wanted and (row.name != wanted[0] or (len(wanted) > 1 and column.name != wanted[1])):
        continue
    if not wanted and number % parts != part:
        continue
    if not wanted and column.name not in ("B1", "B4"):
        continue
    check(row, column, path)
tap.done()
