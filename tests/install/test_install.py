#!/usr/bin/env python3
"""`meson install` puts what an operator needs into place: programs that record a call from there, manual pages, a service
that systemd takes, settings that say what siprecd says itself. Use: test_install.py BUILD."""
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import harness  # noqa: E402
from harness import Siprecd, Tap, need, run, siprec_call  # noqa: E402

need("meson")
tap = Tap()
build = harness.BUILD
SETTINGS = re.compile(r"^#?(\w+) =(.*)$")


def install(destination):
    return run("meson", "install", "-C", build, "--no-rebuild", "--destdir", destination)


def keys(text):
    """{(section, key): value}; of --print-config, too."""
    found, section = {}, None
    for line in text.splitlines():
        heading, setting = re.fullmatch(r"\[(\w+)\]", line), SETTINGS.match(line)
        if heading:
            section = heading.group(1)
        elif setting and section:
            found[section, setting.group(1)] = setting.group(2).split(" ; ")[0].strip()
    return found


def settings(root, bin):
    path = root / "etc/siprecd/siprecd.conf"
    text = path.read_text()
    defaults = keys(run("env", "-i", bin / "siprecd", "--print-config").stdout)
    tap.equal(keys(text), defaults, "the settings file has every setting, with its default")
    tap.ok(not re.search(r"^[^#\[\n]", text, re.M), "and sets none", text)
    without = re.sub(r"^#(\w+ =)", r"\1", text, flags=re.M)
    changed = root / "changed.conf"
    changed.write_text(without)
    checked = run("env", "-i", bin / "siprecd", "-t", "-c", changed)
    tap.equal(checked.returncode, 0, "with the # taken out siprecd takes it all", checked.stderr)
    sample = re.search(r"\n    \[sip\]\n.*?(?=\n\n)", (harness.ROOT / "README.md").read_text(), re.S).group(0)
    changed.write_text(sample.replace("\n    ", "\n"))
    checked = run("env", "-i", bin / "siprecd", "--print-config", "-c", changed)
    tap.ok(checked.returncode == 0 and "allow = 192.0.2.0/24 ; " in checked.stdout, "and README's, as they stand there", sample,
           checked.stderr)
    path.write_text("[log]\nlevel = debug\n")
    done = install(root)
    tap.equal((done.returncode, path.read_text()), (0, "[log]\nlevel = debug\n"), "one that is there is kept", done.stdout, done.stderr)


def service(root, bin):
    text = next(root.rglob("siprecd.service")).read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.M).group(1)
    tap.ok((root / program.lstrip("/")).samefile(bin / "siprecd"), "the service starts what was installed", program)
    here = root / "siprecd.service"
    here.write_text(text.replace(program, str(bin / "siprecd")))
    if not shutil.which("systemd-analyze"):
        tap.skip("systemd takes the service", "systemd-analyze is not installed")
        return
    verified = run("systemd-analyze", "verify", "--man=no", here)
    tap.equal((verified.returncode, verified.stdout + verified.stderr), (0, ""), "systemd takes it without a word")
    judged = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", here)
    tap.ok(judged.returncode == 0, "and calls its exposure 2.0 at the most", judged.stdout[-300:], judged.stderr)


def manual(root):
    pages = {path.name.removesuffix(".gz"): path for path in root.rglob("*.[158]*") if "man" in path.parent.name}
    tap.equal(set(pages), {"siprecd.8", "siprecd.conf.5", "siprecctl.1", "siprec-call.1", "siprecd-render.1"}, "manual pages")
    for name, path in pages.items() if shutil.which("groff") else ():
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=text, capture_output=True)
        tap.equal((done.returncode, done.stderr), (0, b""), f"{name} is set without a fault")


def call(bin):
    """With siprecd-render found beside siprecd."""
    harness.BUILD = bin
    with Siprecd() as srs:
        status, report = siprec_call(srs.uri, "--streams", "2", "--seconds", "2")
        recording = srs.recording(report["results"][0]["call_id"])
        tap.ok(status == 0 and recording["state"] == "finished" and recording["audio"], "what was installed records a call",
               json.dumps(recording), srs.log()[-2000:])
        done = run(bin / "siprecctl", "--url", f"http://127.0.0.1:{srs.http}", "recordings")
        tap.ok(recording["id"] in done.stdout, "and lists it", done.stdout, done.stderr)


with tempfile.TemporaryDirectory(prefix="siprecd-install-") as folder:
    root = pathlib.Path(folder)
    done = install(root)
    tap.equal(done.returncode, 0, "it installs", done.stdout, done.stderr)
    bin = next(root.rglob("bin/siprecd")).parent
    tap.equal({path.name for path in bin.iterdir()}, {"siprecd", "siprecd-render", "siprecctl", "siprec-call"}, "all programs")
    call(bin)
    manual(root)
    service(root, bin)
    settings(root, bin)
tap.done()
