#!/usr/bin/env python3
"""SIP over TLS: openssl and Python's ssl shake hands with siprecd, siprec-call has a call recorded, certificates change
while it runs, clients are known by theirs."""
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is tried on purpose
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from certificates import Authority  # noqa: E402
from harness import Siprecd, Tap, built, free_port, need, run, siprec_call, wait_for  # noqa: E402

need("openssl")
tap = Tap()
folder = tempfile.TemporaryDirectory(prefix="siprecd-tls-")
here = pathlib.Path(folder.name)
authority = Authority(here)
authority.leaf("srs", "DNS:srs.example", "IP:127.0.0.1")
authority.leaf("next", "DNS:next.example", "IP:127.0.0.1")
authority.leaf("src", "URI:sip:src.example", "DNS:src.example")
stranger = Authority(tempfile.mkdtemp(dir=here))
stranger.leaf("src", "DNS:src.example")

OPTIONS = ("OPTIONS sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK%d;rport\r\n"
           "From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:srs@127.0.0.1>\r\nCall-ID: tls%d\r\nCSeq: 1 OPTIONS\r\n"
           "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n")


def server_with(*arguments):
    port = free_port()
    current = tempfile.mkdtemp(dir=here)
    shutil.copy(here / "srs.pem", current)
    shutil.copy(here / "srs.key", current)
    srs = Siprecd(f"--sip.tls_certificate={current}/srs.pem", f"--sip.tls_key={current}/srs.key", *arguments)
    at = next(i for i, a in enumerate(srs.arguments) if a.startswith("--sip.listen"))
    srs.arguments[at] = f"--sip.listen=udp:127.0.0.1:{srs.port},tls:127.0.0.1:{port}"
    srs.tls, srs.current = port, pathlib.Path(current)
    return srs


def context(ca=authority, own=None):
    made = ssl.create_default_context(cafile=ca.pem)
    if own:
        made.load_cert_chain(own)
    return made


def shake(port, name="srs.example", **how):
    """A TLS connection to siprecd, or the reason why there is none."""
    plain = socket.create_connection(("127.0.0.1", port), 20)
    try:
        return context(**how).wrap_socket(plain, server_hostname=name)
    except OSError as fault:
        plain.close()
        return str(fault)


def answer(connection, text):
    """What comes back to text, or the reason why nothing does."""
    if isinstance(connection, str):
        return connection
    try:
        connection.sendall(text.encode())
        return connection.recv(65536).decode()
    except OSError as fault:
        return str(fault)


