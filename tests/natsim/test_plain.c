#include "natsim/plainplay.h"
#include "tap.h"
int main(int argc, char **argv)
{
    const char *us = argc > 1 ? argv[1] : "EIM+APDF", *words = argc > 2 ? argv[2] : "";
    int class = argc > 3 ? atoi(argv[3]) : 1;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        static struct plainplay play;
        struct rng rng;
        struct plainplay_options o = {.packet_ms = 20};
        rng_init_number(&rng, seed);
        if (!network_make(&o.us, us, words, &rng)) return 2;
        if (class == 4) { if (!network_make(&o.them, "EIM+ADF", "", &rng)) return 2; o.them.boxes[0].ports = NATBOX_RANDOM; }
        o.them.v6 = o.us.v6;
        o.source = class == 2 ? PLAINSRC_OTHER_PORT : class == 3 ? PLAINSRC_FARM : class == 5 ? PLAINSRC_ANYWHERE : PLAINSRC_SYMMETRIC;
        o.latches = class == 6;
        plainplay_begin(&play, seed, &o);
        plainplay_learn(&play);
        for (int i = 0; i < 3; i++) {
            struct plainplay_measure m = plainplay_call(&play);
            printf("seed %d call %d: %s class %s came %d first %d lost %u re %u unasked %d unreachable %d stray %d busy %d\n", (int)seed, i, m.path, m.class, m.came, (int)m.first_ms, m.lost, m.reinvites, (int)m.unasked, m.unreachable, (int)play.srs.unauthorised, play.is_busy);
        }
        plainplay_finish(&play);
    }
}
