# AudioCodes Mediant: old namespace, ids that are numbers and telephone numbers, application/rs-metadata, ;alias,
# events 0-15,16, nothing behind the closing boundary.
about = AudioCodes Mediant VE: old namespace, participant ids are numbers
codecs = PCMU
labels = 1 2
content-type = multipart/mixed;boundary=boundary_ac15d5
metadata-type = application/rs-metadata

[invite]
INVITE {uri};user=phone SIP/2.0
Via: SIP/2.0/{transport} {local};alias;branch={branch}
Max-Forwards: 70
From: <sip:{local_host};user=phone>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: <sip:{local}{contact_transport}>;+sip.src
Supported: replaces,resource-priority,sdp-anat
Allow: REGISTER,OPTIONS,INVITE,ACK,CANCEL,BYE,NOTIFY,PRACK,REFER,INFO,SUBSCRIBE,UPDATE
Require: siprec
User-Agent: Mediant VE SBC/v.7.20A
Content-Type: {content_type}
Content-Length: {length}

{body}
[body]
--boundary_ac15d5
Content-Type: application/sdp

{sdp}
--boundary_ac15d5
Content-Type: application/rs-metadata
Content-Disposition: recording-session

{metadata}
--boundary_ac15d5--
[sdp]
v=0
o=AudiocodesGW {sdp_id} {sdp_version} IN {family} {ip}
s=SBC-Call
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
a=ptime:20
a={direction}
a=label:{label}
{rtpmaps},16
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording" xmlns:ac="http://AudioCodes">
  <datamode>complete</datamode>
  <group id="{group_uuid}">
    <associate-time>{began}</associate-time>
  </group>
  <session id="{session_uuid}">
    <group-ref>{group_uuid}</group-ref>
    <associate-time>{began}</associate-time>
    <ac:AvayaUCID xmlns="urn:ietf:params:xml:ns:Avaya">{extension_hex}</ac:AvayaUCID>
  </session>
{each party}
  <participant id="+{number}" session="{session_uuid}">
    <nameID aor="+{number}@example.com"></nameID>
    <associate-time>{joined}</associate-time>
{if send}
    <send>{send_uuid}</send>
{end}
    <recv>{recv_uuid}</recv>
  </participant>
{end}
{each stream}
  <stream id="{stream_uuid}" session="{session_uuid}">
    <label>{label}</label>
  </stream>
{end}
</recording>
