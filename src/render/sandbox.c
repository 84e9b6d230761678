/* sandbox: gives up everything that decoding does not need: new files, sockets, programs, memory
 * without end.
 * Not here: opening the files first (main.c).
 * RFC: none; seccomp(2), prctl(2) PR_SET_NO_NEW_PRIVS. */
#include "render/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* A sanitizer maps terabytes and starts threads of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Files that are open already, memory, the end. Whatever else is tried gets EPERM: harmless for the
 * library's questions about the machine, useless for anybody else. */
static const int ALLOWED[] = {
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(close),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill), /* abort(), of itself only: no other process shares the group */
    SCMP_SYS(sched_getaffinity),
};

static bool limits_set(uint64_t memory)
{
    const struct rlimit none = {0, 0}, space = {memory, memory};
    bool ok = setrlimit(RLIMIT_CORE, &none) == 0;
    ok &= setrlimit(RLIMIT_NOFILE, &none) == 0;
    ok &= setrlimit(RLIMIT_NPROC, &none) == 0;
    if (!SANITIZED)
        ok &= setrlimit(RLIMIT_AS, &space) == 0;
    return ok;
}

static bool calls_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return false;
    int result = 0;
    for (size_t i = 0; i < sizeof ALLOWED / sizeof ALLOWED[0] && result == 0; i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, ALLOWED[i], 0);
    /* Memory, but none that runs. */
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (result == 0)
        result = seccomp_load(filter);
    seccomp_release(filter);
    errno = -result;
    return result == 0;
}

const char *render_sandbox_enter(uint64_t memory)
{
    bool limited = limits_set(memory);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return "this kernel has no no-new-privs";
    if (SANITIZED)
        return "built with a sanitizer: no system call filter";
    if (!calls_filter())
        return "this kernel or container has no seccomp";
    return limited ? NULL : "resource limits refused";
}
