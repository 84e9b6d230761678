# Cisco Webex Calling: BroadWorks metadata, Opus and two telephone-event clocks, a second label only in the metadata.
about = Webex Calling: Opus first, label 2 only in the metadata, empty Supported
codecs = OPUS PCMU PCMA G722
labels = 1
streams = 1
parties = 1
content-type = multipart/mixed;boundary=UniqueBroadWorksBoundary

[invite]
INVITE {uri} SIP/2.0
Accept: application/media_control+xml,application/sdp,application/x-broadworks-call-center+xml
Allow: ACK,BYE,CANCEL,INFO,INVITE,OPTIONS,PRACK,REFER,NOTIFY
Via: SIP/2.0/{transport} {local};branch={branch}
Contact: <sip:{local};transport={transport}>;src
From: "User2 Loc1"<sip:+12025550101@{local_host};user=phone>;tag={from_tag}
To: {to}
Session-ID: {sip_session_hex};remote=00000000000000000000000000000000
Content-Type: {content_type}
Recv-Info:
Privacy: none
MIME-Version: 1.0
Call-ID: {call_id}
CSeq: {cseq} INVITE
Supported:
Max-Forwards: 69
X-BroadWorks-Correlation-Info: {extension_uuid}
Content-Length: {length}

{body}
[body]
--UniqueBroadWorksBoundary
Content-Type:application/rs-metadata+xml
Content-Disposition:recording-session

{metadata}
--UniqueBroadWorksBoundary
Content-Type: application/sdp

{sdp}
--UniqueBroadWorksBoundary--

[sdp]
v=0
o=BroadWorks {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats} 107
{rtpmaps}
a=rtpmap:107 telephone-event/8000
a=fmtp:107 0-15
a=ptime:20
a=maxptime:20
a={direction}
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording_metadata xmlns="urn:ietf:params:xml:ns:siprec">
<dataMode>complete</dataMode>
<recording id="urn:uuid:{recording_uuid}">
<requestor>SRC</requestor>
<type>selective</type>
</recording>
<session id="urn:uuid:{session_uuid}">
<start-time>{began_local}+00:00</start-time>
</session>
{each party}
<participant id="urn:uuid:{party_uuid}" session="urn:uuid:{session_uuid}">
<aor>{aor}</aor>
<send>
<id>urn:uuid:{send_uuid}</id>
</send>
</participant>
{end}
<participant id="urn:uuid:{extension_uuid}" session="urn:uuid:{session_uuid}">
<aor>7711@example.com</aor>
<send>
<id>urn:uuid:{group_uuid}</id>
</send>
</participant>
{each stream}
<stream id="urn:uuid:{stream_uuid}" session="urn:uuid:{session_uuid}">
<label>{label}</label>
<mode>separate</mode>
</stream>
{end}
<stream id="urn:uuid:{group_uuid}" session="urn:uuid:{session_uuid}">
<label>2</label>
<mode>separate</mode>
</stream>
</recording_metadata>
