/* evidence: JSON in, JSON out.
 * Not here: the rules.
 * RFC 8259. */
#include "doctor/evidence.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* ---- Reading --------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static struct addr addr_in(const json_t *object, const char *key)
{
    struct addr a = {0};
    if (!addr_parse(view_of_string(text_of(object, key)), 0, &a))
        a = (struct addr){0};
    return a;
}

static enum path_answer answer_of(const json_t *value)
{
    if (!json_is_boolean(value))
        return PATH_UNKNOWN;
    return json_is_true(value) ? PATH_YES : PATH_NO;
}

static bool list_has(const json_t *list, const char *word)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), word) == 0)
            return true;
    }
    return false;
}

static void read_path(const char *word, struct doctor_stream *s)
{
    static const struct {
        const char *word;
        enum path_code path;
        bool is_ice;
    } words[] = {
        {"host", PATH_DIRECT, false},   {"static", PATH_MAPPED, false},
        {"mapped", PATH_MAPPED, false}, {"stun", PATH_STUN, false},
        {"relay", PATH_RELAY, false},   {"peer-reflexive", PATH_STUN, true},
        {"ice-tcp", PATH_DIRECT, true},
    };
    s->path = PATH_BEST_EFFORT;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i].word) == 0) {
            s->path = words[i].path;
            s->is_ice = words[i].is_ice;
        }
    }
}

/* The trail names whom the relay refused and whom we have sent to, and says whether nothing came at first. */
static void read_trail(const json_t *trail, struct doctor_stream *s)
{
    size_t i;
    const json_t *step;
    json_array_foreach(trail, i, step)
    {
        s->was_elsewhere |= strcmp(text_of(step, "event"), "retried") == 0;
        struct addr peer = addr_in(step, "peer");
        if (strcmp(text_of(step, "event"), "denied") == 0)
            s->denied = peer;
        if (strcmp(text_of(step, "event"), "punched") == 0)
            s->is_punched |= addr_equal(&peer, &s->offered);
    }
}

static void read_stream(const json_t *one, struct doctor_evidence *e)
{
    struct doctor_stream *s = &e->streams[e->stream_count];
    const json_t *verdict = json_object_get(one, "verdict");
    (void)view_copy(view_of_string(text_of(one, "label")), s->label, sizeof s->label);
    s->offered = addr_in(one, "offered");
    s->advertised = addr_in(one, "advertised");
    s->bound = addr_in(one, "bound");
    s->observed = addr_in(one, "observed");
    s->packets = (uint64_t)json_integer_value(json_object_get(one, "packets"));
    /* Of a call that goes on counters come later than its first packet. */
    if (s->packets == 0 && json_is_integer(json_object_get(verdict, "first_packet_ms")))
        s->packets = 1;
    s->expects_media = strcmp(text_of(one, "direction"), "recvonly") == 0;
    read_path(text_of(one, "path"), s);
    s->is_ice |= json_is_true(json_object_get(verdict, "ice"));
    read_trail(json_object_get(verdict, "trail"), s);
    s->was_misled =
        json_is_true(json_object_get(verdict, "external_differs")) && s->path != PATH_MAPPED;
    s->lacks_port = json_is_true(json_object_get(verdict, "no_port_outside"));
    s->is_given_up = json_is_object(json_object_get(verdict, "unreachable"));
    /* An SRC may merely have been late, if it does not say what it had sent by then. */
    s->is_opened = strncmp(text_of(verdict, "path"), "M+H", 3) == 0 &&
                   json_integer_value(json_object_get(verdict, "lost_before_first")) > 0;
    s->was_elsewhere = s->was_elsewhere && strcmp(text_of(verdict, "our_class"), "1:1") == 0 &&
                       (s->path != PATH_MAPPED || s->is_opened) && !s->is_ice;
    e->alg_is_suspected |= list_has(json_object_get(verdict, "security"), "alg-suspected");
    e->stream_count++;
}

