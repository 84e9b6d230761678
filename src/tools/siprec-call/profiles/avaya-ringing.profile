# Avaya SBCE while the callee rings: one m-line, but the metadata names a second stream without an id.
about = Avaya SBCE while ringing: label 20 only in the metadata, empty stream_id
codecs = PCMU PCMA
labels = 10
streams = 1
content-type = multipart/mixed;boundary=foobar
metadata-type = application/rs-metadata

[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<dataMode>complete</dataMode>
<session session_id="{extension_hex}"></session>
{each party}
<participant participant_id="{party_hex}">
<nameID aor="{aor}"></nameID>
</participant>
<participantstreamassoc participant_id="{party_hex}">
<send>{send_hex}</send>
</participantstreamassoc>
{end}
<participant participant_id="abcdef12345678901234">
<nameID aor="sip:ASBCE@example.com"></nameID>
</participant>
<participantstreamassoc participant_id="abcdef12345678901234">
</participantstreamassoc>
{each stream}
<stream stream_id="{stream_hex}" session_id="{extension_hex}">
<label>{label}</label>
</stream>
{end}
<stream stream_id="" session_id="{extension_hex}">
<label>20</label>
</stream>
</recording>
[body]
--foobar
Content-Type: application/sdp

{sdp}
--foobar
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--foobar--

