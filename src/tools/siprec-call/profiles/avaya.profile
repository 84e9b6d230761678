# Avaya SBCE: labels 10 and 20, +sip.src inside the angle brackets, <dataMode>, ids of hex digits, a UCID.
about = Avaya SBCE: labels 10 and 20, +sip.src inside <>, dataMode
codecs = PCMU PCMA
labels = 10 20
content-type = multipart/mixed;boundary=foobar
metadata-type = application/rs-metadata

[invite]
INVITE {uri} SIP/2.0
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, INFO, UPDATE,REFER
Contact: "H323 User 1" <sip:{local};transport={transport};+sip.src>
From: "H323 User 1" <sip:2025550101@{local_host}>;tag={from_tag}
To: {to}
Require: siprec
User-to-User: {extension_hex};encoding=hex
P-Asserted-Identity: "H323 User 1" <sip:2025550101@{local}>
CSeq: {cseq} INVITE
Call-ID: {call_id}
Diversion: "H323 User 1" <sip:2025550101@{local}>;reason=direct;screen=no;privacy=off;counter=1
Via: SIP/2.0/{transport} {local};branch={branch}
Supported: replaces, 100rel
Max-Forwards: 69
Content-Type: {content_type}
Content-Length:{length}

{body}
[body]
--foobar
Content-Type: application/sdp

{sdp}
--foobar
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--foobar--

[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<dataMode>complete</dataMode>
<session session_id="{extension_hex}"></session>
<sessionrecordingassoc session_id="{extension_hex}">
<associate-time>{began_local}</associate-time>
</sessionrecordingassoc>
{each party}
<participant participant_id="{party_hex}">
<nameID aor="{aor}"></nameID>
</participant>
<participantsessionassoc participant_id="{party_hex}" session_id="{extension_hex}">
<associate-time>{joined_local}</associate-time>
</participantsessionassoc>
<participantstreamassoc participant_id="{party_hex}">
{if send}
<send>{send_hex}</send>
{end}
</participantstreamassoc>
{end}
{each stream}
<stream stream_id="{stream_hex}" session_id="{extension_hex}">
<label>{label}</label>
</stream>
{end}
</recording>