/* What is missing of the journal may have come. */
static bool tells_of_loss(const json_t *root)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(root, "warnings"), i, one)
    {
        const char *code = text_of(one, "code");
        if (strcmp(code, "disk-full") == 0 || strcmp(code, "journal-failed") == 0)
            return true;
    }
    return json_is_true(json_object_get(root, "recovered"));
}

/* Nobody answered us any more, nobody refreshed the session, or nobody knew it (RFC 3261 §12.2.1.2,
 * RFC 4028 §10). */
static bool tells_of_absence(const char *ended_why)
{
    return strcmp(ended_why, "no-answer") == 0 || strcmp(ended_why, "expired") == 0 ||
           strcmp(ended_why, "gone") == 0;
}

/* The recording was refused its room, or lost it: then its journal says by which error. */
static bool tells_of_full_disk(const json_t *warnings)
{
    size_t i;
    const json_t *one;
    json_array_foreach(warnings, i, one)
    {
        const char *code = text_of(one, "code"), *text = text_of(one, "text");
        if (strcmp(code, "disk-full") == 0 ||
            (strcmp(code, "journal-failed") == 0 &&
             (strstr(text, strerror(ENOSPC)) || strstr(text, strerror(EDQUOT)))))
            return true;
    }
    return false;
}

void doctor_read_recording(const char *text, struct doctor_evidence *e)
{
    json_t *root = json_loads(text, 0, NULL);
    size_t i;
    const json_t *one;
    e->has_call = json_is_object(root);
    e->signalled = addr_in(root, "signalled");
    json_array_foreach(json_object_get(root, "streams"), i, one)
    {
        if (e->stream_count < DOCTOR_STREAMS)
            read_stream(one, e);
    }
    /* NATs and firewalls of the two families are different ones. */
    e->is_v6 = e->stream_count > 0 && e->streams[0].advertised.family == ADDR_V6;
    e->disk_is_full |= tells_of_full_disk(json_object_get(root, "warnings"));
    e->is_cut = tells_of_loss(root);
    e->src_is_gone = tells_of_absence(text_of(root, "ended_why"));
    json_decref(root);
}

static void add_ours(struct doctor_evidence *e, const struct addr *a)
{
    if (addr_is_set(a) && e->ours_count < DOCTOR_OURS)
        e->ours[e->ours_count++] = *a;
}

static enum nat_mapping mapping_of(const char *word)
{
    if (strcmp(word, "none") == 0)
        return NAT_MAPPING_NONE;
    if (strcmp(word, "endpoint-independent") == 0)
        return NAT_MAPPING_INDEPENDENT;
    if (strcmp(word, "address-dependent") == 0)
        return NAT_MAPPING_ADDRESS;
    if (strcmp(word, "address-and-port-dependent") == 0)
        return NAT_MAPPING_ADDRESS_PORT;
    return strcmp(word, "endpoint-dependent") == 0 ? NAT_MAPPING_DEPENDENT : NAT_MAPPING_UNKNOWN;
}

static enum nat_filtering filtering_of(const char *word)
{
    if (strcmp(word, "endpoint-independent") == 0)
        return NAT_FILTERING_INDEPENDENT;
    if (strcmp(word, "address-dependent") == 0)
        return NAT_FILTERING_ADDRESS;
    return strcmp(word, "address-and-port-dependent") == 0 ? NAT_FILTERING_ADDRESS_PORT
                                                           : NAT_FILTERING_UNKNOWN;
}

static void read_externals(const json_t *list, struct doctor_evidence *e)
{
    enum addr_family family = e->is_v6 ? ADDR_V6 : ADDR_V4;
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        const char *source = text_of(one, "source");
        struct addr a = addr_in(one, "address");
        if (strcmp(source, "stun") == 0 && !addr_is_set(&e->external) && a.family == family)
            e->external = a;
        if (strcmp(source, "setting") == 0 && a.family == family)
            e->ordered = a;
        e->external_is_set = addr_is_set(&e->ordered);
        add_ours(e, &a);
    }
}

