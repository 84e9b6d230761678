# Cisco CUBE as it is set up to insist on reliable provisional responses.
about = Cisco CUBE: Require: 100rel,siprec and Min-SE
codecs = PCMU PCMA
labels = 1 2

[invite]
INVITE {uri} SIP/2.0
Via: SIP/2.0/{transport} {local};branch={branch}
From: "SRC" <sip:src@{local_host}>;tag={from_tag}
To: {to}
Call-ID: {call_id}
CSeq: {cseq} INVITE
Max-Forwards: 70
Require: 100rel,siprec
Supported: timer,resource-priority,replaces
Min-SE: 1800
Session-Expires: 1800
Session-ID: {sip_session_hex};remote=00000000000000000000000000000000
Contact: <sip:src@{local}{contact_transport}>;+sip.src
Content-Type: {content_type}
Mime-Version: 1.0
Content-Length: {length}

{body}
