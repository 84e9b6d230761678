"""Every file under src/ opens with three lines of comment: what it owns, what it does not, which RFC. Nobody names what
the project does not know: paths of one machine, work left for later. Speaks TAP."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def opening_faults():
    for path in sorted((root / "src").rglob("*.[ch]")):
        lines = path.read_text().splitlines()
        name = path.relative_to(root)
        if not lines or not lines[0].startswith("/* "):
            yield f"{name}: does not open with a comment"
            continue
        end = next((i for i, line in enumerate(lines) if line.rstrip().endswith("*/")), len(lines))
        if end < 2:
            yield f"{name}: its opening comment has fewer than three lines"


def later_faults():
    for folder in ("src", "tests", "scripts", "doc"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".py", ".sh", ".md", ".build"):
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if LATER.search(line):
                    yield f"{path.relative_to(root)}:{number}: work left for later: {line.strip()[:80]}"


bad = 0
for number, (name, faults) in enumerate(
    [("files open with what they own", list(opening_faults())),
     ("no work is left for later in the tree", list(later_faults()))], 1):
    for fault in faults:
        print("#", fault)
    print("not ok" if faults else "ok", number, "-", name)
    bad += bool(faults)
print("1..2")
sys.exit(bool(bad))
