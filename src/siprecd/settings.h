/* settings: every setting's value, where it came from, and what is wrong.
 * Not here: the table of settings (schema.h), their grammar (values.h), their effects.
 * RFC: none. */
#ifndef SIPRECD_SETTINGS_H
#define SIPRECD_SETTINGS_H

#include <stdio.h>

#include "siprecd/schema.h"
#include "siprecd/values.h"

/* Strongest first. */
enum settings_origin {
    SETTINGS_ARGUMENT,    /* --section.key=value */
    SETTINGS_ENVIRONMENT, /* SIPRECD_SECTION_KEY */
    SETTINGS_PLAIN,       /* BEHIND_NAT and its like */
    SETTINGS_FILE,
    SETTINGS_DEFAULT,
};

struct settings;

/* All of it is text that the caller keeps while it is read. */
struct settings_source {
    const char *file;               /* name for messages; NULL: there is no file */
    struct view file_text;          /* its content */
    const char *const *environment; /* as environ; NULL: none */
    const char *const *arguments;   /* "--section.key=value", NULL at the end; others are errors */
};

/* Reads all sources. Never NULL but when memory is out; settings_errors() tells whether they can be
 * used. */
struct settings *settings_read(const struct settings_source *source);
void settings_destroy(struct settings *settings);

/* How many things are wrong; each a line "where: key: reason" without line end, where being
 * file:line, "environment NAME" or "argument --section.key". */
size_t settings_errors(const struct settings *settings);
const char *settings_error(const struct settings *settings, size_t index);

/* What is odd but no error, such as an environment variable that looks like a setting. */
size_t settings_remarks(const struct settings *settings);
const char *settings_remark(const struct settings *settings, size_t index);

/* The value as text; "" when it is not set. */
const char *settings_text(const struct settings *settings, enum setting setting);
bool settings_is_set(const struct settings *settings, enum setting setting);
enum settings_origin settings_origin(const struct settings *settings, enum setting setting);

/* What it means; only of settings without errors. */
const union setting_meaning *settings_meaning(const struct settings *settings,
                                              enum setting setting);
int64_t settings_number(const struct settings *settings, enum setting setting);

/* Prints all of them as a settings file, each with its origin as a comment;
 * secrets as asterisks. */
void settings_print(const struct settings *settings, FILE *out);

#endif
