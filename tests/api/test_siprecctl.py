"""siprecctl against a real server over a recordings directory made up for the test: tables, JSON, exit codes.
Speaks TAP. Use: test_siprecctl.py API_SERVE SIPRECCTL"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from harness import wait_for  # noqa: E402

SERVE, CTL = sys.argv[1:]


def uuid(n):
    ms = 1772366400000 + n * 1000  # 2026-03-01T12:00:00Z and on
    return f"{ms >> 16:08x}-{ms & 0xffff:04x}-7000-8000-{n:012x}"


def document(n, state="finished", **more):
    over = state == "finished"
    return {"id": uuid(n), "call_id": f"call-{n}@example.com", "state": state, "recovered": False,
            "started_at": f"2026-03-01T12:{n // 60:02d}:{n % 60:02d}.000Z",
            "ended_at": f"2026-03-01T13:{n // 60:02d}:{n % 60:02d}.000Z" if over else None,
            "duration_ms": 3600000 if over else None,
            "participants": [{"id": "p1", "aor": "sip:alice@example.com", "name": "Alice", "label": "1"},
                             {"id": "p2", "aor": "sip:bob@example.com", "name": None, "label": "2"}],
            "streams": [{"label": "1", "participant": "p1", "codec": "PCMU/8000", "packets": 1234, "lost": 5,
                         "offered": "192.0.2.1:4000", "advertised": "198.51.100.1:10000",
                         "bound": "198.51.100.1:10000", "observed": "203.0.113.9:4321", "path": "host",
                         "relay": None, "verdict": {}}],
            "warnings": [], **more}


class World:
    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-ctl-"))
        (self.root / "recordings").mkdir()
        self.process = subprocess.Popen([SERVE, str(self.root / "recordings"), "/bin/false", "wav", ""],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline().split()[0])
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def put(self, doc):
        assert self.ask("put " + json.dumps(doc)) == "0" and self.ask("flush") == "1"

    def ctl(self, *arguments, url=None):
        done = subprocess.run([CTL, *arguments], capture_output=True, text=True, check=False,
                              env={**os.environ, "SIPRECCTL_URL": url or self.url, "http_proxy": "http://127.0.0.1:9"})
        for line in done.stdout.splitlines():
            assert len(line) <= 100 or "--json" in arguments, line
            assert line == line.rstrip() and line.isprintable(), repr(line)
        return done.returncode, done.stdout, done.stderr


def test_empty(w):
    assert w.ctl("recordings") == (0, "No recordings.\n", "")
    assert w.ctl("sessions") == (0, "No calls are being recorded.\n", "")
    assert json.loads(w.ctl("recordings", "--json")[1]) == {"recordings": [], "next": None}


def test_list(w):
    for n in range(30):
        w.put(document(n))
    code, out, _ = w.ctl("recordings")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 22 and lines[0].split() == ["ID", "STARTED", "(UTC)", "LENGTH", "STATE",
                                                                    "PARTICIPANTS"]
    assert lines[1].startswith(uuid(29)) and "2026-03-01 12:00:29  1:00:00   finished   Alice, sip:bob@exam~" in lines[1], lines[1]
    assert "--limit" in lines[-1]
    assert len(w.ctl("recordings", "--limit", "2")[1].splitlines()) == 4
    assert len(w.ctl("recordings", "--limit", "30")[1].splitlines()) == 31
    code, out, _ = w.ctl("--json", "recordings", "--limit", "5000")
    assert [r["id"] for r in json.loads(out)["recordings"]] == [uuid(n) for n in range(29, -1, -1)]
    code, out, _ = w.ctl("recordings", "--call-id", "call-7@example.com")
    assert code == 0 and len(out.splitlines()) == 2 and uuid(7) in out
    assert w.ctl("recordings", "--state", "failed")[1] == "No recordings.\n"
    # The environment names the server; the option goes before it.
    assert w.ctl("--url", w.url + "/", "recordings", url="http://127.0.0.1:1")[0] == 0


def test_one(w):
    code, out, _ = w.ctl("recordings", uuid(3))
    for piece in (uuid(3), "call-3@example.com", "2026-03-01 12:00:03", "1:00:00", "Alice", "sip:bob@example.com",
                  "PCMU/8000", "1234", "203.0.113.9:4321", "198.51.100.1:10000", "host"):
        assert piece in out, piece
    assert code == 0
    assert json.loads(w.ctl("recordings", uuid(3), "--json")[1]) == document(3)


def test_names_cannot_command_the_terminal(w):
    w.put(document(40, participants=[{"id": "p", "aor": "sip:x@example.com", "label": "1",
                                      "name": "\x1b]0;owned\x07\u009bJä\u202eö"}],
                   warnings=[{"code": "a\nb", "text": "c\x1b[2Jd", "at": "2026-03-01T12:00:00Z"}]))
    code, out, _ = w.ctl("recordings", uuid(40))
    assert code == 0 and "?]0;owned??Jä?ö" in out and "a?b: c?[2Jd" in out, out
    code, out, _ = w.ctl("recordings", "--limit", "1")
    assert code == 0 and "(!)" in out
    out = w.ctl("recordings", uuid(40), "--json")[1]
    assert out.isascii() and "\x1b" not in out and json.loads(out)["participants"][0]["name"] == "\x1b]0;owned\x07\u009bJä\u202eö"
    assert w.ctl("recordings", uuid(40), "--delete")[0] == 0
    # Nor can what servers said of themselves, a registrar's reason for one, or a problem's text.
    def spoil(value):
        if isinstance(value, dict):
            return {key: spoil(one) for key, one in value.items()}
        if isinstance(value, list):
            return [spoil(one) for one in value]
        return value + "\x1b[\u009b\n\u202e" if isinstance(value, str) else value
    nat = {"state": "odd", "interfaces": [{"name": "eth0", "kind": "bridge", "up": True, "default": True, "addresses": ["10.0.0.1"]}],
           "external": [{"address": "203.0.113.7", "source": "stun", "age_s": 3}], "behind_nat": True, "levels": 2,
           "mapping": None, "filtering": None, "lifetime_s": None, "hairpin": None, "cloud": "gcp", "ipv6": None,
           "portmap": {"protocol": "upnp", "gateway": "192.168.1.1", "external": "100.64.0.9", "mapped": 5, "wanted": 66},
           "relays": [{"server": "x", "transport": "udp", "state": "refuses"}], "stock": {"ready": 32, "streams": 2},
           "registrations": [{"uri": "sip:a", "state": "refused", "why": "Forbidden", "transport": "tcp", "proxy": None}],
           "stun_servers": [{"server": "y", "answers": True, "rtt_ms": 12}], "names_not_found": ["stun.example.com"],
           "problems": [{"code": "double_nat", "text": "text", "cure": "cure"}]}
    w.ask("nat " + json.dumps(spoil(nat)))
    code, out, _ = w.ctl("nat")
    assert code == 0 and out.count("?[???") == 19, (out.count("?[???"), out)


def test_sessions(w):
    w.ask("sessions " + json.dumps([document(50, state="active")]))
    code, out, _ = w.ctl("sessions")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 2 and lines[1].startswith(uuid(50)) and "1234" in lines[1] and "Alice" in lines[1]
    assert json.loads(w.ctl("sessions", "--json")[1])["sessions"][0]["id"] == uuid(50)


def test_nat(w):
    nat = {"state": "known", "updated_at": "2026-11-01T12:00:00.000Z",
           "interfaces": [{"name": "eth0", "kind": None, "up": True, "default": True, "addresses": ["192.168.1.5"]},
                          {"name": "docker0", "kind": "bridge", "up": True, "default": False,
                           "addresses": ["172.17.0.1"]}],
           "external": [{"address": "203.0.113.7", "source": "stun", "age_s": 3}],
           "behind_nat": True, "levels": 2, "mapping": "endpoint-independent", "filtering": None, "lifetime_s": 120,
           "forgotten_s": 11, "hairpin": None, "portmap": {"protocol": "upnp", "gateway": "192.168.1.1", "external": "100.64.0.9",
                                        "mapped": 5, "wanted": 66},
           "relays": [], "stock": {"ready": 32, "streams": 2},
           "problems": [{"code": "double_nat", "text": "the gateway is behind another NAT", "cure": "bridge mode"}],
           "ipv6": None, "stun_servers": [{"server": "198.51.100.9:3478", "answers": True, "rtt_ms": 12},
                                          {"server": "198.51.100.8:3478", "answers": False, "rtt_ms": None}],
           "names_not_found": ["turn.example.com"], "cloud": None}
    w.ask("nat " + json.dumps(nat))
    code, out, _ = w.ctl("nat")
    assert code == 0 and len(out.splitlines()) < 24 and max(map(len, out.splitlines())) <= 100, out
    for words in ("192.168.1.5 on eth0, the way to the world", "172.17.0.1 on docker0 (bridge)", "203.0.113.7 by STUN",
                  "two or more", "endpoint-independent mapping", "120 s", "after 11 s without a packet of ours", "5 of 66 ports mapped by upnp",
                  "198.51.100.8:3478 does not answer", "answers in 12 ms", "32 ready, 2 in use",
                  "double_nat: the gateway is behind another NAT", "bridge mode",
                  "Not found  turn.example.com, a name that leads nowhere"):
        assert words in out, (words, out)
    assert json.loads(w.ctl("nat", "--json")[1]) == nat
    # All that may be null is, as at a start without a network.
    empty = {key: None for key in nat} | {"state": "offline", "interfaces": [], "external": [], "relays": [],
                                          "problems": [], "stun_servers": [], "names_not_found": [], "stock": {"ready": 0, "streams": 0}}
    w.ask("nat " + json.dumps(empty))
    code, out, _ = w.ctl("nat")
    assert code == 0 and "OFFLINE" in out and "null" not in out, out


def test_doctor(w):
    silent = document(80, state="active", call_id="evil\x1b[2J\u009b2J\u202e@example.com")
    silent["streams"] = [dict(silent["streams"][0], packets=0, direction="recvonly", path="host", label=label)
                         for label in ("1\x1b[2J\n", "2")]
    w.ask("sessions " + json.dumps([silent]))
    code, out, err = w.ctl("doctor")
    assert code == 1 and not err and "?[2J" in out and "What decides:" in out and "tcpdump" in out, (code, out, err)
    lines = out.splitlines()
    assert all(len(line) <= 80 or line.startswith("    ") for line in lines), out
    assert not any(line.endswith(" ") for line in lines)
    code, out, _ = w.ctl("doctor", silent["call_id"], "--json")
    assert code == 1 and out.isascii() and json.loads(out)["call_id"] == silent["call_id"]
    w.ask("sessions []")
    code, out, _ = w.ctl("doctor", "nobody@example.com")
    assert code == 1 and "Call nobody@example.com" in out and "No SIP has arrived" in out, out
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        code, out, err = w.ctl("doctor", url=f"http://127.0.0.1:{s.getsockname()[1]}")
        assert code == 3 and out == "" and "cannot reach" in err and "systemctl status siprecd" in err, err


def test_delete(w):
    w.put(document(60, state="active"))
    assert w.ctl("recordings", uuid(60), "--delete")[0] == 1
    assert w.ctl("recordings", uuid(5), "--delete") == (0, f"Deleted {uuid(5)}.\n", "")
    code, out, err = w.ctl("recordings", uuid(5))
    assert code == 1 and out == "" and "no such recording" in err
    assert json.loads(w.ctl("recordings", uuid(6), "--delete", "--json")[1]) == {"deleted": uuid(6)}


def test_srcs(w):
    assert w.ctl("srcs") == (0, "Nothing is known of any SRC yet.\n", "")
    profile = {"class": "B6", "calls": 7, "facts": {"port_offset": {"is": True, "weight": 50}, "latches": {"is": False, "weight": 100}},
               "port_offset": 1000, "media": []}
    w.ask(f"src {uuid(70)} udp:5060 192.0.2.7 h agent\x1b\t{json.dumps(profile)}")
    assert wait_for(lambda: not w.ctl("srcs")[1].startswith("Nothing"), 60)
    line = w.ctl("srcs")[1].splitlines()[1]
    assert line.split() == [uuid(70), "192.0.2.7", "B6", "7", "port_offset=+1000", "no-latches"], line
    assert json.loads(w.ctl("srcs", "--json")[1])["srcs"][0]["class"] == "B6"
    assert w.ctl("srcs", "forget", uuid(70)) == (0, f"Forgotten {uuid(70)}.\n", "")
    assert w.ctl("srcs", "forget", uuid(70))[0] == 1
    assert w.ctl("srcs")[1].startswith("Nothing")


def test_wrong_usage(w):
    for arguments in ((), ("unknown",), ("recordings", "not-an-id"), ("recordings", uuid(1), uuid(2)),
                      ("recordings", "--limit", "0"), ("recordings", "--limit", "x"), ("recordings", "--delete"),
                      ("recordings", uuid(1), "--limit", "3"), ("sessions", "x"), ("sessions", "--limit", "3"),
                      ("--bogus", "recordings"), ("recordings", "--state", "x"), ("--url", "ftp://x", "drain"),
                      ("recordings", "--call-id"), ("drain", "--delete"), ("srcs", "x"), ("srcs", "forget"),
                      ("srcs", "forget", "x"), ("srcs", "forget", uuid(1), "y"), ("srcs", "--limit", "3"), ("recordings", "--call-id", "")):
        code, out, err = w.ctl(*arguments)
        assert code == 2 and out == "" and err, arguments


def test_help(w):
    for command in ("recordings", "sessions", "srcs", "nat", "doctor", "drain"):
        code, out, err = w.ctl(command, "--help")
        assert code == 0 and out.startswith(f"Usage: siprecctl {command}") and not err
    code, out, _ = w.ctl("--help")
    assert code == 0 and all(word in out for word in ("recordings", "sessions", "nat", "drain", "SIPRECCTL_URL"))
    assert w.ctl("--version")[0] == 0


def test_unreachable(w):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
        code, out, err = w.ctl("recordings", url=url)
        assert code == 3 and out == "" and "cannot reach" in err
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = subprocess.Popen([CTL, "--url", url, "sessions"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        peer, _ = server.accept()
        peer.recv(4096)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        peer.close()
        assert process.wait(30) == 3
        process.communicate()


def test_drain(w):
    code, out, _ = w.ctl("drain")
    assert code == 0 and out.startswith("Draining")
    assert json.loads(w.ctl("drain", "--json")[1])["draining"] is True


def main():
    world = World()
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    try:
        for number, test in enumerate(tests, 1):
            try:
                test(world)
                print(f"ok {number} - {test.__name__}", flush=True)
            except Exception:
                failed += 1
                for line in traceback.format_exc().splitlines()[-6:]:
                    print("#", line[:600])
                print(f"not ok {number} - {test.__name__}", flush=True)
        world.process.stdin.close()
        assert world.process.wait(30) == 0
    finally:
        if world.process.poll() is None:
            world.process.kill()
        shutil.rmtree(world.root, ignore_errors=True)
    sys.exit(bool(failed))


main()
