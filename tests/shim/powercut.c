/* powercut: an LD_PRELOAD shim that writes down every change a program makes to files under a
 * folder, and what it brought to the disk when, so that powercut.py can rebuild the folder as a
 * power cut at any moment would leave it.
 * Not here: the rebuilding; changes through mmap or stdio (siprecd makes none that count).
 * POWERCUT_ROOT is the folder, POWERCUT_TRACE the file. A record: one line of JSON,
 * then its bytes. */
#undef _FILE_OFFSET_BITS /* or open and open64 were one symbol */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 65536, NAME_MAX_ALL = PATH_MAX + 512, HEAD_MAX = 2 * NAME_MAX_ALL + 256 };

/* One lock over change and record, so that their orders are the same; never over a sync, which
 * would keep writers from doing what a sync does not cover. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace_fd = -1;
static int image_pid; /* of the program: a forked process goes by its parent's descriptors */
static char root[PATH_MAX];
static size_t root_len;
static atomic_bool tracked[FDS_MAX]; /* descriptors of files and folders under root */
static atomic_ulong syncs;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("POWERCUT_TRACE");
    const char *folder = getenv("POWERCUT_ROOT");

    if (path == NULL || folder == NULL || realpath(folder, root) == NULL)
        return;
    image_pid = (int)getpid();
    root_len = strlen(root);
    trace_fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The path below root, "." for root itself; false when it is not in there. */