/* Our own address is that of the interface by which the default route leaves. */
static void read_interfaces(const json_t *list, struct doctor_evidence *e)
{
    enum addr_family family = e->is_v6 ? ADDR_V6 : ADDR_V4;
    size_t i, k;
    const json_t *one, *address;
    json_array_foreach(list, i, one)
    {
        json_array_foreach(json_object_get(one, "addresses"), k, address)
        {
            struct addr a;
            if (!json_is_string(address) ||
                !addr_parse_ip(view_of_string(json_string_value(address)), &a) ||
                addr_is_link_local(&a))
                continue;
            add_ours(e, &a);
            if (json_is_true(json_object_get(one, "default")) && !addr_is_set(&e->local) &&
                a.family == family)
                e->local = a;
        }
    }
}

static enum doctor_relay relay_of(const json_t *one)
{
    json_int_t code = json_integer_value(json_object_get(one, "code"));
    const char *state = text_of(one, "state");
    if (strcmp(state, "serving") == 0)
        return DOCTOR_RELAY_READY;
    if (strcmp(state, "silent") == 0)
        return DOCTOR_RELAY_SILENT;
    if (strcmp(state, "refuses") == 0)
        return code == 401 || code == 441 ? DOCTOR_RELAY_REFUSED : DOCTOR_RELAY_FAILED;
    return DOCTOR_RELAY_NONE; /* not heard from yet */
}

/* One that works is enough; else the first one's trouble counts. */
static void read_relays(const json_t *list, struct doctor_evidence *e)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        enum doctor_relay relay = relay_of(one);
        if (relay == DOCTOR_RELAY_NONE ||
            (e->relay != DOCTOR_RELAY_NONE && relay != DOCTOR_RELAY_READY))
            continue;
        e->relay = relay;
        (void)view_copy(view_of_string(text_of(one, "server")), e->relay_server,
                        sizeof e->relay_server);
    }
}

/* What stands between us and the world. */
static void read_nat(const json_t *nat, struct doctor_evidence *e)
{
    const json_t *levels = json_object_get(nat, "levels");
    const json_t *hairpin = json_object_get(nat, "hairpin");
    e->behind_nat = answer_of(json_object_get(nat, "behind_nat"));
    e->levels = json_is_integer(levels) ? (int)json_integer_value(levels) : -1;
    e->behaviour.mapping = mapping_of(text_of(nat, "mapping"));
    e->behaviour.filtering = filtering_of(text_of(nat, "filtering"));
    if (json_is_boolean(hairpin))
        e->behaviour.hairpin = json_is_true(hairpin) ? NAT_HAIRPIN_EXTERNAL : NAT_HAIRPIN_NONE;
}

void doctor_read_network(const char *text, struct doctor_evidence *e)
{
    json_t *root = json_loads(text, 0, NULL);
    const json_t *servers = json_object_get(root, "stun_servers"), *one;
    const json_t *v6 = json_object_get(root, "ipv6");
    size_t i;
    read_nat(e->is_v6 && json_is_object(v6) ? v6 : root, e);
    read_externals(json_object_get(root, "external"), e);
    read_interfaces(json_object_get(root, "interfaces"), e);
    read_relays(json_object_get(root, "relays"), e);
    if (!e->is_v6)
        e->gateway = addr_in(json_object_get(root, "portmap"), "external");
    add_ours(e, &e->gateway);
    e->stun_is_asked = json_array_size(servers) > 0;
    e->stun_is_silent = e->stun_is_asked;
    json_array_foreach(servers, i, one)
    {
        if (json_is_true(json_object_get(one, "answers")))
            e->stun_is_silent = false;
    }
    json_decref(root);
}

