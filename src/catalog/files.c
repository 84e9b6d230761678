/* files: the recordings' folders on disk.
 * Not here: the database.
 * RFC: none. */
#include "catalog/files.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/uuid.h"

#define DAY_NS (24 * 3600 * NS_PER_S)

static bool join(char path[PATH_MAX], const char *root, const char *directory, const char *name)
{
    int n = snprintf(path, PATH_MAX, "%s/%s%s%s", root, directory, *name ? "/" : "", name);
    return n > 0 && n < PATH_MAX;
}

/* Makes every folder of path. */
static int make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        int bad = mkdir(path, 0750) != 0 && errno != EEXIST ? errno : 0;
        if (slash)
            *slash = '/';
        if (bad || !slash)
            return bad;
    }
}

int catalog_files_make_root(const char *root)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", root) >= (int)sizeof path || !*root)
        return *root ? ENAMETOOLONG : EINVAL;
    return make_folders(path);
}

static int write_all(int fd, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        bytes = view_skip(bytes, (size_t)n);
    }
    return 0;
}

#define PART      ".part"
#define NAME_SIZE 64

static const char *part_of(const char *name, char part[NAME_SIZE])
{
    int n = snprintf(part, NAME_SIZE, "%s" PART, name);
    assert(n > 0 && n < NAME_SIZE);
    return part;
}

int catalog_files_stage(const char *root, const char *directory, const char *name,
                        struct view bytes, bool sync)
{
    char folder[PATH_MAX], path[PATH_MAX], part[NAME_SIZE];
    if (!join(folder, root, directory, "") || !join(path, root, directory, part_of(name, part)))
        return ENAMETOOLONG;
    int error = make_folders(folder);
    if (error)
        return error;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return errno;
    error = write_all(fd, bytes);
    if (!error && sync && fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && !error)
        error = errno;
    if (error)
        unlink(path);
    return error;
}

int catalog_files_sync(const char *root)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = syncfs(fd) != 0 ? errno : 0;
    close(fd);
    return error;
}

int catalog_files_publish(const char *root, const char *directory, const char *name)
{
    char path[PATH_MAX], staged[PATH_MAX], part[NAME_SIZE];
    if (!join(path, root, directory, name) || !join(staged, root, directory, part_of(name, part)))
        return ENAMETOOLONG;
    return rename(staged, path) != 0 ? errno : 0;
}

void catalog_files_unstage(const char *root, const char *directory, const char *name)
{
    char staged[PATH_MAX], part[NAME_SIZE];
    if (join(staged, root, directory, part_of(name, part)))
        unlink(staged);
}

