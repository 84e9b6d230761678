/* slowdisk: an LD_PRELOAD shim that makes fdatasync() take SLOWDISK_MS milliseconds for files whose
 * path ends with SLOWDISK_FILE: a disk under load.
 * Not here: errors of disks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_slow(int fd)
{
    const char *end = getenv("SLOWDISK_FILE");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path);
    size_t want = end ? strlen(end) : 0;
    return len >= (ssize_t)want && memcmp(path + (size_t)len - want, end ? end : "", want) == 0;
}

int fdatasync(int fd)
{
    const char *ms = getenv("SLOWDISK_MS");
    long wait_ms = ms && is_slow(fd) ? atol(ms) : 0;
    struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    return (int)syscall(SYS_fdatasync, fd);
}
