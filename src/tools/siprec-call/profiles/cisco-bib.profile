# A phone's built-in bridge: no offer in the INVITE (the ACK answers), no metadata but parameters of From.
about = Cisco built-in bridge: INVITE without SDP or metadata, isFocus
codecs = PCMU
streams = 2
offer = none

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: "Phone" <sip:2025550101@{local_host};x-nearend;x-refci=27298698;x-farendrefci=27298697;x-farendaddr=2025550102>;tag={from_tag}
To: {to}
Call-ID: {call_id}
Supported: timer,resource-priority,replaces
Supported: X-cisco-srtp-fallback
Supported: Geolocation
Min-SE: 1800
Content-Length: 0
User-Agent: Cisco-CUCM11.5
Allow: INVITE, OPTIONS, INFO, BYE, CANCEL, ACK, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY
CSeq: {cseq} INVITE
Expires: 180
Call-Info: <sip:{local}>;method="NOTIFY;Event=telephone-event;Duration=500"
Max-Forwards: 69
Contact: <sip:2025550101@{local}{contact_transport}>;isFocus


[bare]
{method} {target} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
{routes}From: "Phone" <sip:2025550101@{local_host};x-nearend;x-refci=27298698;x-farendrefci=27298697;x-farendaddr=2025550102>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} {method}
{if content_type}
Content-Type: {content_type}
{end}
Content-Length: {length}

{body}
[sdp]
v=0
o=CiscoSystemsCCM-SIP {sdp_id} {sdp_version} IN {family} {ip}
s=SIP Call
c=IN {family} {media_ip}
b=TIAS:64000
b=CT:64
b=AS:64
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a={direction}
{end}
