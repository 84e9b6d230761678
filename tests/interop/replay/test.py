#!/usr/bin/env python3
"""Raw replay: every message of tests/vectors/siprec, and of the folder of real vendors' messages where there is one
(SIPREC_CORPUS, or shared/corpus beside the project), is sent to siprecd over UDP and TCP, byte for byte but for Call-ID and branch, which must differ. Each INVITE must
be answered as RFC 3264 and 7866 want it: what is expected stands in expected.json, written by hand or by an independent
parser. Messages inside a dialog follow an INVITE that opens it."""
import json
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import ROOT, Siprecd, Tap  # noqa: E402
from rawsip import Talk, code_of, followup, hosts, plain  # noqa: E402
from stub_srs import header, media_of, sdp_of  # noqa: E402

tap = Tap()
FLIP = {"sendonly": "recvonly", "sendrecv": "recvonly", None: "recvonly", "inactive": "inactive",
        "recvonly": "sendonly"}
STATIC = {"0", "3", "8", "9", "18"}
PLAYABLE = re.compile(r"^(PCMU|PCMA|G722|G729|G729A|opus|AMR|AMR-WB|iLBC|GSM|L16|telephone-event|CN)/", re.I)
SOUND = re.compile(r"^(PCMU|PCMA|G722|G729|G729A|opus|AMR|AMR-WB|iLBC|GSM|L16)/", re.I)


def folders():
    yield ROOT / "tests" / "vectors" / "siprec"
    for place in (os.environ.get("SIPREC_CORPUS"), ROOT.parent / "shared" / "corpus",
                  ROOT.parent.parent / "shared" / "corpus"):
        if place and (pathlib.Path(place) / "expected.json").exists():
            yield pathlib.Path(place)
            return


def expected_line(offered, attributes):
    """What an m-line must be answered with: a direction, or "rejected"."""
    if offered["media"] != "audio" or offered["port"] == "0" or offered["proto"] not in ("RTP/AVP", "RTP/AVPF"):
        return "rejected"
    maps = dict(re.findall(r"a=rtpmap:(\d+) (\S+)", "\n".join(attributes)))
    if not any(SOUND.match(maps[f]) if f in maps else f in STATIC for f in offered["fmt"]):
        return "rejected"
    if any(re.match(r"c=IN IP4 0\.0\.0\.0", a) for a in attributes):
        return "inactive"
    return FLIP[offered["direction"]]


def room_of(response, transport):
    return DATAGRAM - len(response) if transport == "udp" else None


DATAGRAM = 1300  # what a message over UDP may have without fragments; a format more costs about so much
FORMAT = 35


def answer_faults(offer, answer, fact, room=None):
    """What is wrong with an answer's SDP. room: what the whole message leaves of a datagram; None: it needs none."""
    ours, theirs = media_of(offer), media_of(answer)
    left_out = []
    session_held = re.search(r"^c=IN IP4 0\.0\.0\.0", offer.split("\nm=")[0], re.M)
    if len(ours) != len(fact["m"]) and fact["m"]:
        yield f"the test reads {len(ours)} m-lines, {len(fact['m'])} expected"
    if len(ours) != len(theirs):
        yield f"{len(ours)} m-lines offered, {len(theirs)} answered"
        return
    for i, (mine, its, offered) in enumerate(zip(ours, theirs, fact["m"])):
        want = fact["answer"][i] if "answer" in fact else expected_line(offered, mine[4])
        if session_held and want == "recvonly" and not any(a.startswith("c=") for a in mine[4]):
            want = "inactive"
        if mine[0] != its[0] or mine[2] != its[2]:
            yield f"m-line {i}: {mine[0]} {mine[2]} answered as {its[0]} {its[2]}"
        if want == "rejected":
            if its[1] != 0:
                yield f"m-line {i}: port {its[1]}, should be rejected"
            continue
        if its[1] == 0 or its[1] % 2:
            yield f"m-line {i}: port {its[1]}"
        directions = [a[2:] for a in its[4] if a[2:] in FLIP]
        if (directions or ["sendrecv"])[-1] != want:
            yield f"m-line {i}: direction {directions}, should be {want}"
        if not set(its[3]) <= set(mine[3]) or not its[3]:
            yield f"m-line {i}: formats {its[3]} of {mine[3]}"
        maps = dict(re.findall(r"a=rtpmap:(\d+) (\S+)", "\n".join(mine[4])))
        taken = [f for f in its[3] if f in maps and not PLAYABLE.match(maps[f])]
        if taken:
            yield f"m-line {i}: takes {taken}, which nobody can play"
        missing = [f for f in mine[3] if (f in STATIC and f not in maps or PLAYABLE.match(maps.get(f, "")))
                   and f not in its[3]]
        left_out += [f"m-line {i}: {f}" for f in missing]
        label = [a[8:].strip() for a in its[4] if a.startswith("a=label:")]
        if (offered["label"] or None) != (label[0] if label else None):
            yield f"m-line {i}: label {label}, offered {offered['label']}"
    # Over UDP formats are left out rather than the datagram be cut into fragments, but no more than that takes.
    if left_out and (room is None or room > FORMAT * len(left_out)):
        yield f"could have taken more: {left_out}, room {room}"
    origin = re.search(r"^o=(.*?)\r?$", offer, re.M)
    if origin and f"o={origin.group(1)}\r" in answer:
        yield "o= is the offer's"


