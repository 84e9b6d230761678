# Network-based recording: no SIPREC at all, who speaks stands in headers, one m-line.
about = Cisco network-based recording: plain SDP, participants in X- headers
codecs = PCMU
streams = 1
content-type = application/sdp

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: <sip:2025550101@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Max-Forwards: 70
Supported: timer,resource-priority,replaces
Min-SE: 1800
X-Cisco-Recording-Participant: <sip:2025550101@example.com>;media-index="0"
X-Cisco-Recording-Participant: <sip:2025550102@example.com>;media-index="1"
Contact: <sip:2025550101@{local}{contact_transport}>
Content-Type: application/sdp
Content-Length: {length}

{body}
[body]
{sdp}
[sdp]
v=0
o=CiscoSystemsSIP-GW-UserAgent {sdp_id} {sdp_version} IN {family} {ip}
s=SIP Call
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a=ptime:20
a={direction}
{end}
