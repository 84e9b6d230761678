# jambonz: rtpengine's SDP, an extension directly below <recording>, assoc without a time, no +sip.src, nothing behind
# the closing boundary.
about = jambonz: extensiondata below recording, no +sip.src
codecs = PCMU
labels = 1 2
content-type = multipart/mixed;boundary=uniqueBoundary

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};rport;branch={branch}
Max-Forwards: 70
From: <sip:{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: <sip:{local}{contact_transport}>
Supported: replaces,resource-priority,sdp-anat
Allow: REGISTER,OPTIONS,INVITE,ACK,CANCEL,BYE,NOTIFY,PRACK,REFER,INFO,SUBSCRIBE,UPDATE
Require: siprec
Content-Type: {content_type}
Content-Length: {length}

{body}
[body]
--uniqueBoundary
Content-Disposition: session;handling=required
Content-Type: application/sdp

{sdp}
--uniqueBoundary
Content-Disposition: recording-session
Content-Type: application/rs-metadata+xml

{metadata}
--uniqueBoundary--
[sdp]
v=0
o=- {sdp_id} {sdp_version} IN {family} {ip}
s=jambonz Siprec Client
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
{rtpmaps}
a=label:{label}
a={direction}
a=rtcp:{rtcp_port}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <session session_id="{session_uuid}">
    <sipSessionID>{sip_session_uuid}</sipSessionID>
  </session>
  <extensiondata xmlns:jb="http://jambonz.org/siprec">
    <jb:callsid>{extension_uuid}</jb:callsid>
    <jb:direction>inbound</jb:direction>
    <jb:carrier>Carrier &amp; Co</jb:carrier>
  </extensiondata>
{each party}
  <participant participant_id="{party_uuid}">
    <nameID aor="{aor}">
      <name>{number}</name>
    </nameID>
  </participant>
  <participantsessionassoc participant_id="{party_uuid}" session_id="{session_uuid}">
  </participantsessionassoc>
{end}
{each stream}
  <stream stream_id="{stream_uuid}" session_id="{session_uuid}">
    <label>{label}</label>
  </stream>
{end}
{each party}
  <participantstreamassoc participant_id="{party_uuid}">
{if send}
    <send>{send_uuid}</send>
{end}
    <recv>{recv_uuid}</recv>
  </participantstreamassoc>
{end}
</recording>
