/* Settings: golden files in -> values with origin, or in -> errors with file and line; what is
 * printed reads back as the same; which place is stronger.
 * Not here: what the settings do.
 * RFC: none. */
#include <dirent.h>

#include "siprecd/settings.h"
#include "tap.h"

#define GOLDEN TESTS_DIR "/golden/settings/"

static char *read_file(const char *name, const char *suffix, size_t *len)
{
    char path[512];
    char *bytes = malloc(65536);
    FILE *file;

    snprintf(path, sizeof(path), GOLDEN "%s%s", name, suffix);
    file = fopen(path, "rb");
    if (file == NULL) {
        free(bytes);
        return NULL;
    }
    *len = fread(bytes, 1, 65535, file);
    bytes[*len] = '\0';
    fclose(file);
    return bytes;
}

static char *print(const struct settings *settings)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    settings_print(settings, out);
    fclose(out);
    return text;
}

/* True when some line of printed, taken with its section, is "section.key = value ; origin". */
static bool has_line(const char *printed, struct view wanted)
{
    struct view rest = view_of_string(printed);
    struct view line;
    struct view section = VIEW_NONE;
    char full[8192];

    while (view_cut_line(&rest, &line)) {
        if (line.len > 2 && line.at[0] == '[')
            section = view_of(line.at + 1, line.len - 2);
        snprintf(full, sizeof(full), VIEW_FMT "." VIEW_FMT, VIEW_ARG(section), VIEW_ARG(line));
        if (view_equal(wanted, view_of_string(full)))
            return true;
    }
    return false;
}

static struct settings *parse(const char *name, const char *text, size_t len)
{
    struct settings_source source = {.file = name, .file_text = view_of(text, len)};

    return settings_read(&source);
}

/* All values, whatever their origin, one text. */
static char *values_of(const struct settings *settings)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = setting_info((enum setting)i);
        fprintf(out, "%s.%s=%s\n", info->section, info->key,
                info->secret ? "" : settings_text(settings, (enum setting)i));
    }
    fclose(out);
    return text;
}

static void check_good(const char *name, const struct settings *settings, char *wanted, size_t len)
{
    struct view rest = view_of(wanted, len);
    struct view line;
    char *printed = print(settings);
    struct settings *again = parse("printed", printed, strlen(printed));
    char *values = values_of(settings);
    char *values_again = values_of(again);
    char *printed_again;

    for (size_t i = 0; i < settings_errors(settings); i++)
        printf("# %s: %s\n", name, settings_error(settings, i));
    CHECK_INT(settings_errors(settings), 0);
    while (view_cut_line(&rest, &line)) {
        if (!CHECK(has_line(printed, line)))
            printf("# %s lacks: " VIEW_FMT "\n", name, VIEW_ARG(line));
    }
    CHECK(strstr(printed, "s3cret") == NULL && strstr(printed, "not for the log") == NULL);
    CHECK_INT(settings_errors(again), 0);
    CHECK_TEXT(values_again, values);
    /* A third time nothing moves any more: the same lines, the same origins. */
    printed_again = print(again);
    free(values_again);
    settings_destroy(again);
    again = parse("printed", printed_again, strlen(printed_again));
    values_again = print(again);
    CHECK_TEXT(values_again, printed_again);
    free(values_again);
    free(printed_again);
    settings_destroy(again);
    free(printed);
    free(values);
}

static void check_bad(const struct settings *settings, char *wanted, size_t len)
{
    struct view rest = view_of(wanted, len);
    struct view line;
    size_t i = 0;

    while (view_cut_line(&rest, &line)) {
        const char *got = i < settings_errors(settings) ? settings_error(settings, i) : "";
        char expected[1024];
        (void)view_copy(line, expected, sizeof(expected));
        CHECK_TEXT(got, expected);
        i++;
    }
    CHECK_INT(settings_errors(settings), i);
}

static void test_golden(void)
{
    DIR *dir = opendir(GOLDEN);
    struct dirent *entry;
    size_t pairs = 0;

    if (!CHECK(dir != NULL))
        return;
    while ((entry = readdir(dir)) != NULL) {
        char name[256];
        char *dot;
        size_t in_len, wanted_len;
        char *in, *wanted;
        struct settings *settings;
        snprintf(name, sizeof(name), "%s", entry->d_name);
        dot = strstr(name, ".in");
        if (dot == NULL)
            continue;
        in = read_file(name, "", &in_len);
        settings = parse(name, in, in_len);
        *dot = '\0';
        wanted = read_file(name, ".ok", &wanted_len);
        if (wanted != NULL) {
            check_good(name, settings, wanted, wanted_len);
        } else {
            wanted = read_file(name, ".err", &wanted_len);
            if (CHECK(wanted != NULL))
                check_bad(settings, wanted, wanted_len);
        }
        pairs++;
        settings_destroy(settings);
        free(in);
        free(wanted);
    }
    closedir(dir);
    CHECK(pairs >= 10);
}

static void test_stronger_places(void)
{
    struct view file = VIEW("[nat]\nbehind_nat = true\n[rtp]\nport_min = 11000\n"
                            "[log]\nlevel = warn\n");
    const char *environment[] = {"BEHIND_NAT=false", "SIPRECD_RTP_PORT_MIN=12000",
                                 "SIPRECD_LOG_LEVEL=", "STUN_SERVER=stun:stun.example.com", NULL};
    const char *arguments[] = {"--rtp.port_min=13000", NULL};
    struct settings_source source = {.file = "f", .file_text = file, .environment = environment};
    struct settings *settings = settings_read(&source);

    CHECK_INT(settings_errors(settings), 0);
    CHECK_INT(settings_number(settings, SETTING_NAT_BEHIND_NAT), 0);
    CHECK_INT(settings_origin(settings, SETTING_NAT_BEHIND_NAT), SETTINGS_PLAIN);
    CHECK_INT(settings_number(settings, SETTING_RTP_PORT_MIN), 12000);
    CHECK_INT(settings_origin(settings, SETTING_LOG_LEVEL), SETTINGS_FILE);
    CHECK_TEXT(settings_text(settings, SETTING_NAT_STUN_SERVERS), "stun:stun.example.com");
    settings_destroy(settings);

    source.arguments = arguments;
    settings = settings_read(&source);
    CHECK_INT(settings_number(settings, SETTING_RTP_PORT_MIN), 13000);
    CHECK_INT(settings_origin(settings, SETTING_RTP_PORT_MIN), SETTINGS_ARGUMENT);
    settings_destroy(settings);
}

