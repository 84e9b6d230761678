#!/usr/bin/env python3
"""siprecd registers at Kamailio over UDP, TCP and TLS, and calls reach it down those flows and by no other way; through
an HTTP proxy (tinyproxy) where nothing else leads out; keepalives, dead flows, wrong passwords and certificates."""
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from certificates import Authority  # noqa: E402
from harness import Siprecd, Tap, end, free_port, need, ports, siprec_call, wait_for  # noqa: E402
from kamailio_process import KamailioProcess  # noqa: E402

need("kamailio", "tinyproxy", "openssl")
tap = Tap()
slots, slots_lock = {}, threading.Lock()
temporary = tempfile.TemporaryDirectory(prefix="siprecd-register-")
here = pathlib.Path(temporary.name)
HERE = pathlib.Path(__file__).resolve().parent
if not pathlib.Path("/usr/lib/x86_64-linux-gnu/kamailio/modules/outbound.so").exists():
    tap.skip("registering at Kamailio", "kamailio-outbound-modules is not installed")
    tap.done()
authority = Authority(here)
authority.leaf("sbc", "URI:sip:localhost", "DNS:localhost", "IP:127.0.0.1")
authority.leaf("other", "DNS:other.example")


class Kamailio(KamailioProcess):
    """A registrar on 127.0.0.1: plain is its port for UDP and TCP, secure that for TLS."""

    def __init__(self, algorithm="MD5", flow_timer=0, min_expires=10, nonce_expire=300, certificate="sbc"):
        self.plain, self.secure = free_port(), free_port()
        text = (HERE / "kamailio.cfg").read_text()
        tls = (f'loadmodule "tls.so"\nmodparam("tls", "tls_method", "TLSv1.2+")\n'
               f'modparam("tls", "certificate", "{here}/{certificate}.pem")\n'
               f'modparam("tls", "private_key", "{here}/{certificate}.key")\n')
        for name, value in (("LISTEN", f"listen=udp:127.0.0.1:{self.plain}\nlisten=tcp:127.0.0.1:{self.plain}\n"
                                       f"listen=tls:127.0.0.1:{self.secure}\nalias=localhost\n"),
                            ("LOADTLS", tls), ("ALGORITHM", algorithm), ("FLOW_TIMER", str(flow_timer)),
                            ("MIN_EXPIRES", str(min_expires)), ("NONCE_EXPIRE", str(nonce_expire))):
            text = "\n".join(line if line.startswith("#") else line.replace(name, value) for line in text.splitlines())
        super().__init__(pathlib.Path(tempfile.mkdtemp(dir=here)), text + "\n", self.plain)


def media_range():
    """Media ports for the one siprecd that this thread runs at a time: a sixth of what there is."""
    with slots_lock:
        slot = slots.setdefault(threading.get_ident(), len(slots))
    low, high = ports.media(slot)
    third = (high - low + 1) // 3
    return low + slot // 2 * third, low + (slot // 2 + 1) * third - 1


def recorder(uris, *arguments, password="secret", listen=None):
    """A siprecd that listens where nobody calls it: what reaches it comes down a flow."""
    srs = Siprecd(f"--sip.register={uris}", "--sip.register_username=recorder", f"--sip.register_password={password}",
                  f"--sip.tls_ca={authority.pem}", "--sip.allow=192.0.2.1", *arguments, rtp=media_range())
    if listen:
        at = next(i for i, a in enumerate(srs.arguments) if a.startswith("--sip.listen"))
        srs.arguments[at] = f"--sip.listen={listen}"
    return srs


def registered(srs, count=1, seconds=30):
    return wait_for(lambda: srs.metric("siprecd_sip_registrations") == count, seconds)


def call_down(srs, sbc, name, user="recorder"):
    wait_for(lambda: (srs.json("/v1/nat") or {}).get("stock", {}).get("ready", 0) >= 4, 30)  # its media ports, on a busy machine
    status, report = siprec_call(f"sip:{user}@127.0.0.1:{sbc.plain}", "--transport", "tcp", "--seconds", "1", "--strict")
    result = report["results"][0]
    tap.equal((status, result["notes"]), (0, []), f"{name}: a call comes down the flow", result, srs.log()[-3000:])
    recording = srs.recording(result["call_id"]) if status == 0 else None
    tap.ok(recording and recording["state"] == "finished" and all(s["packets"] > 40 for s in recording["streams"]),
           f"{name}: and is recorded", recording)


