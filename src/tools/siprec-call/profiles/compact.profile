# Every header that has a compact form written so (RFC 3261 section 7.3.3), others folded.
about = compact header forms and folded headers
content-type = multipart/mixed;boundary=siprec-call

[invite]
INVITE {uri} SIP/2.0
v: SIP/2.0/{transport} {local};branch={branch};rport
Max-Forwards: 70
f: <sip:src@{local_host}>;tag={from_tag}
t: {to}
i: {call_id}
CSeq: {cseq}
 INVITE
m: <sip:src@{local}{contact_transport}>;+sip.src
k: timer,
	replaces
Require: siprec
c: multipart/mixed;
 boundary=siprec-call
l: {length}

{body}
