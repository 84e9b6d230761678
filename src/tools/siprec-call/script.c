/* script: reads what a call does after it is answered; see script.h.
 * Not here: doing it.
 * RFC: none. */
#include "tools/siprec-call/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/siprec-call/embedded.h"
#include "tools/siprec-call/profile.h"

enum takes { NOTHING = 0, STREAM = 1, CONTENT = 2, WORD = 4, TIME = 8, NEEDS_WORD = 16 };

static const struct verb_row {
    const char *name;
    enum call_verb verb;
    unsigned takes;
    const char *words; /* allowed, blank-separated; NULL: any */
} verbs[] = {
    {"wait", CALL_WAIT, TIME, NULL},
    {"hold", CALL_HOLD, STREAM | WORD, "inactive zero metadata leak"},
    {"resume", CALL_RESUME, STREAM, NULL},
    {"transfer", CALL_TRANSFER, STREAM | WORD, "reinvite update"},
    {"join", CALL_JOIN, STREAM | WORD, "reinvite update"},
    {"add", CALL_ADD, NOTHING, NULL},
    {"remove", CALL_REMOVE, STREAM, NULL},
    {"reorder", CALL_REORDER, NOTHING, NULL},
    {"reinvite", CALL_REINVITE, CONTENT, NULL},
    {"update", CALL_UPDATE, CONTENT, NULL},
    {"info", CALL_INFO, CONTENT, NULL},
    {"options", CALL_OPTIONS, NOTHING, NULL},
    {"cancel", CALL_CANCEL, NOTHING, NULL},
    {"dtmf", CALL_DTMF, STREAM | WORD | NEEDS_WORD, NULL},
    {"silence", CALL_SILENCE, STREAM, NULL},
    {"dtx", CALL_DTX, STREAM, NULL},
    {"mute", CALL_MUTE, STREAM, NULL},
    {"talk", CALL_TALK, STREAM, NULL},
    {"ssrc", CALL_SSRC, STREAM, NULL},
    {"port", CALL_PORT, STREAM | WORD, "announced silent"},
    {"restart", CALL_RESTART, STREAM, NULL},
    {"bye", CALL_BYE, NOTHING, NULL},
    {"vanish", CALL_VANISH, NOTHING, NULL},
};

static const char *const contents[] = {"", "both", "sdp", "metadata", "partial", "none"};

bool call_duration_parse(struct view text, int64_t *ms)
{
    int64_t unit = 1000;
    if (text.len > 2 && view_equal(view_skip(text, text.len - 2), VIEW_LIT("ms"))) {
        unit = 1;
        text.len -= 2;
    } else if (text.len > 1 && text.at[text.len - 1] == 's') {
        text.len -= 1;
    }
    struct view whole;
    uint64_t number = 0, fraction = 0;
    bool dotted = view_find_char(text, '.') < text.len;
    view_cut(&text, '.', &whole);
    if (!view_parse_u64(whole, &number) || number > 86400u * 1000u)
        return false;
    int64_t scale = unit;
    for (size_t i = 0; i < text.len; i++)
        scale /= 10;
    if (dotted && (text.len > 3 || !view_parse_u64(text, &fraction)))
        return false;
    *ms = (int64_t)number * unit + (int64_t)fraction * scale;
    return *ms <= INT64_C(86400000);
}

static bool word_allowed(const char *words, struct view word)
{
    if (!words)
        return true;
    struct view rest = view_of_string(words), one;
    while (view_cut(&rest, ' ', &one)) {
        if (view_equal(one, word))
            return true;
    }
    return false;
}

static bool digits_only(struct view word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (!strchr("0123456789*#ABCDabcd", word.at[i]))
            return false;
    }
    return word.len > 0;
}

static bool content_parse(struct view word, enum call_content *out)
{
    for (unsigned i = 1; i < sizeof contents / sizeof contents[0]; i++) {
        if (view_equal(word, view_of_string(contents[i]))) {
            *out = (enum call_content)i;
            return true;
        }
    }
    return false;
}

/* A stream's number may be followed by more, so that "dtmf 1 42" means the digits 42 on stream 1
 * and "dtmf 42" the digits 42 on every stream. */
