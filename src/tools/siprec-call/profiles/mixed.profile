# RFC 8068 section 3.3: the SRC mixes, one stream carries both parties.
about = RFC 8068 mixed: one m-line, both parties send the same stream
streams = 1
parties = 2
