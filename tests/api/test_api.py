"""The API over loopback, as clients see it. curl is the witness for ranges, the sqlite3 program for the database,
jsonschema for the answers against the OpenAPI document that the server itself hands out. Speaks TAP.
Use: test_api.py API_SERVE"""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import jsonschema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from harness import wait_for  # noqa: E402

SERVE = sys.argv[1]
RENDER = """#!/bin/sh
# Stands for siprecd-render: the format's name and the journal's bytes, and one line in a log for each run.
echo "$*" >> "$(dirname "$1")/../../../../renders.log"
env > "$(dirname "$1")/environment"
while [ -e "$(dirname "$1")/hold" ]; do sleep 0.05; done
[ -e "$(dirname "$1")/fail" ] && exit 1
{ printf '%s:' "$3"; cat "$1"; } > "$5"
echo '{}'
"""


def uuid(n, ms=None):
    ms = 1772366400000 + n * 1000 if ms is None else ms  # 2026-03-01T12:00:00Z and on
    return f"{ms >> 16:08x}-{ms & 0xffff:04x}-7000-8000-{n:012x}"


def stamp(n, extra_ms=0):
    at = 1772366400 + n + extra_ms / 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{extra_ms % 1000:03d}Z"


def document(n, call_id="call@example.com", state="finished", **more):
    over = state in ("finished", "failed")
    stream = {"label": "1", "participant": "p1", "codec": "PCMU/8000", "packets": 250, "lost": 0,
              "offered": "192.0.2.1:4000", "advertised": "198.51.100.1:10000", "bound": "198.51.100.1:10000",
              "observed": None, "path": "host", "relay": None,
              "verdict": {"src_class": None, "our_class": None, "why": "", "alternatives": [], "trail": [],
                          "first_packet_ms": 12, "lost_before_first": 0, "switches": 0, "security": []}}
    return {"id": uuid(n), "call_id": call_id, "state": state, "recovered": False, "started_at": stamp(n),
            "ended_at": stamp(n, 500) if over else None, "duration_ms": 500 if over else None,
            "participants": [{"id": "p1", "aor": "sip:alice@example.com", "name": "Alice", "label": "1"}],
            "streams": [stream], "warnings": [{"code": "x", "text": "y", "at": stamp(n)}], **more}


