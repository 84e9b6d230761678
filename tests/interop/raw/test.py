#!/usr/bin/env python3
"""SIP by hand where timing and bytes matter: retransmissions, requests that overtake each other, TCP in crumbs and in
lumps, many dialogs on one connection, wrong tags, the largest datagram, endless Call-IDs, and plain rubbish. siprecd must
answer by the book, lose nothing and stay well."""
import pathlib
import random
import re
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Siprecd, Tap, ports, wait_for  # noqa: E402
from rawsip import Talk, code_of, followup  # noqa: E402
from stub_srs import header, media_of, sdp_of  # noqa: E402

tap = Tap()
VIA = "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx;rport\r\n"
XML = ('<?xml version="1.0"?>\r\n<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>'
       '<session session_id="s"/>{}</recording>\r\n')


def message(name, method="INVITE", number=1, body=None, to="", extra="", call=None, kind=None, transport="UDP"):
    if body is None and method == "INVITE":
        body = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
                "".join(f"m=audio {30000 + 2 * i} RTP/AVP 0 8\r\na=sendonly\r\na=label:{i + 1}\r\n" for i in range(2)))
    kind = kind or ("application/sdp" if body else None)
    lines = f"Content-Type: {kind}\r\n" if body else ""
    return (f"{method} sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5060;branch=z9hG4bK{name}{number}"
            f"{method};rport\r\nMax-Forwards: 70\r\nFrom: <sip:src@127.0.0.1>;tag=f-{name}\r\nTo: <sip:srs@127.0.0.1>{to}\r\n"
            f"Call-ID: {call or name}@raw\r\nCSeq: {number} {method}\r\nContact: <sip:src@127.0.0.1:5060>;+sip.src\r\n{extra}"
            f"{lines}Content-Length: {len((body or '').encode())}\r\n\r\n{body or ''}")


def hang_up(talk, request, response, title, number=90):
    talk.send(followup("ACK", request, response))
    talk.send(followup("BYE", request, response, cseq=number))
    bye = talk.final("BYE")
    return tap.equal(code_of(bye), 200, f"{title}: BYE", bye)


def tag_of(response):
    return re.search(r"tag=([^;\s>]+)", header(response, "To", "t")).group(1)


def retransmission(srs):
    request = message("again")
    talk = Talk(srs, "udp", request)
    for _ in range(4):
        talk.send(request.encode())
    answers = [talk.final("INVITE") for _ in range(2)]
    tap.ok(answers[0] and answers[0] == answers[1], "a repeated INVITE gets the very same 200", *answers)
    again = talk.final("INVITE")
    tap.equal(again, answers[0], "and without an ACK the 200 comes again by itself")
    hang_up(talk, request, answers[0], "retransmission")
    talk.send(followup("BYE", request, answers[0], cseq=90))
    tap.equal(code_of(talk.final("BYE")), 200, "a repeated BYE is answered again")
    same = [r for r in srs.recordings() if r["call_id"] == "again@raw"]
    tap.equal(len(same), 1, "it is one recording")


def silence_after_ack(srs):
    request = message("quiet")
    talk = Talk(srs, "udp", request)
    talk.send(request.encode())
    response = talk.final("INVITE")
    talk.send(followup("ACK", request, response))
    tap.equal(talk.receive(1.5), None, "after the ACK the 200 comes no more")
    talk.send(followup("BYE", request, response, cseq=2))
    tap.equal(code_of(talk.final("BYE")), 200, "silence: BYE")


def bye_first(srs):
    request = message("hasty")
    talk = Talk(srs, "udp", request)
    talk.send(request.encode())
    response = talk.final("INVITE")
    talk.send(followup("BYE", request, response, cseq=2))
    tap.equal(code_of(talk.final("BYE")), 200, "BYE before the ACK is taken")
    talk.send(followup("ACK", request, response))
    recording = srs.recording("hasty@raw")
    tap.ok(recording and recording["ended_at"], "and ends the recording", recording)


