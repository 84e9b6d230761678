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
        if path == rows.EDGE:
            tap.ok(played.good or played.told_why(), f"{name}: {which} is heard, or said to need an edge ({played.path}, {played.first_ms()} ms)",
                   *details)
            continue
        tap.ok(played.good, f"{name}: {which} is heard ({played.path}, {played.first_ms()} ms)", *details)
        if number == 1 and path:
            tap.equal(played.path, path, f"{name}: {which} by {path}", *details)


# Without a relay there is nothing to fall back on where the SRC, a cable away, sends before our NAT has seen our punch:
# the kernel's then moves our port (doc/nat.md 1, "clashes"). `make lab-matrix` plays it.
MORE = {("1:1, address set", "B3"), ("EIM+EIF", "B5"), ("EIM+ADF", "B2"), ("EIM+ADF", "B3"), ("EIM+APDF", "B2"), ("EIM+APDF", "B5"),
        ("masquerade, default, relay", "B2"), ("EDM+ADF", "B6"), ("EDM+APDF", "B3"), ("EDM+APDF", "B6"),
        ("CGN, EIM+APDF", "B3"), ("UDP blocked", "B2"), ("443 only", "B6")}  # what each class asks of a kind of row
here = [cell for cell in rows.cells() if "no relay" not in cell[0].name
        and (cell[1].name in ("B1", "B4") or (cell[0].name, cell[1].name) in MORE)]
if wanted:
    here = [cell for cell in rows.cells() if cell[0].name == wanted[0] and cell[1].name in wanted[1:]]
for row, column, path in here[part::parts]:
    check(row, column, path)
tap.done()
