# Older OpenSIPS: two labelled m-lines, but no <stream> in the metadata and nobody sends anything.
about = older OpenSIPS: metadata without <stream>, empty participantstreamassoc
codecs = PCMA
labels = 1 2
content-type = multipart/mixed;boundary=OSS-unique-boundary-42

[body]
--OSS-unique-boundary-42
Content-Type: application/sdp

{sdp}
--OSS-unique-boundary-42
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--OSS-unique-boundary-42--
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
	<datamode>complete</datamode>
	<session session_id="{session_id}">
		<sipSessionID>{sip_session_hex}</sipSessionID>
	</session>
{each party}
	<participant participant_id="{party_id}">
		<nameID aor="{aor}"/>
	</participant>
{end}
{each party}
	<participantstreamassoc participant_id="{party_id}">
	</participantstreamassoc>
{end}
</recording>
