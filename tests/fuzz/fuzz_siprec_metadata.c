/* fuzz: documents, cut at each NUL byte, applied one after another to one state;
 * then voices for some lines. */
#include "siprec/voices.h"

#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_state(const struct siprec_state *state, struct siprec_warnings *warnings)
{
    static const struct siprec_line lines[] = {
        {VIEW("1"), true}, {VIEW("2"), true}, {VIEW("96"), true}, {VIEW("97"), false}, {{0}, true}};
    struct siprec_voice voices[5];
    siprec_voices_find(voices, state, lines, 5, warnings);
    for (size_t i = 0; i < 5; i++) {
        assert(voices[i].count <= SIPREC_VOICES_MAX);
        assert((voices[i].how == SIPREC_BY_NONE) == (voices[i].count == 0));
        assert(lines[i].active || voices[i].count == 0);
        for (size_t k = 0; k < voices[i].count; k++)
            assert(siprec_state_takes_part(state, voices[i].who[k]));
    }
    size_t n = 0;
    for (const struct siprec_participant *p = state->participants; p; p = p->next)
        assert(++n <= LIMIT_METADATA_LIST + 1);
    (void)siprec_state_find_extension(state, VIEW_LIT("ucid"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct siprec_metadata metadata;
    static struct siprec_warnings warnings;
    static struct arena *arena;
    struct siprec_state state;
    struct view rest = view_of(data, size), document;
    if (!arena)
        arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena || !siprec_state_init(&state))
        return 0;
    memset(&warnings, 0, sizeof warnings);
    while (view_cut(&rest, '\0', &document)) {
        arena_reset(arena);
        siprec_metadata_parse(&metadata, document, arena, &warnings);
        (void)siprec_state_apply(&state, &metadata, &warnings);
        check_state(&state, &warnings);
    }
    siprec_state_finish(&state);
    return 0;
}
