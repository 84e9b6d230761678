# BroadWorks with both parties mixed into one stream, no direction, no rtpmap, and labels that do not match.
about = BroadWorks mixed: two parties on one m-line, no direction, labels do not match
codecs = PCMA
labels = 5
streams = 1
parties = 2
content-type = multipart/mixed;boundary=UniqueBroadWorksBoundary
events = none

[invite]
INVITE {uri} SIP/2.0
Via:SIP/2.0/{transport} {local};branch={branch}
From:"User One"<sip:+12025550101@{local_host};user=phone>;tag={from_tag}
To:{to}
Call-ID:{call_id}
CSeq:{cseq} INVITE
Contact:<sip:+12025550101@{local};transport={transport_lower}>;src
Proxy-Require:privacy
RPID-Privacy:party=calling;id-type=subscriber;privacy=off
Recv-Info:
Supported:
Max-Forwards:20
Content-Type:{content_type}
Content-Length:{length}

{body}
[body]
--UniqueBroadWorksBoundary
Content-Type:application/rs-metadata+xml
Content-Disposition:recording-session

{metadata}
--UniqueBroadWorksBoundary
Content-Type:application/sdp

{sdp}
--UniqueBroadWorksBoundary--
[sdp]
v=0
o=BroadWorks {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?><recording_metadata xmlns="urn:ietf:params:xml:ns:siprec"><dataMode>complete</dataMode><recording id="urn:uuid:{recording_uuid}"><requestor>SRC</requestor><type>selective</type></recording><session id="urn:uuid:{session_uuid}"><start-time>{began}</start-time></session>{each party}<participant id="urn:uuid:{party_uuid}" session="urn:uuid:{session_uuid}"><aor>{number}@example.com</aor><send><id>urn:uuid:{send_uuid}</id></send></participant>{end}{each stream}<stream id="urn:uuid:{stream_uuid}" session="urn:uuid:{session_uuid}"><label>1</label><mode>mixed</mode></stream>{end}</recording_metadata>
