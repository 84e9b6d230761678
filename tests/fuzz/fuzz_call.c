/* fuzz: any bytes as what an SRS sends to siprec-call: framing on a stream, the message, its SDP.
 * All views must stay inside the bytes, and a frame must not be longer than what there is. RFC 3261
 * §7, §18.3; RFC 8866. */
#include "tools/siprec-call/answer.h"
#include "tools/siprec-call/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct view v, const char *bytes, size_t size)
{
    assert(v.len == 0 || (v.at >= bytes && v.at + v.len <= bytes + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct call_answer answer;
    static char routes[2048];
    bool broken = false;
    char *bytes = malloc(size + 1);
    assert(bytes);
    memcpy(bytes, data, size);
    size_t frame = call_message_frame(view_of(bytes, size), &broken);
    assert(frame <= size && !(broken && frame > 0));
    struct call_message message;
    if (call_message_parse(&message, bytes, size)) {
        struct view type = call_message_header(&message, "Content-Type", 0);
        struct view contact = call_message_header(&message, "Contact", 0);
        struct writer w = writer_of(routes, sizeof routes);
        check_inside(message.body, bytes, size);
        check_inside(call_uri_of(contact), bytes, size);
        check_inside(call_parameter(contact, "expires"), bytes, size);
        call_route_set(&message, &w);
        if (call_answer_parse(&answer, type, message.body)) {
            for (size_t i = 0; i < answer.count && i < CALL_MEDIA_MAX; i++) {
                check_inside(answer.media[i].label, bytes, size);
                check_inside(answer.media[i].attributes, bytes, size);
                (void)call_media_rtpmap(&answer.media[i], 111);
            }
        }
    }
    free(bytes);
    return 0;
}
