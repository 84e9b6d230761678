# A client for Google's telephony: a quoted boundary, two blank lines before each part's content (so the XML declaration
# is not the first byte), header names in mixed case, metadata labels that are not the SDP's.
about = Google SIPREC client: quoted boundary, blank line before the XML, other labels
codecs = PCMA
labels = 1 2
content-type = multipart/mixed; boundary="boundary-0123456789abcdef0123456789abcdef"
events = 100

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: "SIPREC-SRC" <sip:+12025550101@{local_host}>;tag={from_tag}
To: "SIPREC-SRS" {to}
Call-Id: {call_id}
Cseq: {cseq} INVITE
Max-Forwards: 70
Contact: "SIPREC-SRC" <sip:+12025550101@{local}{contact_transport}>
User-Agent: PythonSIPRECStreamer
Content-Length: {length}
Mime-Version: 1.0
Content-Type: {content_type}
Accept: application/sdp, application/rs-metadata+xml
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS
Supported: timer, replaces, 100rel
Require: siprec
Session-Expires: 1800; refresher=uac
Min-Se: 90
Call-Info: <http://example.com/v2/projects/example/conversations/1>;purpose=Goog-ContactCenter-Conversation

{body}
[body]
--boundary-0123456789abcdef0123456789abcdef
Content-Type: application/sdp
Content-Disposition: session; handling=required


{sdp}
--boundary-0123456789abcdef0123456789abcdef
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session; handling=required


{metadata}

--boundary-0123456789abcdef0123456789abcdef--
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <session session_id="{session_hex}">
    <associate-time>{began}</associate-time>
  </session>
{each party}
  <participant participant_id="participant_{party_hex}">
     <associate-time>{joined}</associate-time>
     <nameID aor="{aor}"/>
  </participant>
{end}
{each stream}
  <stream stream_id="stream_label_{label}_{stream_hex}" media_label="{label}">
      <associate-time>{began}</associate-time>
      <label>Stream_{label}_of_call</label>
  </stream>
{end}
  <extensiondata xmlns:google="http://google.com/siprec">
     <google:call id="CALL_{extension_hex}" project="unknown-project"/>
  </extensiondata>
</recording>
