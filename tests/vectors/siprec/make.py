#!/usr/bin/env python3
"""Writes the messages of this folder and expected.json: one message of our own for each oddity that SRCs in the field
have shown. What is expected stands here, written by hand beside each message; nothing of it comes from siprecd.
Run it after a change; the results are committed, so that tests need no Python."""
import json
import pathlib

HERE = pathlib.Path(__file__).parent
RFC = "urn:ietf:params:xml:ns:recording:1"
DRAFT = "urn:ietf:params:xml:ns:recording"
OLDEST = "urn:ietf:params:xml:ns:siprec"
XML = '<?xml version="1.0" encoding="UTF-8"?>\r\n'
RS, RSX = "application/rs-metadata", "application/rs-metadata+xml"
SRC, SRS = "192.0.2.10", "198.51.100.20"
expected = {}


# --- SDP ---------------------------------------------------------------------------------------------------------

def line(media="audio", port=40000, proto="RTP/AVP", fmt="0", label=None, way=None, answer=None, more=()):
    """One m-line: its text, and what a reader must find in it."""
    text = [f"m={media} {port} {proto} {fmt}", *more]
    if way:
        text.append(f"a={way}")
    if label is not None:
        text.append(f"a=label:{label}")
    found = {"media": media, "port": str(port), "proto": proto, "fmt": fmt.split(), "label": label, "direction": way}
    return text, found, answer or "recvonly"


def sdp(*lines, head=None):
    head = head if head is not None else ["v=0", f"o=src 2890844526 2890844526 IN IP4 {SRC}", "s=-",
                                          f"c=IN IP4 {SRC}", "t=0 0"]
    rows = [*head]
    for text, _, _ in lines:
        rows += text
    return {"kind": "sdp", "text": "".join(r + "\r\n" for r in rows), "lines": lines}


TE = ("a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15")


def two(fmt="0 101", labels=("1", "2"), way="sendonly", more=TE, **rest):
    return sdp(line(port=40000, fmt=fmt, label=labels[0], way=way, more=more, **rest),
               line(port=40002, fmt=fmt, label=labels[1], way=way, more=more, **rest))


# --- metadata ----------------------------------------------------------------------------------------------------

def xml(root, uri, inner, prolog=XML, **attributes):
    more = "".join(f' {k.replace("_", ":", 1) if k.startswith("xmlns") else k}="{v}"' for k, v in attributes.items())
    return f'{prolog}<{root} xmlns="{uri}"{more}>\r\n{inner}\r\n</{root}>'


def party(pid, aor, name=None, session="s1", sends=(), receives=(), assoc=True, stream_assoc=True):
    shown = f"<name>{name}</name>" if name is not None else ""
    text = f'<participant participant_id="{pid}"><nameID aor="{aor}">{shown}</nameID></participant>\r\n'
    if assoc:
        text += (f'<participantsessionassoc participant_id="{pid}" session_id="{session}">'
                 "<associate-time>2026-03-01T12:00:00Z</associate-time></participantsessionassoc>\r\n")
    if stream_assoc:
        flows = "".join(f"<send>{s}</send>" for s in sends) + "".join(f"<recv>{s}</recv>" for s in receives)
        text += f'<participantstreamassoc participant_id="{pid}">{flows}</participantstreamassoc>\r\n'
    return text


def stream(sid, label, session="s1"):
    return f'<stream stream_id="{sid}" session_id="{session}"><label>{label}</label></stream>\r\n'


MODE = "<datamode>complete</datamode>\r\n"
PART = "<datamode>partial</datamode>\r\n"
S1 = '<session session_id="s1"><start-time>2026-03-01T12:00:00Z</start-time></session>\r\n'
ALICE, BOB = "sip:alice@example.com", "sip:bob@example.com"


def usual(labels=("1", "2"), mode=MODE, session=S1):
    return (mode + session + party("pA", ALICE, "Alice", sends=["mA"], receives=["mB"])
            + party("pB", BOB, "Bob", sends=["mB"], receives=["mA"]) + stream("mA", labels[0]) + stream("mB", labels[1]))


USUAL_VOICES = [f"label: {ALICE}", f"label: {BOB}"]


def meta(text, root="recording", uri=RFC, mode="complete", counts=(1, 2, 2), labels=("1", "2"), ok="ok",
         named=True):
    return {"kind": "meta", "text": text, "root": f"{{{uri}}}{root}" if named else "?", "mode": mode,
            "counts": counts, "labels": list(labels), "ok": ok}


def usual_meta(**rest):
    return meta(xml("recording", RFC, usual(**rest)), labels=rest.get("labels", ("1", "2")))


# --- messages ----------------------------------------------------------------------------------------------------

def part(content, mime=None, disposition=None, head=None):
    """A body part: its header lines and body, and what to expect of it. head overrides the header lines."""
    kind = content["kind"]
    mime = mime or {"sdp": "application/sdp", "meta": RSX}.get(kind, "application/gtd")
    if disposition is None and kind == "meta":
        disposition = "recording-session"
    if head is None:
        head = [f"Content-Type: {mime}"] + ([f"Content-Disposition: {disposition}"] if disposition else [])
    return {"head": head, "type": mime, "disposition": disposition or "", **content}


def other(text):
    return {"kind": "other", "text": text}


def multipart(*parts, boundary="b0", start="", before="", end="--", final="\r\n", gap=""):
    text = start
    for p in parts:
        text += f"{before}--{boundary}\r\n" + "".join(h + "\r\n" for h in p["head"]) + "\r\n" + gap + p["text"]
        text += "" if p["text"].endswith("\r\n") else "\r\n"
    return text + (f"{before}--{boundary}{end}{final}" if end is not None else "")


def message(name, method="INVITE", parts=(), body=None, content_type=None, headers=(), drop=(), closed=True,
            voices=None, warnings=(), evidence="full", refusal=0, length=None, eol="\r\n", m=None, answer=None,
            require="siprec", contact=f"<sip:src@{SRC}:5060>;+sip.src", to=None, colon=": ", call=None):
    if len(parts) > 1:
        content_type = content_type or "multipart/mixed;boundary=b0"
    if body is None:
        body = multipart(*parts) if len(parts) > 1 else parts[0]["text"] if parts else ""
        if len(parts) == 1:
            content_type = content_type or parts[0]["type"]
            if parts[0]["disposition"]:
                headers = (*headers, f"Content-Disposition: {parts[0]['disposition']}")
    dialog = method not in ("INVITE", "OPTIONS")
    first = {"OPTIONS": "OPTIONS"}.get(method, method.replace("re-", ""))
    to = to if to is not None else f"<sip:srs@{SRS}>" + (";tag=srs-tag-0001" if dialog or method == "re-INVITE" else "")
    fields = {"Via": f"SIP/2.0/TCP {SRC}:5060;branch=z9hG4bK-{name}", "Max-Forwards": "70",
              "From": f"<sip:src@{SRC}>;tag=src-{name}", "To": to, "Call-ID": call or f"{name}@{SRC}",
              "CSeq": f"{2 if dialog else 1} {first}", "Contact": contact, "Require": require, "Content-Type": content_type}
    text = [f"{first} sip:srs@{SRS}:5060 SIP/2.0"]
    text += [f"{k}{colon}{v}" for k, v in fields.items() if v and k not in drop]
    text += list(headers)
    body_bytes = body.replace("\r\n", eol)
    if length != "absent":
        text.append(f"Content-Length{colon}{len(body_bytes.encode()) if length is None else length}")
    raw = (eol.join(text) + eol + eol + body_bytes).encode()
    (HERE / f"{name}.sip").write_bytes(raw)
    sdps = [p for p in parts if p["kind"] == "sdp"]
    metas = [p for p in parts if p["kind"] == "meta"]
    lines = sdps[0]["lines"] if sdps and sdps[0]["lines"] else ()
    entry = {
        "kind": method,
        "parts": [{"type": p["type"], "disposition": p["disposition"]} for p in parts],
        "closing_boundary": closed if (content_type or "").lower().startswith("multipart") else None,
        "m": m if m is not None else [f for _, f, _ in lines],
        "answer": answer if answer is not None else [a for _, _, a in lines],
        "crypto_lines": sum(t.startswith("a=crypto") for x in lines for t in x[0]),
        "xml": metas[0]["ok"] if metas else None,
        "root": metas[0]["root"] if metas else None,
        "datamode": metas[0]["mode"] if metas and metas[0]["ok"] == "ok" else None,
        "counts": dict(zip(("session", "participant", "stream"), metas[0]["counts"])) if metas else None,
        "metadata_labels": metas[0]["labels"] if metas else [],
        "warnings": list(warnings), "evidence": evidence, "refusal": refusal,
    }
    if voices is not None:
        entry["voices"] = voices
    expected[name] = entry


