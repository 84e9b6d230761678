/* fuzz_recorder_rebuild: any bytes as a journal; what comes out is a JSON object, or nothing. */
#include "recorder/rebuild.h"

#include <assert.h>
#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recorder_rebuilt rebuilt;
    json_error_t error;
    if (!recorder_rebuild(view_of(data, size), (struct wall){INT64_C(1800000000000000000)},
                          &rebuilt))
        return 0;
    json_t *document = json_loads(rebuilt.document, 0, &error);
    assert(json_is_object(document));
    json_decref(document);
    recorder_rebuilt_finish(&rebuilt);
    return 0;
}
