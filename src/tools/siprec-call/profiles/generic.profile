# The plain form of RFC 7866 and 7865. Every section other profiles lack comes from here.
about = RFC 7866 as written: two parts, complete metadata, base64 UUIDs
content-type = multipart/mixed;boundary=siprec-call
metadata-type = application/rs-metadata+xml

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch};rport
Max-Forwards: 70
From: <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: <sip:src@{local}{contact_transport}>;+sip.src
Require: siprec
Supported: timer
Accept: application/sdp, application/rs-metadata-request
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK
User-Agent: siprec-call
{if content_type}
Content-Type: {content_type}
{end}
{if disposition}
Content-Disposition: {disposition}
{end}
Content-Length: {length}

{body}
[request]
{method} {target} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch};rport
Max-Forwards: 70
{routes}From: <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} {method}
Contact: <sip:src@{local}{contact_transport}>;+sip.src
Require: siprec
{if content_type}
Content-Type: {content_type}
{end}
{if disposition}
Content-Disposition: {disposition}
{end}
Content-Length: {length}

{body}
[bare]
{method} {target} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch};rport
Max-Forwards: 70
{routes}From: <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} {method}
{if content_type}
Content-Type: {content_type}
{end}
Content-Length: {length}

{body}
[body]
--siprec-call
Content-Type: application/sdp

{sdp}
--siprec-call
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--siprec-call--

[sdp]
v=0
o=SRC {sdp_id} {sdp_version} IN {family} {ip}
s=-
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
{rtpmaps}
a=ptime:20
a={direction}
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <group group_id="{group_id}">
    <associate-time>{began}</associate-time>
  </group>
  <session session_id="{session_id}">
    <sipSessionID>{sip_session_hex};remote=00000000000000000000000000000000</sipSessionID>
    <group-ref>{group_id}</group-ref>
    <start-time>{began}</start-time>
  </session>
{each party}
  <participant participant_id="{party_id}">
    <nameID aor="{aor}">
      <name xml:lang="en">{name}</name>
    </nameID>
  </participant>
{end}
{each stream}
  <stream stream_id="{stream_id}" session_id="{session_id}">
    <label>{label}</label>
  </stream>
{end}
  <sessionrecordingassoc session_id="{session_id}">
    <associate-time>{began}</associate-time>
  </sessionrecordingassoc>
{each party}
  <participantsessionassoc participant_id="{party_id}" session_id="{session_id}">
    <associate-time>{joined}</associate-time>
  </participantsessionassoc>
{end}
{each party}
  <participantstreamassoc participant_id="{party_id}">
{if send}
    <send>{send}</send>
{end}
    <recv>{recv}</recv>
  </participantstreamassoc>
{end}
</recording>
[partial]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>partial</datamode>
{each leaving}
  <participantsessionassoc participant_id="{party_id}" session_id="{session_id}">
    <associate-time>{joined}</associate-time>
    <disassociate-time>{left}</disassociate-time>
  </participantsessionassoc>
{end}
{each joining}
  <participant participant_id="{party_id}">
    <nameID aor="{aor}">
      <name xml:lang="en">{name}</name>
    </nameID>
  </participant>
  <participantsessionassoc participant_id="{party_id}" session_id="{session_id}">
    <associate-time>{joined}</associate-time>
  </participantsessionassoc>
  <participantstreamassoc participant_id="{party_id}">
{if send}
    <send>{send}</send>
{end}
    <recv>{recv}</recv>
  </participantstreamassoc>
{end}
</recording>