void doctor_take_detours(struct doctor_evidence *e)
{
    const struct addr *first = addr_is_set(&e->ordered) ? &e->ordered : &e->external;
    for (size_t i = 0; i < e->stream_count; i++) {
        struct doctor_stream *s = &e->streams[i];
        if (!s->was_elsewhere || first->family != s->bound.family || doctor_stream_has_stopped(s))
            continue;
        s->advertised = addr_with_port(*first, s->bound.port);
        s->path = PATH_MAPPED;
        s->rtcp = 0; /* by the other way */
        s->is_detour = s->packets > 0;
        if (s->is_detour)
            s->src_sends = PATH_YES;
    }
}

/* ---- The answer ------------------------------------------------------------------------------ */

enum { SENTENCE_SIZE = 1024 };

/* What peers wrote need not be UTF-8, and what was cut need not be any more. */
static json_t *string_of(struct view text)
{
    char plain[SENTENCE_SIZE];
    json_t *string = json_stringn(text.at, text.len);
    if (string)
        return string;
    text = view_take(text, sizeof plain);
    for (size_t i = 0; i < text.len; i++)
        plain[i] = (unsigned char)text.at[i] < 0x80 ? text.at[i] : '?';
    return json_stringn(plain, text.len);
}

static json_t *text_or_null(const struct writer *w)
{
    return w->len > 0 && !w->failed ? string_of(view_of(w->buffer, w->len)) : json_null();
}

static json_t *label_of(const struct doctor_stream *s)
{
    return string_of(view_of_string(s->label));
}

static json_t *word_of_answer(enum path_answer answer)
{
    return answer == PATH_UNKNOWN ? json_null() : json_boolean(answer == PATH_YES);
}

static json_t *labels_of(const struct doctor_evidence *e, const struct doctor_finding *f)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < e->stream_count; i++) {
        if (f->streams & 1u << i)
            json_array_append_new(labels, label_of(&e->streams[i]));
    }
    return labels;
}

static json_t *finding_of(const struct doctor_evidence *e, const struct doctor_finding *f)
{
    static const char *const certainties[] = {"possible", "likely", "certain"};
    char text[SENTENCE_SIZE], cure[SENTENCE_SIZE], command[SENTENCE_SIZE];
    struct writer w = writer_of(text, sizeof text), c = writer_of(cure, sizeof cure);
    struct writer paste = writer_of(command, sizeof command);
    size_t stream = doctor_finding_stream(f);
    doctor_print_sentence(e, f, &w);
    doctor_print_cure(e, f, &c);
    doctor_print_command(e, f, &paste);
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o}", "cause", doctor_cause_name(f->cause),
                     "certainty", certainties[f->certainty], "stream",
                     stream < e->stream_count ? label_of(&e->streams[stream]) : json_null(),
                     "streams", labels_of(e, f), "text", text_or_null(&w), "cure", text_or_null(&c),
                     "command", text_or_null(&paste));
}

static json_t *evidence_of_stream(const struct doctor_stream *s)
{
    bool has_stopped = doctor_stream_has_stopped(s), is_refused = addr_is_set(&s->refused);
    return json_pack("{s:o,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:o,s:o,s:o}", "label", label_of(s),
                     "packets", (json_int_t)s->packets, "rtcp", (json_int_t)s->rtcp, "stopped_ms",
                     has_stopped ? json_integer(s->silent_ms) : json_null(), "refused_by",
                     is_refused ? json_string(addr_print(&s->refused).s) : json_null(),
                     "src_says_it_sends", word_of_answer(s->src_sends), "src_says_it_sent",
                     s->src_sent ? json_integer((json_int_t)s->src_sent) : json_null(),
                     "reached_from_outside", word_of_answer(s->probe), "answered_from_outside",
                     word_of_answer(s->answers), "not_taken", (json_int_t)s->apart,
                     "firewall_drops", word_of_answer(s->firewall), "clock_ms",
                     s->clock_is_known ? json_integer(s->clock_ms) : json_null(), "drift_ppm",
                     s->drift_is_known ? json_integer(s->drift_ppm) : json_null());
}

