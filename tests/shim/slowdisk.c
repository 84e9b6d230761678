/* slowdisk: an LD_PRELOAD shim that makes fdatasync() take SLOWDISK_MS milliseconds: a disk under
 * load.
 * Not here: errors of disks. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd)
{
    const char *ms = getenv("SLOWDISK_MS");
    long wait_ms = ms ? atol(ms) : 0;
    struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    return (int)syscall(SYS_fdatasync, fd);
}
