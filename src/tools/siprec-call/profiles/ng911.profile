# An emergency-call recorder: audio, video, real-time text and MSRP, a feature tag with a hyphen, seven digits of a second.
about = NG9-1-1: video, text and message m-lines, +sip-src
labels = 1 2
content-type = multipart/mixed;boundary=siprec-call

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch};rport
Max-Forwards: 70
From: <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: <sip:src@{local}{contact_transport}>;+sip-src
Require: siprec
Call-Info: <urn:emergency:uid:callid:1:example.com>;purpose=emergency-CallId
Content-Type: {content_type}
Content-Length: {length}

{body}
[sdp]
v=0
o=- {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a=label:{label}
a={direction}
{end}
m=video 29000 RTP/AVP 96
a=rtpmap:96 H264/90000
a=label:3
a=sendonly
m=text 29002 RTP/AVP 98 99
a=rtpmap:98 t140/1000
a=rtpmap:99 red/1000
a=label:5
a=sendonly
m=message 29004 TCP/MSRP *
a=accept-types:message/cpim text/plain
a=label:7
a=sendonly
