/* render: audio in a format that is not there yet, made by siprecd-render while the requests for it
 * wait. Requests for the same file share one run; few runs go on at once. Everything here belongs
 * to the HTTP thread.
 * Not here: the audio after the call (the daemon renders that by itself).
 * RFC: none. */
#ifndef API_RENDER_H
#define API_RENDER_H

#include "api/resources.h"

/* Audio formats and how they are named. */
struct api_format {
    const char *name;         /* "wav", also the file's ending */
    const char *content_type; /* RFC 9639 for flac, 7845 for opus in Ogg, 3003 for mp3 */
};
#define API_FORMATS 4
extern const struct api_format api_formats[API_FORMATS];
/* NULL when there is none of that name. */
const struct api_format *api_format_find(struct view name);

struct api_renders;

struct api_renders *api_renders_create(struct api *api, const char *program);
void api_renders_destroy(struct api_renders *renders); /* NULL is fine; no run may be going on */

/* Takes the exchange and answers it when the audio is there. keep: the recording is over, so the
 * file stays beside the journal; else it is made for these requests only. */
void api_render(struct api_renders *renders, struct http_exchange *exchange, const char *directory,
                const struct api_format *format, bool keep);

#endif
