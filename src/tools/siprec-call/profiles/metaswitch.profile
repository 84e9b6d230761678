# Metaswitch Perimeta: one m-line for both parties, G.729 first, no direction, no rtpmap, old and new attribute names mixed.
about = Metaswitch: one mixed m-line, no direction, old namespace with new attributes
codecs = PCMU PCMA
labels = 1
streams = 1
parties = 2
content-type = multipart/mixed; boundary=metaswitch-boundary
metadata-type = application/rs-metadata
events = none

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
Allow-Events: message-summary, refer, dialog, line-seize, presence, call-info, as-feature-event, calling-name
Call-ID: {call_id}
From: <sip:2025550101@{local}>;tag={from_tag}
To: {to}
CSeq: {cseq} INVITE
Expires: 180
Organization: Example Networks
Supported: resource-priority, siprec, 100rel
Content-Length: {length}
Require: siprec
Allow: INVITE, ACK, CANCEL, BYE, REGISTER, OPTIONS, PRACK, UPDATE, SUBSCRIBE, NOTIFY, REFER, INFO, PUBLISH
Max-Forwards: 70
Contact: <sip:2025550101@{local}{contact_transport}>;+sip.src
P-Asserted-Identity: <sip:2025550101@{local}>
Content-Type: {content_type}

{body}
[body]
--metaswitch-boundary
Content-Type: application/sdp

{sdp}
--metaswitch-boundary
Content-Disposition: recording-session
Content-Type: application/rs-metadata

{metadata}

--metaswitch-boundary--
[sdp]
v=0
o=- {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP 18 {formats}
a=ptime:20
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording id="{recording_id}" xmlns="urn:ietf:params:xml:ns:recording">
<datamode>complete</datamode>
<session session_id="{session_id}">
<start-time>{began}</start-time>
</session>
{each party}
<participant participant_id="{party_id}">
<nameID aor="{number}">
<name>{number}</name>
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
{each stream}
<stream id="{stream_id}" session_id="{session_id}">
<label>{label}</label>
</stream>
{end}
<extensiondata>
<metaswitchRecordingMetadata>
<callType>terminating</callType>
<businessGroup>Example Inc.</businessGroup>
<userName></userName>
</metaswitchRecordingMetadata>
</extensiondata>
</recording>
