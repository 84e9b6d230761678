/* pause: an LD_PRELOAD shim that has media workers stand still where it hurts most: each time before
 * they look which sockets hold packets, as when others have the processor.
 * Not here: other threads. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 50000000 /* longer than an SRC takes from our answer to its first packets */

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    char name[16] = "";
    if (timeout == 0 && prctl(PR_GET_NAME, name) == 0 && strncmp(name, "media", 5) == 0)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    return (int)syscall(SYS_epoll_wait, fd, events, count, timeout);
}
