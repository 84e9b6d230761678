# Ribbon (Sonus): a prefix on the old namespace, vendor data inside the group, times of 1970, no closing boundary,
# no line end behind it, two blanks before Content-Length's value, a session timer.
about = Ribbon (Sonus): tns: prefix on the old namespace, times of 1970, no closing boundary
codecs = PCMU
labels = 1 2
content-type = multipart/mixed;boundary=sonus-content-delim
events = none

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: "SIPREC-SRC" <sip:SIPREC-SRC@{local_host}>;tag={from_tag}
To: "SIPREC-SRS" {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Max-Forwards: 70
Allow: INVITE,ACK,CANCEL,BYE,REGISTER,REFER,INFO,SUBSCRIBE,NOTIFY,PRACK,UPDATE,OPTIONS,MESSAGE,PUBLISH
Accept: application/sdp, application/rs-metadata-request
Contact: "SIPREC-SRC" <sip:SIPREC-SRC@{local}{contact_transport}>;+sip.src
Require: siprec
Supported: timer,100rel
Session-Expires: 1800
Min-SE: 90
Content-Length:  {length}
Content-Type: {content_type}
MIME-Version: 1.0

{body}
[body]
--sonus-content-delim
Content-Disposition: session; handling=required
Content-Type: application/sdp

{sdp}
--sonus-content-delim
Content-Disposition: recording-session
Content-Type: application/rs-metadata+xml

{metadata}
[sdp]
v=0
o=Sonus_UAC {sdp_id} {sdp_version} IN {family} {ip}
s=SIP Media Capabilities
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
a=label:{label}
{rtpmaps}
a={direction}
a=maxptime:20
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<tns:recording xmlns:tns='urn:ietf:params:xml:ns:recording'>
<tns:datamode>complete</tns:datamode>
<tns:group group_id="{group_id}">
<tns:associate-time>1970-05-15T00:41:05Z</tns:associate-time>
<callData xmlns='urn:ietf:params:xml:ns:callData'>
<fromhdr>"2025550101" &lt;sip:2025550101@example.com&gt;;tag=1</fromhdr>
<tohdr>&lt;sip:2025550102@example.com&gt;;tag=2</tohdr>
<gcid>241467418</gcid>
</callData>
</tns:group>
<tns:session session_id="{session_id}">
<tns:group-ref>{group_id}</tns:group-ref>
<tns:start-time>1970-05-15T00:41:05Z</tns:start-time>
</tns:session>
{each party}
<tns:participant participant_id="{party_id}">
<tns:nameID aor="{number}@example.com">
<tns:name xml:lang="en">{number}</tns:name>
</tns:nameID>
</tns:participant>
{end}
{each stream}
<tns:stream stream_id="{stream_id}" session_id="{session_id}">
<tns:label>{label}</tns:label>
<tns:associate-time>1970-05-15T00:41:05Z</tns:associate-time>
</tns:stream>
{end}
<tns:sessionrecordingassoc session_id="{session_id}">
<tns:associate-time>1970-05-15T00:41:05Z</tns:associate-time>
</tns:sessionrecordingassoc>
{each party}
<tns:participantsessionassoc participant_id="{party_id}" session_id="{session_id}">
<tns:associate-time>1970-05-15T00:41:05Z</tns:associate-time>
</tns:participantsessionassoc>
<tns:participantstreamassoc participant_id="{party_id}">
{if send}
<tns:send>{send}</tns:send>
{end}
<tns:recv>{recv}</tns:recv>
</tns:participantstreamassoc>
{end}
</tns:recording>