static bool below(int at, const char *path, char *out)
{
    char whole[2 * PATH_MAX];
    char link[64];
    char real_folder[PATH_MAX];
    char *slash;

    if (trace_fd < 0 || path == NULL)
        return false;
    if (path[0] == '/') {
        snprintf(whole, sizeof(whole), "%s", path);
    } else if (at == AT_FDCWD) {
        if (getcwd(whole, PATH_MAX) == NULL)
            return false;
        snprintf(whole + strlen(whole), PATH_MAX, "/%s", path);
    } else {
        ssize_t len;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
        len = readlink(link, whole, PATH_MAX - 1);
        if (len < 0)
            return false;
        snprintf(whole + len, PATH_MAX, "/%s", path);
    }
    /* The last part may not exist; the folder it is in does. */
    while (strlen(whole) > 1 && whole[strlen(whole) - 1] == '/')
        whole[strlen(whole) - 1] = '\0';
    slash = strrchr(whole, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    if (realpath(whole[0] == '\0' ? "/" : whole, real_folder) == NULL)
        return false;
    snprintf(out, NAME_MAX_ALL, "%s%s%.255s", real_folder, strcmp(real_folder, "/") == 0 ? "" : "/",
             slash + 1);
    if (strncmp(out, root, root_len) != 0 || (out[root_len] != '/' && out[root_len] != '\0'))
        return false;
    if (out[root_len] == '\0')
        strcpy(out, ".");
    else
        memmove(out, out + root_len + 1, strlen(out + root_len + 1) + 1);
    return true;
}

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* One record in one write: that is whole also among processes. */
__attribute__((format(printf, 3, 4))) static void record(const struct iovec *bytes, int count,
                                                         const char *format, ...)
{
    char head[HEAD_MAX];
    struct iovec pieces[66];
    size_t total = 0;
    va_list args;
    int len;

    for (int i = 0; i < count && i < 64; i++) {
        pieces[i + 1] = bytes[i];
        total += bytes[i].iov_len;
    }
    len = snprintf(head, sizeof(head), "{\"ns\":%lld,\"pid\":%d,\"len\":%zu,", (long long)now_ns(),
                   image_pid, total);
    va_start(args, format);
    len += vsnprintf(head + len, sizeof(head) - (size_t)len, format, args);
    va_end(args);
    len += snprintf(head + len, sizeof(head) - (size_t)len, "}\n");
    pieces[0] = (struct iovec){.iov_base = head, .iov_len = (size_t)len};
    if (syscall(SYS_writev, trace_fd, pieces, count + 1) != (long)(total + (size_t)len))
        abort();
}

static bool is_tracked(int fd)
{
    return fd >= 0 && fd < FDS_MAX && atomic_load(&tracked[fd]);
}

/* ---- names ---------------------------------------------------------------------------------- */

static int opened(int fd, const char *path, int flags)
{
    if (fd >= 0 && fd < FDS_MAX) {
        atomic_store(&tracked[fd], true);
        record(NULL, 0, "\"op\":\"open\",\"fd\":%d,\"path\":\"%s\",\"create\":%d,\"truncate\":%d",
               fd, path, (flags & O_CREAT) != 0, (flags & O_TRUNC) != 0);
    }
    return fd;
}

static int open_any(int at, const char *path, int flags, mode_t mode)
{
    char name[NAME_MAX_ALL];
    int fd;

    if (!below(at, path, name))
        return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    fd = opened((int)syscall(SYS_openat, at, path, flags, mode), name, flags);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE_OF(flags)                                                                             \
    mode_t mode = 0;                                                                               \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                  \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = va_arg(args, mode_t);                                                               \
        va_end(args);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_any(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_any(at, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS_MAX)
        atomic_store(&tracked[fd], false);
    return (int)syscall(SYS_close, fd);
}

static int two_names(int from_at, const char *from, int to_at, const char *to)
{
    char a[NAME_MAX_ALL], b[NAME_MAX_ALL];
    bool in = below(from_at, from, a);
    int rc;

    in = below(to_at, to, b) && in;
    pthread_mutex_lock(&lock);
    rc = (int)syscall(SYS_renameat, from_at, from, to_at, to);
    if (rc == 0 && in)
        record(NULL, 0, "\"op\":\"rename\",\"path\":\"%s\",\"to\":\"%s\"", a, b);
    pthread_mutex_unlock(&lock);
    return rc;
}

int rename(const char *from, const char *to)
{
    return two_names(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return two_names(from_at, from, to_at, to);
}

static int one_name(const char *op, long number, int at, const char *path, long argument)
{
    char name[NAME_MAX_ALL];
    bool in = below(at, path, name);
    int rc;

    pthread_mutex_lock(&lock);
    rc = (int)syscall(number, at, path, argument);
    if (rc == 0 && in)
        record(NULL, 0, "\"op\":\"%s\",\"path\":\"%s\"", op, name);
    pthread_mutex_unlock(&lock);
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    return one_name("mkdir", SYS_mkdirat, AT_FDCWD, path, (long)mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    return one_name("mkdir", SYS_mkdirat, at, path, (long)mode);
}

int unlink(const char *path)
{
    return one_name("unlink", SYS_unlinkat, AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return one_name("unlink", SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int unlinkat(int at, const char *path, int flags)
{
    return one_name("unlink", SYS_unlinkat, at, path, flags);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* What was written where: offset -1 is "at the end, or where the descriptor stood": told by its
 * position afterwards. */
static ssize_t wrote(int fd, ssize_t count, const struct iovec *pieces, int pieces_count,
                     off_t offset)
{
    struct iovec done[64];
    size_t left = count > 0 ? (size_t)count : 0;
    int used = 0;

    if (count <= 0)
        return count;
    for (int i = 0; i < pieces_count && i < 64 && left > 0; i++) {
        done[used] = pieces[i];
        if (done[used].iov_len > left)
            done[used].iov_len = left;
        left -= done[used++].iov_len;
    }
    if (left > 0)
        abort();
    if (offset < 0)
        offset = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) - count;
    record(done, used, "\"op\":\"write\",\"fd\":%d,\"at\":%lld", fd, (long long)offset);
    return count;
}

static ssize_t write_any(int fd, const struct iovec *pieces, int count, off_t offset)
{
    ssize_t done;

    if (!is_tracked(fd))
        return offset < 0 ? syscall(SYS_writev, fd, pieces, count)
                          : syscall(SYS_pwritev, fd, pieces, count, offset, 0);
    pthread_mutex_lock(&lock);
    done = offset < 0 ? syscall(SYS_writev, fd, pieces, count)
                      : syscall(SYS_pwritev, fd, pieces, count, offset, 0);
    done = wrote(fd, done, pieces, count, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

    if (!is_tracked(fd))
        return syscall(SYS_write, fd, bytes, len);
    return write_any(fd, &piece, 1, -1);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    return write_any(fd, pieces, count, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

    return write_any(fd, &piece, 1, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    return pwrite(fd, bytes, len, offset);
}

int ftruncate(int fd, off_t len)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = (int)syscall(SYS_ftruncate, fd, len);
    if (rc == 0 && is_tracked(fd))
        record(NULL, 0, "\"op\":\"truncate\",\"fd\":%d,\"at\":%lld", fd, (long long)len);
    pthread_mutex_unlock(&lock);
    return rc;
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

/* ---- bringing to the disk ------------------------------------------------------------------- */

static int sync_any(const char *op, long number, int fd)
{
    unsigned long id = atomic_fetch_add(&syncs, 1);
    bool in = is_tracked(fd);
    int rc;

    if (in) {
        pthread_mutex_lock(&lock);
        record(NULL, 0, "\"op\":\"%s-begin\",\"fd\":%d,\"id\":%lu", op, fd, id);
        pthread_mutex_unlock(&lock);
    }
    rc = (int)syscall(number, fd);
    if (in && rc == 0) {
        pthread_mutex_lock(&lock);
        record(NULL, 0, "\"op\":\"%s-end\",\"fd\":%d,\"id\":%lu", op, fd, id);
        pthread_mutex_unlock(&lock);
    }
    return rc;
}

int fsync(int fd)
{
    return sync_any("fsync", SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_any("fsync", SYS_fdatasync, fd);
}

int syncfs(int fd)
{
    return sync_any("syncfs", SYS_syncfs, fd);
}
