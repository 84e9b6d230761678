/* fuzz_render_journal: any bytes as a journal, rendered whole to /dev/null. */
#include "render/render.h"

#include <assert.h>
#include <fcntl.h>
#include <libavutil/log.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    const char *name = "null", *error = NULL;
    char *result = NULL;
    uint8_t used = 0;
    if (file < 0)
        file = open("/dev/null", O_WRONLY | O_CLOEXEC);
    av_log_set_level(AV_LOG_QUIET);
    struct render_job job = {
        .journal = view_of(data, size),
        .format = RENDER_FORMAT_WAV,
        .files = &file,
        .names = &name,
        .file_count = 1,
    };
    enum render_end end = render_journal(&job, &result, &used, &error);
    assert((end == RENDER_DONE) == (result != NULL));
    free(result);
    return 0;
}
