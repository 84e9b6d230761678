/* warning: codes and sentences.
 * Not here: what raises them.
 * RFC: none. */
#include "siprec/warning.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *code;
    const char *text;
} infos[SIPREC_WARN_COUNT] = {
    [SIPREC_WARN_BODY_BOUNDARY_MISSING] =
        {"body-boundary-missing",
         "the multipart body's boundary was not declared, or not the one in use"},
    [SIPREC_WARN_BODY_NOT_CLOSED] = {"body-not-closed", "the multipart body has no final boundary"},
    [SIPREC_WARN_BODY_PARTS] = {"body-parts",
                                "the body has more parts, or deeper nesting, than are read"},
    [SIPREC_WARN_BODY_TYPE] = {"body-type",
                               "a body was recognised by its content, not by its Content-Type"},
    [SIPREC_WARN_BODY_PART_IGNORED] = {"body-part-ignored",
                                       "a body part that is neither SDP nor metadata was ignored"},
    [SIPREC_WARN_SDP_PARTS] = {"sdp-parts", "there were two SDP parts; one was used"},
    [SIPREC_WARN_SDP_LABEL_MISSING] = {"sdp-label-missing", "an audio stream has no a=label"},
    [SIPREC_WARN_SDP_LABEL_REPEATED] = {"sdp-label-repeated", "two streams have the same a=label"},
    [SIPREC_WARN_SDP_LIMIT] = {"sdp-limit", "the SDP has more streams or formats than are read"},
    [SIPREC_WARN_METADATA_MISSING] = {"metadata-missing", "the SRC sent no recording metadata"},
    [SIPREC_WARN_METADATA_PARTS] = {"metadata-parts",
                                    "one message carried two metadata parts; both were read"},
    [SIPREC_WARN_METADATA_BROKEN] = {"metadata-broken",
                                     "the metadata is not well-formed XML; what stands before the "
                                     "error was used"},
    [SIPREC_WARN_METADATA_LEADING_BLANK] = {"metadata-leading-blank",
                                            "blanks stand before the metadata's XML declaration"},
    [SIPREC_WARN_METADATA_ENCODING] = {"metadata-encoding",
                                       "the metadata is not in the encoding it declares"},
    [SIPREC_WARN_METADATA_ENTITIES] =
        {"metadata-entities", "the metadata declares XML entities; it was not read further"},
    [SIPREC_WARN_METADATA_LIMIT] = {"metadata-limit",
                                    "the metadata is too deep, too large or has too many elements; "
                                    "not all of it was read"},
    [SIPREC_WARN_METADATA_ROOT] = {"metadata-root",
                                   "the metadata's root element is not <recording>"},
    [SIPREC_WARN_METADATA_NAMESPACE] = {"metadata-namespace", "the metadata's namespace is not "
                                                              "urn:ietf:params:xml:ns:recording:1"},
    [SIPREC_WARN_METADATA_EMPTY] = {"metadata-empty", "the metadata describes nothing"},
    [SIPREC_WARN_METADATA_PARTIAL] =
        {"metadata-partial", "a partial metadata update came without a snapshot before it"},
    [SIPREC_WARN_METADATA_DUPLICATE_ID] = {"metadata-duplicate-id",
                                           "one id names two elements of the metadata"},
    [SIPREC_WARN_METADATA_DANGLING] = {"metadata-dangling",
                                       "the metadata refers to something it never described"},
    [SIPREC_WARN_LABEL_UNMATCHED] = {"label-unmatched",
                                     "a stream's a=label stands nowhere in the metadata"},
};

const char *siprec_warning_code(enum siprec_warning warning)
{
    assert(warning < SIPREC_WARN_COUNT);
    return infos[warning].code;
}

const char *siprec_warning_text(enum siprec_warning warning)
{
    assert(warning < SIPREC_WARN_COUNT);
    return infos[warning].text;
}

bool siprec_warned(const struct siprec_warnings *warnings, enum siprec_warning warning)
{
    return (warnings->set >> warning & 1) != 0;
}

/* Details come from the peer: no control bytes, and no UTF-8 character cut in two. */
static void clean(char *text)
{
    size_t len = 0;
    for (; text[len]; len++) {
        if ((unsigned char)text[len] < ' ' || text[len] == 0x7f)
            text[len] = ' ';
    }
    if (len == SIPREC_WARNING_DETAIL_SIZE - 1) {
        while (len && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
            len--;
        if (len && (unsigned char)text[len - 1] >= 0xc0)
            len--;
        text[len] = '\0';
    }
}

void siprec_warn(struct siprec_warnings *warnings, enum siprec_warning warning, const char *format,
                 ...)
{
    assert(warning < SIPREC_WARN_COUNT);
    if (siprec_warned(warnings, warning))
        return;
    warnings->set |= UINT32_C(1) << warning;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(warnings->detail[warning], SIPREC_WARNING_DETAIL_SIZE, format, args);
    va_end(args);
    clean(warnings->detail[warning]);
}