def end(talk, request, response, title):
    """ACK and BYE behind a 200."""
    body = ""
    if not sdp_of(request):
        offers = "".join(f"m=audio {40000 + 2 * i} RTP/AVP {' '.join(m[3])}\r\na=sendonly\r\n"
                         for i, m in enumerate(media_of(sdp_of(response))))
        body = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{offers}"
    talk.send(followup("ACK", request, response, body=body))
    number = int(header(request, "CSeq").split()[0]) + 1
    talk.send(followup("BYE", request, response, cseq=number))
    bye = talk.final("BYE")
    tap.equal(code_of(bye), 200, f"{title}: BYE", bye)


def renamed(raw, word):
    """The message as another call's: Call-ID and branch (RFC 3261 section 17.2.3) with a word before them."""
    raw = re.sub(rb"(?mi)^((?:Call-ID|i)[ \t]*:[ \t]*)", rb"\1" + word, raw, count=1)
    return re.sub(rb"branch=z9hG4bK", rb"branch=z9hG4bK" + word, raw, count=1)


def invite(srs, path, raw, fact, transport):
    title = f"{path.parent.name}/{path.stem} over {transport}"
    raw = renamed(raw, b"a%d-" % next(hosts))
    request = plain(raw)
    talk = Talk(srs, transport, request)
    try:
        talk.send(raw)
        response = talk.final("INVITE")
        lines = [fact["answer"][i] if "answer" in fact else expected_line(m, media_of(sdp_of(request))[i][4])
                 for i, m in enumerate(fact["m"])]
        if "too-large" in path.stem or path.stem == "cisco-cube-synthetic-1":
            # RFC 3261 section 18.3: a datagram shorter than its Content-Length may be refused, or taken as it is.
            tap.ok(code_of(response) in (200, 400), f"{title}: 200 or 400", response)
            if code_of(response) == 200:
                end(talk, request, response, title)
            return
        want = fact.get("refusal") or (488 if lines and set(lines) == {"rejected"} else 200)
        if not tap.equal(code_of(response), want, f"{title}: {want}", response, srs.log()[-1500:]):
            return
        if want != 200:
            talk.send(followup("ACK", request, response))
            return
        faults = []
        if sdp_of(request):
            faults = list(answer_faults(sdp_of(request), sdp_of(response), fact, room_of(response, transport)))
        elif len(media_of(sdp_of(response))) < 2:
            faults = ["an offer of two m-lines should stand in the 200"]
        if header(response, "Content-Type", "c").lower() != "application/sdp":
            faults.append("the answer is not plain application/sdp")
        if "+sip.srs" not in header(response, "Contact", "m"):
            faults.append("Contact lacks +sip.srs")
        tap.equal(faults, [], f"{title}: its answer", response)
        end(talk, request, response, title)
        kept(srs, request, title, fact)
    finally:
        talk.close()


