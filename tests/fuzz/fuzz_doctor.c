/* fuzz_doctor: any bytes as a recording's document, as /v1/nat, or as a journal, by the first byte
 * (r, n, j; one after the other, separated by NUL); then the diagnosis and its report. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/breaks.h"
#include "doctor/evidence.h"
#include "doctor/recorded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct doctor_evidence *e, const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';
    if (size > 0 && text[0] == 'r')
        doctor_read_recording(text + 1, e);
    else if (size > 0 && text[0] == 'n')
        doctor_read_network(text + 1, e);
    size_t said = strlen(text);
    if (said + 1 < size)
        take(e, data + said + 1, size - said - 1);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct doctor_evidence e = {.levels = -1, .port_min = 10000, .port_max = 20000};
    struct doctor_diagnosis d;
    if (size > 0 && data[0] == 'j') {
        e.stream_count = 2;
        e.has_call = e.streams[0].expects_media = e.streams[1].expects_media = true;
        doctor_read_journal(view_of(data + 1, size - 1), &e);
        doctor_read_breaks(view_of(data + 1, size - 1), (struct wall){INT64_C(1772366460000000000)},
                           &e);
    } else if (size < 4096) {
        take(&e, data, size);
    }
    doctor_diagnose(&e, &d);
    assert(e.stream_count <= DOCTOR_STREAMS && d.count <= DOCTOR_FINDINGS);
    char *report = doctor_print_report(&e, &d, "fuzz");
    assert(report);
    free(report);
    return 0;
}
