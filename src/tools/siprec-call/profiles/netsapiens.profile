# NetSapiens: participant ids that are Call-IDs, no XML declaration, an extension at the end; needs a=label answered.
about = NetSapiens: participant ids are Call-IDs, extension with callingParty
codecs = PCMU PCMA
labels = 1 2
content-type = multipart/mixed;boundary=nsBoundary1

[body]
--nsBoundary1
Content-Type: application/sdp

{sdp}
--nsBoundary1
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--nsBoundary1--
[metadata]
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <group group_id="{group_hex}">
    <associate-time>{began}</associate-time>
  </group>
  <session session_id="2026{unix}000631">
    <group-ref>{group_hex}</group-ref>
    <sipSessionID>{group_hex};remote={sip_session_hex}</sipSessionID>
  </session>
{each party}
  <participant participant_id="{party_hex}-{call_id}">
    <nameID aor="{aor}">
      <name>{name}</name>
    </nameID>
  </participant>
{end}
{each stream}
  <stream stream_id="{stream_hex}" session_id="2026{unix}000631">
    <label>{label}</label>
  </stream>
{end}
{each party}
  <participantsessionassoc participant_id="{party_hex}-{call_id}" session_id="2026{unix}000631"/>
  <participantstreamassoc participant_id="{party_hex}-{call_id}">
{if send}
    <send>{send_hex}</send>
{end}
    <recv>{recv_hex}</recv>
  </participantstreamassoc>
{end}
  <netsapiensExtension xmlns="http://schema.netsapiens.com/netsapiensSipRec" version="1.1">
    <groupSeq>0</groupSeq>
{each party}
    <callingParty participant_id="{party_hex}-{call_id}">
      <number>{number}</number>
    </callingParty>
{end}
  </netsapiensExtension>
</recording>
