"""Functions to 70 lines, files to 800, parameters to 6, under src/; tests/style/exceptions lists who may exceed and why.
Speaks TAP. Functions are found by the house's own format: a definition starts at column 0 and ends with a } there."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
MAX_FUNCTION, MAX_FILE, MAX_PARAMETERS = 70, 800, 6
DEFINITION = re.compile(r"^[A-Za-z_][\w\s\*]*?\b(\w+)\((.*)$")


def exceptions():
    allowed = {}
    for line in (root / "tests/style/exceptions").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            key, _, reason = line.partition(" ")
            allowed[key] = reason.strip()
    return allowed


def functions(lines):
    at = 0
    while at < len(lines):
        match = DEFINITION.match(lines[at])
        if match and not lines[at].startswith(("#", "typedef", "static const struct", "return")):
            head = lines[at]
            end = at
            while end < len(lines) and not head.rstrip().endswith((";", "{")) and lines[end] != "{":
                end += 1
                if end < len(lines):
                    head += " " + lines[end].strip()
            if end < len(lines) and lines[end] == "{":
                close = end
                while close < len(lines) and lines[close] != "}":
                    close += 1
                parameters = head[head.index("(") + 1:head.rindex(")")]
                count = 0 if parameters.strip() in ("", "void") else parameters.count(",") + 1
                yield match.group(1), at + 1, close - at + 1, count
                at = close
        at += 1


def faults(allowed):
    used = set()

    def over(key, text):
        used.add(key)
        return key not in allowed and text

    for path in sorted((root / "src").rglob("*.[ch]")):
        name = str(path.relative_to(root / "src"))
        lines = path.read_text().splitlines()
        if len(lines) > MAX_FILE:
            yield over(name, f"{name}: {len(lines)} lines (at most {MAX_FILE})")
        for function, line, length, parameters in functions(lines):
            key = f"{name}:{function}"
            if length > MAX_FUNCTION:
                yield over(key, f"{name}:{line}: {function} has {length} lines (at most {MAX_FUNCTION})")
            if parameters > MAX_PARAMETERS:
                yield over(key, f"{name}:{line}: {function} takes {parameters} parameters (at most {MAX_PARAMETERS})")
    for key in sorted(allowed.keys() - used):
        yield f"tests/style/exceptions: {key} exceeds nothing any more"
    for key, reason in allowed.items():
        if len(reason) < 10:
            yield f"tests/style/exceptions: {key} states no reason"


found = [fault for fault in faults(exceptions()) if fault]
for fault in found:
    print("#", fault)
print("not ok" if found else "ok", "1 - functions, files and parameter lists keep their size")
print("1..1")
sys.exit(bool(found))
