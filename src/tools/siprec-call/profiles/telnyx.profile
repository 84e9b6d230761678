# A FreeSWITCH based SRC: labels that are words, part lengths three too large, no datamode, no assoc for participants,
# no Require, session timer with short refreshes.
about = Telnyx (FreeSWITCH): labels inbound and outbound, wrong part lengths, no Require
codecs = PCMU
labels = inbound outbound
content-type = multipart/mixed; boundary=3f0a9c5e-0c6d-4f0e-9d55-7f1d0f9e1a11
events = none

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};rport;branch={branch}
Max-Forwards: 70
From: "2025550101" <sip:2025550101@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: <sip:mod_sofia@{local}{contact_transport}>
User-Agent: FreeSWITCH-mod_sofia/1.10
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY
Supported: timer, path, replaces
Session-Expires: 120;refresher=uac
Min-SE: 120
Allow-Events: talk, hold, conference, refer
Content-Type: {content_type}
Content-Disposition: session
Content-Length: {length}
X-DestHost: example
X-FS-Support: update_display,send_info
Remote-Party-ID: "2025550101" <sip:2025550101@{local_host}>;party=calling;screen=yes;privacy=off

{body}
[body]
--3f0a9c5e-0c6d-4f0e-9d55-7f1d0f9e1a11
Content-Type: application/sdp
Content-Length: {sdp_length+3}

{sdp}
--3f0a9c5e-0c6d-4f0e-9d55-7f1d0f9e1a11
Content-Type: application/rs-metadata+xml
Content-Length: {metadata_length+3}

{metadata}

--3f0a9c5e-0c6d-4f0e-9d55-7f1d0f9e1a11--

[sdp]
v=0
o=FreeSWITCH {sdp_id} {sdp_version} IN {family} {ip}
s=Telnyx Media Gateway
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a=ptime:20
a=maxptime:20
a={direction}
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<session session_id="{session_uuid}">
<sipSessionID>{sip_session_uuid}</sipSessionID>
</session>
{each party}
<participant participant_id="{party_hex}">
<nameID aor="{number}@example.com"/>
</participant>
{end}
{each stream}
<stream stream_id="{stream_hex}" session_id="{session_uuid}">
<label>{label}</label>
</stream>
{end}
<sessionrecordingassoc session_id="{session_uuid}">
<associate-time>{began_plus}</associate-time>
</sessionrecordingassoc>
</recording>
