# An OpenSIPS 2 based SRC: SDP without c= below the session and without t=, codec lists in another order.
about = OpenSIPS 2 based: SDP without t=, no assoc elements, names with parameters
codecs = PCMU PCMA
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
[sdp]
v=0
o=- {sdp_id} {sdp_version} IN IP4 0.0.0.0
s=rtpproxy
{each media}
m=audio {port} RTP/AVP {formats} 3
c=IN {family} {stream_ip}
{rtpmaps}
a={direction}
a=label:{label}

{end}
[metadata]
<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns='urn:ietf:params:xml:ns:recording:1'>
	<datamode>complete</datamode>
	<session session_id="{session_id}">
	</session>
{each party}
	<participant participant_id="{party_id}">
		<nameID aor="{aor}">
			<name>{name};lang=en-US;id=22</name>
		</nameID>
	</participant>
{end}
{each stream}
	<stream stream_id="{stream_id}" session_id="{session_id}">
		<label>{label}</label>
	</stream>
{end}
</recording>