static bool argument_apply(const struct verb_row *row, struct call_step *step, struct view word,
                           bool more)
{
    uint32_t number = 0;
    if ((row->takes & TIME) && step->wait_ms < 0)
        return call_duration_parse(word, &step->wait_ms);
    if ((row->takes & STREAM) && step->stream == CALL_ALL_STREAMS &&
        (more || !(row->takes & NEEDS_WORD)) && view_parse_u32(word, &number)) {
        step->stream = (int)number;
        return number < CALL_PROFILE_LABELS;
    }
    if ((row->takes & CONTENT) && step->content == CALL_CONTENT_DEFAULT)
        return content_parse(word, &step->content);
    if ((row->takes & WORD) && step->word.len == 0 && word_allowed(row->words, word)) {
        step->word = word;
        return row->verb != CALL_DTMF || digits_only(word);
    }
    return false;
}

/* Cuts the next word; false at the end of the line. */
static bool word_cut(struct view *line, struct view *word)
{
    *line = view_trim(*line);
    if (line->len == 0)
        return false;
    size_t end = 0;
    while (end < line->len && line->at[end] != ' ' && line->at[end] != '\t')
        end++;
    *word = view_take(*line, end);
    *line = view_trim(view_skip(*line, end));
    return true;
}

static const struct verb_row *verb_find(struct view word)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (view_equal(word, view_of_string(verbs[i].name)))
            return &verbs[i];
    }
    return NULL;
}

/* NULL when good, else what is wrong. */
static const char *step_parse(struct view line, struct call_step *step, bool first)
{
    struct view word;
    *step =
        (struct call_step){.stream = CALL_ALL_STREAMS, .wait_ms = -1, .expect = 200, .line = line};
    if (!word_cut(&line, &word))
        return "empty";
    const struct verb_row *row = verb_find(word);
    if (!row)
        return "no such step";
    step->verb = row->verb;
    while (word_cut(&line, &word)) {
        if (view_equal(word, VIEW_LIT("expect"))) {
            uint32_t code = 0;
            if (!word_cut(&line, &word) || !view_parse_u32(word, &code) || code < 200 ||
                code > 699 || line.len > 0)
                return "expect wants one status code, at the end";
            step->expect = code;
            continue;
        }
        bool more = line.len > 0 && !view_starts_with(line, VIEW_LIT("expect"));
        if (!argument_apply(row, step, word, more))
            return "a word this step does not take";
    }
    if ((row->takes & TIME) && step->wait_ms < 0)
        return "needs a time, such as 2s or 250ms";
    if ((row->takes & NEEDS_WORD) && step->word.len == 0)
        return "needs digits";
    if (step->verb == CALL_CANCEL && !first)
        return "cancel must be the first step";
    return NULL;
}

bool call_script_parse(struct call_script *script, struct view text, char *error, size_t size)
{
    struct view line;
    script->count = 0;
    for (unsigned number = 1; view_cut_line(&text, &line); number++) {
        line = view_trim(view_take(line, view_find_char(line, ';')));
        if (line.len == 0 || line.at[0] == '#')
            continue;
        const char *fault = "too many steps";
        if (script->count < CALL_SCRIPT_STEPS)
            fault = step_parse(line, &script->steps[script->count], script->count == 0);
        if (fault) {
            snprintf(error, size, "line %u: %s: " VIEW_FMT, number, fault, VIEW_ARG(line));
            return false;
        }
        script->count++;
    }
    return true;
}

bool call_script_load(struct call_script *script, const char *name, char *error, size_t size)
{
    script->owned = NULL;
    const char *text = NULL;
    for (const struct call_embedded *e = call_scripts; !strchr(name, '/') && e->name && !text;
         e++) {
        if (strcmp(e->name, name) == 0)
            text = e->text;
    }
    if (!text)
        text = script->owned = call_file_read(name, error, size);
    if (!text)
        return false;
    char why[256];
    if (call_script_parse(script, view_of_string(text), why, sizeof why))
        return true;
    snprintf(error, size, "%s: %s", name, why);
    return false;
}

void call_script_finish(struct call_script *script)
{
    free(script->owned);
    script->owned = NULL;
}