def basics(srs):
    connection = shake(srs.tls)
    told = answer(connection, OPTIONS % (1, 1))
    tap.ok(told.startswith("SIP/2.0 200 "), "OPTIONS over TLS is answered 200", told)
    tap.ok(f"Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK1;rport=" in told, "the answer repeats the Via", told)
    tap.equal(answer(connection, "\r\n\r\n"), "\r\n", "a double CRLF is answered by one (RFC 5626 4.4.1)")
    connection.close()
    for version, want in (("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)):
        how = context()
        how.set_ciphers("DEFAULT@SECLEVEL=0")
        how.minimum_version = how.maximum_version = getattr(ssl.TLSVersion, version)
        with socket.create_connection(("127.0.0.1", srs.tls), 20) as plain:
            try:
                good = bool(how.wrap_socket(plain, server_hostname="srs.example").version())
            except OSError:
                good = False
        tap.equal(good, want, f"{version} is {'spoken' if want else 'refused'}")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{srs.tls}", "-CAfile", authority.pem,
                           "-verify_return_error", "-verify_hostname", "srs.example", "-servername", "srs.example", "-brief"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    tap.ok("Verification: OK" in done.stderr, "openssl s_client accepts our certificate", done.stderr)
    with socket.create_connection(("127.0.0.1", srs.tls), 20) as plain:
        plain.sendall((OPTIONS % (2, 2)).encode())
        plain.settimeout(60)
        got = b"x"
        while got:
            try:
                got = plain.recv(4096)
            except OSError:
                got = b""
        tap.ok(True, "plain SIP at the TLS listener ends the connection")
    tap.ok("tls client turned away" in srs.log(), "and the log says so", srs.log()[-500:])
    ends = srs.metric("siprecd_tls_certificate_ends_timestamp_seconds")
    tap.ok(ends and 19 * 86400 < ends - srs.recordings_folder.stat().st_ctime < 21 * 86400,
           "the metrics say when the certificate ends", ends)


def call(srs):
    status, report = siprec_call(f"sip:srs@127.0.0.1:{srs.tls}", "--transport", "tls", "--tls-ca", authority.pem,
                                 "--seconds", "2", "--strict")
    result = report["results"][0]
    tap.equal((status, result["notes"]), (0, []), "siprec-call --transport tls has a call recorded", result)
    recording = srs.recording(result["call_id"])
    tap.ok(recording and recording["state"] == "finished" and all(s["packets"] > 90 for s in recording["streams"]),
           "the call over TLS is recorded", recording)
    status, report = siprec_call(f"sips:srs@127.0.0.1:{srs.tls}", "--seconds", "1")
    tap.equal(status, 0, "a sips: call is answered", report)
    status, report = siprec_call(f"sip:srs@127.0.0.1:{srs.tls};transport=tls", "--tls-ca", stranger.pem, "--seconds", "1")
    tap.equal(status, 3, "siprec-call --tls-ca refuses another authority's server", report)


def contacts(srs):
    """The Contact of our 200 by the Request-URI's scheme."""
    sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n" \
          "a=sendonly\r\na=label:1\r\n"
    for scheme, want in (("sip", f"Contact: <sip:siprecd@127.0.0.1:{srs.tls};transport=tls>;+sip.srs"),
                         ("sips", f"Contact: <sips:siprecd@127.0.0.1:{srs.tls}")):
        connection = shake(srs.tls)
        text = (f"INVITE {scheme}:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKi{scheme}\r\n"
                f"From: <{scheme}:a@127.0.0.1>;tag=a\r\nTo: <{scheme}:srs@127.0.0.1>\r\nCall-ID: contact-{scheme}\r\n"
                f"CSeq: 1 INVITE\r\nContact: <{scheme}:a@127.0.0.1:9>;+sip.src\r\nRequire: siprec\r\nMax-Forwards: 70\r\n"
                f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}")
        told = answer(connection, text)
        while "SIP/2.0 200" not in told and not isinstance(connection, str):
            more = connection.recv(65536).decode()
            if not more:
                break
            told += more
        tap.ok(want in told, f"a {scheme}: INVITE over TLS gets a {scheme}: Contact", told)
        connection.close()


def reload(srs):
    old = shake(srs.tls)
    shutil.copy(here / "next.pem", srs.current / "srs.pem")
    srs.process.send_signal(signal.SIGHUP)  # the key does not belong to it yet
    tap.ok(wait_for(lambda: "certificates" in srs.log(), 30), "a certificate without its key is refused", srs.log()[-800:])
    tap.ok(not isinstance(shake(srs.tls), str), "and the old one is still served")
    shutil.copy(here / "next.key", srs.current / "srs.key")
    srs.process.send_signal(signal.SIGHUP)
    tap.ok(wait_for(lambda: not isinstance(shake(srs.tls, "next.example"), str), 30),
           "SIGHUP brings a new certificate into force")
    told = answer(old, OPTIONS % (3, 3))
    tap.ok(told.startswith("SIP/2.0 200 "), "the connection from before goes on", told)


def clients():
    """With sip.tls_ca: who shows a certificate must be good, and is let in where sip.allow names others only."""
    with server_with(f"--sip.tls_ca={authority.pem}", "--sip.allow=192.0.2.1") as srs:
        both = here / "src-both.pem"
        told = answer(shake(srs.tls), OPTIONS % (4, 4))
        tap.ok(told.startswith("SIP/2.0 200 "), "a client without a certificate is let in", told)
        told = answer(shake(srs.tls, own=stranger.folder / "src-both.pem"), OPTIONS % (5, 5))
        tap.ok(not told.startswith("SIP/2.0"), "one with a stranger's certificate is not", told)
        status, _ = siprec_call(f"sip:srs@127.0.0.1:{srs.tls}", "--transport", "tls", "--seconds", "1", "--expect", "403")
        tap.equal(status, 0, "an SRC that is neither in sip.allow nor proved itself gets 403")
        status, report = siprec_call(f"sip:srs@127.0.0.1:{srs.tls}", "--transport", "tls", "--seconds", "1",
                                     "--tls-certificate", both)
        tap.equal(status, 0, "one that proved itself by a certificate is recorded", report)


def bad_files():
    """Found by -t and at the start, in words that say which file and why; nobody is asked for a passphrase."""
    authority.leaf("old", "DNS:old.example", days=-1)
    authority.leaf("good", "DNS:good.example")
    authority.openssl("ec", "-in", "good.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
    (here / "empty.pem").write_text("no PEM at all\n")
    (here / "secret").mkdir()
    (here / "secret" / "good.key").write_bytes((here / "good.key").read_bytes())
    files = [("absent.pem", "good.key", "", "certificate .*/absent.pem: No such file or directory"),
             ("empty.pem", "good.key", "", "certificate .*/empty.pem: there is no certificate in it"),
             ("good.pem", "empty.pem", "", "key .*/empty.pem: there is no key in it"),
             ("good.pem", "old.key", "", "key .*/old.key: it is not the certificate's key"),
             ("good.pem", "locked.key", "", "key .*/locked.key: it has a passphrase"),
             ("good.pem", "good.key", "empty.pem", "certificates in .*/empty.pem: "),
             ("good.pem", "good.key", "absent.pem", "certificates in .*/absent.pem: No such file"),
             ("old.pem", "old.key", "", r"certificate .*/old.pem: it expired at \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
             ("good.pem", "good.key", "ca.pem", "the settings are good")]
    for certificate, key, ca, words in files:
        settings = [f"--sip.listen=tls:127.0.0.1:{free_port()}", f"--sip.tls_certificate={here}/{certificate}",
                    f"--sip.tls_key={here}/{key}", *([f"--sip.tls_ca={here}/{ca}"] if ca else [])]
        done = run(built("siprecd"), "-t", *settings, timeout=60)
        tap.ok(done.returncode == (0 if "good" in words and not words.startswith(("cert", "key")) else 1) and
               re.fullmatch(f"siprecd: {words}.*\n", done.stderr), f"-t: {words}", done.returncode, done.stderr)
    # root reads everything; nobody else shall need to be root.
    unreadable = here / "secret" / "good.key"
    unreadable.chmod(0)
    with_rights = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--reuid=65534", "--clear-groups"]
    if os.geteuid() == 0:
        here.chmod(0o755)
        done = run(*with_rights, built("siprecd"), "-t", f"--sip.tls_certificate={here}/good.pem", f"--sip.tls_key={unreadable}",
                   timeout=60)
        tap.ok(done.returncode == 1 and f"key {unreadable}: Permission denied" in done.stderr, "-t: a key that may not be read",
               done.returncode, done.stderr)
    for name, words in (("old", "expired"), ("absent", "absent.pem")):
        done = run(built("siprecd"), f"--sip.listen=tls:127.0.0.1:{free_port()}", f"--sip.tls_certificate={here}/{name}.pem",
                   f"--sip.tls_key={here}/{name}.key", f"--http.listen=127.0.0.1:{free_port()}",
                   f"--recordings.directory={here}/bad", timeout=60)
        tap.ok(done.returncode == 3 and words in done.stderr, f"siprecd does not start with an {name} certificate",
               done.returncode, done.stderr)


with server_with() as server:
    tap.together(lambda: basics(server), lambda: call(server), lambda: contacts(server))
    reload(server)
clients()
bad_files()
tap.done()
