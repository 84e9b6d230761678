/* instance: the name that this installation bears towards registrars, kept on disk.
 * Not here: what registrars do with it (sip/register.h).
 * RFC 5626 §4.1, RFC 9562 (UUID). */
#include "siprecd/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/uuid.h"
#include "io/clock.h"
#include "io/file.h"

enum { INSTANCE_FILE_MAX = 256 };

static bool instance_read(const char *path, char *urn, size_t urn_size)
{
    char *bytes = NULL;
    size_t len = 0;
    struct view text;
    struct uuid id;
    bool good = false;
    if (io_file_read(path, INSTANCE_FILE_MAX, &bytes, &len) != 0)
        return false;
    text = view_trim(view_of(bytes, len));
    if (view_starts_with(text, VIEW_LIT("urn:uuid:")) &&
        uuid_parse(view_skip(text, sizeof("urn:uuid:") - 1), &id))
        good = view_copy(text, urn, urn_size);
    free(bytes);
    return good;
}

static bool instance_write(const char *path, const char *urn)
{
    char temporary[PATH_MAX];
    int error = 0, fd;
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return false;
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return false;
    if (dprintf(fd, "%s\n", urn) < 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0)
        error = io_file_put(temporary, path);
    if (error != 0)
        (void)unlink(temporary);
    errno = error;
    return error == 0;
}

bool instance_load(const char *directory, char *urn, size_t urn_size)
{
    char path[PATH_MAX];
    uint8_t seed[32];
    struct rng rng;
    struct uuid id;
    if (snprintf(path, sizeof path, "%s/.instance", directory) >= (int)sizeof path)
        path[0] = '\0';
    if (path[0] && instance_read(path, urn, urn_size))
        return true;
    io_clock_seed(seed, sizeof seed);
    rng_init(&rng, seed);
    id = uuid_make(io_clock_wall(), &rng);
    snprintf(urn, urn_size, "urn:uuid:%s", id.s);
    errno = ENAMETOOLONG;
    return path[0] && instance_write(path, urn);
}
