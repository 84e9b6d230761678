# Oracle (Acme Packet): the old namespace with id and session, addresses without angle brackets, times without a zone,
# a blank behind the closing boundary, labels of eight digits.
about = Oracle SBC: old namespace, header addresses without <>, local times
codecs = PCMU
labels = 16777227 16777228
content-type = multipart/mixed; boundary=unique-boundary-1
events = none

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: sip:acmeSrc@{local_host};tag={from_tag}
To: {uri}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: sip:acmeSrc@{local};transport={transport_lower};+sip.src
Max-Forwards: 70
Require: siprec
Content-Type: {content_type}
Content-Length: {length}
MIME-Version: 1.0

{body}
[body]
--unique-boundary-1
Content-Type: application/sdp

{sdp}
--unique-boundary-1
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--unique-boundary-1--{sp}
[sdp]
v=0
o=- {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
{rtpmaps}
a=maxptime:150
a=label:{label}
a={direction}
{end}
[metadata]
<?xml version='1.0' encoding='UTF-8'?>
<recording xmlns='urn:ietf:params:xml:ns:recording'>
        <datamode>complete</datamode>
        <session id="{session_id}">
                <associate-time>{began_local}</associate-time>
                <extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata">
                        <apkt:ucid>{extension_hex};encoding=hex</apkt:ucid>
                </extensiondata>
        </session>
{each party}
        <participant id="{party_id}" session="{session_id}">
                <nameID aor="{aor}">
                        <name>&quot;{name}&quot;</name>
                </nameID>
{if send}
                <send>{send}</send>
{end}
                <associate-time>{joined_local}</associate-time>
                <extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata">
                        <apkt:callingParty>{calling}</apkt:callingParty>
                </extensiondata>
        </participant>
{end}
{each stream}
        <stream id="{stream_id}" session="{session_id}">
                <label>{label}</label>
                <mode>separate</mode>
                <associate-time>{began_local}</associate-time>
        </stream>
{end}
</recording>
