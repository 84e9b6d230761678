/* xml: names, attributes, and two mistakes that can be mended.
 * Not here: parsing (expat, metadata.c).
 * XML 1.0 §2.4, Namespaces in XML 1.0 §3. */
#include "siprec/xml.h"

#include "base/writer.h"

void siprec_xml_split(struct view qualified, struct view *prefix, struct view *local)
{
    size_t colon = view_find_char(qualified, ':');
    bool has_prefix = colon < qualified.len;
    *prefix = has_prefix ? view_take(qualified, colon) : VIEW_NONE;
    *local = has_prefix ? view_skip(qualified, colon + 1) : qualified;
}

struct view siprec_xml_attribute(const char **attributes, const char *const names[], size_t count)
{
    for (size_t n = 0; n < count; n++) {
        for (const char **a = attributes; a[0]; a += 2) {
            struct view prefix, local;
            siprec_xml_split(view_of_string(a[0]), &prefix, &local);
            if (view_equal_nocase(local, view_of_string(names[n])))
                return view_trim(view_of_string(a[1]));
        }
    }
    return VIEW_NONE;
}

/* "&lt;", "&#60;", "&name;": not bare. */
static bool is_reference(struct view after)
{
    size_t n = 0;
    while (n < after.len && n < 32 && after.at[n] != ';') {
        char c = after.at[n];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && !(c == '#' && n == 0))
            return false;
        n++;
    }
    return n > 0 && n < after.len && after.at[n] == ';';
}

static bool is_uri(struct view after)
{
    return view_starts_with_nocase(after, VIEW_LIT("sip:")) ||
           view_starts_with_nocase(after, VIEW_LIT("sips:")) ||
           view_starts_with_nocase(after, VIEW_LIT("tel:"));
}

struct view siprec_xml_repair(struct view xml, struct arena *arena)
{
    size_t mistakes = 0;
    for (size_t i = 0; i < xml.len; i++)
        mistakes += xml.at[i] == '&' || xml.at[i] == '<';
    /* Both replacements are at most four bytes longer. */
    size_t size = xml.len + 4 * mistakes + 1;
    char *copy = arena_take(arena, size);
    if (!copy)
        return VIEW_NONE;
    struct writer w = writer_of(copy, size);
    mistakes = 0;
    for (size_t i = 0; i < xml.len; i++) {
        struct view after = view_skip(xml, i + 1);
        if (xml.at[i] == '&' && !is_reference(after)) {
            writer_string(&w, "&amp;");
            mistakes++;
        } else if (xml.at[i] == '<' && is_uri(after)) {
            writer_string(&w, "&lt;");
            mistakes++;
        } else {
            writer_u8(&w, (uint8_t)xml.at[i]);
        }
    }
    return mistakes ? writer_done(&w) : VIEW_NONE;
}
