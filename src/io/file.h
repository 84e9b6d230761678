/* file: directories and files under the recordings directory: making, appending, reading whole,
 * putting in place, removing, room on the disk, bringing to the disk.
 * Not here: what is in them; doing it in the background (pool.h).
 * RFC: none. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/view.h"

/* Makes the directory path and its parents, mode 0750. Returns 0 (also if it was there) or errno.*/
WARN_UNUSED int io_file_make_directory(const char *path);

/* Opens a new file for appending, mode 0640; it must not exist. It stays locked (flock) while the
 * descriptor is open, so that others can tell that it still grows. Returns the descriptor or -1. */
WARN_UNUSED int io_file_create(const char *path);

/* Opens a file for reading and writing and locks it; -1 with errno EWOULDBLOCK: somebody has it. */
WARN_UNUSED int io_file_lock(const char *path);

/* The same with a file that is made when it is not there, mode 0640. */
WARN_UNUSED int io_file_lock_or_create(const char *path);

/* Appends all of the pieces with as few writes as the kernel allows. Returns 0, or an errno after
 * cutting the file back to *size, so that nothing is half written; *size grows by what was
 * appended. pieces are changed. */
WARN_UNUSED int io_file_append(int fd, struct iovec *pieces, size_t count, int64_t *size);

/* Maps a file for reading; an empty file gives an empty view. Returns 0 or errno; unmap it. */
WARN_UNUSED int io_file_map(const char *path, struct view *bytes);
void io_file_unmap(struct view bytes);

/* Reads a small file whole into memory to be freed; more than limit bytes: EFBIG. */
WARN_UNUSED int io_file_read(const char *path, size_t limit, char **bytes, size_t *len);

/* Brings from's bytes to the disk and gives it the name to, replacing what was there. */
WARN_UNUSED int io_file_put(const char *from, const char *to);

/* How long a file is, or -1. */
int64_t io_file_size(const char *path);

struct io_room {
    uint64_t free_bytes; /* to us, not to root */
    uint64_t total_bytes;
    uint64_t free_files; /* UINT64_MAX where the file system does not count them */
};

WARN_UNUSED int io_file_room(const char *path, struct io_room *room);

/* Brings everything of path's file system to the disk: one call for all journals. */
WARN_UNUSED int io_file_sync_all(int directory_fd);

#endif
