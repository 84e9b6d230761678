# A call that never heard of SIPREC: one SDP body, no metadata, no feature tag.
about = no SIPREC at all: a plain INVITE with an SDP
streams = 1
content-type = application/sdp

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch};rport
Max-Forwards: 70
From: <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Contact: <sip:src@{local}{contact_transport}>
Content-Type: application/sdp
Content-Length: {length}

{body}
[body]
{sdp}
