# Oracle in front of Genesys: four m-lines, two of them inactive and without rtpmap, and metadata that is not XML.
about = Oracle behind Genesys: four m-lines, two inactive, broken XML
codecs = PCMU
labels = 1006644281 1006644283
content-type = multipart/mixed; boundary=unique-boundary-1

[sdp]
v=0
o=-  {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
{rtpmaps}
a=label:{label}
a={direction}
m=audio {port+1000} RTP/AVP 0 8 18 4 9 100 101
a=label:{label+1}
a=inactive
{end}
[body]
--unique-boundary-1
Content-Type: application/sdp

{sdp}
--unique-boundary-1
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--unique-boundary-1--
[metadata]
<?xml version='1.0' encoding='UTF-8'?>
<recording xmlns='urn:ietf:params:xml:ns:recording' xmlns:apkt="http:/acmepacket.example/siprec">
        <datamode>complete</datamode>
        <session id="{session_id}">
                <associate-time>{began_local}</associate-time>
        </session>
{each party}
        <participant id="{party_id}" session="{session_id}">
                <nameID aor="{aor}"><name>{name}</name></nameID>
                <send>{send}</send>
                <apkt:request-uri><{aor}>;user=phone</apkt:request-uri>
        </participant>
{end}
{each stream}
        <stream id="{stream_id}" session="{session_id}">
                <label>{label}</label>
        </stream>
{end}
</recording>
