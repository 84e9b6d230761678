/* ini: finds section, key and value in the lines of a settings file.
 * Not here: which sections and keys there are (schema.h), reading the file.
 * RFC: none. Own code instead of inih, whose Debian build cuts a line at 200 bytes, silently. */
#ifndef SIPRECD_INI_H
#define SIPRECD_INI_H

#include "base/view.h"

/* The form: "[section]", "key = value" or "key: value", "#" or ";" at the start of a line begins a
 * comment, " #" and " ;" within one too, but a value that is "#x" is one; an indented line continues the
 * value before it. */
struct ini {
    struct view rest;
    unsigned line;
    struct view section;
    bool in_value; /* an indented line continues a value */
};

enum ini_kind {
    INI_END,
    INI_VALUE,    /* section, key, value */
    INI_MORE,     /* value continues the last INI_VALUE */
    INI_SECTION,  /* section */
    INI_MALFORMED /* reason */
};

struct ini_item {
    enum ini_kind kind;
    unsigned line;
    struct view section;
    struct view key;
    struct view value;
    const char *reason;
};

struct ini ini_of(struct view text);

/* The next item; views point into the text. After INI_MALFORMED it goes on with the next line. */
struct ini_item ini_next(struct ini *ini);

#endif
