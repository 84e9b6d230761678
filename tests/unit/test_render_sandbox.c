/* Tests of render/sandbox: children that try what they must not. */
#include "render/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* Runs try in a sandboxed child; its exit code, or -1 when it was killed. 77: no sandbox here. */
static int in_child(int (*try)(void), bool forbid)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (forbid) {
            /* A place where nobody may have a filter of their own. */
            scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
            (void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
            (void)seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                                   SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
            (void)seccomp_load(filter);
        }
        const char *missing = render_sandbox_enter(UINT64_C(1) << 30);
        if ((missing != NULL) != forbid)
            _exit(77);
        _exit(try());
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int denied(bool failed)
{
    return failed && (errno == EPERM || errno == EMFILE || errno == ENOMEM) ? 0 : 1;
}

static int try_open(void)
{
    return denied(open("/etc/passwd", O_RDONLY) < 0);
}

static int try_create(void)
{
    return denied(open("/tmp/render-sandbox-was-here", O_WRONLY | O_CREAT, 0600) < 0);
}

static int try_socket(void)
{
    return denied(socket(AF_INET, SOCK_STREAM, 0) < 0);
}

static int try_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return denied(child < 0);
}

static int try_exec(void)
{
    return denied(execl("/bin/true", "true", (char *)NULL) < 0);
}

static int try_code(void)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return denied(at == MAP_FAILED);
}

static int try_memory(void)
{
    return denied(malloc((size_t)2 << 30) == NULL);
}

static int try_signal(void)
{
    return denied(kill(getppid(), 0) < 0);
}

static int try_unlink(void)
{
    return denied(unlink("/tmp/render-sandbox-was-here") < 0);
}

static int try_work(void)
{
    char *bytes = malloc(1 << 20);
    if (bytes == NULL || write(1, "# works\n", 8) != 8)
        return 1;
    memset(bytes, 1, 1 << 20);
    free(bytes);
    return 0;
}

static bool sandboxed_here(void)
{
    return in_child(try_work, false) == 0;
}

static void test_nothing_but_work(void)
{
    CHECK_INT(in_child(try_work, false), 0);
    CHECK_INT(in_child(try_open, false), 0);
    CHECK_INT(in_child(try_create, false), 0);
    CHECK_INT(in_child(try_unlink, false), 0);
    CHECK_INT(in_child(try_socket, false), 0);
    CHECK_INT(in_child(try_fork, false), 0);
    CHECK_INT(in_child(try_exec, false), 0);
    CHECK_INT(in_child(try_code, false), 0);
    CHECK_INT(in_child(try_memory, false), 0);
    CHECK_INT(in_child(try_signal, false), 0);
}

static void test_works_without_seccomp_and_says_so(void)
{
    CHECK_INT(in_child(try_work, true), 0);
    /* What can be had without it holds. */
    CHECK_INT(in_child(try_memory, true), 0);
    CHECK_INT(in_child(try_open, true), 0);
}

int main(void)
{
    if (sandboxed_here())
        RUN(test_nothing_but_work);
    else
        tap_skip("test_nothing_but_work", "no seccomp here, or a sanitizer");
    if (sandboxed_here())
        RUN(test_works_without_seccomp_and_says_so);
    return tap_done();
}
