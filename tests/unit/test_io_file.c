/* Files: directories with their parents, appending whole or not at all, locks, putting in place.
 * Not here: what survives a power cut (tests/shim).
 * RFC: none. */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char root[64];

static const char *in_root(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *at = path[turn++ % 4];

    snprintf(at, 256, "%s/%s", root, name);
    return at;
}

static void test_directories(void)
{
    struct stat status;

    CHECK_INT(io_file_make_directory(in_root("a/b/c")), 0);
    CHECK_INT(io_file_make_directory(in_root("a/b/c")), 0);
    CHECK(stat(in_root("a/b/c"), &status) == 0 && S_ISDIR(status.st_mode) &&
          (status.st_mode & 0777) == 0750);
    CHECK_INT(io_file_make_directory(""), ENAMETOOLONG);
    CHECK(io_file_make_directory("/proc/nothing/here") != 0);
}

static void test_append(void)
{
    const char *path = in_root("append");
    int fd = io_file_create(path);
    struct iovec pieces[3] = {{.iov_base = (char[]){"one"}, .iov_len = 3},
                              {.iov_base = (char[]){""}, .iov_len = 0},
                              {.iov_base = (char[]){"two"}, .iov_len = 3}};
    int64_t size = 0;
    struct view bytes;
    struct stat status;

    CHECK(fd >= 0 && io_file_create(path) < 0);
    CHECK(fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0640);
    CHECK_INT(io_file_append(fd, pieces, 3, &size), 0);
    CHECK_INT(size, 6);
    CHECK_INT(io_file_map(path, &bytes), 0);
    CHECK_VIEW(bytes, "onetwo");
    io_file_unmap(bytes);
    close(fd);
}

/* A limit on the file's size stands for a full disk: part of a write succeeds, the rest fails. */
static void test_append_whole_or_not_at_all(void)
{
    const char *path = in_root("full");
    int fd = io_file_create(path);
    struct rlimit before, small = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
    static char block[700];
    int64_t size = 0;
    struct iovec piece = {.iov_base = block, .iov_len = sizeof(block)};

    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    CHECK_INT(io_file_append(fd, &piece, 1, &size), 0);
    piece = (struct iovec){.iov_base = block, .iov_len = sizeof(block)};
    CHECK_INT(io_file_append(fd, &piece, 1, &size), EFBIG);
    CHECK_INT(size, 700);
    CHECK_INT(io_file_size(path), 700);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    piece = (struct iovec){.iov_base = block, .iov_len = sizeof(block)};
    CHECK_INT(io_file_append(fd, &piece, 1, &size), 0);
    CHECK_INT(io_file_size(path), 1400);
    close(fd);
}

static void test_lock(void)
{
    const char *path = in_root("locked");
    int fd = io_file_create(path);

    errno = 0;
    CHECK(io_file_lock(path) < 0 && errno == EWOULDBLOCK);
    close(fd);
    fd = io_file_lock(path);
    CHECK(fd >= 0);
    close(fd);
    CHECK(io_file_lock(in_root("nothing")) < 0 && errno == ENOENT);
    fd = io_file_lock_or_create(in_root("new"));
    CHECK(fd >= 0);
    close(fd);
}

static void test_put_and_read(void)
{
    char *bytes = NULL;
    size_t len = 0;
    int fd = io_file_create(in_root("part"));

    CHECK(write(fd, "whole", 5) == 5);
    close(fd);
    CHECK_INT(io_file_put(in_root("part"), in_root("done")), 0);
    CHECK_INT(io_file_size(in_root("part")), -1);
    CHECK_INT(io_file_read(in_root("done"), 5, &bytes, &len), 0);
    CHECK_TEXT(bytes, "whole");
    free(bytes);
    CHECK_INT(io_file_read(in_root("done"), 4, &bytes, &len), EFBIG);
    CHECK_INT(io_file_read("/proc/self/status", 1 << 16, &bytes, &len), 0);
    CHECK(len > 100 && strlen(bytes) == len); /* a file whose size says nothing */
    free(bytes);
    CHECK_INT(io_file_put(in_root("part"), in_root("done")), ENOENT);
    CHECK_INT(io_file_map(root, &(struct view){0}), EINVAL);
}

static void test_room(void)
{
    struct io_room room;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK_INT(io_file_room(root, &room), 0);
    CHECK(room.total_bytes > 0 && room.free_bytes <= room.total_bytes);
    CHECK(io_file_room(in_root("nothing"), &room) == ENOENT);
    CHECK_INT(io_file_sync_all(fd), 0);
    close(fd);
}

int main(void)
{
    char command[128];

    snprintf(root, sizeof(root), "/tmp/siprecd-test-file-XXXXXX");
    if (mkdtemp(root) == NULL)
        return 1;
    umask(0);
    RUN(test_directories);
    RUN(test_append);
    RUN(test_append_whole_or_not_at_all);
    RUN(test_lock);
    RUN(test_put_and_read);
    RUN(test_room);
    snprintf(command, sizeof(command), "rm -r %s", root);
    if (system(command) != 0)
        return 1;
    return tap_done();
}
