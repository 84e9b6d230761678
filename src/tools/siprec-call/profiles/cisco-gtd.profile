# Cisco CUBE with a third, optional body part that nobody asked for, and no closing boundary behind it.
about = Cisco CUBE: third part application/gtd, optional, and no closing boundary
codecs = PCMU
labels = 1 2
content-type = multipart/mixed;boundary=uniqueBoundary

[body]
--uniqueBoundary
Content-Disposition: session;handling=required
Content-Type: application/sdp

{sdp}
--uniqueBoundary
Content-Disposition: recording-session
Content-Type: application/rs-metadata+xml

{metadata}
--uniqueBoundary
Content-Type: application/gtd
Content-Disposition: signal;handling=optional

IAM,
GCI,{group_hex}

