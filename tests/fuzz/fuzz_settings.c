/* Settings files of any bytes: errors or values, never a crash; what is printed of good ones reads back without errors.
 * Not here: single values by hand (test_siprecd_settings.c).
 * RFC: none. */
#include <assert.h>
#include <stdlib.h>

#include "siprecd/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings_source source = {.file = "f", .file_text = view_of(data, size)};
    struct settings *settings = settings_read(&source);
    char *printed = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&printed, &len);

    settings_print(settings, out);
    fclose(out);
    if (settings_errors(settings) == 0) {
        struct settings_source again = {.file = "p", .file_text = view_of(printed, len)};
        struct settings *second = settings_read(&again);
        assert(settings_errors(second) == 0);
        settings_destroy(second);
    }
    free(printed);
    settings_destroy(settings);
    return 0;
}
