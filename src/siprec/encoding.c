/* encoding: what bytes an XML document is written in.
 * Not here: converting them (expat).
 * RFC 3629, XML 1.0 §4.3.3 and appendix F. */
#include "siprec/encoding.h"

#include "base/utf8.h"

/* Bytes that are no UTF-8: Latin-1 names from a directory, as a rule. */
static bool has_foreign_bytes(struct view xml)
{
    size_t n;
    while ((n = utf8_len(xml)) > 0)
        xml = view_skip(xml, n);
    return xml.len > 0;
}

/* An encoding other than UTF-8 stands in the XML declaration. */
static bool declares_other_encoding(struct view xml)
{
    struct view head = view_take(xml, view_find(view_take(xml, 200), VIEW_LIT("?>")));
    size_t at = view_find(head, VIEW_LIT("encoding"));
    struct view rest = view_skip(head, at);
    return at < head.len && view_find(rest, VIEW_LIT("UTF-8")) == rest.len &&
           view_find(rest, VIEW_LIT("utf-8")) == rest.len;
}

bool siprec_encoding_is_utf16(struct view xml)
{
    return xml.len >= 2 && (xml.at[0] == 0 || xml.at[1] == 0 || (unsigned char)xml.at[0] >= 0xfe);
}

bool siprec_encoding_is_utf8(struct view xml)
{
    return declares_other_encoding(xml) || !has_foreign_bytes(xml);
}