NSW = "metadata-namespace"

# --- AudioCodes

AC = (f'{MODE}<session id="0000-b93d"><associate-time>2026-03-01T12:00:00</associate-time></session>\r\n'
      '<participant id="+12025550101" session="0000-b93d"><nameID aor="+12025550101@example.com"></nameID>'
      "<send>0000-2274</send><recv>0001-aece</recv></participant>\r\n"
      '<participant id="+12025550102" session="0000-b93d"><nameID aor="+12025550102@example.com"></nameID>'
      "<send>0001-aece</send><recv>0000-2274</recv></participant>\r\n"
      '<stream id="0000-2274" session="0000-b93d"><label>1</label></stream>\r\n'
      '<stream id="0001-aece" session="0000-b93d"><label>2</label></stream>')
AC_VOICES = ["label: +12025550101@example.com", "label: +12025550102@example.com"]
p = [part(two(more=("a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15,16"))),
     part(meta(xml("recording", DRAFT, AC, xmlns_ac="http://AudioCodes"), uri=DRAFT), RS)]
message("draft-attributes", parts=p, body=multipart(*p, final=""), voices=AC_VOICES, warnings=[NSW], drop=["From", "Via"],
        headers=(f"From: <sip:{SRC}>;tag=1", f"Via: SIP/2.0/TCP {SRC};alias;branch=z9hG4bKac1"))
p[1] = part(meta(xml("recording", DRAFT, AC.replace("</session>", '<ac:AvayaUCID xmlns="urn:ietf:params:xml:ns:Avaya">YMMY'
                                                    "</ac:AvayaUCID></session>", 1), xmlns_ac="http://AudioCodes"), uri=DRAFT), RS)
message("element-redeclares-default-namespace", parts=p, voices=AC_VOICES, warnings=[NSW])
p = [part(sdp(line(fmt="8 101", more=TE))),
     part(meta(xml("recording", RFC, MODE + '<session session_id="s1"><group-ref>g-nowhere</group-ref></session>'),
               counts=(1, 0, 0), labels=()))]
message("bare-lf", parts=p, eol="\n", voices=["none"], evidence="loose", require=None, contact=None, drop=["Max-Forwards"])

# --- Avaya

OR = (f'{MODE}<session id="s+1=="><associate-time>2026-03-01T12:00:00</associate-time>\r\n'
      '\t<extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata"><apkt:ucid>00FA081003B9;encoding=hex</apkt:ucid>'
      "<apkt:callerOrig>true</apkt:callerOrig></extensiondata></session>\r\n"
      '<participant id="p/A==" session="s+1=="><nameID aor="sip:alice@example.com"><name>Alice</name></nameID>'
      "<send>m/A==</send><associate-time>2026-03-01T12:00:00</associate-time>\r\n"
      '<extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata"><apkt:callingParty>true</apkt:callingParty>'
      "<apkt:request-uri>REQUEST</apkt:request-uri>"
      '<apkt:header label="Call-ID"><value>1344@192.0.2.62</value></apkt:header></extensiondata></participant>\r\n'
      '<participant id="p/B==" session="s+1=="><nameID aor="sip:bob@example.com"><name>NAME</name></nameID>'
      "<send>m/B==</send></participant>\r\n"
      '<stream id="m/A==" session="s+1=="><label>201835599</label><mode>separate</mode></stream>\r\n'
      '<stream id="m/B==" session="s+1=="><label>201835600</label><mode>separate</mode></stream>')
OR = OR.replace("NAME", "Bob")
ORX = OR.replace("REQUEST", "sip:bob@192.0.2.9:5060")
BIG = ("201835599", "201835600")
oracle_head = ["v=0", "o=- 1 1 IN IP4 192.0.2.44", "s=-", f"c=IN IP4 {SRC}", "t=0 0"]
p = [part(sdp(line(fmt="8 18 101", label=BIG[0], way="sendonly", more=TE),
              line(port=40002, fmt="8 101", label=BIG[1], way="sendonly", more=TE), head=oracle_head)),
     part(meta(xml("recording", DRAFT, ORX), uri=DRAFT, labels=BIG))]
message("ucid-in-extension-data", parts=p, voices=USUAL_VOICES, warnings=[NSW])
AV = ("<dataMode>complete</dataMode>" + '<session session_id="00FA080001"></session>'
      + party("b536ff63", ALICE, session="00FA080001", sends=["0ccc2d78"])
      + party("abcdef12345678901234", "sip:placeholder@example.com", session="00FA080001")
      + stream("0ccc2d78", "10", "00FA080001") + stream("", "20", "00FA080001"))
p = [part(sdp(line(fmt="0 8 18 101", label="10", way="sendonly", more=TE))),
     part(meta(xml("recording", RFC, AV), labels=("10", "20")))]
message("empty-stream-id", parts=p, voices=[f"label: {ALICE}"], contact=f"<sip:src@{SRC};+sip.src>",
        headers=("User-to-User: 00FA080001;encoding=hex", "P-Asserted-Identity: <sip:alice@example.com>"))
p = [part(meta(xml("recording", RFC, AV.replace('stream_id=""', 'stream_id="9d"')), labels=("10", "20")), RS)]
message("update-metadata-only", "UPDATE", parts=p)
message("bye", "BYE", require=None, contact=None, evidence="none", drop=["Content-Type", "To"], length="absent",
        headers=("Content-Length:0", f"To:<sip:srs@{SRS}>;tag=srs-tag-0001"))

# --- XML that is none

AWS = (MODE + S1 + '<participant participant_id="pA"><nameID aor="sip:alice@example.com"><naSRCme xml:lang="it">Alice</name>'
       "</nameID></participant>\r\n" + stream("mA", "96"))
VIDEO = dict(media="video", proto="RTP/AVPF", answer="rejected")
four = sdp(line(fmt="0", label="96", way="sendonly"), line(port=40002, fmt="96", label="97", way="sendonly", **VIDEO),
           line(port=40004, fmt="0", label="98", way="sendonly"), line(port=40006, fmt="96", label="99", way="sendonly", **VIDEO))
