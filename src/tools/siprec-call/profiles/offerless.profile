# No offer, but metadata in the INVITE: the SRS offers in its 200, the ACK answers (RFC 3264, RFC 3261 section 13.2.1).
about = INVITE with metadata and no SDP: the SRS offers
offer = metadata
