/* bench_render: how many times faster than real time siprecd-render is on one core: an hour of a call with two streams of
 * G.711, with clocks that drift and without. CPU time of the program and its child, everything included; the journal is in
 * the page cache. Use: bench_render PATH-OF-SIPRECD-RENDER.
 * Not here: other codecs. RFC: none. */
#include "render_fixture.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 3600

static const struct fixture_line TWO[] = {{"1", "0", "", "alice", NULL}, {"2", "0", "", "bob", NULL}};

static void stream_send(struct fixture *f, uint32_t stream, double ppm)
{
    uint32_t noise = 12345 + stream;
    for (int k = 0; k < SECONDS * 50; k++) {
        uint8_t payload[160];
        for (int i = 0; i < 160; i++) {
            noise = noise * 1664525U + 1013904223U;
            payload[i] = (uint8_t)(noise >> 24);
        }
        struct fixture_rtp rtp = {.stream = stream,
                                  .ssrc = stream + 1,
                                  .seq = (uint16_t)k,
                                  .timestamp = (uint32_t)k * 160,
                                  .payload = payload,
                                  .len = sizeof payload};
        double at_ms = (k + 1) * 20.0 / (1 + ppm * 1e-6) + (noise >> 16 & 7);
        fixture_rtp(f, (int64_t)(at_ms * 1e6), &rtp);
    }
}

static double cpu_s(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           1e-6 * (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

static void measure(const char *program, const char *folder, const char *format, double ppm)
{
    char journal[256], output[256], result[16384];
    (void)snprintf(journal, sizeof journal, "%s/journal.pcapng", folder);
    (void)snprintf(output, sizeof output, "%s/audio.%s", folder, format);
    struct fixture *f = fixture_begin(TWO, 2);
    stream_send(f, 0, 0);
    stream_send(f, 1, ppm);
    fixture_write(f);
    FILE *file = fopen(journal, "wb");
    assert(file != NULL && fwrite(f->bytes, 1, f->len, file) == f->len);
    fclose(file);
    size_t size = f->len;
    fixture_free(f);
    struct rusage before, after;
    int fds[2];
    assert(pipe(fds) == 0);
    getrusage(RUSAGE_CHILDREN, &before);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], 1);
        execl(program, program, journal, "-o", output, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], result, sizeof result - 1);
    result[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    int status = 1;
    waitpid(child, &status, 0);
    getrusage(RUSAGE_CHILDREN, &after);
    const char *drift = strstr(result, "\"stream\":1");
    drift = drift ? strstr(drift, "\"drift_ppm\":") : NULL;
    double cpu = cpu_s(&after) - cpu_s(&before);
    printf("render  G.711 stereo %4d s to %-4s  drift %3.0f ppm (found %s%.5s)  %6.3f s CPU  %6.0f x real time  %ld MiB resident, "
           "journal %zu MB\n",
           SECONDS, format, ppm, status ? "FAILED " : "", drift ? drift + 12 : "?", cpu, SECONDS / cpu,
           after.ru_maxrss / 1024, size / 1000000);
    unlink(journal);
    unlink(output);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/bench-render-XXXXXX";
    if (argc != 2 || mkdtemp(folder) == NULL)
        return 2;
    measure(argv[1], folder, "wav", 0);
    measure(argv[1], folder, "wav", 100);
    measure(argv[1], folder, "flac", 0);
    measure(argv[1], folder, "opus", 0);
    measure(argv[1], folder, "mp3", 0);
    rmdir(folder);
    return 0;
}
