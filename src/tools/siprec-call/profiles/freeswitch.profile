# FreeSWITCH's SIPREC module: two parties, one m-line, every XML entity in a name, no blank line before the boundary.
about = FreeSWITCH: one m-line, XML entities in a name, refresher=uac
codecs = PCMU PCMA
labels = 1
streams = 1
parties = 2
content-type = multipart/mixed; boundary=0f2c7f0c-9f31

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch};rport
Max-Forwards: 70
From: <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: <sip:src@{local}{contact_transport}>;+sip.src
Require: siprec
Session-Expires: 1800;refresher=uac
Supported: timer
Content-Type: {content_type}
Content-Length: {length}

{body}
[body]
--0f2c7f0c-9f31
Content-Type: application/sdp

{sdp}--0f2c7f0c-9f31
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--0f2c7f0c-9f31--

[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <session session_id="{session_id}">
    <start-time>{began}</start-time>
  </session>
{each party}
  <participant participant_id="{party_id}">
    <nameID aor="{aor}">
      <name>{name} O&apos;Neil &amp; &lt;&quot;Sons&quot;&gt;</name>
    </nameID>
  </participant>
{end}
{each stream}
  <stream stream_id="{stream_id}" session_id="{session_id}">
    <label>{label}</label>
  </stream>
{end}
{each party}
  <participantsessionassoc participant_id="{party_id}" session_id="{session_id}">
    <associate-time>{joined}</associate-time>
  </participantsessionassoc>
{end}
{each stream}
  <participantstreamassoc participant_id="{party_id}">
    <send>{stream_id}</send>
  </participantstreamassoc>
{end}
</recording>
