# SEMS: no datamode, associate-time behind send and recv, partial updates told by an attribute, o= version always 1.
about = SEMS: no datamode, partial as an attribute, o= version stays 1
codecs = PCMA
labels = 1 2
content-type = multipart/mixed; boundary=690DEB64
events = none

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch};rport
From: <sip:siprec@{local_host}>;tag={from_tag}
To: {to}
CSeq: {cseq} INVITE
Call-ID: {call_id}
Require: siprec
Max-Forwards: 70
Contact: <sip:{local}{contact_transport}>;+sip.src
Content-Type: {content_type}
Content-Length: {length}

{body}
[body]
--690DEB64
Content-Type: application/sdp

{sdp}
--690DEB64
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}

--690DEB64--
[sdp]
v=0
o=sems-siprec {sdp_id}{sdp_version} 1 IN {family} {ip}
s=SIPREC Recording
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a={direction}
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <session session_id="{session_id}">
    <sipSessionID>{sip_session_hex}@example.com</sipSessionID>
    <start-time>{began}</start-time>
  </session>
{each party}
  <participant participant_id="{party_id}">
    <nameID aor="{aor}"/>
  </participant>
{end}
{each stream}
  <stream stream_id="{stream_id}" session_id="{session_id}">
    <label>{label}</label>
  </stream>
{end}
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
    <associate-time>{joined}</associate-time>
  </participantstreamassoc>
{end}
</recording>
[partial]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1" dataMode="partial">
{each joining}
  <participant participant_id="{party_id}">
    <nameID aor="{aor}"/>
  </participant>
  <participantstreamassoc participant_id="{party_id}">
{if send}
    <send>{send}</send>
{end}
    <recv>{recv}</recv>
  </participantstreamassoc>
{end}
</recording>
