# An SRC that records video too, as RFC 7866 and 8068 draw it: each audio m-line followed by one of video.
about = RFC 8068 with video: video m-lines between the audio ones
labels = 96 98
content-type = multipart/mixed;boundary=siprec-call

[sdp]
v=0
o=SRC {sdp_id} {sdp_version} IN {family} {ip}
s=-
c=IN {family} {media_ip}
t=0 0
{each media}
m=audio {port} RTP/AVP {formats}
c=IN {family} {stream_ip}
{rtpmaps}
a=label:{label}
a={direction}
m=video {port+1000} RTP/AVPF 98
a=rtpmap:98 H264/90000
a=fmtp:98 profile-level-id=42A01E
a=label:{label+1}
a={direction}
{end}