p = [part(four, "application/SDP"),
     part(meta(xml("recording", RFC, AWS), ok="NOT WELL-FORMED: mismatched tag", named=False, counts=(1, 1, 0), labels=()), RS)]
message("mismatched-tag", parts=p, voices=["none"] * 4, warnings=["metadata-broken"])
expected["mismatched-tag"]["answer"] = ["recvonly", "rejected", "recvonly", "rejected"]

# --- BroadWorks and Webex

def bw(parties, streams, root_gap=""):
    text = (f'<recording_metadata{root_gap} xmlns="{OLDEST}"><dataMode>complete</dataMode><recording id="urn:uuid:r">'
            '<requestor>SRC</requestor><type>selective</type></recording><group id="urn:uuid:g" recording="urn:uuid:r">'
            '<initiator>sip:alice@example.com</initiator></group><session id="urn:uuid:s" group="urn:uuid:g">'
            "<start-time>2026-03-01T12:00:00-04:00</start-time></session>")
    for pid, aor, sid in parties:
        text += (f'<participant id="urn:uuid:{pid}" session="urn:uuid:s"><aor>{aor}</aor><send><id>urn:uuid:{sid}</id></send>'
                 "</participant>")
    for sid, label, mode in streams:
        text += f'<stream id="urn:uuid:{sid}" session="urn:uuid:s"><label>{label}</label><mode>{mode}</mode></stream>'
    return XML.strip() + text + ('<extensiondata id="urn:uuid:e" parent="urn:uuid:s"><broadWorksRecordingMetadata '
                                 'xmlns="http://schema.broadsoft.com/broadworksCallRecording" version="4.0"><callType><origCall>'
                                 "<calledPartyNumber>sip:bob@example.com</calledPartyNumber></origCall></callType>"
                                 "</broadWorksRecordingMetadata></extensiondata></recording_metadata>")


def bwm(parties, streams, gap=""):
    return meta(bw(parties, streams, gap), "recording_metadata", OLDEST, counts=(1, len(parties), len(streams)),
                labels=[s[1] for s in streams])


SRC_TAG = f"<sip:src@{SRC}:5060>;src"
mixed = [("a", ALICE, "m"), ("b", BOB + ";user=phone", "m")]
loose = dict(evidence="loose", require=None, contact=SRC_TAG)
p = [part(bwm(mixed, [("m", "1", "mixed")]), head=["Content-Type:application/rs-metadata+xml",
                                                  "Content-Disposition:recording-session", "Content-Length:2021"]),
     part(sdp(line(fmt="8 101", label="5", way="sendonly", more=TE)), head=["Content-Type: application/sdp", "Content-Length: 7"])]
message("one-long-line-metadata-first", parts=p, voices=[f"order: {ALICE}, {BOB};user=phone"],
        warnings=[NSW, "label-unmatched"], headers=("Recv-Info: ", "Supported: "), **loose)
p = [part(bwm([("a", ALICE, "m1"), ("b", BOB, "m2")], [("m1", "1", "separate"), ("m2", "2", "separate")])),
     part(two("0 101 9"))]
message("recording-metadata-root", parts=p, voices=USUAL_VOICES, warnings=[NSW], **loose)
five = [("a", ALICE, "m1"), ("b", BOB, "m2"), ("c", "carol@example.com", "m2"), ("d", "dave@example.com", "m2"),
        ("e", "erin@example.com", "m2")]
p = [part(bwm(five, [("m1", "1", "separate"), ("m2", "2", "separate")])), part(two("8 101"))]
message("five-participants-two-streams", parts=p, warnings=[NSW], **loose,
        voices=[f"label: {ALICE}", f"label: {BOB}, carol@example.com, dave@example.com, erin@example.com"])
p = [part(bwm([("a", ALICE, "m"), ("b", BOB, "nowhere")], [("m", "1", "mixed")])),
     part(sdp(line(fmt="8", label="1")))]
message("no-direction-no-rtpmap", parts=p, voices=[f"label: {ALICE}, {BOB}"], warnings=[NSW, "metadata-dangling"], colon=":",
        **loose)
message("hold-by-address", "re-INVITE", parts=[part(sdp(line(fmt="8", label="1", answer="inactive"), head=[
    "v=0", "o=src 1 2 IN IP4 192.0.2.10", "s=-", "c=IN IP4 0.0.0.0", "t=0 0"]))], voices=["none"], **loose)
message("bye-with-wrong-cseq-method", "BYE", drop=["CSeq", "Content-Type", "To"], require=None, contact=None, evidence="none",
        headers=("CSeq: 3 INVITE", f"To: <sip:srs@{SRS}>"))
p = [part(bwm([*mixed, ("c", "carol@example.com", "m")], [("m", "1", "mixed")]), disposition="recording-session")]
message("third-party-joins", "UPDATE", parts=p, warnings=[NSW], **loose)
p = [part(bwm(mixed, [("m", "1", "mixed")], "\r\n ")), part(sdp(line(fmt="8", label="1")))]
message("line-break-in-start-tag", parts=p, voices=[f"label: {ALICE}, {BOB};user=phone"], warnings=[NSW],
        headers=("Proxy-Require:privacy", "RPID-Privacy: off"), **loose)
eaten = meta(f'<recording_metadata xmlns="{OLDEST}">completeSRCselectivesip:alice</recording_metadata>', "recording_metadata",
             OLDEST, mode="-", counts=(0, 0, 0), labels=())
p = [part(eaten, "application/ +xml", head=["Content-Type:application/ +xml", "Content-Disposition:recording-session",
                                            "Content-Length:2012"]),
     part(sdp(line(fmt="8 101 0 9 18", label="1", way="sendonly", more=TE)))]
message("tags-eaten", parts=p, voices=["none"], warnings=["body-type", NSW, "metadata-empty"], **loose)
OPUS = ("a=rtpmap:111 opus/48000/2", "a=fmtp:111 useinbandfec=1", *TE, "a=rtpmap:107 telephone-event/48000", "a=fmtp:107 0-15")
p = [part(bwm([("a", ALICE, "m1"), ("b", BOB, "m2")], [("m1", "1", "separate"), ("m2", "2", "separate")])),
     part(sdp(line(fmt="111 101 0 8 9 107", label="1", way="sendonly", more=OPUS)))]
message("opus-and-two-event-clocks", parts=p, voices=[f"label: {ALICE}"], warnings=[NSW], **loose)
message("hold-by-both", "re-INVITE", parts=[part(sdp(line(fmt="111 101 0", label="1", way="inactive", answer="inactive",
                                                            more=OPUS[:4]), head=[
    "v=0", "o=src 1 3 IN IP4 192.0.2.10", "s=-", "c=IN IP4 0.0.0.0", "t=0 0"]))], voices=["none"], **loose)
p = [part(bwm([("a", ALICE, "m1"), ("b", BOB, "m2"), ("c", "carol@example.com", "m2")],
              [("m1", "1", "separate"), ("m2", "2", "separate")]), disposition="recording-session")]
message("conference-joins", "UPDATE", parts=p, warnings=[NSW], evidence="loose", require=None, contact=f"<sip:src@{SRC}>")
message("bye-with-low-cseq", "BYE", drop=["CSeq", "Content-Type", "To"], require=None, contact=None, evidence="none",
        headers=("CSeq: 1 BYE", f"To:<sip:srs@{SRS}>;tag=srs-tag-0001"))

# --- Cisco

