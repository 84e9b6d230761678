/* bench_render_journal: writes the journal of a long call with two streams of G.711 for bench.py to
 * render. Use: bench_render_journal FILE MINUTES [PPM]: the second stream's clock is fast by so
 * much, 0 without.
 * Not here: measuring. RFC: none. */
#include "render_fixture.h"

static const struct fixture_line TWO[] = {{"1", "0", "", "alice", NULL},
                                          {"2", "0", "", "bob", NULL}};

static void minute_send(struct fixture *f, int minute, uint32_t stream, double ppm)
{
    static uint32_t noise = 12345;
    for (int k = minute * 3000; k < (minute + 1) * 3000; k++) {
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

int main(int argc, char **argv)
{
    FILE *file = argc >= 3 ? fopen(argv[1], "wb") : NULL;
    if (file == NULL)
        return 2;
    double ppm = argc > 3 ? strtod(argv[3], NULL) : 0;
    struct fixture *f = fixture_begin(TWO, 2);
    bool ok = true;
    for (int minute = 0; minute < atoi(argv[2]) && ok; minute++) {
        minute_send(f, minute, 0, 0);
        minute_send(f, minute, 1, ppm);
        fixture_write(f);
        ok = fwrite(f->bytes, 1, f->len, file) == f->len;
        f->len = 0;
    }
    fixture_free(f);
    return fclose(file) == 0 && ok ? 0 : 1;
}
