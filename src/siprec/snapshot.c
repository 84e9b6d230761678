/* snapshot: the requestsnapshot document.
 * Not here: metadata that we receive.
 * RFC 7865 §7, §9. */
#include "siprec/snapshot.h"

/* XML 1.0 §2.2 has no place for most control characters, escaped or not. */
static void print_escaped(struct writer *w, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '&')
            writer_string(w, "&amp;");
        else if (c == '<')
            writer_string(w, "&lt;");
        else if (c == '>')
            writer_string(w, "&gt;");
        else if ((unsigned char)c >= ' ' || c == '\t' || c == '\n')
            writer_u8(w, (uint8_t)c);
    }
}

void siprec_snapshot_print(struct writer *w, struct view reason)
{
    writer_string(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
                     "<requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\">");
    if (reason.len) {
        writer_string(w, "\r\n  <requestreason xml:lang=\"en\">");
        print_escaped(w, reason);
        writer_string(w, "</requestreason>\r\n");
    }
    writer_string(w, "</requestsnapshot>\r\n");
}
