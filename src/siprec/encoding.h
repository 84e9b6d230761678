/* encoding: is an XML document in the encoding that it claims.
 * Not here: converting it (expat).
 * RFC 3629, XML 1.0 §4.3.3 and appendix F. */
#ifndef SIPREC_ENCODING_H
#define SIPREC_ENCODING_H

#include "base/view.h"

/* By its first bytes. */
bool siprec_encoding_is_utf16(struct view xml);
/* False when the document must be UTF-8, by declaration or for want of one, and is not. */
bool siprec_encoding_is_utf8(struct view xml);

#endif
