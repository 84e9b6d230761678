/* settings: every setting's value, where it came from, and what is wrong.
 * Not here: the table of settings (schema.h), their grammar (values.h), their effects.
 * RFC: none. */
#include "siprecd/settings.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "siprecd/ini.h"

enum {
    SETTINGS_TEXT_MAX = 16384, /* of one value; 64 networks of the longest form are below 4 KiB */
    SETTINGS_MESSAGES_MAX = 100,
    SETTINGS_MESSAGE_SIZE = 512,
    SETTINGS_WHERE_SIZE = 160,
};

struct settings_value {
    char *text; /* NULL: not set */
    enum settings_origin origin;
    char where[SETTINGS_WHERE_SIZE];
    unsigned file_line; /* where the file has it; 0: nowhere */
    union setting_meaning meaning;
};

struct settings_messages {
    size_t count;
    char *list[SETTINGS_MESSAGES_MAX];
};

struct settings {
    struct settings_value values[SETTING_COUNT];
    struct settings_messages errors;
    struct settings_messages remarks;
};

static void settings_say(struct settings_messages *messages, const char *format, ...)
    PRINTF_LIKE(2, 3);

static void settings_say(struct settings_messages *messages, const char *format, ...)
{
    char text[SETTINGS_MESSAGE_SIZE];
    va_list args;

    if (messages->count == SETTINGS_MESSAGES_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    messages->list[messages->count] = strdup(text);
    if (messages->list[messages->count])
        messages->count++;
}

/* Sets a value from one place; the caller goes from the weakest to the strongest. An empty value
 * counts as unset, so it leaves what a weaker place said. A wrong one is an error also where a
 * stronger place would hide it: some day that place will be gone. */
static void settings_set(struct settings *settings, enum setting setting,
                         enum settings_origin origin, const char *where, struct view text)
{
    const struct setting_info *info = setting_info(setting);
    struct settings_value *value = &settings->values[setting];
    union setting_meaning meaning;
    char why[VALUES_REASON_SIZE];
    text = view_trim(text);
    if (text.len == 0)
        return;
    if (!values_parse(info, text, &meaning, why)) {
        settings_say(&settings->errors, "%s: %s.%s: %s", where, info->section, info->key, why);
        return;
    }
    free(value->text);
    value->text = strndup(text.at, text.len);
    value->origin = origin;
    value->meaning = meaning;
    snprintf(value->where, sizeof value->where, "%s", where);
}

/* ---- the four places ------------------------------------------------------------------------ */

static void settings_read_defaults(struct settings *settings)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        settings->values[i].origin = SETTINGS_DEFAULT;
        settings_set(settings, (enum setting)i, SETTINGS_DEFAULT, "default",
                     view_of_string(setting_info((enum setting)i)->default_text));
    }
}

/* One value of the file, with the lines that continue it. */
static struct ini_item settings_read_value(struct settings *settings, const char *file,
                                           struct ini *ini, const struct ini_item *first)
{
    enum setting setting = setting_find(first->section, first->key);
    char where[SETTINGS_WHERE_SIZE];
    char text[SETTINGS_TEXT_MAX];
    size_t len = 0;
    struct ini_item item = *first;
    snprintf(where, sizeof where, "%s:%u", file, first->line);
    do {
        bool comma = len > 0 && text[len - 1] != ',';
        if (len + item.value.len + 2 > sizeof text) {
            settings_say(&settings->errors, "%s: " VIEW_FMT ": is longer than %d bytes", where,
                         VIEW_ARG(first->key), SETTINGS_TEXT_MAX - 2);
            return ini_next(ini);
        }
        if (comma)
            text[len++] = ',';
        memcpy(text + len, item.value.at, item.value.len);
        len += item.value.len;
        item = ini_next(ini);
    } while (item.kind == INI_MORE);

    if (setting == SETTING_COUNT) {
        if (setting_section_exists(first->section))
            settings_say(&settings->errors, "%s: " VIEW_FMT "." VIEW_FMT ": there is no such key",
                         where, VIEW_ARG(first->section), VIEW_ARG(first->key));
        return item;
    }
    if (settings->values[setting].file_line != 0) {
        settings_say(&settings->errors, "%s: " VIEW_FMT "." VIEW_FMT ": is already in line %u",
                     where, VIEW_ARG(first->section), VIEW_ARG(first->key),
                     settings->values[setting].file_line);
        return item;
    }
    settings->values[setting].file_line = first->line;
    if (memchr(text, '\0', len))
        settings_say(&settings->errors, "%s: " VIEW_FMT "." VIEW_FMT ": has a NUL byte in it",
                     where, VIEW_ARG(first->section), VIEW_ARG(first->key));
    else
        settings_set(settings, setting, SETTINGS_FILE, where, view_of(text, len));
    return item;
}