message("offerless-invite", evidence="none", require=None, contact=f"<sip:src@{SRC};transport=TCP>;isFocus",
        drop=["From", "Content-Type"], length="absent",
        headers=("Content-Length: 0", f'From: "A" <sip:src@{SRC};x-farend;x-refci=82731258;x-farendaddr=2025550109>;tag=7',
                 'Call-Info: <sip:192.0.2.10>;method="NOTIFY;Event=telephone-event;Duration=500"',
                 "Supported: timer,replaces", "Supported: X-cisco-srtp-fallback", "Supported: Geolocation"))
message("ack-with-the-answer", "ACK", parts=[part(sdp(line(fmt="0 101", way="sendonly", more=TE), head=[
    "v=0", f"o=src 1 1 IN IP4 {SRC}", "s=-", f"c=IN IP4 {SRC}", "b=AS:64", "b=TIAS:64000", "b=AS:64", "t=0 0"]))],
        evidence="none", require=None, contact=None, drop=["Max-Forwards"], voices=["none"])
spaced = xml("recording", RFC, (MODE + S1 + party("pA", ALICE, sends=["mA"], receives=["mB"])
                                + '<participant participant_id="pB"><nameID aor="sip:bob@example.com"/></participant>\r\n'
                                '<participantsessionassoc participant_id="pB" session_id="s1"/>\r\n'
                                '<participantstreamassoc participant_id="mA"><send>mB</send></participantstreamassoc>\r\n'
                                + stream("mA", "1") + stream("mB", "2")))
spaced = " " + spaced.replace("\r\n", " \r\n")
p = [part(two("8 19", more=()), disposition=""), part(meta(spaced))]
body = ("--b0 \r\nContent-Type: application/sdp \r\n\r\n" + p[0]["text"] + "\r\n--b0 \r\nContent-Type: " + RSX
        + "\r\nContent-Disposition: recording-session\r\n\r\n" + spaced + "\r\n--b0-- \r\nsome words after the end\r\n")
message("blanks-everywhere", parts=p, body=body, content_type="multipart/mixed;boundary=b0", require=None, evidence="loose",
        contact="<sip192.0.2.10:5060>;+sip.src", voices=[f"label: {ALICE}", f"order: {BOB}"], headers=("Min-SE:  1800",),
        warnings=["metadata-leading-blank", "metadata-dangling", "metadata-duplicate-id"])
interleaved = MODE + S1 + party("pA", ALICE, sends=["mA"]) + stream("mA", "1") + party("pB", BOB, sends=["mB"]) + stream("mB", "2")
p = [part(two(), disposition="session;handling=required",
          head=["Content-Disposition: session;handling=required", "Content-Type: application/sdp"]),
     part(meta(xml("recording", RFC, interleaved))),
     part(other("GCI,39191941C91511E5"), "application/gtd", "signal;handling=optional")]
message("third-part-and-no-end", parts=p, body=multipart(*p, end=None), content_type="multipart/mixed;boundary=b0", closed=False,
        voices=USUAL_VOICES, warnings=["body-not-closed", "body-part-ignored"])
message("pcmu-only", parts=[part(two("0", more=())), part(usual_meta())], voices=USUAL_VOICES,
        headers=("Session-ID: a1b2c3d4e5f60718293a4b5c6d7e8f90;remote=00000000000000000000000000000000",))
broken_id = ('<session session_id="s1"><sipSessionID>ab30317f1a784dc48ff824d0d3715d86;\r\n'
             "            remote=47755a9de7794ba387653f2099600ef2   </sipSessionID></session>\r\n")
av = MODE + broken_id + party("pA", ALICE, sends=["mA", "vA"], receives=["mB", "vB"]) + party("pB", BOB, sends=["mB", "vB"]) \
    + stream("mA", "1") + stream("mB", "2") + stream("vA", "3") + stream("vB", "4")


def video(port="40004", way_a="sendonly", way="sendonly", answers=("recvonly", "recvonly")):
    n = int(port)
    return sdp(line(port=40000, fmt="8 101", label="1", way=way_a, more=TE, answer=answers[0]),
               line(port=40002, fmt="8 101", label="2", way="sendonly", more=TE, answer=answers[1]),
               line("video", n, fmt="119", label="3", way=way, answer="rejected", more=("a=rtpmap:119 H264/90000", "b=TIAS:1000000")),
               line("video", n + 2 if n else 0, fmt="97", label="4", way=way, answer="rejected",
                    more=("a=rtpmap:97 H264/90000",)))


p = [part(video()), part(meta(xml("recording", RFC, av), counts=(1, 2, 4), labels="1234"))]
message("audio-and-video", parts=p, voices=[*USUAL_VOICES, "none", "none"])
held = av.replace("<send>mA</send><send>vA</send>", "")
p = [part(video(way_a="inactive", way="inactive", answers=("inactive", "recvonly"))),
     part(meta(xml("recording", RFC, held), counts=(1, 2, 4), labels="1234"))]
message("one-side-on-hold", "re-INVITE", parts=p, voices=[f"order: {ALICE}", f"label: {BOB}", "none", "none"])
less = MODE + broken_id + party("pA", ALICE, sends=["mA"]) + party("pB", BOB, sends=["mB"]) + stream("mA", "1") + stream("mB", "2")
p = [part(video("0")), part(meta(xml("recording", RFC, less)))]
message("video-removed", "re-INVITE", parts=p, voices=[*USUAL_VOICES, "none", "none"])
twice = MODE + S1 + party("pA", ALICE, stream_assoc=False) + party("pA", "sip:alicia@example.com", stream_assoc=False)
p = [part(meta(xml("recording", RFC, twice), counts=(1, 2, 0), labels=()))]
message("two-addresses-one-participant", "UPDATE", parts=p, warnings=["metadata-duplicate-id"])
ending = (MODE + '<session session_id="s1"><end-time>2026-03-01T12:30:00.661Z</end-time></session>'
          '<participant participant_id="pA"><nameID aor="sip:alice@example.com"> </nameID></participant>'
          '<participantsessionassoc participant_id="pA" session_id="s1"><disassociate-time>2026-03-01T12:30:00Z</disassociate-time>'
          "</participantsessionassoc>")
message("bye-with-metadata", "BYE", parts=[part(meta(xml("recording", RFC, ending), counts=(1, 1, 0), labels=()))],
        require=None, contact=None, evidence="loose", headers=("Reason: Q.850;cause=16",))
message("network-based-recording", parts=[part(sdp(line(fmt="0 101 19", way="sendonly", more=TE)))], evidence="none", require=None,
        contact=f"<sip:{SRC}:5060;transport=TCP>", voices=["none"],
        headers=('X-Cisco-Recording-Participant: sip:alice@example.com;media-index="0"',
                 'X-Cisco-Recording-Participant: sip:bob@example.com;media-index="1"'))
invented = ('<participant id="caller"><name>Alice</name><aor>sip:alice@example.com</aor></participant>\r\n'
            '<participant id="agent"><name>Bob</name><aor>sip:bob@example.com</aor></participant>\r\n'
            '<stream label="1" streamid="audio-1" mode="separate" type="audio"/>\r\n'
            '<sessionrecordingassoc sessionid="x1" callid="c1"/>')
p = [part(sdp(line(fmt="0 8", label="1", way="sendonly")), disposition="session;handling=required"),
     part(meta(xml("recording", RFC, invented, session="x1", state="active"), mode="-", counts=(0, 2, 1), labels=()))]
