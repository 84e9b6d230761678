"""siprecd.conf(5) names every setting that siprecd knows, under its section, and none that it does not. Speaks TAP."""
import pathlib
import re
import subprocess
import sys

root, siprecd = pathlib.Path(sys.argv[1]), sys.argv[2]


def of_program():
    printed = subprocess.run([siprecd, "--print-config"], env={}, capture_output=True, text=True, check=True).stdout
    section = None
    for line in printed.splitlines():
        heading = re.fullmatch(r"\[(\w+)\]", line)
        if heading:
            section = heading.group(1)
        elif "=" in line:
            yield section, line.split("=")[0].strip()


def of_manual():
    section = None
    for line in (root / "doc" / "siprecd.conf.5").read_text().splitlines():
        heading = re.fullmatch(r"\.SH \[(\w+)\]", line)
        key = re.fullmatch(r"\.B (\w+)", line)
        if heading:
            section = heading.group(1)
        elif line.startswith(".SH"):
            section = None
        elif key and section:
            yield section, key.group(1)


known, told = set(of_program()), set(of_manual())
for section, key in sorted(known ^ told):
    where = "siprecd" if (section, key) in known else "siprecd.conf(5)"
    print(f"# only {where} has [{section}] {key}")
print("not ok" if known != told or not known else "ok", "1 - siprecd.conf(5) has every setting")
print("1..1")
sys.exit(known != told or not known)
