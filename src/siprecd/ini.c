/* ini: finds section, key and value in the lines of a settings file.
 * Not here: which sections and keys there are (schema.h), reading the file.
 * RFC: none. */
#include "siprecd/ini.h"

struct ini ini_of(struct view text)
{
    /* Editors of other systems begin a file with a byte order mark. */
    if (view_starts_with(text, VIEW_LIT("\xef\xbb\xbf")))
        text = view_skip(text, 3);
    return (struct ini){.rest = text};
}

static bool ini_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without a comment that begins with a blank and a semicolon or number sign. Where the value itself would begin a blank
 * must follow, too: a password may well begin with such a sign, and would be lost without a word. */
static struct view ini_strip_comment(struct view value)
{
    value = view_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        bool is_sign = value.at[i] == ';' || value.at[i] == '#';
        if (is_sign &&
            (i == 0 ? value.len == 1 || ini_is_blank(value.at[1]) : ini_is_blank(value.at[i - 1])))
            return view_trim(view_take(value, i));
    }
    return value;
}

static struct ini_item ini_section(struct ini *ini, struct view line)
{
    struct view name = ini_strip_comment(line);
    if (name.len < 3 || name.at[name.len - 1] != ']')
        return (struct ini_item){
            .kind = INI_MALFORMED, .line = ini->line, .reason = "a section looks like [name]"};
    ini->section = view_trim(view_of(name.at + 1, name.len - 2));
    return (struct ini_item){.kind = INI_SECTION, .line = ini->line, .section = ini->section};
}

static struct ini_item ini_value(struct ini *ini, struct view line)
{
    size_t equals = view_find_char(line, '=');
    size_t colon = view_find_char(line, ':');
    size_t split = equals < colon ? equals : colon;
    struct ini_item item = {.kind = INI_MALFORMED, .line = ini->line};
    if (split == line.len) {
        item.reason = "expected \"key = value\"";
        return item;
    }
    item.key = view_trim(view_take(line, split));
    item.value = ini_strip_comment(view_skip(line, split + 1));
    item.section = ini->section;
    if (item.key.len == 0) {
        item.reason = "there is no key before the \"=\"";
        return item;
    }
    if (ini->section.len == 0) {
        item.reason = "stands before the first [section]";
        return item;
    }
    ini->in_value = true;
    item.kind = INI_VALUE;
    return item;
}

struct ini_item ini_next(struct ini *ini)
{
    struct view line;
    while (view_cut_line(&ini->rest, &line)) {
        bool indented = line.len > 0 && ini_is_blank(line.at[0]);
        bool continues = indented && ini->in_value;
        ini->line++;
        line = view_trim(line);
        if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';')
            continue;
        if (continues)
            return (struct ini_item){.kind = INI_MORE,
                                     .line = ini->line,
                                     .section = ini->section,
                                     .value = ini_strip_comment(line)};
        ini->in_value = false;
        return line.at[0] == '[' ? ini_section(ini, line) : ini_value(ini, line);
    }
    return (struct ini_item){.kind = INI_END, .line = ini->line};
}
