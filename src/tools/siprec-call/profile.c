/* profile: reads a vendor profile; see profile.h.
 * Not here: filling the templates.
 * RFC: none. */
#include "tools/siprec-call/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/siprec-call/embedded.h"

#define FILE_BYTES_MAX (1024 * 1024)

static const char *const section_names[CALL_SECTION_COUNT] = {
    [CALL_SECTION_INVITE] = "invite",   [CALL_SECTION_REQUEST] = "request",
    [CALL_SECTION_BARE] = "bare",       [CALL_SECTION_BODY] = "body",
    [CALL_SECTION_SDP] = "sdp",         [CALL_SECTION_METADATA] = "metadata",
    [CALL_SECTION_PARTIAL] = "partial",
};

char *call_file_read(const char *path, char *error, size_t size)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(error, size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t len = text ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    bool bad = !text || ferror(file) || len > FILE_BYTES_MAX;
    fclose(file);
    if (bad) {
        snprintf(error, size, "%s: cannot be read, or is larger than %d bytes", path,
                 FILE_BYTES_MAX);
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static void labels_parse(struct call_profile *profile, struct view list)
{
    struct view word;
    profile->label_count = 0;
    while (profile->label_count < CALL_PROFILE_LABELS && view_cut(&list, ' ', &word)) {
        if (word.len > 0)
            profile->labels[profile->label_count++] = word;
    }
}

static bool events_parse(struct call_profile *profile, struct view value)
{
    uint16_t number = 255;
    if (!view_equal(value, VIEW_LIT("none")) && (!view_parse_u16(value, &number) || number > 127))
        return false;
    profile->events = (uint8_t)number;
    return true;
}

static bool setting_apply(struct call_profile *profile, struct view key, struct view value)
{
    uint32_t number = 0;
    if (view_equal(key, VIEW_LIT("about")))
        profile->about = value;
    else if (view_equal(key, VIEW_LIT("codecs")))
        profile->codecs = value;
    else if (view_equal(key, VIEW_LIT("content-type")))
        profile->content_type = value;
    else if (view_equal(key, VIEW_LIT("metadata-type")))
        profile->metadata_type = value;
    else if (view_equal(key, VIEW_LIT("labels")))
        labels_parse(profile, value);
    else if (view_equal(key, VIEW_LIT("eol")) && view_equal(value, VIEW_LIT("lf")))
        profile->eol = VIEW_LIT("\n");
    else if (view_equal(key, VIEW_LIT("offer")) && view_equal(value, VIEW_LIT("none")))
        profile->offerless = profile->silent = true;
    else if (view_equal(key, VIEW_LIT("offer")) && view_equal(value, VIEW_LIT("metadata")))
        profile->offerless = true;
    else if (view_equal(key, VIEW_LIT("events")))
        return events_parse(profile, value);
    else if (view_equal(key, VIEW_LIT("streams")) && view_parse_u32(value, &number) &&
             number <= CALL_PROFILE_LABELS)
        profile->streams = number;
    else if (view_equal(key, VIEW_LIT("parties")) && view_parse_u32(value, &number) &&
             number <= CALL_PROFILE_LABELS)
        profile->parties = number;
    else
        return false;
    return true;
}

/* The section that line opens, or CALL_SECTION_COUNT. */
static enum call_section section_of(struct view line)
{
    for (unsigned i = 0; i < CALL_SECTION_COUNT; i++) {
        struct view name = view_of_string(section_names[i]);
        if (line.len == name.len + 2 && line.at[0] == '[' && line.at[line.len - 1] == ']' &&
            view_equal(view_take(view_skip(line, 1), name.len), name))
            return (enum call_section)i;
    }
    return CALL_SECTION_COUNT;
}

/* The settings: until the first section, whose line is left for the caller. */
static bool settings_parse(struct call_profile *profile, struct view *rest, char *error,
                           size_t size)
{
    for (unsigned number = 1;; number++) {
        struct view before = *rest, line, key;
        if (!view_cut(rest, '\n', &line))
            return true;
        if (section_of(line) != CALL_SECTION_COUNT) {
            *rest = before;
            return true;
        }
        struct view value = view_trim(line);
        if (value.len == 0 || value.at[0] == '#')
            continue;
        view_cut(&value, '=', &key);
        if (setting_apply(profile, view_trim(key), view_trim(value)))
            continue;
        snprintf(error, size, "line %u: not a setting, or a wrong value: " VIEW_FMT, number,
                 VIEW_ARG(line));
        return false;
    }
}

static bool call_profile_parse(struct call_profile *profile, struct view text, char *error,
                               size_t size)
{
    struct view rest = text, line;
    if (!settings_parse(profile, &rest, error, size))
        return false;
    enum call_section now = CALL_SECTION_COUNT;
    const char *start = NULL;
    while (rest.len > 0) {
        view_cut(&rest, '\n', &line);
        enum call_section next = section_of(line);
        if (next == CALL_SECTION_COUNT)
            continue;
        if (now != CALL_SECTION_COUNT)
            profile->section[now] = view_of(start, (size_t)(line.at - start));
        now = next;
        start = line.at + line.len + 1;
    }
    if (now != CALL_SECTION_COUNT && start <= text.at + text.len)
        profile->section[now] = view_of(start, (size_t)(text.at + text.len - start));
    return true;
}

static const char *built_in(const struct call_embedded *list, const char *name)
{
    for (; list->name; list++) {
        if (strcmp(list->name, name) == 0)
            return list->text;
    }
    return NULL;
}

bool call_profile_load(struct call_profile *profile, const char *name, char *error, size_t size)
{
    *profile = (struct call_profile){.eol = VIEW("\r\n"), .events = 101};
    snprintf(profile->name, sizeof profile->name, "%s", name);
    if (!call_profile_parse(profile, view_of_string(built_in(call_profiles, "generic")), error,
                            size))
        return false;
    const char *text = strchr(name, '/') ? NULL : built_in(call_profiles, name);
    if (!text)
        text = profile->owned = call_file_read(name, error, size);
    if (!text)
        return false;
    return call_profile_parse(profile, view_of_string(text), error, size);
}

void call_profile_finish(struct call_profile *profile)
{
    free(profile->owned);
    profile->owned = NULL;
}