def kept(srs, request, title, fact):
    call_id = header(request, "Call-ID", "i")
    recording = srs.recording(call_id, state=None)
    if not tap.ok(recording is not None, f"{title}: is on record", call_id):
        return
    if not fact.get("counts") and not fact.get("metadata_labels"):
        return
    status, _, xml = srs.get(f"/v1/recordings/{recording['id']}/metadata")
    xml = re.sub(r"\r?\n", "\r\n", xml.decode("utf-8", "replace"))
    tap.ok(status == 200 and len(xml) > 20 and xml.strip() in request, f"{title}: its metadata is kept as it came",
           status, xml[:500])


def opening(text, fact):
    """An INVITE that opens the dialog in which text stands: the same parties, one number lower."""
    count = max(len(fact["m"]), 1)
    labels = [m["label"] or str(i + 1) for i, m in enumerate(fact["m"])] or ["1"]
    formats = [m for m in fact["m"]]
    lines = ""
    for i in range(count):
        kind, proto = (formats[i]["media"], formats[i]["proto"]) if formats else ("audio", "RTP/AVP")
        lines += f"m={kind} {41000 + 2 * i} {proto if 'SAVP' not in proto else 'RTP/AVP'} 0 8\r\n" \
                 f"a=label:{labels[i]}\r\na=sendonly\r\n"
    sdp = f"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n{lines}"
    to = re.sub(r";\s*tag=[^;>\s]*", "", header(text, "To", "t"))
    number = max(int(header(text, "CSeq").split()[0]) - 1, 0)
    via = re.sub(r"branch=[^;\s]*", "branch=z9hG4bK-opening-" + str(next(hosts)), header(text, "Via", "v"))
    contact = header(text, "Contact", "m") or "<sip:src@192.0.2.10:5060>"
    return (f"INVITE sip:srs@127.0.0.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {header(text, 'From', 'f')}\r\n"
            f"To: {to}\r\nCall-ID: {header(text, 'Call-ID', 'i')}\r\nCSeq: {number} INVITE\r\nContact: {contact}\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}")


def inside(srs, path, raw, fact, transport):
    """A re-INVITE, UPDATE or BYE: in a dialog opened for it."""
    title = f"{path.parent.name}/{path.stem} over {transport}"
    raw = renamed(raw, b"b%d-" % next(hosts))
    text = plain(raw)
    talk = Talk(srs, transport, text)
    method = text.split()[0]
    try:
        first = opening(text, fact)
        talk.send(first.encode())
        opened = talk.final("INVITE")
        if not tap.equal(code_of(opened), 200, f"{title}: a dialog for it", opened):
            return
        talk.send(followup("ACK", first, opened))
        tag = re.search(r"tag=([^;>\s]+)", header(opened, "To", "t")).group(1)
        talk.send(raw.replace(b"tag=srs-tag-0001", b"tag=" + tag.encode()))
        if "tag=srs-tag-0001" in header(text, "From", "f"):
            # What an SRS would send to an SRC: its tags are the wrong way round for us.
            tap.equal(code_of(talk.final(method)), 481, f"{title}: 481, no dialog has those tags")
            talk.send(followup("BYE", first, opened, cseq=int(header(first, "CSeq").split()[0]) + 9))
            tap.equal(code_of(talk.final("BYE")), 200, f"{title}: BYE afterwards")
            return
        wrong_method = header(text, "CSeq").split()[-1] != method
        response = talk.final(header(text, "CSeq").split()[-1])
        code = code_of(response)
        lines = [fact["answer"][i] if "answer" in fact else expected_line(m, media_of(sdp_of(text))[i][4])
                 for i, m in enumerate(fact["m"])]
        if wrong_method or "tag=" not in header(text, "To", "t"):
            tap.ok(code in (400, 481), f"{title}: 400 or 481", response)
        elif lines and set(lines) == {"rejected"}:
            tap.equal(code, 488, f"{title}: 488, and the session stays", response)
        elif tap.equal(code, 200, f"{title}: 200", response, srs.log()[-1500:]) and sdp_of(text):
            tap.equal(list(answer_faults(sdp_of(text), sdp_of(response), fact, room_of(response, transport))), [], f"{title}: its answer", response)
        if method == "INVITE" and response:
            body = ""
            if code == 200 and not sdp_of(text):
                offers = "".join(f"m={m[0]} {0 if m[1] == 0 else 41000} {m[2]} {' '.join(m[3])}\r\n"
                                 for m in media_of(sdp_of(response)))
                body = f"v=0\r\no=- 1 2 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n{offers}"
            talk.send(followup("ACK", text, response, body=body))
        if method != "BYE" or code != 200:
            number = int(header(text, "CSeq").split()[0]) + 5
            talk.send(followup("BYE", first, opened, cseq=number))
            tap.equal(code_of(talk.final("BYE")), 200, f"{title}: BYE afterwards")
    finally:
        talk.close()


