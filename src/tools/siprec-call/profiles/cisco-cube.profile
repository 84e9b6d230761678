# Cisco CUBE: Require without siprec, a Contact URI without its colon, blanks at line ends, comfort noise 19,
# c= twice, elements in an order of their own, text behind the closing boundary.
about = Cisco CUBE (IOS 15): no Require: siprec, malformed Contact, trailing blanks
codecs = PCMA
labels = 1 2
content-type = multipart/mixed;boundary=uniqueBoundary

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: <sip:{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
Supported: 100rel,timer,resource-priority,replaces,sdp-anat
Min-SE:  1800
Cisco-Guid: 0000000001-0000000002-0000000003-0000000004
User-Agent: Cisco-SIPGateway/IOS-15.x
Allow: INVITE, OPTIONS, BYE, CANCEL, ACK, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY, INFO, REGISTER
CSeq: {cseq} INVITE
Max-Forwards: 70
Timestamp: {unix}
Contact: <sip{local}>;+sip.src
Expires: 180
Allow-Events: telephone-event
Content-Type: {content_type}
Mime-Version: 1.0
Content-Length: {length}

{body}
[body]
--uniqueBoundary{sp}
Content-Type: application/sdp{sp}
Content-Disposition: session;handling=required

{sdp}
--uniqueBoundary
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}

--uniqueBoundary--{sp}

[sdp]
v=0
o=CiscoSystemsSIP-GW-UserAgent {sdp_id} {sdp_version} IN {family} {ip}
s=SIP Call
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats} 19
c=IN {family} {stream_ip}
{rtpmaps}
a=rtpmap:19 CN/8000
a=ptime:20
a={direction}
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>{sp}
 <recording xmlns="urn:ietf:params:xml:ns:recording:1">{sp}
   <datamode>complete</datamode>{sp}
   <session session_id="{session_id}">{sp}
       <start-time>{began}</start-time>{sp}
   </session>{sp}
{each party}
   <participant participant_id="{party_id}">{sp}
       <nameID aor="{aor}">{sp}
       </nameID>{sp}
   </participant>{sp}
   <participantsessionassoc participant_id="{party_id}" session_id="{session_id}">{sp}
       <associate-time>{joined}</associate-time>{sp}
   </participantsessionassoc>{sp}
{end}
{each stream}
   <stream stream_id="{stream_id}" session_id="{session_id}">{sp}
       <label>{label}</label>{sp}
   </stream>{sp}
{end}
{each party}
   <participantstreamassoc participant_id="{party_id}">{sp}
{if send}
       <send>{send}</send>{sp}
{end}
       <recv>{recv}</recv>{sp}
   </participantstreamassoc>{sp}
{end}
</recording>{sp}