def transports(algorithm):
    for transport in ("udp", "tcp", "tls"):
        with Kamailio(algorithm) as sbc:
            name = f"{transport}, {algorithm}"
            port = sbc.secure if transport == "tls" else sbc.plain
            with recorder(f"sip:recorder@localhost:{port};transport={transport}") as srs:
                if not tap.ok(registered(srs), f"{name}: registered", srs.log()[-3000:], (sbc.folder / "log").read_text()[-3000:]):
                    continue
                tap.ok("outbound=yes" in srs.log(), f"{name}: by RFC 5626", srs.log()[-1500:])
                tap.ok("secret" not in srs.log(), f"{name}: the password is in no log")
                told = (srs.json("/v1/nat") or {}).get("registrations", [{}])[0]
                tap.equal((told.get("state"), told.get("transport"), told.get("outbound")), ("registered", transport, True),
                          f"{name}: GET /v1/nat shows it", told)
                call_down(srs, sbc, name)
                srs.stop()
                status, report = siprec_call(f"sip:recorder@127.0.0.1:{sbc.plain}", "--transport", "tcp", "--seconds", "1",
                                             "--expect", "404")
                tap.equal(status, 0, f"{name}: at its end the registration is taken back", report)


def two_flows():
    """One flow to each of two registrars; the instance stays the same over a restart."""
    with Kamailio() as one, Kamailio("SHA-256") as two:
        uris = f"sip:recorder@localhost:{one.secure};transport=tls, sip:recorder@localhost:{two.plain};transport=tcp"
        kept = tempfile.mkdtemp(dir=here)
        with recorder(uris) as srs:
            srs.keep = True
            tap.ok(registered(srs, 2), "two registrars, two flows", srs.log()[-2000:])
            call_down(srs, one, "the first")
            call_down(srs, two, "the second")
            instance = (srs.recordings_folder / ".instance").read_text()
            tap.ok(instance.startswith("urn:uuid:"), "the instance id is kept on disk", instance)
            srs.stop()
            srs.start()
            tap.ok(registered(srs, 2), "registered again after a restart", srs.log()[-2000:])
            tap.equal((srs.recordings_folder / ".instance").read_text(), instance, "with the same instance id")
            shutil.rmtree(srs.folder, ignore_errors=True)
        shutil.rmtree(kept, ignore_errors=True)


def refreshes():
    """Short registrations and short nonces: refreshed again and again, stale nonces renewed, 423 heeded."""
    with Kamailio(min_expires=70, nonce_expire=2) as sbc:
        with recorder(f"sip:recorder@localhost:{sbc.plain};transport=tcp", "--sip.register_expires=60") as srs:
            tap.ok(registered(srs), "registered after 423 Interval Too Brief or with what the registrar grants",
                   srs.log()[-2000:])


def dead_flows():
    """Kamailio goes silent, then away: both are noticed, and it is registered again."""
    with Kamailio(flow_timer=3) as sbc:
        with recorder(f"sip:recorder@localhost:{sbc.plain};transport=tcp") as srs:
            tap.ok(registered(srs), "Flow-Timer 3: registered", srs.log()[-2000:])
            wait_for(lambda: False, 9)  # some pings, each with its pong
            tap.equal(srs.metric("siprecd_sip_registrations"), 1, "pings and pongs keep it", srs.log()[-2000:])
            sbc.signal(signal.SIGSTOP)
            tap.ok(wait_for(lambda: "keepalive" in srs.log(), 25), "no pong: the flow is given up within its time and 10 s",
                   srs.log()[-2000:])
            sbc.signal(signal.SIGCONT)
            tap.ok(registered(srs, seconds=60), "and another one registered", srs.log()[-3000:])
            call_down(srs, sbc, "after the silence")


