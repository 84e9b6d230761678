"""Every source file must also compile with clang, with the flags of this build and every warning an error: clang warns
of what gcc does not, and `make fuzz` is built with it. A file is looked at again when its flags, it or what it includes
have changed. Speaks TAP."""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

build = pathlib.Path(sys.argv[1]).resolve()
stamps = build / "meson-private" / "clang"
WITH_ARGUMENT = {"-o", "-MF", "-MQ", "-MT"}
DROPPED = {"-c", "-MD", "-MMD"}
NOT_CLANGS = re.compile(r"-fsanitize=|-fprofile|--coverage|-flto|-fdiagnostics")  # what a variant of the build adds


def clang_command(entry, depfile):
    """The same flags, checked only."""
    words = iter(shlex.split(entry["command"]))
    flags = []
    for word in words:
        if word in WITH_ARGUMENT:
            next(words)
        elif word not in DROPPED and not NOT_CLANGS.match(word):
            flags.append(word)
    first = next(n for n, word in enumerate(flags) if word.startswith("-"))  # the compiler may have a launcher before it
    return ["clang", *flags[first:], "-fsyntax-only", "-MD", "-MF", str(depfile), "-MT", "x"]


def is_fresh(stamp, depfile, command):
    try:
        if stamp.read_text() != command:
            return False
        checked = stamp.stat().st_mtime_ns
        needed = depfile.read_text().replace("\\\n", " ").split(":", 1)[1].split()
        return all((build / name).stat().st_mtime_ns < checked for name in needed)
    except (OSError, IndexError):
        return False


def fault(entry):
    """What clang says against a file, or None."""
    name = entry["output"].replace("/", "_")
    stamp, depfile = stamps / name, stamps / (name + ".d")
    if is_fresh(stamp, depfile, entry["command"]):
        return None
    stamp.unlink(missing_ok=True)
    done = subprocess.run(clang_command(entry, depfile), cwd=entry["directory"], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        return entry["file"], done.stderr
    stamp.write_text(entry["command"])
    return None


if not shutil.which("clang"):
    print("1..0 # SKIP clang is not installed")
    sys.exit(0)
stamps.mkdir(parents=True, exist_ok=True)
entries = {}
for entry in json.loads((build / "compile_commands.json").read_text()):
    if (build / entry["file"]).exists() and entry["file"].endswith(".c"):
        entries.setdefault(entry["file"], entry)
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    faults = [found for found in pool.map(fault, entries.values()) if found]
print("1..1")
for file, errors in faults:
    print(f"# {file}")
    for line in errors.splitlines():
        print("#  ", line)
print(("not ok" if faults else "ok") + f" 1 - {len(entries)} files compile with clang, too")
sys.exit(1 if faults else 0)
