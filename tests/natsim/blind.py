#!/usr/bin/env python3
"""TAP: the engines under test are told what a machine in that place sees, and nothing else. Who drives an engine may not
know which cell is played or which networks were rolled; who knows that may call no engine; and what is handed from one to the
other is this list of fields. Use: blind.py SOURCE_ROOT"""
import pathlib
import re
import sys

folder = pathlib.Path(sys.argv[1]) / "tests/natsim"
DRIVES = ["finder", "iceside", "iceline", "icetcp", "turnside", "tunnel", "plainside", "plaincall"]
KNOWS = ["cells", "network", "matrix", "matrix_ice", "iceplay", "oracle", "matrix_plain", "plainplay", "plainsrc", "maphost", "proxyhost", "oracle_plain", "test_worlds_plain", "test_scripts_plain"]
# What a machine and its settings know.
FIELDS = {"iceline_options": ["address", "stun", "turn", "external", "gateway", "proxy"],
          "iceside_options": ["lines", "line_count", "tcp_port", "tcp_active", "discovers", "may_be_lite", "is_lite", "components"],
          "plainside_options": ["address", "stun", "turn", "external", "gateway", "proxy", "allow", "allow_count", "listed", "packet_ms"]}
ENGINES = r"\b(ice|discovery|nat|profile|path|ladder|keepalive|turn|stun|gateway|portmap|way|srcs?|verdict)_[a-z_]+\("
WORLD = r"\b(cell|network|natbox|oracle|matrix|iceplay)_[a-z_]+"
count = failed = 0


def strip(text):
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', re.sub(r"/\*.*?\*/", "", text, flags=re.S))


def point(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    for line in why.splitlines():
        print("#", line)


def files(names):
    return [f for n in names for f in (folder / f"{n}.c", folder / f"{n}.h") if f.exists()]


bad = []
for f in files(DRIVES):
    text = f.read_text()
    bad += [f"{f.name}: includes {i}" for i in re.findall(r'#include "natsim/(\w+)\.h"', text)
            if i not in DRIVES + ["natsim", "flight"]]
    bad += [f"{f.name}: {m.group(0)}" for m in re.finditer(WORLD, strip(text)) if m.group(0) != "natbox_options"]
point(not bad, "who drives an engine knows no cell and no network", "\n".join(bad))
bad = [f"{f.name}: {m.group(0)}" for f in files(KNOWS) for m in re.finditer(ENGINES, strip(f.read_text()))]
point(not bad, "who knows the cell calls no engine", "\n".join(bad))
bad = []
for name, allowed in FIELDS.items():
    text = strip("".join(f.read_text() for f in files(DRIVES)))
    body = re.search(rf"struct {name} \{{(.*?)\}};", text, re.S).group(1)
    bad += [f"{name}.{field}" for field in re.findall(r"(\w+)(?:\[\w+\])?\s*[,;]", body) if field not in allowed]
point(not bad, "what is handed over is what a machine knows", "\n".join(bad))
bad = [f.name for f in sorted(folder.glob("*.c")) if f.stem not in ("natbox", "maphost", "test_world")
       and "natbox_forward" in strip(f.read_text())]
point(not bad, "a port is mapped where the gateway is asked for it, and nowhere by hand", "\n".join(bad))
print(f"1..{count}")
sys.exit(1 if failed else 0)