static json_t *evidence_of(const struct doctor_evidence *e)
{
    json_t *streams = json_array();
    for (size_t i = 0; i < e->stream_count; i++)
        json_array_append_new(streams, evidence_of_stream(&e->streams[i]));
    return json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "streams", streams, "invites",
                     (json_int_t)e->invites, "invites_truncated", (json_int_t)e->invites_truncated,
                     "reassembly_failures", (json_int_t)e->reassembly_failures, "no_ports",
                     (json_int_t)e->no_ports, "strays", (json_int_t)e->strays,
                     "stun_servers_by_tcp", word_of_answer(e->stun_by_tcp), "turn_servers_by_tcp",
                     word_of_answer(e->turn_by_tcp));
}

static bool expects_any(const struct doctor_evidence *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        if (e->streams[i].expects_media)
            return true;
    }
    return false;
}

static bool any_has_stopped(const struct doctor_evidence *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        if (doctor_stream_has_stopped(&e->streams[i]))
            return true;
    }
    return false;
}

static bool all_come_otherwise(const struct doctor_evidence *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        if (doctor_stream_is_silent(&e->streams[i]) && !e->streams[i].is_detour)
            return false;
    }
    return true;
}

/* Nothing is certain of so many causes. */
static void print_open(const struct doctor_evidence *e, size_t count, struct writer *w)
{
    writer_string(w, !e->has_call            ? "No call comes"
                     : any_has_stopped(e)    ? "Media has stopped"
                     : all_come_otherwise(e) ? "Media comes by another way than was answered"
                                             : "No media comes");
    if (count == 1)
        writer_string(w,
                      ", and from here one cause is left; one command tells whether it is that.");
    else
        writer_printf(w,
                      ", and from here %zu causes are left, the likeliest first; one command "
                      "tells them apart.",
                      count);
}

/* The one sentence: of what is certain, or that it is not. */
static json_t *verdict_of(const struct doctor_evidence *e, const struct doctor_diagnosis *d)
{
    char text[SENTENCE_SIZE];
    struct writer w = writer_of(text, sizeof text);
    if (d->is_healthy && e->has_call)
        writer_string(&w, expects_any(e) ? "Media comes as it should."
                                         : "No media is due: no stream of this call is to send any "
                                           "(hold, or removed).");
    else if (d->is_healthy)
        writer_string(&w, "Nothing is wrong here, as far as can be seen without a call.");
    else if (d->count == 0)
        writer_string(&w, any_has_stopped(e)
                              ? "Media has stopped, and nothing that can be seen here says why."
                              : "No media comes, and nothing that can be seen here says why.");
    else if (d->findings[0].certainty == DOCTOR_CERTAIN)
        doctor_print_sentence(e, &d->findings[0], &w);
    else
        print_open(e, d->count, &w);
    return text_or_null(&w);
}

char *doctor_print_report(const struct doctor_evidence *e, const struct doctor_diagnosis *d,
                          const char *call_id)
{
    char command[SENTENCE_SIZE], reading[SENTENCE_SIZE];
    struct writer c = writer_of(command, sizeof command), r = writer_of(reading, sizeof reading);
    json_t *findings = json_array(), *root;
    for (size_t i = 0; i < d->count; i++)
        json_array_append_new(findings, finding_of(e, &d->findings[i]));
    doctor_print_decision(e, d, &c, &r);
    root = json_pack("{s:o,s:b,s:o,s:o,s:o,s:o,s:o}", "call_id",
                     call_id ? string_of(view_of_string(call_id)) : json_null(), "healthy",
                     d->is_healthy, "verdict", verdict_of(e, d), "findings", findings, "decide",
                     text_or_null(&c), "decide_by", text_or_null(&r), "evidence", evidence_of(e));
    char *out = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(root);
    return out;
}
