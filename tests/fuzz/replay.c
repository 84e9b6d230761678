/* replay: runs a fuzz target over its corpus, and over every file cut short, without libFuzzer.
 * Not here: looking for new inputs (make fuzz).
 * RFC: none. */
#include "tap.h"

#include <dirent.h>
#include <limits.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exact copy on the heap, so that a sanitizer sees the first byte read too far. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t size = 0, room = 1 << 16;
    uint8_t *data = malloc(room);
    for (;;) {
        if (!data)
            abort();
        size_t n = fread(data + size, 1, room - size, file);
        size += n;
        if (n == 0)
            break;
        if (size == room)
            data = realloc(data, room *= 2);
    }
    fclose(file);
    /* Small files at every length, large ones at 64 of them. */
    size_t step = size > 4096 ? size / 64 : size > 256 ? size / 256 + 1 : 1;
    for (size_t len = 0; len < size; len += step)
        feed(data, len);
    feed(data, size);
    free(data);
    return true;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        const struct dirent *entry;
        tap_check(dir != NULL, argv[i], __FILE__, __LINE__);
        int files = 0;
        while (dir && (entry = readdir(dir))) {
            char path[PATH_MAX];
            if (entry->d_name[0] == '.')
                continue;
            int n = snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            files += tap_check(n > 0 && (size_t)n < sizeof path && replay_file(path), path,
                               __FILE__, __LINE__);
        }
        if (dir)
            closedir(dir);
        tap_check(files > 0, "the corpus has files", __FILE__, __LINE__);
        tap_tests++;
        tap_failed_tests += tap_failed_checks > 0;
        printf("%s %d - %s: %d files\n", tap_failed_checks ? "not ok" : "ok", tap_tests, argv[i],
               files);
    }
    return tap_done();
}