message("content-length-too-large", parts=p, length=9999, evidence="loose", require=None, contact=f"<sip:src@{SRC}>",
        voices=[f"mixed: {ALICE}, {BOB}"])

# --- Connectel, drachtio, FreeSWITCH, Google, jambonz, Kamailio

bare = MODE + S1 + ('<participant participant_id="pA"><nameID aor="sip:alice@example.com"><name>test_user;lang=en-US;id=22</name>'
                    '</nameID></participant><participant participant_id="pB"><nameID aor="sip:bob@example.com"/></participant>'
                    ) + stream("mA", "1") + stream("mB", "2")
p = [part(sdp(line(fmt="0 8 3 101", label="1", way="sendonly", more=TE),
              line(port=40002, fmt="8 0 101", label="2", way="sendonly", more=TE),
              head=["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-"])), part(meta(xml("recording", RFC, bare)))]
message("no-connection-no-timing", parts=p, voices=[f"order: {ALICE}", f"order: {BOB}"])
p = [part(two("8", ("a_leg", "b_leg"), more=())), part(usual_meta(), RS)]
message("labels-that-match-nothing", parts=p, evidence="loose", require=None, contact=f"<sip:src@{SRC}>", to="sip:srs:5060",
        voices=[f"order: {ALICE}", f"order: {BOB}"], warnings=["label-unmatched"])
p = [part(sdp(line(fmt="0 101", way="sendonly", more=TE), line(port=40002, fmt="0 101", way="sendonly", more=TE))),
     part(meta(xml("recording", RFC, usual().replace('mB" session_id="s1"', 'mB" session_id="s-nowhere"')
                   .replace("<name>Bob</name>", "<name></name>"))), disposition="", head=[f"Content-Type: {RSX}"])]
message("opening-boundary-at-the-end", parts=p, body=multipart(*p, end=""), content_type="multipart/mixed;boundary=b0",
        closed=False, voices=[f"order: {ALICE}", f"order: {BOB}"], warnings=["body-not-closed"])
p[1]["disposition"] = ""
CRYPTO = "a=crypto:{} {} inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"
AES = "AES_CM_128_HMAC_SHA1_80"
one_savp = sdp(line(proto="RTP/SAVP", fmt="0 8", label="1", way="sendonly", answer="rejected", more=(CRYPTO.format(1, AES),)))
named = MODE + S1 + party("pA", ALICE, "O&apos;Neil &amp; &lt;Sons&gt; &quot;x&quot;", sends=["mA"]) \
    + party("pB", BOB, stream_assoc=False) + stream("mA", "1")
p = [part(one_savp), part(meta(xml("recording", RFC, named), counts=(1, 2, 1), labels="1"))]
message("srtp-one-line", parts=p, voices=[f"label: {ALICE}"])
message("srtp-new-key", "re-INVITE", parts=[part(one_savp)], voices=["none"])
goog = ('<session session_id="5f6e7d8c"><associate-time>2026-03-01T12:00:00Z</associate-time></session>\r\n'
        '<participant participant_id="src_1"><nameID aor="sip:alice@example.com"/></participant>\r\n'
        '<participant participant_id="dest_1"><nameID aor="sip:bob@example.com"/></participant>\r\n'
        '<stream stream_id="st_1" media_label="1"><label>Caller_Stream</label></stream>\r\n'
        '<stream stream_id="st_2" media_label="2"><label>Callee_Stream</label></stream>\r\n'
        '<extensiondata xmlns:google="http://google.com/siprec"><google:call id="c1" project="p"/></extensiondata>')
p = [part(sdp(line(proto="RTP/SAVP", fmt="8 100", label="1", way="sendonly", answer="rejected", more=(CRYPTO.format(1, AES),)),
              line(port=40002, proto="RTP/SAVP", fmt="8 100", label="2", way="sendonly", answer="rejected",
                   more=(CRYPTO.format(2, AES), f"c=IN IP4 {SRC}")), head=["v=0", f"o=x 1 1 IN IP4 {SRC}", "s=x", "t=0 0"]),
          disposition="session; handling=required"),
     part(meta(xml("recording", RFC, goog), mode="-", labels=("Caller_Stream", "Callee_Stream")),
          disposition="recording-session; handling=required")]
message("two-blank-lines", parts=p, body=multipart(*p, boundary="b-01:x", gap="\r\n"),
        content_type='multipart/mixed; boundary="b-01:x"', evidence="loose", contact=f'"X" <sip:src@{SRC}>',
        drop=["Call-ID", "CSeq"], headers=(f"Call-Id: two-blank-lines@{SRC}", "Cseq: 2 INVITE", "Min-Se: 90", "Mime-Version: 1.0"),
        voices=[f"order: {ALICE}", f"order: {BOB}"], warnings=["metadata-leading-blank"])
message("options-with-accept", "OPTIONS", evidence="none", require=None, drop=["Content-Type"], contact=f"<sip:src@{SRC}>",
        headers=(f"Accept: application/sdp, {RSX}",))
jb = usual().replace("</session>\r\n", "</session>\r\n" '<extensiondata xmlns:jb="http://jambonz.org/siprec"><jb:carrier>A &amp; B'
                     "</jb:carrier><jb:callsid>1</jb:callsid></extensiondata>\r\n", 1)
jb = jb.replace("<associate-time>2026-03-01T12:00:00Z</associate-time></participantsession", "</participantsession")
p = [part(two()), part(meta(xml("recording", RFC, jb)))]
message("extension-data-of-the-document", parts=p, body=multipart(*p, final=""), content_type="multipart/mixed;boundary=b0",
        evidence="loose", contact=f"<sip:src@{SRC}>", voices=USUAL_VOICES)
ICE = ("a=rtcp:40001", "a=rtcp-mux", "a=rtcp-rsize", "a=ssrc:1 cname:x", "a=setup:actpass", "a=fingerprint:sha-256 00:11",
       "a=candidate:1 1 UDP 2113929471 192.0.2.10 40000 typ host", "a=candidate:1 2 UDP 2113929470 192.0.2.10 40001 typ host",
       "a=candidate:2 1 UDP 2113932031 2001:db8::10 40000 typ host")
p = [part(sdp(line(proto="UDP/TLS/RTP/SAVPF", fmt="0 101", label="1", way="sendrecv", answer="rejected", more=(*TE, *ICE)),
              head=["v=0", f"o=- 1 1 IN IP4 {SRC}", "s=-", f"c=IN IP4 {SRC}", "t=0 0", "a=ice-ufrag:abcd",
                    "a=ice-pwd:0123456789012345678901"])),
     part(meta(xml("recording", RFC, MODE + S1 + party("p1", ALICE, sends=["m1"]) + stream("m1", "1")), counts=(1, 1, 1), labels="1"))]
message("ice-and-dtls", parts=p, voices=[f"label: {ALICE}"], headers=("Supported: ice", "Record-Route: <sip:192.0.2.2;lr>",
                                                                       "Route: <sip:192.0.2.2;lr>"))
p = [part(sdp(line(fmt="0", way="sendonly"))),
     part(meta(xml("recording", RFC, MODE + '<session session_id="call"/><participant participant_id="caller">'
                   '<nameID aor="sip:alice@example.com"/></participant><participant participant_id="agent"><nameID aor="sip:bob@'
                   'example.com"/></participant><stream stream_id="audio" session_id="call"><label>caller-audio</label></stream>'
                   '<sessionrecordingassoc session_id="call"/><participantsessionassoc participant_id="caller" session_id="call"/>'
                   '<participantstreamassoc participant_id="caller"><send>audio</send></participantstreamassoc>'),
          counts=(1, 2, 1), labels=["caller-audio"]))]
