/* voices: labels first, then order, then everybody.
 * Not here: SDP.
 * RFC 7865 §6.7, §6.8, 7866 §7.1.1, §8.3.2. */
#include "siprec/voices.h"

static const char *const names[] = {
    [SIPREC_BY_NONE] = "none",
    [SIPREC_BY_LABEL] = "label",
    [SIPREC_BY_ORDER] = "order",
    [SIPREC_BY_MIXED] = "mixed",
};

const char *siprec_derivation_name(enum siprec_derivation how)
{
    return names[how];
}

struct search {
    struct siprec_voice *voices;
    const struct siprec_state *state;
    const struct siprec_line *lines;
    size_t line_count;
};

static const struct siprec_stream *find_by_label(const struct siprec_state *state,
                                                 struct view label)
{
    for (const struct siprec_stream *s = state->streams; label.len && s; s = s->next) {
        if (s->present && view_equal(s->label, label))
            return s;
    }
    /* Google's SRC has its own words in <label>, and what SDP says in an attribute. */
    for (const struct siprec_stream *s = state->streams; label.len && s; s = s->next) {
        if (s->present && view_equal(s->media_label, label))
            return s;
    }
    return NULL;
}

static bool sends(const struct siprec_participant *participant, const struct siprec_stream *stream)
{
    for (const struct siprec_flow *f = participant->flows; f; f = f->next) {
        if (f->sends && f->disassociated.len == 0 && view_equal(f->stream_id, stream->id))
            return true;
    }
    return false;
}

/* May be heard. One who is only referred to is no match for those who are described (CUBE names a
 * stream where a participant belongs), except as long as no snapshot has described anybody. */
static bool counts(const struct siprec_state *state, const struct siprec_participant *participant)
{
    return (participant->declared || !state->has_snapshot) &&
           siprec_state_takes_part(state, participant);
}

/* It sends, but only streams that nobody described. */
static bool sends_unknown_only(const struct siprec_state *state,
                               const struct siprec_participant *participant)
{
    bool any = false;
    for (const struct siprec_flow *f = participant->flows; f; f = f->next) {
        if (f->sends && siprec_state_find_stream(state, f->stream_id))
            return false;
        any |= f->sends;
    }
    return any;
}

static void add(struct siprec_voice *voice, const struct siprec_participant *participant,
                enum siprec_derivation how)
{
    if (voice->count < SIPREC_VOICES_MAX)
        voice->who[voice->count++] = participant;
    voice->how = how;
}

static void add_senders(const struct search *s, struct siprec_voice *voice,
                        enum siprec_derivation how)
{
    bool mixed = view_equal_nocase(voice->stream->mode, VIEW_LIT("mixed"));
    for (const struct siprec_participant *p = s->state->participants; p; p = p->next) {
        if (!counts(s->state, p))
            continue;
        /* BroadWorks: both are in the mixed stream, though one names a stream
         * that does not exist. */
        if ((voice->stream->id.len && sends(p, voice->stream)) ||
            (mixed && sends_unknown_only(s->state, p)))
            add(voice, p, how);
    }
}

static bool stream_is_taken(const struct search *s, const struct siprec_stream *stream)
{
    for (size_t i = 0; i < s->line_count; i++) {
        if (s->voices[i].stream == stream)
            return true;
    }
    return false;
}

static bool is_heard(const struct search *s, const struct siprec_participant *participant)
{
    for (size_t i = 0; i < s->line_count; i++) {
        for (size_t k = 0; s->lines[i].active && k < s->voices[i].count; k++) {
            if (s->voices[i].who[k] == participant)
                return true;
        }
    }
    return false;
}

/* Lines that no label gave a stream; with active_only, those among them that carry audio. */
static size_t count_lines_without_stream(const struct search *s, bool active_only)
{
    size_t n = 0;
    for (size_t i = 0; i < s->line_count; i++)
        n += !s->voices[i].stream && (s->lines[i].active || !active_only);
    return n;
}

/* The n-th m-line without a stream and the n-th stream without an m-line belong together, if there
 * are as many. */
static void pair_streams(const struct search *s)
{
    size_t free_streams = 0;
    for (const struct siprec_stream *st = s->state->streams; st; st = st->next)
        free_streams += st->present && !stream_is_taken(s, st);
    bool all = count_lines_without_stream(s, false) == free_streams;
    if (free_streams == 0 || (!all && count_lines_without_stream(s, true) != free_streams))
        return;
    const struct siprec_stream *next = s->state->streams;
    for (size_t i = 0; i < s->line_count; i++) {
        struct siprec_voice *voice = &s->voices[i];
        if (voice->stream || (!all && !s->lines[i].active))
            continue;
        while (next && (!next->present || stream_is_taken(s, next)))
            next = next->next;
        if (!next)
            return;
        voice->stream = next;
        if (s->lines[i].active)
            add_senders(s, voice, SIPREC_BY_ORDER);
    }
}

/* m-lines on which nobody is heard, and participants who are heard nowhere. */
static void pair_participants(const struct search *s)
{
    size_t silent = 0, active = 0, unheard = 0;
    for (size_t i = 0; i < s->line_count; i++) {
        active += s->lines[i].active;
        silent += s->lines[i].active && s->voices[i].count == 0;
    }
    for (const struct siprec_participant *p = s->state->participants; p; p = p->next)
        unheard += counts(s->state, p) && !is_heard(s, p);
    bool everybody = active == 1 && silent == 1;
    if (unheard == 0 || (!everybody && silent != unheard))
        return;
    size_t line = 0;
    for (const struct siprec_participant *p = s->state->participants; p; p = p->next) {
        if (!counts(s->state, p) || (!everybody && is_heard(s, p)))
            continue;
        while (line < s->line_count &&
               !(s->lines[line].active && (s->voices[line].count == 0 || everybody)))
            line++;
        if (line == s->line_count)
            return;
        /* One line and one participant is order; more on one line is a mix (RFC 7866 §8.3.2). */
        add(&s->voices[line], p, everybody && unheard > 1 ? SIPREC_BY_MIXED : SIPREC_BY_ORDER);
    }
}

void siprec_voices_find(struct siprec_voice voices[], const struct siprec_state *state,
                        const struct siprec_line lines[], size_t line_count,
                        struct siprec_warnings *warnings)
{
    struct search s = {.voices = voices, .state = state, .lines = lines, .line_count = line_count};
    bool labels_in_metadata = false;
    for (const struct siprec_stream *st = state->streams; st; st = st->next)
        labels_in_metadata |= st->present && st->label.len;
    for (size_t i = 0; i < line_count; i++) {
        voices[i] = (struct siprec_voice){.stream = find_by_label(state, lines[i].label)};
        if (voices[i].stream && lines[i].active)
            add_senders(&s, &voices[i], SIPREC_BY_LABEL);
        else if (lines[i].active && lines[i].label.len && labels_in_metadata)
            siprec_warn(warnings, SIPREC_WARN_LABEL_UNMATCHED, VIEW_FMT, VIEW_ARG(lines[i].label));
    }
    pair_streams(&s);
    pair_participants(&s);
}
