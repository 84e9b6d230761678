#!/usr/bin/env python3
"""make lab-matrix: every cell of tables B and B' that can stand between real hosts, played, and what was heard in it:
the path of the first call and of the next one. What every cell's play printed is kept in BUILD/lab-matrix.
Use: matrix.py BUILD [AT ONCE [ROW ...]]"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import rows

HERE = pathlib.Path(__file__).resolve().parent
KEPT = pathlib.Path(sys.argv[1]) / "lab-matrix"
CALL = re.compile(r"^(not )?ok \d+ - .*: (first call|next call) is heard(?:, or said to need an edge)? \((.*), (.*) ms\)$")


def play(row, column):
    done = subprocess.run([sys.executable, HERE / "test_rows.py", sys.argv[1], rows.name((row, column))],
                          capture_output=True, text=True, env={k: v for k, v in os.environ.items() if k != "SIPRECD_LAB"})
    KEPT.mkdir(exist_ok=True)
    (KEPT / re.sub(r"[^A-Za-z0-9+]+", "-", f"{row.name} x {column.name}.log")).write_text(done.stdout + done.stderr)
    calls = [m.groups() for m in map(CALL.match, done.stdout.splitlines()) if m]
    if not calls:
        return "not played"
    heard = " > ".join(("-" if bad else "") + (path or "silent") for bad, _, path, _ in calls)
    heard = heard if done.returncode == 0 else heard + " !"
    print(f"# {row.name} x {column.name}: {heard}", file=sys.stderr, flush=True)
    return heard


def main():
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    wanted = [cell for cell in rows.cells() if len(sys.argv) < 4 or cell[0].name in sys.argv[3:]]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        said = dict(zip([(r.name, c.name) for r, c, _ in wanted], pool.map(lambda cell: play(*cell[:2]), wanted)))
    width = {c.name: max([len(c.name)] + [len(said.get((r.name, c.name), "")) for r in rows.ROWS]) for c in rows.COLUMNS}
    first = max(len(r.name) for r in rows.ROWS)
    print("siprecd's side".ljust(first), *(c.name.ljust(width[c.name]) for c in rows.COLUMNS), sep="  ")
    for row in rows.ROWS:
        print(row.name.ljust(first), *(said.get((row.name, c.name), "").ljust(width[c.name]) for c in rows.COLUMNS), sep="  ")
    bad = [cell for cell, text in said.items() if text.endswith("!") or text == "not played"]
    print(f"{len(said)} cells played, {len(bad)} not as expected (!); first call > next call; - not heard")
    sys.exit(bool(bad))


main()