def renewal():
    """Another address of ours: registered anew over another flow at once, and the old one ends."""
    with Kamailio() as sbc:
        settings = pathlib.Path(tempfile.mkdtemp(dir=here)) / "siprecd.conf"
        settings.write_text("[nat]\nexternal_ip = 203.0.113.5\nbehind_nat = true\n")
        with recorder(f"sip:recorder@localhost:{sbc.plain};transport=tcp", "-c", str(settings)) as srs:
            tap.ok(registered(srs), "registered under one address", srs.log()[-2000:])
            settings.write_text("[nat]\nexternal_ip = 203.0.113.6\nbehind_nat = true\n")
            srs.process.send_signal(signal.SIGHUP)
            tap.ok(wait_for(lambda: srs.log().count("registered uri=") >= 3, 20),  # yes, no, yes
                   "after a change of address registered anew at once", srs.log()[-2000:])
            tap.ok(wait_for(lambda: srs.metric("siprecd_sip_connections") == 1, 10), "and the old flow ends",
                   srs.metric("siprecd_sip_connections"))
            # Nothing can be sent to that address here; what the answer says is what counts.
            _, report = siprec_call(f"sip:recorder@127.0.0.1:{sbc.plain}", "--transport", "tcp", "--seconds", "1")
            tap.ok(all((s["answered"] or "").startswith("203.0.113.6:") for s in report["results"][0]["streams"]),
                   "a call comes down the new flow, and is told the new address", report)


def stun_flow():
    """Over UDP the keepalive is STUN, and Kamailio's stun module answers it."""
    with Kamailio(flow_timer=3) as sbc:
        with recorder(f"sip:recorder@localhost:{sbc.plain};transport=udp") as srs:
            tap.ok(registered(srs), "UDP, Flow-Timer 3: registered", srs.log()[-2000:])
            wait_for(lambda: False, 9)
            tap.equal(srs.metric("siprecd_sip_register_failures_total"), 0, "STUN is answered", srs.log()[-2000:])
            call_down(srs, sbc, "after some STUN")


def refusals():
    with Kamailio() as sbc, Kamailio(certificate="other") as impostor:
        with recorder(f"sip:recorder@localhost:{sbc.plain};transport=tcp", password="wrong") as srs:
            tap.ok(wait_for(lambda: "does not accept sip.register_username" in srs.log(), 30),
                   "a wrong password is named as the reason", srs.log()[-2000:])
        with recorder(f"sip:recorder@localhost:{impostor.secure};transport=tls") as srs:
            tap.ok(wait_for(lambda: "certificate is not that of localhost" in srs.log(), 30),
                   "a certificate of another name is refused", srs.log()[-2000:])
            tap.equal(srs.metric("siprecd_sip_registrations"), 0, "and nothing is registered there")
        port = free_port()
        with recorder(f"sip:recorder@127.0.0.1:{port};transport=tcp") as srs:
            tap.ok(wait_for(lambda: "Connection refused" in srs.log(), 30), "nobody there: the reason is told once",
                   srs.log()[-2000:])
            tap.equal(srs.log().count("not registered"), 1, "and once only")
            told = wait_for(lambda: srs.json("/v1/nat"), 10)
            tap.equal([(r["uri"], r["state"], r["peer"]) for r in told["registrations"]],
                      [(f"sip:recorder@127.0.0.1:{port};transport=tcp", "waiting", None)], "GET /v1/nat shows it", told)
            tap.ok(any(p["code"] == "not_registered" and "Connection refused" in p["text"] for p in told["problems"]),
                   "and names the problem", told["problems"])


def redirects():
    """A registrar may send us to another one, but not to whom nobody may make us talk."""
    import re
    with Kamailio() as sbc, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("127.0.0.1", 0))
        first.settimeout(30)
        for contact, outcome in ((f"sip:recorder@127.0.0.1:{sbc.plain};transport=tcp", "registered uri="),
                                 ("sip:recorder@169.254.169.254:80;transport=tcp", "169.254.169.254: no redirect")):
            with recorder(f"sip:recorder@127.0.0.1:{first.getsockname()[1]};transport=udp") as srs:
                request, whom = first.recvfrom(65536)
                headers = re.findall(r"(?m)^(?:Via|From|To|Call-ID|CSeq):.*$", request.decode().replace("\r", ""))
                first.sendto(("\r\n".join(["SIP/2.0 302 Moved Temporarily", *headers, f"Contact: <{contact}>",
                                           "Content-Length: 0", "", ""])).encode(), whom)
                tap.ok(wait_for(lambda: outcome in srs.log(), 30), f"a redirect to {contact}: {outcome}", srs.log()[-2000:])