message("label-in-metadata-only", parts=p, contact=f"sip:src@{SRC};+sip.src", voices=[f"order: {ALICE}"])

# --- Metaswitch, NetSapiens, NG911

meta_inner = (f'{MODE}<session session_id="s1"><start-time>2026-03-01T12:00:00Z</start-time></session>'
              + party("pA", "2025550161", "2025550161", sends=["m1"], receives=["m1"])
              + party("pB", "2025550160", "2025550160", sends=["m1"], receives=["m1"])
              + '<stream id="m1" session_id="s1"><label>1</label></stream><extensiondata><metaswitchRecordingMetadata>'
              "<callType>terminating</callType><userName></userName></metaswitchRecordingMetadata></extensiondata>")
msw = meta(xml("recording", DRAFT, meta_inner, id="r=="), uri=DRAFT, counts=(1, 2, 1), labels="1")
MSV = ["label: 2025550161, 2025550160"]
message("mixed-line-digits-only", parts=[part(sdp(line(fmt="18 0 8", label="1"))), part(msw, RS)], voices=MSV, warnings=[NSW],
        headers=("Supported: siprec, 100rel",))
message("hold-by-origin-and-address", "re-INVITE", voices=MSV, warnings=[NSW], parts=[
    part(sdp(line(port=40010, fmt="0 8", label="1", answer="inactive"),
             head=["v=0", "o=- 1 2 IN IP4 0.0.0.0", "s=-", "c=IN IP4 0.0.0.0", "t=0 0"])), part(msw, RS)])
message("bye-requires-siprec", "BYE", contact=None, evidence="loose", drop=["Content-Type"])
p = [part(sdp(line(fmt="8", label="1", more=("a=ptime:20",)))), part(msw, RS)]
message("contact-without-bracket", "re-INVITE", parts=p, body=multipart(*p, start="\r\n"),
        content_type="multipart/mixed; boundary=b0", contact=f"<sip:src@{SRC}:5060;+sip.src", voices=MSV, warnings=[NSW])
message("g722-without-rtpmap", parts=[part(sdp(line(fmt="9 0 8 101", label="1", more=TE))), part(msw, RS)], voices=MSV,
        warnings=[NSW])


def netsapiens(name, group, p1, p2, s1, s2):
    inner = (f'{MODE}<group group_id="{group}"><associate-time>2026-03-01T12:00:00Z</associate-time></group>'
             f'<session session_id="20260301"><group-ref>{group}</group-ref></session>'
             + party(p1, ALICE, "Alice", "20260301", [s1], [s2]) + party(p2, BOB, "Bob", "20260301", [s2], [s1])
             + stream(s1, "1", "20260301") + stream(s2, "2", "20260301")
             + '<netsapiensExtension xmlns="http://schema.netsapiens.com/netsapiensSipRec" version="1.1"><groupSeq>0</groupSeq>'
             f'<callingParty participant_id="{p1}"><nameID aor="sip:alice@example.com"><name>Alice</name></nameID></callingParty>'
             "</netsapiensExtension>")
    suites = tuple(CRYPTO.format(t, s) + "|2^31" for t, s in ((7, "AEAD_AES_256_GCM"), (2, AES), (3, "AES_CM_128_HMAC_SHA1_32")))
    parts = [part(two("0 8 101", more=(*TE, *suites), proto="RTP/SAVP", answer="rejected")),
             part(meta(xml("recording", RFC, inner, prolog="")))]
    message(name, parts=parts, voices=USUAL_VOICES, warnings=["metadata-duplicate-id"])


netsapiens("transfer-1", "58cc3154", "58cc3154", "0018491486ec", "wJwvQ18y", "LjU9KTyG")
netsapiens("transfer-2", "5ed0-7ab.c@192.0.2.45", "5ed0-7ab.c@192.0.2.45", "77aa", "x1", "x2")
netsapiens("transfer-3", "58cc3154", "58cc3154", "77aa", "wJwvQ18y", "x2")
DTLS = ("a=fingerprint:sha-256 00:11", "a=setup:active")
kinds = [("audio", "UDP/TLS/RTP/SAVP", "0 101")] * 2 + [("video", "UDP/TLS/RTP/SAVP", "96")] * 2 \
    + [("text", "UDP/TLS/RTP/SAVP", "98 99")] * 2 + [("message", "TCP/MSRP", "*")] * 2
eight = sdp(*(line(k, 6000 + 2 * i, t, f, str(i + 1), "sendonly", "rejected", DTLS) for i, (k, t, f) in enumerate(kinds)))
ng = MODE + S1.replace("00Z<", "00.1234567-08:00<") + "".join(
    f'<participant participant_id="{i}"><nameID aor="{a}"/></participant>' for i, a in (("p1", ALICE), ("p2", "urn:service:sos"))) \
    + "".join(stream(f"m{i}", i) for i in range(1, 9))
message("eight-lines", parts=[part(eight), part(meta(xml("recording", RFC, ng), counts=(1, 2, 8), labels="12345678"),
                                                  disposition="", head=[f"Content-Type: {RSX}"])],
        contact=f"<sip:src@{SRC}>;+sip-src", evidence="loose", voices=[f"order: {ALICE}", "order: urn:service:sos"] + ["none"] * 6)
expected["eight-lines"]["parts"][1]["disposition"] = ""
expected["opening-boundary-at-the-end"]["parts"][1]["disposition"] = ""

# --- no SIPREC; OpenSIPS; Oracle

message("ordinary-invite", parts=[part(sdp(line(fmt="0 101", label="1", way="sendonly", more=TE)))], evidence="none", require=None,
        contact=f"<sip:alice@{SRC}>", voices=["none"])
osips = MODE + '<session session_id="s1"><sipSessionID>5OUQ@192.0.2.80</sipSessionID></session>' + "".join(
    f'<participant participant_id="{i}"><nameID aor="{a}"/></participant><participantsessionassoc participant_id="{i}" '
    f'session_id="s1"><associate-time>2026-03-01T12:00:00+0000</associate-time></participantsessionassoc>'
    f'<participantstreamassoc participant_id="{i}">\r\n\t</participantstreamassoc>' for i, a in (("pA", ALICE), ("pB", BOB)))
p = [part(sdp(line(fmt="8 101", label="1", way="sendonly", more=(*TE, "a=rtcp:40001", f"c=IN IP4 {SRC}")),
              line(port=40002, fmt="8 101", label="2", way="sendonly", more=(*TE, "a=rtcp:40003", f"c=IN IP4 {SRC}")),
              head=["v=0", f"o=- 1 1 IN IP4 {SRC}", "s=rtpengine-1", "t=0 0"])),
     part(meta(xml("recording", RFC, osips), counts=(1, 2, 0), labels=()))]
message("no-streams-in-metadata", parts=p, contact=f"<sip:src@{SRC}>", evidence="loose",
        voices=[f"order: {ALICE}", f"order: {BOB}"])
E108 = ("a=rtpmap:108 telephone-event/8000", "a=3gOoBTC", f"c=IN IP4 {SRC}", "a=rtcp:40101")
p = [part(sdp(line(fmt="8 108", label="0", way="sendonly", more=E108),
              line(port=40002, fmt="8 108", label="1", way="sendonly", more=E108),
              head=["v=0", f"o=- 1 1 IN IP4 {SRC}", "s=SipCall", "t=0 0"])),
     part(meta(xml("recording", RFC, usual(("0", "1")).replace(ALICE, ALICE + ";noa=international")), labels="01"))]