def cancel(srs):
    request = message("changed-mind")
    talk = Talk(srs, "udp", request)
    talk.send(request.encode())
    talk.send(message("changed-mind", "CANCEL").replace("1CANCEL;rport", "1INVITE;rport").encode())
    codes = {}
    for _ in range(4):
        answer = talk.receive(60)
        if not answer:
            break
        codes.setdefault(header(answer, "CSeq").split()[1], answer)
        if len(codes) == 2:
            break
    tap.equal(code_of(codes.get("CANCEL")), 200, "CANCEL is answered 200", codes)
    code = code_of(codes.get("INVITE"))
    tap.ok(code in (200, 487), "the INVITE it came too late for keeps its 200, another gets 487", codes)
    if code == 200:
        hang_up(talk, request, codes["INVITE"], "cancel")
    talk.send(message("nothing-to-cancel", "CANCEL").encode())
    tap.equal(code_of(talk.final("CANCEL")), 481, "a CANCEL that matches nothing gets 481")


def wrong_tags(srs):
    request = message("tags")
    talk = Talk(srs, "udp", request)
    talk.send(request.encode())
    response = talk.final("INVITE")
    talk.send(followup("ACK", request, response))
    for number, method in enumerate(("BYE", "UPDATE", "INFO", "INVITE", "OPTIONS"), 2):
        talk.send(message("tags", method, number, to=";tag=of-nobody").encode())
        answer = talk.final(method)
        tap.equal(code_of(answer), 481, f"{method} with a wrong To tag gets 481", answer)
        if method == "INVITE":
            talk.send(message("tags", "ACK", number, to=";tag=of-nobody", body="").replace("ACK;rport", "INVITE;rport")
                      .encode())
    stranger = message("tags", "BYE", 20, to=f";tag={tag_of(response)}").replace("tag=f-tags", "tag=f-stranger")
    talk.send(stranger.encode())
    tap.equal(code_of(talk.final("BYE")), 481, "and so does a BYE with another From tag")
    hang_up(talk, request, response, "wrong tags")


def glare_and_order(srs):
    request = message("order", number=10)
    talk = Talk(srs, "udp", request)
    talk.send(request.encode())
    response = talk.final("INVITE")
    talk.send(followup("ACK", request, response))
    to = f";tag={tag_of(response)}"
    talk.send(message("order", "INFO", 5, to=to).encode())
    tap.equal(code_of(talk.final("INFO")), 500, "a lower CSeq gets 500")
    talk.send(message("order", "INFO", 15, to=to).encode())
    tap.equal(code_of(talk.final("INFO")), 200, "a gap in CSeq is no fault")
    again = message("order", "INVITE", 16, to=to)
    talk.send(again.encode())
    second = talk.final("INVITE")
    tap.equal(re.findall(r"m=audio (\d+)", second), re.findall(r"m=audio (\d+)", response),
              "a re-INVITE keeps the ports")
    origins = [re.search(r"^o=\S+ (\S+) (\S+)", m, re.M).groups() for m in (response, second)]
    tap.equal(origins[0], origins[1], "and the o= version, since our SDP is the same")
    talk.send(followup("ACK", again, second))
    hang_up(talk, request, response, "order")


