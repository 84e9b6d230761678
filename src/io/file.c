/* file: directories and files under the recordings directory: making, appending, reading whole,
 * putting in place, removing, room on the disk, bringing to the disk.
 * Not here: what is in them; doing it in the background (pool.h).
 * RFC: none. */
#include "io/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int io_file_make_directory(const char *path)
{
    char partial[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof partial)
        return ENAMETOOLONG;
    memcpy(partial, path, len + 1);
    /* Usually all but the last part is there already. */
    if (mkdir(partial, 0750) == 0 || errno == EEXIST)
        return 0;
    for (size_t i = 1; i <= len; i++) {
        if (partial[i] != '/' && partial[i] != '\0')
            continue;
        partial[i] = '\0';
        if (mkdir(partial, 0750) != 0 && errno != EEXIST)
            return errno;
        partial[i] = path[i];
    }
    return 0;
}

static int file_open_locked(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0640);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int io_file_create(const char *path)
{
    return file_open_locked(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
}

int io_file_lock(const char *path)
{
    return file_open_locked(path, O_RDWR);
}

int io_file_lock_or_create(const char *path)
{
    return file_open_locked(path, O_RDWR | O_CREAT);
}

/* Skips done bytes at the front of the pieces; returns how many pieces are left. */
static size_t file_skip(struct iovec **pieces, size_t count, size_t done)
{
    while (count > 0 && done >= (*pieces)->iov_len) {
        done -= (*pieces)->iov_len;
        (*pieces)++;
        count--;
    }
    if (count > 0) {
        (*pieces)->iov_base = (char *)(*pieces)->iov_base + done;
        (*pieces)->iov_len -= done;
    }
    return count;
}

int io_file_append(int fd, struct iovec *pieces, size_t count, int64_t *size)
{
    int64_t grown = *size;
    count = file_skip(&pieces, count, 0);
    while (count > 0) {
        ssize_t wrote = writev(fd, pieces, count < IOV_MAX ? (int)count : IOV_MAX);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            int error = wrote < 0 ? errno : ENOSPC;
            /* Half a block at the end would hide what is appended once there is room again. */
            if (grown != *size && ftruncate(fd, *size) != 0)
                return errno;
            return error;
        }
        grown += wrote;
        count = file_skip(&pieces, count, (size_t)wrote);
    }
    *size = grown;
    return 0;
}

int io_file_map(const char *path, struct view *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    void *at;
    int error = 0;
    *bytes = (struct view){"", 0};
    if (fd < 0)
        return errno;
    if (fstat(fd, &status) != 0) {
        error = errno;
    } else if (!S_ISREG(status.st_mode)) {
        error = EINVAL;
    } else if (status.st_size > 0) {
        at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            error = errno;
        else
            *bytes = (struct view){at, (size_t)status.st_size};
    }
    close(fd);
    return error;
}

void io_file_unmap(struct view bytes)
{
    if (bytes.len > 0)
        munmap((void *)(uintptr_t)bytes.at, bytes.len);
}

int io_file_read(const char *path, size_t limit, char **bytes, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
    char *text = malloc(limit + 1), *fitting;
    size_t have = 0;
    ssize_t n = 1;
    if (fd < 0 || !text)
        error = fd < 0 ? errno : ENOMEM;
    /* What its size says is not asked: files of /proc have none. */
    while (error == 0 && n != 0) {
        n = read(fd, text + have, limit + 1 - have);
        if (n < 0 && errno != EINTR)
            error = errno;
        have += n > 0 ? (size_t)n : 0;
        if (have > limit)
            error = EFBIG;
    }
    if (fd >= 0)
        close(fd);
    if (error != 0) {
        free(text);
        return error;
    }
    text[have] = '\0';
    fitting = realloc(text, have + 1);
    *bytes = fitting ? fitting : text;
    *len = have;
    return 0;
}

/* Brings the names in path's folder to the disk. */
static int file_sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = !slash ? 0 : (size_t)(slash - path);
    int fd;
    int error;
    if (len >= sizeof folder)
        return ENAMETOOLONG;
    memcpy(folder, path, len);
    folder[len] = '\0';
    fd = open(len > 0 ? folder : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return error;
}

int io_file_put(const char *from, const char *to)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    int error = 0;
    if (fd < 0)
        return errno;
    /* First the bytes, then the name: after a power cut the name must not stand for nothing. Then
     * the folder: what is said next of the file must not outlive its name. */
    if (fdatasync(fd) != 0)
        error = errno;
    close(fd);
    if (error == 0 && rename(from, to) != 0)
        error = errno;
    return error == 0 ? file_sync_folder(to) : error;
}

int64_t io_file_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)status.st_size : -1;
}

int io_file_room(const char *path, struct io_room *room)
{
    struct statvfs status;
    if (statvfs(path, &status) != 0)
        return errno;
    room->free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    room->total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    room->free_files = status.f_files == 0 ? UINT64_MAX : (uint64_t)status.f_favail;
    return 0;
}

int io_file_sync_all(int directory_fd)
{
    return syncfs(directory_fd) == 0 ? 0 : errno;
}