message("label-zero", parts=p, voices=[f"label: {ALICE};noa=international", f"label: {BOB}"])
message("options", "OPTIONS", evidence="none", require=None, contact=None, drop=["Content-Type"])


def oracle(name, inner, ok="ok", counts=(1, 2, 2), voices=USUAL_VOICES, offer=None, labels=BIG, warnings=(NSW,), **rest):
    text = xml("recording", DRAFT, inner, prolog=XML.replace('"', "'"))
    message(name, parts=[part(offer or two("0", labels, more=())),
                         part(meta(text, uri=DRAFT, ok=ok, named=ok == "ok", counts=counts, labels=labels if ok == "ok" else ()))],
            voices=voices, warnings=warnings, **rest)


oracle("no-brackets", ORX, drop=["From", "To"], contact=f"sip:src@{SRC}:5060;transport=udp;+sip.src",
       headers=(f"From: sip:src@{SRC}:5060;tag=1", f"To: sip:srs@{SRS}:5060"))
oracle("quotes-in-a-name", ORX.replace("Alice", "&quot;Alice Q&quot;").replace("\r\n", "\r\n\t\t"))
seven = ("0 8 18 4 9 100 101")
pairs = sdp(line(fmt="0 101", label=BIG[0], way="sendonly", more=("a=rtpmap:0 pcmu/8000", *TE)),
            line(port=40002, fmt=seven, label=BIG[1], way="inactive", answer="inactive"),
            line(port=40004, fmt="0 101", label="201835601", way="sendonly", more=("a=rtpmap:0 pcmu/8000", *TE)),
            line(port=40006, fmt=seven, label="201835602", way="inactive", answer="inactive"))
oracle("raw-uri-in-xml", OR.replace("REQUEST", "<sip:bob=1_2026@192.0.2.186:5060;dn=1;ani=2>"), "NOT WELL-FORMED: invalid token",
       (1, 2, 2), [*USUAL_VOICES, "none", "none"], pairs, warnings=(NSW, "metadata-broken", "label-unmatched"),
       headers=("User-to-User:  00FA0810;encoding=hex",))
oracle("cdata", OR.replace("REQUEST", "<![CDATA[<sip:bob=[Environment]@192.0.2.186:5060;dn=1>]]>"),
       voices=[*USUAL_VOICES, "none", "none"], offer=pairs, warnings=(NSW, "label-unmatched"))
oracle("g729-first", ORX, offer=sdp(line(fmt="18 0 2 100", label=BIG[0], way="sendonly",
                                         more=("a=rtpmap:100 telephone-event/8000", "a=fmtp:100 0-15", "a=rtpmap:2 G726-32/8000")),
                                    line(port=40002, fmt="18 100", label=BIG[1], way="sendonly",
                                         more=("a=rtpmap:100 telephone-event/8000",))))
stray = two("8 0", (BIG[0], "1"), more=())
first, second = stray["lines"]
stray["text"] = ("v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" + "\r\n".join(first[0])
                 + "\r\n\r\n--other-boundary\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 2 2 IN IP4 192.0.2.10\r\ns=-\r\n"
                 "c=IN IP4 192.0.2.10\r\nt=0 0\r\n" + "\r\n".join(second[0]) + "\r\n\r\n")
oracle("foreign-boundary", ORX.replace('<stream id="m/B==" session="s+1=="><label>201835600</label><mode>separate</mode></stream>', ""),
       counts=(1, 2, 1), offer=stray, labels=BIG[:1], voices=[f"label: {ALICE}", f"order: {BOB}"],
       warnings=(NSW, "metadata-dangling", "label-unmatched"))

# --- SEMS and its kin

p = [part(two("8", ("a_leg", "b_leg"), more=("a=direction:both",))),
     part(meta(xml("recording", RFC, usual(("a_leg", "b_leg")).replace("sip:bob", "bob").replace('<nameID aor', '<nameID\r\n  aor')),
               labels=("a_leg", "b_leg")), RS)]
message("words-as-labels", parts=p, body=multipart(*p, boundary="2CD2A2E9", end=None), closed=False,
        content_type="multipart/mixed;boundary=2CD2A2E9", voices=[f"label: {ALICE}", "label: bob@example.com"],
        warnings=["body-not-closed"])
late = (S1 + party("pA", ALICE, stream_assoc=False) + party("pB", BOB, stream_assoc=False) + stream("mA", "1") + stream("mB", "2")
        + "".join(f'<participantstreamassoc participant_id="{i}"><send>{s}</send><recv>{r}</recv><associate-time>T</associate-time>'
                  "</participantstreamassoc>" for i, s, r in (("pA", "mA", "mB"), ("pB", "mB", "mA"))))
message("no-datamode", parts=[part(two("8", more=())), part(meta(xml("recording", RFC, late), mode="-"))], voices=USUAL_VOICES)
message("partial-as-attribute", "re-INVITE", parts=[
    part(two("8", way="inactive", more=(), answer="inactive")),
    part(meta(xml("recording", RFC, '<participantstreamassoc participant_id="pA"><recv>mB</recv></participantstreamassoc>',
                  dataMode="partial"), mode="attr partial", counts=(0, 0, 0), labels=()))],
        voices=["none", "none"], warnings=["metadata-partial", "metadata-dangling"])

# --- the RFCs' own flows

message("standard", parts=[part(four), part(meta(xml("recording", RFC, usual(("96", "98")) + stream("vA", "97") + stream("vB", "99")),
                                                  counts=(1, 2, 4), labels=("96", "97", "98", "99")), RS)],
        voices=[f"label: {ALICE}", "none", f"label: {BOB}", "none"])
message("snapshot-request", "UPDATE", parts=[part(meta(xml("requestsnapshot", RFC, '<requestreason xml:lang="it">x</requestreason>'),
                                                       "requestsnapshot", mode="-", counts=(0, 0, 0), labels=()), RS)],
        contact=f"<sip:srs@{SRS}>;+sip.srs", evidence="loose")
message("folded-headers", parts=[part(four, "application/SDP"), part(meta(
    xml("recording", RFC, usual(("96", "98")) + stream("vA", "97") + stream("vB", "99")), counts=(1, 2, 4), labels=("96", "97")), RS)],
        headers=("Accept: application/sdp,\r\n application/rs-metadata,\r\n\tapplication/rs-metadata-request",),
        voices=[f"label: {ALICE}", "none", f"label: {BOB}", "none"])
flow = PART + '<participantstreamassoc participant_id="pA"><recv>mB</recv></participantstreamassoc>' \
    '<participantstreamassoc participant_id="pB"><send>mB</send></participantstreamassoc>'
message("hold-in-metadata-only", "re-INVITE", parts=[part(four), part(meta(xml("recording", RFC, flow), mode="partial",
                                                                          counts=(0, 0, 0), labels=()), RS)],
        voices=["order: pA", "none", "order: pB", "none"], warnings=["metadata-partial", "metadata-dangling"])
carol = (PART + '<session session_id="s1"><sipSessionID>3363127f0d08\r\n   ;remote=2272bb7e</sipSessionID></session>'
         + party("pC", "sip:carol@example.com", "Carol", sends=["60JA"], receives=["mB"])
         + '<participantsessionassoc participant_id="pA" session_id="s1"><disassociate-time>2026-03-01T12:05:00Z</disassociate-time>'
         "</participantsessionassoc>")
