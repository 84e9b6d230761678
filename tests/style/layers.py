"""Every include of a module under src/ must be allowed by src/LAYERS. Speaks TAP."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
src = root / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_layers():
    layers = {}
    for line in (src / "LAYERS").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            module, _, allowed = line.partition(":")
            layers[module.strip()] = allowed.split()
    return layers


def violations(layers):
    for path in sorted(src.rglob("*.[ch]")):
        module = path.relative_to(src).parts[0]
        if module not in layers:
            yield f"{path.relative_to(root)}: module {module} is not in src/LAYERS"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(1)
            owner = target.split("/")[0]
            where = f"{path.relative_to(root)}:{number}"
            if "/" not in target:
                yield f'{where}: "{target}" names no module: write "module/file.h"'
            elif owner != module and "*" not in layers[module] and owner not in layers[module]:
                yield f"{where}: {module} may not include {owner}"


def order_faults(layers):
    seen = set()
    for module, allowed in layers.items():
        for name in allowed:
            if name != "*" and name not in layers:
                yield f"LAYERS: {module} names {name}, which is no module"
        seen.add(module)
    # No circles: repeatedly take away modules whose needs are all gone.
    left = {m: {a for a in allowed if a != "*"} for m, allowed in layers.items()}
    while left:
        free = [m for m, needs in left.items() if not needs & left.keys()]
        if not free:
            yield "LAYERS: a circle among " + " ".join(sorted(left))
            return
        for module in free:
            del left[module]


layers = read_layers()
bad = 0
for number, (name, faults) in enumerate(
    [("includes follow src/LAYERS", list(violations(layers))),
     ("src/LAYERS has no circle", list(order_faults(layers)))], 1):
    for fault in faults:
        print("#", fault)
    print("not ok" if faults else "ok", number, "-", name)
    bad += bool(faults)
print("1..2")
sys.exit(bool(bad))
