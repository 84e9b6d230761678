# BroadWorks: metadata first, another root element and namespace, urn:uuid ids, ;src, headers without values and
# without blanks, no Require.
about = BroadWorks: recording_metadata in urn:ietf:params:xml:ns:siprec, metadata first, ;src
codecs = PCMU PCMA G722
labels = 1 2
content-type = multipart/mixed;boundary=UniqueBroadWorksBoundary

[invite]
INVITE {uri} SIP/2.0
Via:SIP/2.0/{transport} {local};branch={branch}
From:"User One"<sip:+12025550101@{local_host};user=phone>;tag={from_tag}
To:{to}
Call-ID:{call_id}
CSeq:{cseq} INVITE
Contact:<sip:+12025550101@{local};transport={transport_lower}>;src
P-Asserted-Identity:"User One"<sip:+12025550101@{local_host};user=phone>
Privacy:none
Recv-Info:
Accept:application/media_control+xml,application/sdp,application/x-broadworks-call-center+xml
Allow:ACK,BYE,CANCEL,INFO,INVITE,OPTIONS,PRACK,REFER,NOTIFY,UPDATE
Supported:
Max-Forwards:20
MIME-Version:1.0
Content-Type:{content_type}
Content-Length:{length}

{body}
[body]
--UniqueBroadWorksBoundary
Content-Type:application/rs-metadata+xml
Content-Disposition:recording-session
Content-Length:{metadata_length+7}

{metadata}
--UniqueBroadWorksBoundary
Content-Type:application/sdp
Content-Length:{sdp_length+3}

{sdp}
--UniqueBroadWorksBoundary--
[sdp]
v=0
o=BroadWorks {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
{rtpmaps}
a=ptime:20
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
    <group id="urn:uuid:{group_uuid}" recording="urn:uuid:{recording_uuid}">
        <initiator>sip:user1@example.com</initiator>
    </group>
    <session id="urn:uuid:{session_uuid}" group="urn:uuid:{group_uuid}">
        <start-time>{began_local}+00:00</start-time>
    </session>
{each party}
    <participant id="urn:uuid:{party_uuid}" session="urn:uuid:{session_uuid}">
        <aor>{aor}</aor>
{if send}
        <send>
            <id>urn:uuid:{send_uuid}</id>
        </send>
{end}
    </participant>
{end}
{each stream}
    <stream id="urn:uuid:{stream_uuid}" session="urn:uuid:{session_uuid}">
        <label>{label}</label>
        <mode>separate</mode>
    </stream>
{end}
    <extensiondata id="urn:uuid:{extension_uuid}" parent="urn:uuid:{session_uuid}">
        <broadWorksRecordingMetadata xmlns="http://schema.broadsoft.com/broadworksCallRecording" version="4.0">
            <extTrackingID>{extension_uuid}</extTrackingID>
            <serviceProviderID>provider</serviceProviderID>
            <userID>user1@example.com</userID>
            <callID>callhalf-1:0</callID>
            <callType>
                <origCall>
                    <callingPartyNumber>sip:+12025550101@example.com</callingPartyNumber>
                    <calledPartyNumber>sip:+12025550102@example.com</calledPartyNumber>
                </origCall>
            </callType>
            <recordingType>on</recordingType>
        </broadWorksRecordingMetadata>
    </extensiondata>
</recording_metadata>