message("transfer-told-partially", "re-INVITE", parts=[part(four), part(meta(xml("recording", RFC, carol), mode="partial",
                                                                            counts=(1, 1, 0), labels=()), RS)],
        voices=["none"] * 4, warnings=["metadata-partial", "metadata-dangling"])
both = (MODE + '<session session_id="s1"><sipSessionID>a;remote=b</sipSessionID><sipSessionID>c;remote=d</sipSessionID></session>'
        + party("pA", ALICE, sends=["m"], receives=["m"]) + party("pB", BOB, sends=["m"], receives=["m"]) + stream("m", "96"))
message("src-mixes", parts=[part(sdp(line(fmt="0", label="96", way="sendonly"))),
                            part(meta(xml("recording", RFC, both), counts=(1, 2, 1), labels=["96"]), RS)],
        voices=[f"label: {ALICE}, {BOB}"])
over = PART + '<session session_id="s1"><stop-time>2026-03-01T12:30:00Z</stop-time></session>'
p = [part(meta(xml("recording", RFC, over), mode="partial", counts=(1, 0, 0), labels=()), RS, "", [f"Content-Type: {RS}"])]
p[0]["disposition"] = ""
message("session-over-no-sdp", "re-INVITE", parts=p, body=multipart(*p), content_type="multipart/mixed;boundary=b0",
        warnings=["metadata-partial"])
message("new-session", "re-INVITE", parts=[part(four), part(meta(
    xml("recording", RFC, usual(("96", "98"), session='<session session_id="s1"/>') + stream("vA", "97")), counts=(1, 2, 3),
    labels=("96", "98")), RS, "", [f"Content-Type: {RS}"])], voices=[f"label: {ALICE}", "none", f"label: {BOB}", "none"])
expected["new-session"]["parts"][1]["disposition"] = ""

# --- rtpengine, Ribbon, Telnyx

suites = ("AEAD_AES_256_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_80", AES, "F8_128_HMAC_SHA1_32", "NULL_HMAC_SHA1_80")
keys = tuple(CRYPTO.format(i + 1, s).rstrip("=") for i, s in enumerate(suites)) + ("a=setup:actpass", "a=fingerprint:sha-256 00:11")
message("sdes-and-dtls-in-one-line", parts=[part(two("0 8", ("0", "1"), more=keys, proto="RTP/SAVP", answer="rejected")),
                                            part(usual_meta(labels=("0", "1")))], voices=USUAL_VOICES)
tns = (f"<tns:recording xmlns:tns='{DRAFT}'>\r\n<tns:datamode>complete</tns:datamode>\r\n<tns:group group_id=\"ZjEx\">"
       "<tns:associate-time>1970-05-15T00:41:05Z</tns:associate-time><callData xmlns='urn:ietf:params:xml:ns:callData'>"
       '<fromhdr>"A" &lt;sip:alice@example.com&gt;;tag=1</fromhdr><session session_id="no"/></callData></tns:group>'
       '<tns:session session_id="ZjEy"><tns:group-ref>ZjEx</tns:group-ref></tns:session>'
       '<tns:participant participant_id="ZjEz"><tns:nameID aor="alice@example.com"><tns:name xml:lang="en"> </tns:name></tns:nameID>'
       '</tns:participant><tns:participant participant_id="ZjE0"><tns:nameID aor="bob@example.com"/></tns:participant>'
       '<tns:stream stream_id="ZjE1" session_id="ZjEy"><tns:label>1</tns:label></tns:stream>'
       '<tns:stream stream_id="ZjE2" session_id="ZjEy"><tns:label>2</tns:label></tns:stream>'
       '<tns:participantstreamassoc participant_id="ZjEz"><tns:send>ZjE2</tns:send></tns:participantstreamassoc>'
       '<tns:participantstreamassoc participant_id="ZjE0"><tns:send>ZjE1</tns:send></tns:participantstreamassoc></tns:recording>')
p = [part(two("0", more=()), disposition="session; handling=required"), part(meta(XML + tns, uri=DRAFT))]
message("prefix-and-no-end", parts=p, body=multipart(*p, end=None)[:-2], closed=False, colon=":  ",
        content_type="multipart/mixed;boundary=b0", voices=["label: bob@example.com", "label: alice@example.com"],
        warnings=[NSW, "body-not-closed"])
tel = S1 + "".join(f'<participant participant_id="{i}"><nameID aor="{a}"/></participant>' for i, a in (("pA", ALICE), ("pB", BOB))) \
    + stream("mA", "inbound") + stream("mB", "outbound")
p = [part(two("0", ("inbound", "outbound"), more=("a=ptime:20", "a=maxptime:20")),
          head=["Content-Type: application/sdp", "Content-Length: 400"]),
     part(meta(xml("recording", RFC, tel), mode="-", labels=("inbound", "outbound")), disposition="",
          head=[f"Content-Type: {RSX}", "Content-Length: 905"])]
message("part-length-too-large", parts=p, contact=f"<sip:src@{SRC}>", require=None, evidence="loose",
        voices=[f"order: {ALICE}", f"order: {BOB}"], headers=("X-DestHost: example",))
expected["part-length-too-large"]["parts"][1]["disposition"] = ""

# --- what nobody has sent yet, and somebody will

p = [part(two()), part(usual_meta()), part(usual_meta())]
message("two-metadata-parts", parts=p, voices=USUAL_VOICES, warnings=["metadata-parts"])
expected["two-metadata-parts"]["metadata_parts"] = 2
inner = multipart(part(two()), part(usual_meta()), boundary="in:ner")
outer = {"kind": "other", "text": inner, "head": ['Content-Type: multipart/related; boundary="in:ner"'], "type": "", "disposition": ""}
message("nested-multipart", parts=[part(two()), part(usual_meta())], voices=USUAL_VOICES,
        body=multipart(outer, start="a preamble\r\n\r\n"), content_type="multipart/mixed;boundary=b0")
message("unknown-required-part-and-no-sdp", parts=[part(other("x"), "application/isup"), part(other("y"), "application/isup")],
        warnings=["body-part-ignored"], refusal=415)
message("entity-bomb", parts=[part(two()), part(meta(
    XML + '<!DOCTYPE recording [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f'<recording xmlns="{RFC}"><session session_id="&b;"/></recording>', ok="NOT WELL-FORMED", named=False, counts=(0, 0, 0), labels=()))],
        voices=["none", "none"], warnings=["metadata-entities"])
message("bundled-offer", parts=[part(sdp(
    line(fmt="0", label="1", way="sendonly", more=("a=mid:a", "a=rtcp-mux")),
    line(port=40002, fmt="0", label="2", way="sendonly", more=("a=mid:b", "a=rtcp-mux")),
    line(port=0, fmt="0", label="3", way="sendonly", answer="rejected", more=("a=mid:c", "a=bundle-only")),
    head=["v=0", f"o=src 1 1 IN IP4 {SRC}", "s=-", f"c=IN IP4 {SRC}", "t=0 0", "a=group:BUNDLE a b c"])), part(usual_meta())],
        voices=[*USUAL_VOICES, "none"])
message("src-offers-recvonly", parts=[part(two("0", way="recvonly", more=(), answer="sendonly")), part(usual_meta())],
        voices=USUAL_VOICES)

(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
print(len(expected), "messages")
