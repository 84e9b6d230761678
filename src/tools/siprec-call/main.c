/* siprec-call: the test SRC (RFC 7866), with tones, vendor dialects, scripts and load.
 * It speaks SIP, SDP and RTP by code of its own, so that siprecd is judged by a second opinion.
 * RFC 7866 §6.1, 3261, 3550. */
#include <stdio.h>

#include "tools/siprec-call/world.h"

int main(int argc, char **argv)
{
    struct call_options options;
    static struct call_world world; /* its alarm wheel is too large for the stack */
    char error[512] = "";
    bool unreachable = false;
    enum call_usage usage = call_options_parse(&options, argc, argv);
    if (usage != CALL_USAGE_RUN)
        return usage == CALL_USAGE_DONE ? 0 : 2;
    int status;
    if (call_world_open(&world, &options, &unreachable, error, sizeof error)) {
        call_world_run(&world);
        status = call_report(&world);
    } else {
        fprintf(stderr, "siprec-call: %s\n", error);
        status = unreachable ? 3 : 2;
    }
    call_world_close(&world);
    return status;
}