def two_dialogs(srs):
    talk = Talk(srs, "tcp")
    requests = [message(f"shared-{i}", transport="TCP") for i in range(5)]
    talk.send("".join(requests).encode())  # all in one lump
    answers = [talk.final("INVITE") for _ in requests]
    tap.equal(sorted(header(a, "Call-ID") for a in answers if a), sorted(f"shared-{i}@raw" for i in range(5)),
              "five INVITEs in one TCP segment make five dialogs on one connection")
    talk.send(b"\r\n\r\n")
    talk.socket.settimeout(60)
    tap.equal(talk.socket.recv(16), b"\r\n", "CRLF CRLF is answered by CRLF (RFC 5626 section 4.4.1)")
    for answer in answers:
        request = next(r for r in requests if header(r, "Call-ID") == header(answer, "Call-ID"))
        hang_up(talk, request, answer, header(answer, "Call-ID"))
    request = message("crumbs", transport="TCP").encode()
    for i in range(0, len(request), 7):  # and one in many
        talk.send(request[i:i + 7])
    answer = talk.final("INVITE")
    tap.equal(code_of(answer), 200, "an INVITE in crumbs of seven bytes is put together")
    hang_up(talk, request.decode(), answer, "crumbs")
    request = message("bare", transport="TCP").replace("\r\n", "\n")
    head, _, body = request.partition("\n\n")
    request = re.sub(r"Content-Length: \d+", f"Content-Length: {len(body)}", head) + "\n\n" + body
    talk.send(request.encode())
    answer = talk.final("INVITE")
    tap.ok(code_of(answer) == 200 and len(media_of(sdp_of(answer))) == 2, "bare LF on a stream is understood", answer)
    hang_up(talk, request, answer, "bare LF")
    talk.close()


def lost_connection(srs):
    talk = Talk(srs, "tcp")
    request = message("cut", transport="TCP")
    talk.send(request.encode())
    answer = talk.final("INVITE")
    talk.send(followup("ACK", request, answer))
    talk.close()
    other = Talk(srs, "tcp")
    other.send(followup("BYE", request, answer, cseq=2))
    tap.equal(code_of(other.final("BYE")), 200, "the dialog outlives its connection: a BYE on another one is taken")
    other.close()


def sizes(srs):
    filler = "".join(f'<participant participant_id="p{i}"><nameID aor="sip:p{i}@example.com"/></participant>'
                     for i in range(700))
    body = "--b\r\nContent-Type: application/sdp\r\n\r\n" + message("x").partition("\r\n\r\n")[2] + \
        "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" + XML.format(filler) + "\r\n--b--\r\n"
    request = message("large", body=body, kind="multipart/mixed;boundary=b")
    tap.ok(55000 < len(request) < 65507, "a message near the largest datagram", len(request))
    talk = Talk(srs, "udp", request)
    talk.send(request.encode())
    answer = talk.final("INVITE")
    tap.equal(code_of(answer), 200, "is answered")
    hang_up(talk, request, answer, "large")
    before = srs.log().count("truncated")
    talk.send(request.replace("large", "short-of-it").encode()[:3000])
    answer = talk.final("INVITE")
    tap.ok(code_of(answer) in (200, 400), "a datagram that was cut short gets an answer", answer)
    tap.ok(wait_for(lambda: srs.log().count("truncated") > before and "TCP" in srs.log(), 60),
           "and the log says so, with the advice to use TCP", srs.log()[-800:])
    if code_of(answer) == 200:
        hang_up(talk, request.replace("large", "short-of-it"), answer, "cut short")
    huge = message("huge", body=body + " " * (600 * 1024), kind="multipart/mixed;boundary=b", transport="TCP")
    stream = Talk(srs, "tcp")
    stream.send(huge.encode())
    answer = stream.final("INVITE")
    tap.equal(code_of(answer), 413, "a body of 600 KiB is too large", answer)
    stream.close()


def call_ids(srs):
    names = ("a/../../etc/passwd", "x" * 10000, "%00%2e%2e", "h\u00e9-\u4f60\u597d", "-rf", "a_b'\"`$(id)")
    for name in names:
        request = message("id", call=name)
        if len(name) > 1000:
            request = request.replace("bKid1", "bKlong1")
        else:
            request = request.replace("bKid1", f"bKid{abs(hash(name))}")
        talk = Talk(srs, "udp", request)
        talk.send(request.encode())
        answer = talk.final("INVITE")
        shown = name[:20]
        if not tap.equal(code_of(answer), 200, f"Call-ID {shown!r}: answered", answer, srs.log()[-600:]):
            continue
        hang_up(talk, request, answer, f"Call-ID {shown!r}")
        found = wait_for(lambda: [r for r in srs.recordings() if r["call_id"].startswith(name[:200])], 60)
        tap.equal(len(found), 1, f"Call-ID {shown!r}: recorded under an id of our own")
    outside = [p for p in srs.folder.rglob("*") if "passwd" in str(p) or str(p).endswith("-rf")]
    tap.equal(outside, [], "no file is named after a Call-ID")


