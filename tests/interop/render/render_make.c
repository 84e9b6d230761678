/* render_make: writes a journal from a script on standard input, one statement a line, so that a
 * test can put into it what other programs encoded:
 *   line LABEL SENDER FORMATS [ATTRIBUTE;ATTRIBUTE...]     an m-line; "-" for no sender
 *   begin                                                  INVITE, metadata and answer
 *   rtp STREAM AT_NS TYPE SEQ TIMESTAMP SSRC HEX
 *   mark STREAM AT_NS JSON
 * Use: render_make FILE < script. Not here: checks. RFC: none. */
#include "render_fixture.h"

static struct fixture_line lines[FIXTURE_STREAMS];
static char attributes[FIXTURE_STREAMS][1024];
static uint32_t count;

static void line_read(char *rest)
{
    struct fixture_line *line = &lines[count];
    char *label = strsep(&rest, " "), *sender = strsep(&rest, " "), *formats = strsep(&rest, " ");
    size_t n = 0;
    assert(formats != NULL && count < FIXTURE_STREAMS);
    for (char *c = formats; *c; c++)
        if (*c == ',')
            *c = ' ';
    for (char *a; rest != NULL && (a = strsep(&rest, "|")) != NULL;)
        n += (size_t)snprintf(attributes[count] + n, sizeof attributes[count] - n, "a=%s\r\n", a);
    *line = (struct fixture_line){strdup(label), strdup(formats), attributes[count],
                                  strcmp(sender, "-") ? strdup(sender) : NULL, NULL};
    count++;
}

static void rtp_read(struct fixture *f, char *rest)
{
    uint8_t payload[2048];
    unsigned long long value[6];
    struct fixture_rtp rtp = {.payload = payload};
    for (int i = 0; i < 6; i++)
        value[i] = strtoull(strsep(&rest, " "), NULL, 0);
    for (; rest != NULL && rest[0] && rest[1] && rtp.len < sizeof payload; rest += 2) {
        char hex[3] = {rest[0], rest[1], '\0'};
        payload[rtp.len++] = (uint8_t)strtoul(hex, NULL, 16);
    }
    rtp.stream = (uint32_t)value[0];
    rtp.type = (uint8_t)value[2];
    rtp.seq = (uint16_t)value[3];
    rtp.timestamp = (uint32_t)value[4];
    rtp.ssrc = (uint32_t)value[5];
    fixture_rtp(f, (int64_t)value[1], &rtp);
}

int main(int argc, char **argv)
{
    static char text[65536];
    struct fixture *f = NULL;
    while (fgets(text, sizeof text, stdin)) {
        text[strcspn(text, "\n")] = '\0';
        char *rest = text, *word = strsep(&rest, " ");
        if (strcmp(word, "line") == 0) {
            line_read(rest);
        } else if (strcmp(word, "begin") == 0) {
            f = fixture_begin(lines, count);
        } else if (strcmp(word, "rtp") == 0) {
            rtp_read(f, rest);
        } else if (strcmp(word, "mark") == 0) {
            uint32_t stream = (uint32_t)strtoul(strsep(&rest, " "), NULL, 0);
            int64_t at = strtoll(strsep(&rest, " "), NULL, 0);
            fixture_mark(f, stream, at, rest);
        } else {
            fprintf(stderr, "render_make: what is \"%s\"?\n", word);
            return 2;
        }
    }
    FILE *file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (f == NULL || file == NULL)
        return 2;
    fixture_write(f);
    bool ok = fwrite(f->bytes, 1, f->len, file) == f->len;
    fixture_free(f);
    return fclose(file) == 0 && ok ? 0 : 1;
}
