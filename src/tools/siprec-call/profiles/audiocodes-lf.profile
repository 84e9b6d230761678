# AudioCodes through something that eats carriage returns: every line ends in LF alone, no label, no direction.
about = AudioCodes with bare LF line ends, no label, no direction, no Contact
codecs = PCMA
streams = 1
eol = lf
content-type = multipart/mixed;boundary=lf-boundary

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Content-Type: {content_type}
Content-Length: {length}

{body}
[body]
--lf-boundary
Content-Type: application/sdp

{sdp}
--lf-boundary
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--lf-boundary--

[sdp]
v=0
o=- {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<datamode>complete</datamode>
<session session_id="{session_id}">
<group-ref>{group_id}</group-ref>
</session>
</recording>
