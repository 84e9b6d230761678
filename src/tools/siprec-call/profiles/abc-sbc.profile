# A SEMS based SBC: labels that are words in the SDP and numbers in the metadata, an old direction attribute beside the
# real one, an aor without a scheme, start tags broken over lines, no closing boundary.
about = SEMS based SBC: labels a_leg and b_leg, no closing boundary
codecs = PCMA
labels = a_leg b_leg
content-type = multipart/mixed; boundary=1a2b3c4d
metadata-type = application/rs-metadata

[body]
--1a2b3c4d
Content-Type: application/sdp

{sdp}
--1a2b3c4d
Content-Type: application/rs-metadata
Content-Disposition: recording-session

{metadata}
[sdp]
v=0
o=sems {sdp_id} {sdp_version} IN {family} {ip}
s=sbc
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a=direction:both
a={direction}
a=label:{label}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording
    xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <session
      session_id="{session_id}">
  </session>
{each party}
  <participant
      participant_id="{party_id}">
    <nameID aor="{number}@example.com"/>
  </participant>
{end}
{each stream}
  <stream
      stream_id="{stream_id}"
      session_id="{session_id}">
    <label>{index+1}</label>
  </stream>
{end}
{each party}
  <participantstreamassoc participant_id="{party_id}">
{if send}
    <send>{send}</send>
{end}
  </participantstreamassoc>
{end}
</recording>