def proxied():
    """A host that only the proxy can reach: CONNECT, then TLS inside."""
    port = free_port()
    config = here / "tinyproxy.conf"
    with Kamailio() as sbc:
        config.write_text(f'Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 20\nBasicAuth user pass\n'
                          f'LogLevel Info\nConnectPort {sbc.secure}\nConnectPort {sbc.plain}\n')
        with open(here / "tinyproxy.log", "wb") as log:
            proxy = subprocess.Popen(["tinyproxy", "-d", "-c", str(config)], stdout=log, stderr=log)
            try:
                wait_for(lambda: b"listening" in (here / "tinyproxy.log").read_bytes().lower(), 20)
                # 240.0.0.1 cannot be reached; the name is one that the proxy's machine knows.
                for transport, where in (("tls", sbc.secure), ("tcp", sbc.plain)):
                    with recorder(f"sip:recorder@localhost:{where};transport={transport}",
                                  f"--nat.proxy=http://user:pass@127.0.0.1:{port}") as srs:
                        tap.ok(registered(srs), f"{transport}: with a proxy set, directly all the same", srs.log()[-1500:])
                log_before = (here / "tinyproxy.log").read_bytes()
                tap.ok(b"CONNECT localhost" not in log_before, "the proxy is not used where there is a direct way",
                       log_before.decode(errors="replace")[-800:])
                blocked(sbc, port)
            finally:
                end(proxy)


def blocked(sbc, port):
    """Inside a network namespace that knows the proxy's address alone."""
    name = "sip-register"
    run = lambda *command: subprocess.run(command, capture_output=True, text=True)  # noqa: E731
    if run("ip", "netns", "add", name).returncode != 0:
        tap.skip("through a proxy alone", "no network namespace can be made here")
        return
    try:
        run("ip", "link", "add", "sipreg0", "type", "veth", "peer", "name", "sipreg1", "netns", name)
        run("ip", "addr", "add", "198.18.77.1/30", "dev", "sipreg0")
        run("ip", "link", "set", "sipreg0", "up")
        for command in (("addr", "add", "198.18.77.2/30", "dev", "sipreg1"), ("link", "set", "sipreg1", "up"),
                        ("link", "set", "lo", "up")):
            run("ip", "-n", name, *command)
        relay = subprocess.Popen([sys.executable, str(HERE / "relay.py"), "198.18.77.1", str(port)])
        try:
            # A flow that never stood is tried again after half a minute at the earliest.
            wait_for(lambda: f"198.18.77.1:{port} " in run("ss", "-tlnH").stdout, 30)
            for password, want in (("pass", True), ("no", False)):
                log = here / f"blocked-{password}.log"
                with open(log, "wb") as out:
                    inside = subprocess.Popen(
                        ["ip", "netns", "exec", name, str(pathlib.Path(sys.argv[1]).resolve() / "siprecd"),
                         f"--sip.register=sip:recorder@localhost:{sbc.secure};transport=tls", "--sip.register_username=recorder",
                         "--sip.register_password=secret", f"--sip.tls_ca={authority.pem}", f"--nat.proxy=http://user:{password}@198.18.77.1:{port}",
                         "--nat.stun_servers=none", "--nat.metadata=false", "--nat.ip_services=none", "--nat.portmap=false",
                         f"--recordings.directory={here}/blocked-{password}", "--http.listen=127.0.0.1:8080",
                         "--sip.listen=udp:198.18.77.2:5060"], stdout=out, stderr=out)
                try:
                    words = "outbound=yes" if want else "does not take our password"
                    tap.ok(wait_for(lambda: words in log.read_text(), 40),
                           "through the proxy alone: registered" if want else "a proxy that refuses us is named as the reason",
                           log.read_text()[-2000:])
                    if want:
                        tap.ok(wait_for(lambda: f"CONNECT localhost:{sbc.secure}" in (here / "tinyproxy.log").read_text(), 10),
                               "and the proxy was asked for the name")
                finally:
                    end(inside)
        finally:
            end(relay)
    finally:
        run("ip", "link", "del", "sipreg0")
        run("ip", "netns", "del", name)


tap.together(lambda: transports("MD5"), lambda: transports("SHA-256"), proxied, dead_flows, two_flows, renewal, refreshes, stun_flow, refusals, redirects,
             at_once=6)
tap.done()