def same_session(srs):
    body = "--b\r\nContent-Type: application/sdp\r\n\r\n" + message("x").partition("\r\n\r\n")[2] + \
        "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" + XML.format("") + "\r\n--b--\r\n"
    talks = []
    for name in ("twin-1", "twin-2"):
        request = message(name, body=body, kind="multipart/mixed;boundary=b")
        talk = Talk(srs, "udp", request)
        talk.send(request.encode())
        talks.append((talk, request, talk.final("INVITE")))
    ports = [re.findall(r"m=audio (\d+)", answer) for _, _, answer in talks]
    tap.ok(len(set(ports[0] + ports[1])) == 4, "two calls of one session_id are two recordings with ports of their own",
           ports)
    for talk, request, answer in talks:
        hang_up(talk, request, answer, "twins")


def metadata_bombs(srs):
    bomb = ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "' + "x" * 500 + '">' +
            "".join(f'<!ENTITY a{i} "&a{i - 1 if i else ""};&a{i - 1 if i else ""};">' for i in range(20)) +
            "]><recording>&a19;</recording>")
    deep = "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>" + "<x>" * 5000 + "</x>" * 5000 + "</recording>"
    for name, xml in (("bomb", bomb), ("deep", deep), ("rubbish", "\x01\x02<<<>>>&&&"), ("empty", "")):
        body = "--b\r\nContent-Type: application/sdp\r\n\r\n" + message("x").partition("\r\n\r\n")[2] + \
            f"\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n{xml}\r\n--b--\r\n"
        request = message(f"xml-{name}", body=body, kind="multipart/mixed;boundary=b")
        talk = Talk(srs, "udp", request)
        talk.send(request.encode())
        answer = talk.final("INVITE")
        if tap.equal(code_of(answer), 200, f"metadata {name}: recorded all the same", answer):
            hang_up(talk, request, answer, f"metadata {name}")
            recording = srs.recording(f"xml-{name}@raw", state=None)
            tap.ok(recording and recording["warnings"], f"metadata {name}: with a warning", recording)


