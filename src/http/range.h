/* range: the Range, If-Range and conditional request fields against one file of known size and
 * validators.
 * Not here: sending (file.h). One range a request; a list of several is answered with the whole, as
 * RFC 9110 §14.2 allows.
 * RFC 9110 §13, §14. */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include "base/view.h"

enum http_range_result {
    HTTP_RANGE_WHOLE,         /* no range asked for, or one to be ignored: 200 */
    HTTP_RANGE_PART,          /* 206 */
    HTTP_RANGE_UNSATISFIABLE, /* 416 */
};

struct http_range {
    uint64_t first;
    uint64_t len;
};

/* *out is set for WHOLE (all of it) and PART. size: the file's, in bytes. */
enum http_range_result http_range_parse(struct view field, uint64_t size, struct http_range *out);

/* The validators of what would be sent. */
struct http_validators {
    struct view etag;          /* strong, with its quotes */
    struct view last_modified; /* as in the field, IMF-fixdate */
};

/* True when If-Range (empty: there was none) lets the Range count: RFC 9110 §13.1.5, strong
 * comparison. */
bool http_range_if(struct view if_range, const struct http_validators *now);

/* True when If-None-Match (weak comparison) or If-Match (strong) names the present entity: a list,
 * or "*". RFC 9110 §13.1.1, §13.1.2. */
bool http_range_match(struct view list, const struct http_validators *now, bool strong);

#endif