static void test_prefixed_beats_plain(void)
{
    const char *environment[] = {"SIPRECD_NAT_EXTERNAL_IP=203.0.113.1", "EXTERNAL_IP=203.0.113.2",
                                 "STUN_SERVERS=none", "STUN_SERVER=stun.example.com", NULL};
    struct settings_source source = {.environment = environment};
    struct settings *settings = settings_read(&source);

    CHECK_TEXT(settings_text(settings, SETTING_NAT_EXTERNAL_IP), "203.0.113.1");
    CHECK_TEXT(settings_text(settings, SETTING_NAT_STUN_SERVERS), "none");
    settings_destroy(settings);
}

static void test_errors_outside_files(void)
{
    const char *environment[] = {"SIPRECD_RTP_PORT_MIN=x", "EXTERNAL_IP=example.com",
                                 "SIPRECD_SIP_LISTN=a", "SIPRECD_SERVICE_HOST=10.0.0.1", NULL};
    const char *arguments[] = {"--log.level=loud", "--log.lvl=info", "--rtp.port_max", NULL};
    struct settings_source source = {.environment = environment, .arguments = arguments};
    struct settings *settings = settings_read(&source);

    CHECK_INT(settings_errors(settings), 5);
    CHECK_TEXT(settings_error(settings, 0),
               "environment SIPRECD_RTP_PORT_MIN: rtp.port_min: \"x\" is not a number");
    CHECK_TEXT(settings_error(settings, 1),
               "environment EXTERNAL_IP: nat.external_ip: \"example.com\" is no IP address");
    CHECK_TEXT(settings_error(settings, 2), "argument --log.level: log.level: \"loud\" is none of: "
                                            "error warn info debug");
    CHECK_TEXT(settings_error(settings, 3), "argument --log.lvl: there is no such setting");
    CHECK_TEXT(settings_error(settings, 4),
               "argument --rtp.port_max: expected --section.key=value");
    CHECK_INT(settings_remarks(settings), 2);
    settings_destroy(settings);
}

static void test_meanings(void)
{
    static const struct {
        const char *text;
        bool percent;
        uint64_t amount;
    } spaces[] = {{"5%", true, 500},
                  {"0", false, 0},
                  {"12.5%", true, 1250},
                  {"10G", false, UINT64_C(10737418240)},
                  {"500MB", false, 524288000},
                  {"1.5K", false, 1536},
                  {"2GiB", false, UINT64_C(2147483648)}};
    static const struct {
        const char *text;
        int64_t ms;
    } durations[] = {{"2s", 2000}, {"500ms", 500}, {"1.5s", 1500}, {"1m", 60000}, {"3", 3000}};
    union setting_meaning meaning;
    char why[VALUES_REASON_SIZE];

    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        CHECK(values_parse(setting_info(SETTING_RECORDINGS_MIN_FREE),
                           view_of_string(spaces[i].text), &meaning, why));
        CHECK_INT(meaning.space.is_percent, spaces[i].percent);
        CHECK_INT(meaning.space.amount, spaces[i].amount);
    }
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        CHECK(values_parse(setting_info(SETTING_RECORDINGS_SYNC_INTERVAL),
                           view_of_string(durations[i].text), &meaning, why));
        CHECK_INT(meaning.number, durations[i].ms);
    }
    CHECK(!values_parse(setting_info(SETTING_RECORDINGS_SYNC_INTERVAL),
                        VIEW_LIT("99999999999999999h"), &meaning, why));
    CHECK(!values_parse(setting_info(SETTING_RECORDINGS_MIN_FREE), VIEW_LIT("99999999999999999T"),
                        &meaning, why));
    CHECK(values_parse(setting_info(SETTING_SIP_LISTEN),
                       VIEW_LIT("udp:[::]:5060 advertise [2001:db8::1]:5070"), &meaning, why));
    CHECK_INT(meaning.listeners.count, 1);
    CHECK_TEXT(addr_print(&meaning.listeners.list[0].bind).s, "[::]:5060");
    CHECK_TEXT(addr_print(&meaning.listeners.list[0].advertise).s, "[2001:db8::1]:5070");
}

/* Every row of the table is whole: a default that parses, a line of help. */
static void test_schema(void)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = setting_info((enum setting)i);
        union setting_meaning meaning;
        char why[VALUES_REASON_SIZE];
        CHECK(info->section != NULL && info->key != NULL && info->doc != NULL);
        CHECK_INT(setting_find(view_of_string(info->section), view_of_string(info->key)), i);
        CHECK(info->default_text[0] == '\0' ||
              values_parse(info, view_of_string(info->default_text), &meaning, why));
        CHECK((info->type == SETTING_TYPE_CHOICE) == (info->choices != NULL));
    }
}

int main(void)
{
    RUN(test_golden);
    RUN(test_stronger_places);
    RUN(test_prefixed_beats_plain);
    RUN(test_errors_outside_files);
    RUN(test_meanings);
    RUN(test_schema);
    return tap_done();
}