def refusals(srs):
    cases = (
        ("an unknown Require", message("req", extra="Require: siprec, moonlight\r\n"), 420, "moonlight"),
        ("no audio", message("video", body="v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                                           "m=video 9000 RTP/AVP 96\r\n"), 488, ""),
        ("an unknown method", message("huh", "JUGGLE"), 501, "Allow"),
        ("a required part nobody knows and no SDP",
         message("part", body="--b\r\nContent-Type: application/x-unheard-of\r\n\r\nx\r\n--b--\r\n",
                 kind="multipart/mixed;boundary=b"), 415, "Accept"),
        ("an interval of 30 s", message("soon", extra="Supported: timer\r\nSession-Expires: 30\r\n"), 422, "Min-SE"),
    )
    for name, request, code, word in cases:
        talk = Talk(srs, "udp", request)
        talk.send(request.encode())
        method = request.split()[0]
        answer = talk.final(method)
        tap.ok(code_of(answer) == code and word in (answer or ""), f"{name}: {code}", answer)
        if method == "INVITE" and answer:
            talk.send(followup("ACK", request, answer))


def rubbish(srs):
    chance = random.Random(20260101)
    good = message("seed")
    talk = Talk(srs, "udp", good)
    for i in range(400):
        data = bytearray(good.replace("seed", f"rub{i}").encode())
        for _ in range(chance.randrange(1, 40)):
            what = chance.randrange(3)
            at = chance.randrange(len(data))
            if what == 0:
                data[at] = chance.randrange(256)
            elif what == 1:
                del data[at:at + chance.randrange(1, 60)]
            else:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(30)))
        talk.send(bytes(data))
    for data in (b"", b"\0", b"\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"INVITE", b"\x80\0\0\1" * 50, b"A" * 65000):
        talk.send(data)
    for i in range(20):
        with socket.create_connection(("127.0.0.1", srs.port)) as stream:
            try:
                stream.sendall(bytes(chance.randrange(256) for _ in range(3000)) + b"\r\n\r\n")
            except OSError:
                pass
    options = message("alive", "OPTIONS")
    fresh = Talk(srs, "udp", options)
    fresh.send(options.encode())
    tap.equal(code_of(fresh.final("OPTIONS")), 200, "after 400 mutilated INVITEs and rubbish on TCP it still answers")
    tap.ok(srs.log().count("\n") < 3000, "and did not flood its log", srs.log().count("\n"))


def rested(srs):
    """A call once the ports are free again: (talk, request, its 200), or None while they are not."""
    rested.tries = getattr(rested, "tries", 0) + 1
    request = message(f"room-4-{rested.tries}")
    talk = Talk(srs, "udp", request)
    talk.send(request.encode())
    answer = talk.final("INVITE")
    if code_of(answer) == 200:
        return talk, request, answer
    talk.send(followup("ACK", request, answer or request))
    return None


with Siprecd() as srs:
    for check in (retransmission, silence_after_ack, bye_first, cancel, wrong_tags, glare_and_order, two_dialogs,
                  lost_connection, sizes, call_ids, same_session, metadata_bombs, refusals, rubbish):
        tap.together(lambda check=check: check(srs), at_once=1)
    tap.ok(srs.process.poll() is None and srs.ready(), "siprecd is well", srs.log()[-2000:])
few = ports.media(1)[0]
with Siprecd(rtp=(few, few + 3)) as srs:  # one pair of ports a stream: room for one call of two streams
    first, second = message("room-1"), message("room-2")
    talk = Talk(srs, "udp", first)
    talk.send(first.encode())
    answer = talk.final("INVITE")
    tap.equal(code_of(answer), 200, "the last free ports are lent")
    talk.send(followup("ACK", first, answer))
    talk.send(second.encode())
    refused = talk.final("INVITE")
    tap.ok(code_of(refused) == 503 and header(refused, "Retry-After"), "no port free: 503 with Retry-After", refused)
    talk.send(followup("ACK", second, refused or answer))
    hang_up(talk, first, answer, "the last ports")
    # Those ports rest now: the next INVITE waits for them, and so can be taken back.
    third = message("room-3")
    refusals_before = srs.metric("siprecd_invites_refused_total")
    talk.send(third.encode())
    ping = message("room-ping", "OPTIONS")
    other = Talk(srs, "udp", ping)
    other.send(ping.encode())
    other.final("OPTIONS")  # what came before it has been looked at then
    talk.send(message("room-3", "CANCEL").replace("1CANCEL;rport", "1INVITE;rport").encode())
    codes = sorted((header(m, "CSeq").split()[1], code_of(m)) for m in (talk.receive(60), talk.receive(60)) if m)
    tap.equal(codes, [("CANCEL", 200), ("INVITE", 487)], "a CANCEL in time: 200 for it, 487 for the INVITE")
    talk.send(followup("ACK", third, message("room-3", to=";tag=x")))
    # Counted, not looked for in the log: that is limited in what it says of refusals.
    counted = wait_for(lambda: srs.metric("siprecd_invites_refused_total") == refusals_before + 1, 60)
    tap.ok(counted and srs.recording("room-3@raw", state=None, seconds=3) is None,
           "and it is counted as refused, and nothing recorded", srs.log()[-600:])
    fourth = wait_for(lambda: rested(srs), 60, every=0.2)
    if tap.ok(fourth, "once they have rested the ports are lent again", srs.log()[-600:]):
        hang_up(*fourth, "rested ports")
tap.done()