class World:
    """A recordings directory and a server over it."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="siprecd-api-"))
        self.recordings = self.root / "recordings"
        self.recordings.mkdir()
        render = self.root / "render"
        render.write_text(RENDER)
        render.chmod(0o755)
        self.start()

    def start(self):
        self.log = open(self.root / "log", "ab")
        self.process = subprocess.Popen(
            [SERVE, str(self.recordings), str(self.root / "render"), "wav", "rec.example.com"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={**os.environ, "TURN_PASSWORD": "s3cret"})
        self.port, self.port6 = map(int, self.process.stdout.readline().split())

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, "the server did not end well"
        self.log.close()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def put(self, doc):
        assert self.ask("put " + json.dumps(doc)) == "0"

    def flush(self):
        assert self.ask("flush") == "1", "the catalogue did not settle"

    def folder(self, n):
        return self.recordings / "2026/03/01" / uuid(n)

    def record(self, n, journal=None, **more):
        self.put(document(n, **more))
        self.flush()
        if journal is not None:
            (self.folder(n) / "journal.pcapng").write_bytes(journal)

    def request(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, response.headers, data

    def raw(self, text):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
            s.sendall(text.encode())
            data = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    return data
                data += piece

    def curl(self, path, *arguments):
        return subprocess.run(["curl", "-s", "--max-time", "30", *arguments, f"http://127.0.0.1:{self.port}{path}"],
                              capture_output=True, check=False)


JSON = {"Content-Type": "application/json"}


class Contract:
    """The OpenAPI document, and answers held against it."""

    def __init__(self, world):
        status, headers, data = world.request("GET", "/openapi.json")
        assert status == 200 and headers["Content-Type"] == "application/json"
        self.world = world
        self.document = json.loads(data)
        self.seen = set()

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"][2:].split("/"):
                target = target[part]
            node = target
        return node

    def operation(self, method, path):
        path = path.split("?")[0]
        for template, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
                return template, item.get("get" if method == "HEAD" else method.lower())
        return None, None

    def check(self, method, path, want, headers=None, body=None):
        """The answer's status, type and body are as the document says, or this fails. Returns headers, body."""
        status, got, data = self.world.request(method, path, headers, body)
        assert status == want, f"{method} {path}: {status}, not {want}: {data[:300]}"
        assert "Access-Control-Allow-Origin" not in got
        template, operation = self.operation(method, path)
        if template is None or operation is None:
            assert status in (404, 405)
            content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        else:
            assert str(status) in operation["responses"], f"{method} {template}: {status} is not in the document"
            response = self.resolve(operation["responses"][str(status)])
            self.seen.add((method.lower(), template, status))
            content = response.get("content", {})
            for name, header in response.get("headers", {}).items():
                value = got[name]
                assert value is not None, f"{method} {path}: no {name}"
                schema = self.resolve(header)["schema"]
                self.validate(int(value) if schema.get("type") == "integer" else value, schema)
        if method == "HEAD":
            assert data == b""
        elif content:
            assert got["Content-Type"] in content, f"{method} {path}: {got['Content-Type']} is not in the document"
            schema = content[got["Content-Type"]].get("schema")
            if schema and "json" in got["Content-Type"]:
                value = json.loads(data)
                self.validate(value, schema)
                if "problem" in got["Content-Type"]:
                    assert value["status"] == status
        else:
            assert data == b""
        return got, data

    def validate(self, value, schema):
        whole = {**schema, "components": self.document["components"]}
        jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def test_document_and_router_are_one(w, c):
    routes = subprocess.run([SERVE, "routes"], capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
    documented = {f"{method.upper()} {path}" for path, item in c.document["paths"].items()
                  for method in item if method in ("get", "post", "put", "patch", "delete")}
    assert set(routes) == documented, set(routes) ^ documented
    assert c.document["openapi"].startswith("3.1.")
    c.check("GET", "/openapi.json", 200)
    for name, schema in c.document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
    for path, item in c.document["paths"].items():
        named = {c.resolve(p)["name"] for p in item.get("parameters", []) if c.resolve(p)["in"] == "path"}
        assert named == set(re.findall(r"\{([^}]+)\}", path)), path
    ids = [item[m]["operationId"] for item in c.document["paths"].values() for m in item if m != "parameters"]
    assert len(ids) == len(set(ids))


def test_empty(w, c):
    _, data = c.check("GET", "/v1/recordings", 200)
    assert json.loads(data) == {"recordings": [], "next": None}
    c.check("GET", f"/v1/recordings/{uuid(1)}", 404)


def test_list_pages_and_filters(w, c):
    for n in range(100, 123):
        w.put(document(n, call_id=f"call-{n % 2}@example.com", state="active" if n == 122 else "finished"))
    w.flush()
    seen, cursor = [], ""
    while True:
        _, data = c.check("GET", f"/v1/recordings?limit=5{cursor}", 200)
        page = json.loads(data)
        seen += [r["id"] for r in page["recordings"]]
        if page["next"] is None:
            break
        cursor = "&cursor=" + page["next"]
    assert seen == [uuid(n) for n in range(122, 99, -1)]
    _, data = c.check("GET", "/v1/recordings?call_id=call-1%40example.com", 200)
    assert [r["id"] for r in json.loads(data)["recordings"]] == [uuid(n) for n in range(121, 100, -2)]
    _, data = c.check("GET", "/v1/recordings?state=active", 200)
    assert [r["id"] for r in json.loads(data)["recordings"]] == [uuid(122)]
    _, data = c.check("GET", "/v1/recordings?state=active&call_id=nobody", 200)
    assert json.loads(data)["recordings"] == []
    for bad in ("limit=0", "limit=1001", "limit=x", "limit=", "limit=-1", "cursor=x", "cursor=", "state=over",
                "call_id=", "call_id=%zz", "limit=99999999999999999999"):
        c.check("GET", "/v1/recordings?" + bad, 400)


def test_strange_call_ids(w, c):
    for n, call_id in ((200, "../../../etc/passwd"), (201, "a" * 10000), (202, "zürich ☎ %2F?&=+"), (203, "' OR 1=1 --")):
        w.put(document(n, call_id=call_id))
        w.flush()
        encoded = "".join(f"%{b:02X}" for b in call_id.encode())
        _, data = c.check("GET", "/v1/recordings?call_id=" + encoded, 200)
        assert [r["id"] for r in json.loads(data)["recordings"]] == [uuid(n)], call_id
        assert json.loads(data)["recordings"][0]["call_id"] == call_id


def test_ids_are_strict(w, c):
    for bad in ("..", "%2e%2e", "%2e%2e%2fcatalog.db", uuid(100) + "x", uuid(100)[:-1], "%2Fetc%2Fpasswd", "-", "'",
                uuid(100).replace("-", "")):
        for tail in ("", "/audio", "/journal", "/metadata"):
            c.check("GET", f"/v1/recordings/{bad}{tail}", 404)
        c.check("DELETE", f"/v1/recordings/{bad}", 404, JSON)
    _, data = c.check("GET", f"/v1/recordings/{uuid(100).upper()}", 200)
    assert json.loads(data) == document(100, call_id="call-0@example.com")


def test_ranges(w, c):
    body = random.Random(1).randbytes(10000)
    w.record(1, journal=b"journal")
    (w.folder(1) / "audio.wav").write_bytes(body)
    path = f"/v1/recordings/{uuid(1)}/audio"
    for wanted, part in (("0-499", body[:500]), ("500-999", body[500:1000]), ("-500", body[-500:]),
                         ("9500-", body[9500:]), ("0-0", body[:1]), ("-1", body[-1:]), ("0-99999", body)):
        got = w.curl(path, "-r", wanted, "-D", str(w.root / "head"))
        assert got.stdout == part, wanted
        head = (w.root / "head").read_text()
        first = {"0-0": 0, "-1": 9999}.get(wanted, body.index(part))
        assert head.startswith("HTTP/1.1 206 Partial Content"), head
        assert f"Content-Range: bytes {first}-{first + len(part) - 1}/10000" in head, head
        assert f"Content-Length: {len(part)}" in head
    headers, data = c.check("GET", path, 200)
    assert data == body and headers["Accept-Ranges"] == "bytes" and headers["Content-Length"] == "10000"
    headers, _ = c.check("GET", path, 416, {"Range": "bytes=10000-"})
    assert headers["Content-Range"] == "bytes */10000"
    headers, _ = c.check("HEAD", path, 200, {"Range": "bytes=0-1"})
    assert headers["Content-Length"] == "10000"
    etag, modified = headers["ETag"], headers["Last-Modified"]
    c.check("GET", path, 200, {"Range": "bytes=0-1,5-6"})
    c.check("GET", path, 206, {"Range": "bytes=0-1", "If-Range": etag})
    c.check("GET", path, 206, {"Range": "bytes=0-1", "If-Range": modified})
    c.check("GET", path, 200, {"Range": "bytes=0-1", "If-Range": '"other"'})
    c.check("GET", path, 304, {"If-None-Match": etag})
    c.check("GET", path, 304, {"If-Modified-Since": modified})
    c.check("GET", path, 200, {"If-None-Match": '"other"', "If-Modified-Since": modified})
    c.check("GET", path, 412, {"If-Match": '"other"'})
    (w.folder(1) / "audio.wav").write_bytes(body[:5000])
    c.check("GET", path, 200, {"Range": "bytes=0-1", "If-Range": etag})
    # A transfer that was cut goes on where it stopped.
    target = w.root / "resumed"
    (w.folder(1) / "audio.wav").write_bytes(body)
    target.write_bytes(body[:1234])
    assert w.curl(path, "-C", "-", "-o", str(target)).returncode == 0
    assert target.read_bytes() == body


def test_large_file(w, c):
    w.record(2, journal=b"j")
    with open(w.folder(2) / "audio.wav", "wb") as file:
        file.seek(5 * 1024 ** 3)  # sparse: over 4 GiB
        file.write(b"the end")
    headers, _ = c.check("HEAD", f"/v1/recordings/{uuid(2)}/audio", 200)
    assert headers["Content-Length"] == str(5 * 1024 ** 3 + 7)
    assert w.curl(f"/v1/recordings/{uuid(2)}/audio", "-r", "-7").stdout == b"the end"
    assert w.curl(f"/v1/recordings/{uuid(2)}/audio", "-r", f"{5 * 1024 ** 3 - 2}-").stdout == b"\0\0the end"
    (w.folder(2) / "audio.wav").unlink()


def test_journal_and_metadata(w, c):
    w.record(3, journal=b"\x0a\x0d\x0d\x0apcapng")
    headers, data = c.check("GET", f"/v1/recordings/{uuid(3)}/journal", 200)
    assert data == b"\x0a\x0d\x0d\x0apcapng"
    assert headers["Content-Disposition"] == f'attachment; filename="{uuid(3)}.pcapng"'
    c.check("GET", f"/v1/recordings/{uuid(3)}/journal", 206, {"Range": "bytes=0-3"})
    c.check("GET", f"/v1/recordings/{uuid(3)}/metadata", 404)
    (w.folder(3) / "metadata.xml").write_bytes(b"<recording>\xff broken")
    _, data = c.check("GET", f"/v1/recordings/{uuid(3)}/metadata", 200)
    assert data == b"<recording>\xff broken"
    (w.folder(3) / "metadata.xml").unlink()
    (w.folder(3) / "metadata.xml").symlink_to("/etc/passwd")
    assert b"root" not in c.check("GET", f"/v1/recordings/{uuid(3)}/metadata", 500)[1]


def renders(w, n):
    log = w.root / "recordings/renders.log"
    return sum(uuid(n) in line for line in log.read_text().splitlines()) if log.exists() else 0


def test_render_on_demand(w, c):
    w.record(4, journal=b"JOURNAL")
    path = f"/v1/recordings/{uuid(4)}/audio"
    for name, kind in (("wav", "audio/wav"), ("flac", "audio/flac"), ("opus", "audio/ogg; codecs=opus"),
                       ("mp3", "audio/mpeg")):
        headers, data = c.check("GET", f"{path}?format={name}", 200)
        assert data == f"{name}:JOURNAL".encode() and headers["Content-Type"] == kind
        c.check("GET", f"{path}?format={name}", 206, {"Range": "bytes=0-2"})
        assert (w.folder(4) / f"audio.{name}").exists()
    assert renders(w, 4) == 4
    environment = (w.folder(4) / "environment").read_text()
    assert "PATH=" in environment and "s3cret" not in environment, "it reads what strangers sent: it gets no passwords"
    c.check("GET", f"{path}?format=ogg", 400)
    c.check("GET", f"{path}?format=../x", 400)


def test_renders_are_shared_and_do_not_block(w, c):
    w.record(5, journal=b"J")
    path = f"/v1/recordings/{uuid(5)}/audio?format=flac"
    (w.folder(5) / "hold").touch()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(w.request("GET", path))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert wait_for(lambda: renders(w, 5), 60)
    before = time.monotonic()
    c.check("GET", "/health/live", 200)
    assert time.monotonic() - before < 5 and not answers
    (w.folder(5) / "hold").unlink()
    for thread in threads:
        thread.join(30)
    assert [(a[0], a[2]) for a in answers] == [(200, b"flac:J")] * 20
    assert renders(w, 5) == 1


def test_peer_leaves_before_its_render(w, c):
    w.record(6, journal=b"J")
    (w.folder(6) / "hold").touch()
    with socket.create_connection(("127.0.0.1", w.port)) as s:
        s.sendall(f"GET /v1/recordings/{uuid(6)}/audio HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert wait_for(lambda: renders(w, 6), 60)
    (w.folder(6) / "hold").unlink()
    _, data = c.check("GET", f"/v1/recordings/{uuid(6)}/audio", 200)
    assert data == b"wav:J"


def test_render_failures(w, c):
    w.record(7, journal=b"J")
    (w.folder(7) / "fail").touch()
    c.check("GET", f"/v1/recordings/{uuid(7)}/audio", 500)
    assert not list(w.folder(7).glob("audio.*"))
    w.record(8)
    c.check("GET", f"/v1/recordings/{uuid(8)}/audio", 404)
    c.check("GET", f"/v1/recordings/{uuid(8)}/journal", 404)
    # Going on: rendered as far as it is, and not kept.
    w.record(9, journal=b"HALF", state="active")
    _, data = c.check("GET", f"/v1/recordings/{uuid(9)}/audio", 200)
    assert data == b"wav:HALF" and not list(w.folder(9).glob("audio.*"))
    (w.folder(9) / "journal.pcapng").write_bytes(b"WHOLE")
    _, data = c.check("GET", f"/v1/recordings/{uuid(9)}/audio", 200)
    assert data == b"wav:WHOLE"


def test_delete(w, c):
    w.record(10, journal=b"J")
    path = f"/v1/recordings/{uuid(10)}"
    c.check("DELETE", path, 415)
    c.check("DELETE", path, 415, {"Content-Type": "text/plain"})
    assert w.folder(10).exists()
    c.check("DELETE", path, 204, JSON)
    assert not w.folder(10).exists()
    c.check("GET", path, 404)
    c.check("DELETE", path, 404, JSON)
    c.check("DELETE", f"/v1/recordings/{uuid(122)}", 409, JSON)
    assert w.folder(122).exists()
    log = (w.root / "log").read_text()
    assert re.search(rf"recording deleted id={uuid(10)} by=api peer=127.0.0.1 ", log), log[-500:]


PROFILE = {"class": "B2", "calls": 3, "first_at": "2026-03-01T12:00:00.000Z", "used_at": "2026-03-02T12:00:00.000Z",
           "first_rtp_ms": 120, "facts": {"symmetric": {"is": False, "weight": 100}, "port_offset": {"is": True, "weight": 50}},
           "port_offset": -500, "port_offset_seen": {"ports": -500, "offered": 20000, "calls": 2}, "media": ["192.0.2.9"]}


def srcs(c, want, query=""):
    """Profiles reach the database within a second."""
    def page():
        return json.loads(c.check("GET", "/v1/srcs" + query, 200)[1])
    assert wait_for(lambda: len(page()["srcs"]) == want, 60), page()
    return page()


def test_srcs(w, c):
    assert srcs(c, 0) == {"srcs": [], "next": None}
    for n in (1, 2, 3):
        w.ask(f"src {uuid(900 + n)} udp:5060 192.0.2.{n} sbc.example.com Oracle%20SBC%ff\t{json.dumps(PROFILE)}")
    w.ask(f"src {uuid(904)} identity CN=sbc%201\t{json.dumps(PROFILE)}")
    one, two, three, four = srcs(c, 4)["srcs"]
    assert one["source"] == "192.0.2.1" and one["listener"] == "udp:5060" and one["contact"] == "sbc.example.com"
    assert one["user_agent"].startswith("Oracle") and one["identity"] is None
    assert {key: one[key] for key in PROFILE} == PROFILE
    assert four["identity"] == "CN=sbc 1" and four["source"] is None
    page = srcs(c, 3, "?limit=3")
    assert page["next"] == uuid(903)
    assert srcs(c, 1, f"?limit=3&cursor={page['next']}")["next"] is None
    c.check("GET", "/v1/srcs?limit=0", 400)
    c.check("GET", "/v1/srcs?cursor=x", 400)
    # The same again is an update; another with the same key takes its place.
    w.ask(f"src {uuid(901)} udp:5060 192.0.2.1 sbc.example.com Oracle%20SBC%ff\t{json.dumps({**PROFILE, 'calls': 4})}")
    assert wait_for(lambda: srcs(c, 4)["srcs"][0]["calls"] == 4, 60)
    path = f"/v1/srcs/{uuid(902)}"
    c.check("DELETE", path, 415)
    c.check("DELETE", path, 204, JSON)
    c.check("DELETE", path, 404, JSON)
    c.check("DELETE", "/v1/srcs/x", 404, JSON)
    srcs(c, 3)
    assert w.ask("forgotten") == "2"  # the signalling thread is told before the database is looked into
    assert f"src forgotten id={uuid(902)} by=api peer=127.0.0.1" in (w.root / "log").read_text()
    for n in (1, 3, 4):
        c.check("DELETE", f"/v1/srcs/{uuid(900 + n)}", 204, JSON)


def test_host_rule(w, c):
    ok = ("127.0.0.1", f"127.0.0.1:{w.port}", "localhost", "LOCALHOST:1", "[::1]", "rec.example.com", "192.0.2.1")
    for host in ok:
        c.check("GET", "/health/live", 200, {"Host": host})
    for host in ("evil.example.com", "rec.example.com.evil.example.net", "127.0.0.1.evil.example.net", "[::1", "x"):
        c.check("GET", "/health/live", 421, {"Host": host})
        c.check("GET", "/v1/recordings", 421, {"Host": host})
        c.check("POST", "/v1/drain", 421, {"Host": host, **JSON})
    assert w.raw("GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert w.raw("GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example.com\r\n"
                 "Connection: close\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert w.raw("GET http://evil.example.com/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                 "Connection: close\r\n\r\n").startswith(b"HTTP/1.1 421")
    assert w.raw("GET http://[::1]:80/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                 "Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    got = subprocess.run(["curl", "-s", "-g", f"http://[::1]:{w.port6}/health/live"], capture_output=True, check=False)
    assert got.stdout == b'{"status":"live"}', got


def test_methods_and_paths(w, c):
    headers, _ = c.check("POST", "/v1/recordings", 405, JSON)
    assert headers["Allow"] == "GET, HEAD"
    headers, _ = c.check("PUT", f"/v1/recordings/{uuid(100)}", 405, JSON)
    assert headers["Allow"] == "GET, HEAD, DELETE"
    headers, _ = c.check("GET", "/v1/drain", 405)
    assert headers["Allow"] == "POST"
    c.check("OPTIONS", "/v1/recordings", 405, {"Origin": "https://evil.example.com",
                                               "Access-Control-Request-Method": "DELETE"})
    c.check("BREW", "/v1/recordings", 405)
    for path in ("/", "/v1", "/v1/recordings/", "/metrics/x", "/v1//recordings"):
        c.check("GET", path, 404)
    c.check("HEAD", "/v1/recordings", 200)


NAT = {
    "state": "known", "updated_at": "2026-11-01T12:00:00.000Z",
    "interfaces": [{"name": "eth0", "kind": None, "up": True, "default": True, "addresses": ["192.168.1.5"]}],
    "external": [{"address": "203.0.113.7", "source": "stun", "age_s": 3}],
    "behind_nat": True, "levels": 1, "mapping": "endpoint-independent", "filtering": "address-and-port-dependent",
    "lifetime_s": 120, "forgotten_s": None, "hairpin": False,
    "portmap": {"protocol": "pcp", "gateway": "192.168.1.1", "external": "203.0.113.7", "mapped": 66, "wanted": 66},
    "relays": [], "stock": {"ready": 32, "streams": 0},
    "problems": [{"code": "needs_relay", "text": "nobody gets in", "cure": "forward the ports"}],
    "ipv6": None, "stun_servers": [{"server": "198.51.100.9:3478", "answers": True, "rtt_ms": 12}],
    "names_not_found": [], "cloud": "aws"}


def test_nat(w, c):
    w.ask("nat " + json.dumps(NAT))
    _, data = c.check("GET", "/v1/nat", 200)
    assert json.loads(data) == NAT
    c.check("POST", "/v1/nat", 405)


def test_doctor(w, c):
    _, data = c.check("GET", "/v1/doctor?call_id=nobody%40example.com", 200)
    report = json.loads(data)
    assert report["call_id"] == "nobody@example.com" and not report["healthy"]
    assert [f["cause"] for f in report["findings"]] == ["no-sip"] and report["findings"][0]["cure"]
    # The call as it is this moment, not as the catalogue had it; the firewall by the asker's word.
    silent = dict(document(310, state="active"), call_id="silent@example.com")
    silent["streams"] = [dict(silent["streams"][0], packets=0, direction="recvonly", path="host",
                              verdict=dict(silent["streams"][0]["verdict"], first_packet_ms=None))]
    w.ask("sessions " + json.dumps([silent]))
    report = json.loads(c.check("GET", "/v1/doctor?call_id=silent%40example.com&firewall=closed", 200)[1])
    assert [f["cause"] for f in report["findings"]] == ["host-firewall"], report
    report = json.loads(c.check("GET", "/v1/doctor?call_id=silent%40example.com", 200)[1])
    assert len(report["findings"]) > 1 and report["decide"], report
    # A word for each stream: each has its own cause, and the rule names the chain that drops.
    silent["streams"] = [dict(silent["streams"][0], label=label) for label in "12"]
    w.ask("sessions " + json.dumps([silent]))
    report = json.loads(c.check("GET", "/v1/doctor?call_id=silent%40example.com&firewall=closed,open&chain=inet/filter/web-in", 200)[1])
    certain = [f for f in report["findings"] if f["certainty"] == "certain"]
    assert [(f["cause"], f["streams"]) for f in certain] == [("host-firewall", ["1"])], report
    assert "web-in" in certain[0]["command"], report
    assert len(report["findings"]) > 2 and all(f["streams"] == ["2"] for f in report["findings"][1:]), report
    # A label that is no UTF-8 once it is cut breaks nothing.
    silent["streams"] = [dict(silent["streams"][0], label="x" * 30 + "\u20ac")]
    w.ask("sessions " + json.dumps([silent]))
    report = json.loads(c.check("GET", "/v1/doctor?call_id=silent%40example.com&firewall=closed", 200)[1])
    assert report["findings"][0]["stream"].startswith("x" * 30) and report["verdict"], report
    w.ask("sessions []")
    for query in ("firewall=maybe", "firewall=open,maybe", "chain=x", "chain=inet/filter/in%3Bput", "chain=inet//input",
                  "chain=inet/filter/" + 70 * "x"):
        c.check("GET", "/v1/doctor?" + query, 400)


def test_sessions(w, c):
    _, data = c.check("GET", "/v1/sessions", 200)
    assert json.loads(data) == {"sessions": []}
    w.ask("sessions " + json.dumps([document(300, state="active")]))
    _, data = c.check("GET", "/v1/sessions", 200)
    assert json.loads(data)["sessions"][0]["id"] == uuid(300)
    # One that goes on is shown with the counts of now, not of its start; the others as the catalogue has them.
    now = document(122, call_id="call-0@example.com", state="active")
    now["streams"][0]["packets"] = 999
    w.ask("sessions " + json.dumps([document(300, state="active"), now]))
    _, data = c.check("GET", f"/v1/recordings/{uuid(122)}", 200)
    assert json.loads(data) == now
    w.ask("sessions []")
    _, data = c.check("GET", f"/v1/recordings/{uuid(122)}", 200)
    assert json.loads(data)["streams"][0]["packets"] == 250


def test_health_and_drain(w, c):
    w.ask("ready")
    _, data = c.check("GET", "/health/ready", 200)
    assert json.loads(data)["status"] == "ready" and json.loads(data)["reasons"] == []
    w.ask("full")
    _, data = c.check("GET", "/health/ready", 503)
    assert json.loads(data)["reasons"] == ["full"]
    w.ask("ready")
    c.check("POST", "/v1/drain", 415)
    c.check("POST", "/v1/drain", 415, {"Content-Type": "application/x-www-form-urlencoded"}, "x=1")
    c.check("POST", "/v1/drain", 400, JSON, "{")
    c.check("POST", "/v1/drain", 413, JSON, '{"x":"' + "y" * 100000 + '"}')
    c.check("GET", "/health/ready", 200)
    c.check("POST", "/v1/drain", 202, {"Content-Type": "Application/JSON; charset=utf-8"}, "{}")
    c.check("POST", "/v1/drain", 202, JSON)
    wait_for(lambda: w.request("GET", "/health/ready")[0] == 503, 60)
    _, data = c.check("GET", "/health/ready", 503)
    assert json.loads(data)["reasons"] == ["draining"]
    c.check("GET", "/health/live", 200)
    w.ask("ready")


def test_metrics(w, c):
    headers, data = c.check("GET", "/metrics", 200)
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = data.decode()
    assert text.endswith("\n")
    series = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert (kind == "counter") == name.endswith("_total") and kind in ("counter", "gauge", "histogram"), line
            assert name not in series, line
            series[name] = kind
        elif not line.startswith("# HELP "):
            name, value = line.split(" ")
            name, labels = re.fullmatch(r"(siprecd_[a-z_]+)((?:\{[a-z]+=\"[^\"]*\"\})?)", name).groups()
            family = re.sub("_(bucket|sum|count)$", "", name)
            assert series.get(name) in ("counter", "gauge") or series[family] == "histogram", line
            assert name.endswith("_sum") or float(value) == int(value), line
    assert "siprecd_first_packet_seconds_sum 0.000\n" in text
    assert 'siprecd_first_packet_seconds_bucket{le="+Inf"} 0\n' in text
    assert 'siprecd_stream_paths_total{path="relay"} 0\n' in text
    assert int(re.search(r"^siprecd_http_requests_total (\d+)$", text, re.M).group(1)) > 50
    assert int(re.search(r"^siprecd_http_refused_total (\d+)$", text, re.M).group(1)) > 5
    assert int(re.search(r"^siprecd_recordings_deleted_total (\d+)$", text, re.M).group(1)) == 1


def sqlite(w, sql):
    return subprocess.run(["sqlite3", "-cmd", ".timeout 5000", str(w.recordings / "catalog.db"), sql],
                          capture_output=True, text=True, check=True).stdout.strip()


def test_database_as_sqlite3_sees_it(w, c):
    assert sqlite(w, "PRAGMA integrity_check") == "ok"
    assert sqlite(w, "PRAGMA journal_mode") == "wal"
    assert sqlite(w, f"SELECT state,started_at,ended_at,duration_ms FROM recordings WHERE id='{uuid(101)}'") == \
        f"finished|{stamp(101)}|{stamp(101, 500)}|500"
    assert json.loads(sqlite(w, f"SELECT document FROM recordings WHERE id='{uuid(101)}'")) == \
        json.loads((w.folder(101) / "recording.json").read_text()) == document(101, call_id="call-1@example.com")


def test_database_trouble(w, c):
    before = json.loads(w.request("GET", "/v1/recordings?limit=1000")[2])
    # Locked by somebody else while a recording comes and goes.
    lock = subprocess.Popen(["sqlite3", str(w.recordings / "catalog.db")], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    lock.stdin.write("BEGIN EXCLUSIVE;\nSELECT 'held';\n")
    lock.stdin.flush()
    assert lock.stdout.readline() == "held\n"
    w.put(document(400))
    wait_for((w.folder(400) / "recording.json").exists, 60)
    c.check("GET", f"/v1/recordings/{uuid(400)}", 200)
    c.check("GET", "/v1/recordings", 200)
    w.ask("ready")
    c.check("GET", "/health/ready", 200)
    lock.stdin.write("ROLLBACK;\n")
    lock.stdin.close()
    lock.wait(20)
    w.flush()
    after = json.loads(w.request("GET", "/v1/recordings?limit=1000")[2])
    assert after["recordings"] == [document(400)] + before["recordings"]
    # Gone, together with its log.
    for name in ("catalog.db", "catalog.db-wal", "catalog.db-shm"):
        (w.recordings / name).unlink(missing_ok=True)
    c.check("GET", f"/v1/recordings/{uuid(400)}", 200)

    def same():
        status, _, text = w.request("GET", "/v1/recordings?limit=1000")
        return status == 200 and json.loads(text) == after
    assert wait_for(same, 60), "the catalogue did not come back"
    # Damaged while nobody looked.
    w.stop()
    with open(w.recordings / "catalog.db", "r+b") as file:
        file.write(os.urandom(3000))
    w.start()
    w.flush()
    w.ask("ready")
    assert json.loads(w.request("GET", "/v1/recordings?limit=1000")[2]) == after
    assert list(w.recordings.glob("catalog.db.damaged-*"))


def test_hostile_connections(w, c):
    # Nothing but noise, an endless head, a huge body: a refusal or an end, and the server lives.
    for text in ("\0\1\2\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "\r\n" * 100,
                 "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "X: y\r\n" * 20000 + "\r\n",
                 "GET /" + "a" * 100000 + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                 "POST /v1/drain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                 "Content-Length: 99999999999\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", w.port), timeout=30) as s:
            try:
                s.sendall(text.encode())
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
    c.check("GET", "/health/live", 200)
    # More connections than it takes: those that came first are served, and the rest when there is room again.
    crowd = []
    for _ in range(300):
        s = socket.create_connection(("127.0.0.1", w.port), timeout=30)
        crowd.append(s)
    crowd[0].sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert crowd[0].recv(4096).startswith(b"HTTP/1.1 200")
    crowd[-1].sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    crowd[-1].settimeout(0.3)
    try:
        data = crowd[-1].recv(4096)
    except TimeoutError:
        data = None
    assert data is None, "no limit on connections"
    for s in crowd[:-1]:
        s.close()
    crowd[-1].settimeout(30)
    assert crowd[-1].recv(4096).startswith(b"HTTP/1.1 200")
    crowd[-1].close()
    c.check("GET", "/health/live", 200)


def test_pipelined_and_kept(w, c):
    one = "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert w.raw(one * 5 + last).count(b'{"status":"live"}') == 6
    w.record(11, journal=b"x" * 3000000)
    with socket.create_connection(("127.0.0.1", w.port)) as s:  # leaves in the middle of a download
        s.sendall(f"GET /v1/recordings/{uuid(11)}/journal HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        s.recv(100)
    got = w.curl(f"/v1/recordings/{uuid(11)}/journal", "--limit-rate", "3M")
    assert got.stdout == b"x" * 3000000


def test_a_signalling_thread_that_hangs(w, c):
    w.ask("mute")
    c.check("GET", "/v1/sessions", 503)
    c.check("GET", "/v1/nat", 503)
    c.check("GET", f"/v1/recordings/{uuid(122)}", 200)
    c.check("GET", "/health/live", 200)


def test_every_answer_of_the_document_was_seen(w, c):
    # What cannot be made to happen here: a render of fifteen minutes, a disk that fails.
    spared = {("get", "/metrics", 503), ("get", "/v1/recordings/{id}/audio", 504)}
    rare = {500, 503}
    missing = []
    for path, item in c.document["paths"].items():
        for method in set(item) & {"get", "post", "delete"}:
            for status in item[method]["responses"]:
                key = (method, path, int(status))
                if key not in c.seen and key not in spared and int(status) not in rare and int(status) != 421:
                    missing.append(key)
    documented_files = {(m, p, s) for m, p, s in missing if p.endswith(("/journal", "/metadata")) and s in (206, 304, 412, 416)}
    assert not set(missing) - documented_files, missing


def main():
    world = World()
    contract = Contract(world)
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    try:
        for number, test in enumerate(tests, 1):
            try:
                test(world, contract)
                print(f"ok {number} - {test.__name__}", flush=True)
            except Exception:
                failed += 1
                for line in traceback.format_exc().splitlines()[-6:]:
                    print("#", line[:600])
                print(f"not ok {number} - {test.__name__}", flush=True)
        world.stop()
    finally:
        if world.process.poll() is None:
            world.process.kill()
        shutil.rmtree(world.root, ignore_errors=True)
    sys.exit(bool(failed))


main()