static void settings_read_file(struct settings *settings, const char *file, struct view text)
{
    struct ini ini = ini_of(text);
    struct ini_item item = ini_next(&ini);
    while (item.kind != INI_END) {
        switch (item.kind) {
        case INI_VALUE:
            item = settings_read_value(settings, file, &ini, &item);
            continue;
        case INI_SECTION:
            if (!setting_section_exists(item.section))
                settings_say(&settings->errors, "%s:%u: [" VIEW_FMT "]: there is no such section",
                             file, item.line, VIEW_ARG(item.section));
            break;
        case INI_MALFORMED:
            settings_say(&settings->errors, "%s:%u: %s", file, item.line, item.reason);
            break;
        case INI_MORE:
        case INI_END:
            break;
        }
        item = ini_next(&ini);
    }
}

static const char *settings_environment(const char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    }
    return NULL;
}

static void settings_read_variable(struct settings *settings, enum setting setting,
                                   const char *const *environment, const char *name,
                                   enum settings_origin origin)
{
    const char *text = settings_environment(environment, name);
    char where[SETTINGS_WHERE_SIZE + sizeof("environment ")];
    snprintf(where, sizeof where, "environment %s", name);
    settings_set(settings, setting, origin, where, view_of_string(text));
}

static void settings_name_variable(enum setting setting, char *name, size_t size)
{
    const struct setting_info *info = setting_info(setting);
    snprintf(name, size, "SIPRECD_%s_%s", info->section, info->key);
    for (char *at = name; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
}

static void settings_read_environment(struct settings *settings, const char *const *environment)
{
    char name[SETTINGS_WHERE_SIZE];
    for (int i = 0; i < SETTING_COUNT; i++) {
        enum setting setting = (enum setting)i;
        const struct setting_info *info = setting_info(setting);
        /* Of two plain names the first is the stronger. */
        for (size_t k = 2; k-- > 0;) {
            if (info->plain[k])
                settings_read_variable(settings, setting, environment, info->plain[k],
                                       SETTINGS_PLAIN);
        }
        settings_name_variable(setting, name, sizeof name);
        settings_read_variable(settings, setting, environment, name, SETTINGS_ENVIRONMENT);
    }
}

/* A variable SIPRECD_... that is no setting may be a slip of the pen, but it may as well be one
 * that a container system made up from a service's name: worth a remark, no refusal. */
static void settings_find_strays(struct settings *settings, const char *const *environment)
{
    for (; environment != NULL && *environment != NULL; environment++) {
        struct view name = view_of_string(*environment);
        char known[SETTINGS_WHERE_SIZE];
        bool found = false;
        name = view_take(name, view_find_char(name, '='));
        if (!view_starts_with(name, VIEW_LIT("SIPRECD_")))
            continue;
        for (int i = 0; i < SETTING_COUNT && !found; i++) {
            settings_name_variable((enum setting)i, known, sizeof known);
            found = view_equal(name, view_of_string(known));
        }
        if (!found)
            settings_say(&settings->remarks, "environment " VIEW_FMT ": is no setting, not used",
                         VIEW_ARG(name));
    }
}

static void settings_read_argument(struct settings *settings, const char *argument)
{
    struct view text = view_of_string(argument);
    size_t equals = view_find_char(text, '=');
    struct view name = view_take(text, equals);
    size_t dot = view_find_char(name, '.');
    enum setting setting;
    char where[SETTINGS_WHERE_SIZE];
    if (!view_starts_with(name, VIEW_LIT("--")) || dot == name.len || equals == text.len) {
        settings_say(&settings->errors, "argument " VIEW_FMT ": expected --section.key=value",
                     VIEW_ARG(name));
        return;
    }
    setting = setting_find(view_skip(view_take(name, dot), 2), view_skip(name, dot + 1));
    if (setting == SETTING_COUNT) {
        settings_say(&settings->errors, "argument " VIEW_FMT ": there is no such setting",
                     VIEW_ARG(name));
        return;
    }
    snprintf(where, sizeof where, "argument " VIEW_FMT, VIEW_ARG(name));
    settings_set(settings, setting, SETTINGS_ARGUMENT, where, view_skip(text, equals + 1));
}

/* ---- what they mean ------------------------------------------------------------------------- */

static void settings_wrong(struct settings *settings, enum setting setting, const char *reason)
{
    const struct setting_info *info = setting_info(setting);
    settings_say(&settings->errors, "%s: %s.%s: %s", settings->values[setting].where, info->section,
                 info->key, reason);
}

/* What no value shows alone. */
static void settings_check_together(struct settings *settings)
{
    int64_t port_min = settings_number(settings, SETTING_RTP_PORT_MIN);
    int64_t port_max = settings_number(settings, SETTING_RTP_PORT_MAX);
    const struct values_listeners *listeners =
        &settings_meaning(settings, SETTING_SIP_LISTEN)->listeners;
    if ((port_min + 1) / 2 * 2 + 1 > port_max) {
        /* Complained about where somebody chose it. */
        bool chose_max = settings->values[SETTING_RTP_PORT_MAX].origin != SETTINGS_DEFAULT;
        settings_wrong(settings, chose_max ? SETTING_RTP_PORT_MAX : SETTING_RTP_PORT_MIN,
                       "the range holds no even port (RTP) with the next one (RTCP)");
    }
    for (size_t i = 0; i < listeners->count; i++) {
        const struct values_listener *listener = &listeners->list[i];
        if (addr_is_set(&listener->advertise) &&
            listener->advertise.family != listener->bind.family)
            settings_wrong(settings, SETTING_SIP_LISTEN,
                           "what is advertised is of another family than the listener");
        if (listener->protocol == SIP_PROTOCOL_TLS &&
            !settings_is_set(settings, SETTING_SIP_TLS_CERTIFICATE))
            settings_wrong(settings, SETTING_SIP_LISTEN,
                           "a tls: listener needs sip.tls_certificate and sip.tls_key");
    }
    if (listeners->count == 0)
        settings_wrong(settings, SETTING_SIP_LISTEN, "there is no listener");
    if (settings_is_set(settings, SETTING_SIP_TLS_CERTIFICATE) !=
        settings_is_set(settings, SETTING_SIP_TLS_KEY))
        settings_wrong(settings,
                       settings_is_set(settings, SETTING_SIP_TLS_KEY) ? SETTING_SIP_TLS_KEY
                                                                      : SETTING_SIP_TLS_CERTIFICATE,
                       "sip.tls_certificate and sip.tls_key belong together");
}

struct settings *settings_read(const struct settings_source *source)
{
    struct settings *settings = calloc(1, sizeof *settings);
    if (!settings)
        return NULL;
    settings_read_defaults(settings);
    if (source->file)
        settings_read_file(settings, source->file, source->file_text);
    settings_read_environment(settings, source->environment);
    settings_find_strays(settings, source->environment);
    for (const char *const *argument = source->arguments; argument != NULL && *argument != NULL;
         argument++)
        settings_read_argument(settings, *argument);
    if (settings->errors.count == 0)
        settings_check_together(settings);
    return settings;
}

void settings_destroy(struct settings *settings)
{
    if (!settings)
        return;
    for (int i = 0; i < SETTING_COUNT; i++)
        free(settings->values[i].text);
    for (size_t i = 0; i < settings->errors.count; i++)
        free(settings->errors.list[i]);
    for (size_t i = 0; i < settings->remarks.count; i++)
        free(settings->remarks.list[i]);
    free(settings);
}

/* ---- looking at them ------------------------------------------------------------------------ */

size_t settings_errors(const struct settings *settings)
{
    return settings->errors.count;
}

const char *settings_error(const struct settings *settings, size_t index)
{
    assert(index < settings->errors.count);
    return settings->errors.list[index];
}

size_t settings_remarks(const struct settings *settings)
{
    return settings->remarks.count;
}

const char *settings_remark(const struct settings *settings, size_t index)
{
    assert(index < settings->remarks.count);
    return settings->remarks.list[index];
}

const char *settings_text(const struct settings *settings, enum setting setting)
{
    const char *text = settings->values[setting].text;
    return !text ? "" : text;
}

bool settings_is_set(const struct settings *settings, enum setting setting)
{
    return settings->values[setting].text;
}

enum settings_origin settings_origin(const struct settings *settings, enum setting setting)
{
    return settings->values[setting].origin;
}

const union setting_meaning *settings_meaning(const struct settings *settings, enum setting setting)
{
    return &settings->values[setting].meaning;
}

int64_t settings_number(const struct settings *settings, enum setting setting)
{
    return settings->values[setting].meaning.number;
}

void settings_print(const struct settings *settings, FILE *out)
{
    const char *section = "";
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = setting_info((enum setting)i);
        const struct settings_value *value = &settings->values[i];
        /* A proxy's URL may hold a password. */
        bool hidden = value->text != NULL && (info->secret || (info->type == SETTING_TYPE_PROXY &&
                                                               strchr(value->text, '@') != NULL));
        if (strcmp(section, info->section) != 0) {
            fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", info->section);
            section = info->section;
        }
        fprintf(out, "%s = %s ; %s%s\n", info->key,
                hidden                ? "********"
                : value->text == NULL ? ""
                                      : value->text,
                value->text == NULL ? "not set" : value->where, hidden ? ", not shown" : "");
    }
}
