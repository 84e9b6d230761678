# drachtio's recording client: no a=label, a stream of a session that does not exist, and at the end an opening boundary
# where the closing one belongs.
about = drachtio SRC: no a=label, ends with an opening boundary, dangling session
codecs = PCMU
content-type = multipart/mixed;boundary=uniqueBoundary

[body]
--uniqueBoundary
Content-Type: application/sdp
Content-Disposition: session;handling=required

{sdp}
--uniqueBoundary
Content-Type: application/rs-metadata+xml

{metadata}
--uniqueBoundary

[sdp]
v=0
o=- {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a={direction}
{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <session session_id="{session_uuid}"/>
{each party}
  <participant participant_id="{party_id}">
    <nameID aor="{aor}">
      <name></name>
    </nameID>
  </participant>
{end}
{each stream}
  <stream stream_id="{stream_id}" session_id="{extension_id}">
    <label>{label}</label>
  </stream>
{end}
{each party}
  <participantstreamassoc participant_id="{party_id}">
    <send>{send}</send>
    <recv>{recv}</recv>
  </participantstreamassoc>
{end}
</recording>
