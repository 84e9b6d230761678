# OpenSIPS: labels from 0, no session c=, an attribute without a value, events 108, a=rtcp, CSeq from 2, times with +0000.
about = OpenSIPS with rtpengine: labels 0 and 1, a=3gOoBTC, +0000 times, no +sip.src
codecs = PCMA
labels = 0 1
content-type = multipart/mixed;boundary=OSS-unique-boundary-42
events = 108

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}.0
To: {to}
From: {to};tag={from_tag}-ce21
CSeq: {cseq} INVITE
Call-ID: {call_id}
Max-Forwards: 70
Content-Length: {length}
User-Agent: OpenSIPS (3.4)
Require: siprec
Content-Type: {content_type}
Contact: <sip:{local}{contact_transport}>

{body}
[request]
{method} {target} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}.0
{routes}To: {to}
From: <{uri}>;tag={from_tag}-ce21
CSeq: {cseq} {method}
Call-ID: {call_id}
Max-Forwards: 70
User-Agent: OpenSIPS (3.4)
{if content_type}
Content-Type: {content_type}
{end}
{if disposition}
Content-Disposition: {disposition}
{end}
Contact: <sip:{local}{contact_transport}>
Content-Length: {length}

{body}
[bare]
{method} {target} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}.0
{routes}To: {to}
From: <{uri}>;tag={from_tag}-ce21
CSeq: {cseq} {method}
Call-ID: {call_id}
Max-Forwards: 70
{if content_type}
Content-Type: {content_type}
{end}
Content-Length: {length}

{body}
[body]
--OSS-unique-boundary-42
Content-Type: application/sdp

{sdp}
--OSS-unique-boundary-42
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--OSS-unique-boundary-42--
[sdp]
v=0
o=- {sdp_id} {sdp_version} IN {family} {ip}
s=rtpengine-10-5
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
a=label:{label}
{rtpmaps}
a=3gOoBTC
a={direction}
a=rtcp:{rtcp_port}
a=ptime:20
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
	<datamode>complete</datamode>
	<session session_id="{session_id}">
		<sipSessionID>{sip_session_hex}@example.com</sipSessionID>
	</session>
{each party}
	<participant participant_id="{party_id}">
		<nameID aor="{aor};noa=international;srvattri=national"/>
	</participant>
{end}
{each stream}
	<stream stream_id="{stream_id}" session_id="{session_id}">
		<label>{label}</label>
	</stream>
{end}
	<sessionrecordingassoc session_id="{session_id}">
		<associate-time>{began_plus}</associate-time>
	</sessionrecordingassoc>
{each party}
	<participantsessionassoc participant_id="{party_id}" session_id="{session_id}">
		<associate-time>{joined_plus}</associate-time>
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