int catalog_files_open(const char *root, const char *directory, const char *name)
{
    char path[PATH_MAX];
    if (!join(path, root, directory, name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

int catalog_files_read(const char *root, const char *directory, const char *name, size_t max_size,
                       struct view *bytes)
{
    struct stat status;
    int error = 0;
    size_t len = 0;
    int fd = catalog_files_open(root, directory, name);
    if (fd < 0)
        return errno;
    if (fstat(fd, &status) != 0)
        error = errno;
    else if (!S_ISREG(status.st_mode))
        error = EINVAL;
    else if ((uint64_t)status.st_size > max_size)
        error = EFBIG;
    char *buffer = error ? NULL : malloc((size_t)status.st_size + 1);
    if (!error && !buffer)
        error = ENOMEM;
    while (!error && len < (size_t)status.st_size) {
        ssize_t n = read(fd, buffer + len, (size_t)status.st_size - len);
        if (n < 0 && errno != EINTR)
            error = errno;
        else if (n == 0)
            break;
        else if (n > 0)
            len += (size_t)n;
    }
    close(fd);
    if (error) {
        free(buffer);
        return error;
    }
    buffer[len] = '\0';
    *bytes = view_of(buffer, len);
    return 0; /* NOLINT(clang-analyzer-unix.Malloc): the view goes out with it */
}

int64_t catalog_files_modified(const char *root, const char *directory, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    if (!join(path, root, directory, name) || lstat(path, &status) != 0)
        return -1;
    return status.st_mtim.tv_sec * NS_PER_S + status.st_mtim.tv_nsec;
}

bool catalog_files_exist(const char *root, const char *directory)
{
    char path[PATH_MAX];
    struct stat status;
    return join(path, root, directory, "") && lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Removes what is in the open folder; a folder in it (nothing of ours) makes this fail with EISDIR
 * or EPERM. */
static int empty_folder(DIR *folder)
{
    int error = 0;
    for (struct dirent *e = readdir(folder); e; e = readdir(folder)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(folder), e->d_name, 0) != 0 && errno != ENOENT)
            error = errno;
    }
    return error;
}

/* path ends in YYYY/MM/DD/<id>: tries to remove DD, MM and YYYY. Only empty ones go; that is
 * rmdir's own rule. */
static void prune_dates(char *path, const char *directory, struct wall now)
{
    char midnight[WALL_TEXT_SIZE];
    struct wall date;
    snprintf(midnight, sizeof midnight, "%.4s-%.2s-%.2sT00:00:00Z", directory, directory + 5,
             directory + 8);
    if (!wall_parse(view_of_string(midnight), &date) || now.ns - date.ns < 2 * DAY_NS)
        return;
    for (int level = 0; level < 3; level++) {
        *strrchr(path, '/') = '\0';
        if (rmdir(path) != 0)
            return;
    }
}

int catalog_files_remove(const char *root, const char *directory, struct wall now)
{
    char path[PATH_MAX];
    if (!join(path, root, directory, ""))
        return ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        int error = errno;
        close(fd);
        return error;
    }
    int error = empty_folder(folder);
    closedir(folder);
    if (!error && rmdir(path) != 0 && errno != ENOENT)
        error = errno;
    if (!error)
        prune_dates(path, directory, now);
    return error;
}

/* Level 0 is the root with the years in it, 3 a day with the recordings in it. */
#define LEVELS 4
struct catalog_scan {
    DIR *open[LEVELS];
    char path[LEVELS][16]; /* "2026", "03", "01" */
    int level;
    char found[96];
};

struct catalog_scan *catalog_scan_create(const char *root)
{
    struct catalog_scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        return NULL;
    scan->open[0] = opendir(root);
    if (!scan->open[0]) {
        int error = errno;
        free(scan);
        errno = error;
        return NULL;
    }
    return scan;
}

static bool is_number(const char *name, size_t digits)
{
    return strlen(name) == digits && strspn(name, "0123456789") == digits;
}

static void descend(struct catalog_scan *scan, const char *name)
{
    int fd = openat(dirfd(scan->open[scan->level]), name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return;
    }
    snprintf(scan->path[scan->level], sizeof scan->path[0], "%s", name);
    scan->open[++scan->level] = folder;
}

const char *catalog_scan_next(struct catalog_scan *scan)
{
    while (scan->level >= 0) {
        struct uuid id;
        struct dirent *e = readdir(scan->open[scan->level]);
        if (!e) {
            closedir(scan->open[scan->level]);
            scan->open[scan->level--] = NULL;
        } else if (scan->level < LEVELS - 1) {
            if (is_number(e->d_name, scan->level == 0 ? 4 : 2))
                descend(scan, e->d_name);
        } else if (uuid_parse(view_of_string(e->d_name), &id) && strcmp(id.s, e->d_name) == 0) {
            snprintf(scan->found, sizeof scan->found, "%s/%s/%s/%s", scan->path[0], scan->path[1],
                     scan->path[2], id.s);
            return scan->found;
        }
    }
    return NULL;
}

void catalog_scan_destroy(struct catalog_scan *scan)
{
    if (!scan)
        return;
    for (int i = 0; i <= scan->level; i++)
        closedir(scan->open[i]);
    free(scan);
}