def low_number(srs, path, raw, fact, transport):
    """A BYE whose CSeq is lower than one seen before: 500 (RFC 3261 section 12.2.2)."""
    raw = renamed(raw, b"c%d-" % next(hosts))
    text = plain(raw)
    title = f"{path.parent.name}/{path.stem} over {transport}"
    talk = Talk(srs, transport, text)
    try:
        number = int(header(text, "CSeq").split()[0])
        first = opening(text, fact).replace(f"CSeq: {max(number - 1, 0)} INVITE", f"CSeq: {number + 50} INVITE")
        talk.send(first.encode())
        opened = talk.final("INVITE")
        talk.send(followup("ACK", first, opened))
        tag = re.search(r"tag=([^;>\s]+)", header(opened, "To", "t")).group(1)
        talk.send(raw.replace(b"tag=srs-tag-0001", b"tag=" + tag.encode()))
        response = talk.final("BYE")
        tap.equal(code_of(response), 500, f"{title}: a lower CSeq gets 500", response)
        talk.send(followup("BYE", first, opened, cseq=number + 60))
        tap.equal(code_of(talk.final("BYE")), 200, f"{title}: the dialog lives until a good BYE")
    finally:
        talk.close()


def options(srs, path, raw, _fact, transport):
    raw = renamed(raw, b"d%d-" % next(hosts))
    talk = Talk(srs, transport, plain(raw))
    try:
        talk.send(raw)
        response = talk.final("OPTIONS")
        tap.ok(code_of(response) == 200 and "application/sdp" in header(response, "Accept") and
               "UPDATE" in header(response, "Allow"), f"{path.parent.name}/{path.stem} over {transport}: 200 with Accept "
               "and Allow", response)
    finally:
        talk.close()


def stray_ack(srs, path, raw, _fact, transport):
    talk = Talk(srs, transport, plain(raw))
    try:
        talk.send(raw)
        tap.equal(talk.receive(0.3), None, f"{path.parent.name}/{path.stem} over {transport}: nobody answers an ACK")
    finally:
        talk.close()


def replay(srs, path, fact, transport):
    raw = path.read_bytes()
    text = plain(raw)
    declared = int(header(text, "Content-Length", "l") or 0)
    have = len(raw.split(b"\n\n" if b"\r\n\r\n" not in raw else b"\r\n\r\n", 1)[-1])
    if transport == "tcp" and declared > have:
        tap.skip(f"{path.parent.name}/{path.stem} over tcp", "its Content-Length promises more than there is")
        return
    kind = fact["kind"]
    if kind == "BYE" and "low-cseq" in path.stem or path.stem == "cisco-webex-6":
        low_number(srs, path, raw, fact, transport)
    elif kind == "OPTIONS":
        options(srs, path, raw, fact, transport)
    elif kind == "ACK":
        stray_ack(srs, path, raw, fact, transport)
    elif kind == "INVITE":
        invite(srs, path, raw, fact, transport)
    else:
        inside(srs, path, raw, fact, transport)


with Siprecd() as srs:
    for folder in folders():
        facts = json.loads((folder / "expected.json").read_text())
        for name, fact in sorted(facts.items()):
            for transport in ("udp", "tcp"):
                replay(srs, folder / f"{name}.sip", fact, transport)
    tap.ok(srs.process.poll() is None and srs.ready(), "siprecd is well afterwards", srs.log()[-2000:])
    tap.equal(srs.stop(seconds=60), 0, "and ends in order", srs.log()[-2000:])
tap.done()
