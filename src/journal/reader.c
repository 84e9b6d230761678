/* reader: blocks, one by one, to records; what is no whole block is waited for, or skipped when it
 * never can be.
 * Not here: deciding which packets belong to the audio (select.c).
 * draft-ietf-opsawg-pcapng §3.1 (blocks), §3.5 (options), §4.1 to §4.3. */
#include "journal/reader.h"

#include "journal/block.h"
#include "journal/packet.h"
#include "rtp/demux.h"

#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

/* More than a recording with thirty streams that are all re-addressed a hundred times. */
#define INTERFACES_MAX 4096
#define MESSAGE_MAX    (16U * 1024 * 1024)

/* Offsets, not pointers: a growing file may be mapped elsewhere next time. */
struct piece {
    uint64_t offset;
    uint32_t len;
};

struct interface {
    uint16_t link;
    uint8_t resolution; /* if_tsresol */
    enum journal_role role;
    uint32_t stream;
    struct piece description;
};

struct journal_reader {
    struct view file;
    bool final;
    bool swapped; /* the section is big endian */
    bool in_section;
    uint64_t offset;
    struct interface *interfaces;
    uint32_t count, room;
    struct journal_interface described; /* what journal_reader_interface() returns */
    char label[256];
    /* A SIP message of several segments. */
    char *message;
    size_t message_len, message_room;
    struct addr message_from;
};

struct journal_reader *journal_reader_create(void)
{
    return calloc(1, sizeof(struct journal_reader));
}

void journal_reader_destroy(struct journal_reader *r)
{
    if (!r)
        return;
    free(r->interfaces);
    free(r->message);
    free(r);
}

void journal_reader_feed(struct journal_reader *r, struct view file, bool final)
{
    r->file = file;
    r->final = final;
}

uint64_t journal_reader_offset(const struct journal_reader *r)
{
    return r->offset;
}

uint32_t journal_reader_interfaces(const struct journal_reader *r)
{
    return r->count;
}

static uint16_t get_u16(const struct journal_reader *r, struct reader *in)
{
    return r->swapped ? reader_u16(in) : reader_u16_le(in);
}

static uint32_t get_u32(const struct journal_reader *r, struct reader *in)
{
    return r->swapped ? reader_u32(in) : reader_u32_le(in);
}

static struct view piece_view(const struct journal_reader *r, struct piece p)
{
    return p.offset + p.len <= r->file.len ? view_of(r->file.at + p.offset, p.len) : VIEW_NONE;
}

static struct piece piece_of(const struct journal_reader *r, struct view v)
{
    if (!v.len)
        return (struct piece){0};
    return (struct piece){.offset = (uint64_t)(v.at - r->file.at), .len = (uint32_t)v.len};
}

/* The next option (§3.5); false at the end of them or where they make no sense. */
static bool next_option(const struct journal_reader *r, struct reader *in, uint16_t *code,
                        struct view *value)
{
    if (reader_left(in) < 4)
        return false;
    *code = get_u16(r, in);
    uint16_t len = get_u16(r, in);
    *value = reader_view(in, len);
    size_t padding = JOURNAL_PADDED((size_t)len) - len;
    if (!in->failed && reader_left(in) >= padding)
        reader_skip(in, padding);
    return !in->failed && *code != JOURNAL_OPTION_END;
}

/* Our comment: the first that begins like one, for others may have been added by hand. */
static struct view find_comment(const struct journal_reader *r, struct reader options)
{
    uint16_t code;
    struct view value;
    while (next_option(r, &options, &code, &value))
        if (code == JOURNAL_OPTION_COMMENT && view_starts_with(value, VIEW_LIT("{\"siprecd\":")))
            return value;
    return VIEW_NONE;
}

/* What stands at an offset: whether a block does, whole and sound. */
enum fit {
    FIT_WHOLE,
    FIT_SHORT, /* it may be one whose end is still to come */
    FIT_NONE,
};

struct block {
    uint32_t type;
    uint32_t total;
    struct view body;
    bool swapped;
};

/* The byte order of a section is told by its magic (§4.1), which stands behind type and length. */
static enum fit section_order(struct reader in, bool *swapped)
{
    uint32_t magic = reader_u32_le(&in);
    if (in.failed)
        return FIT_SHORT;
    *swapped = magic != JOURNAL_BYTE_ORDER;
    return magic == JOURNAL_BYTE_ORDER || magic == __builtin_bswap32(JOURNAL_BYTE_ORDER) ? FIT_WHOLE
                                                                                         : FIT_NONE;
}

static enum fit block_at(const struct journal_reader *r, uint64_t offset, struct block *b)
{
    struct reader in = reader_of(view_skip(r->file, offset));
    struct journal_reader order = {.swapped = r->swapped};
    struct reader peek = in;
    uint32_t type = get_u32(r, &peek);
    if (peek.failed)
        return FIT_SHORT;
    if (type == JOURNAL_BLOCK_SECTION) { /* reads the same in either order */
        reader_skip(&peek, 4);
        enum fit fit = section_order(peek, &order.swapped);
        if (fit != FIT_WHOLE)
            return fit;
    } else if (!r->in_section) {
        return FIT_NONE;
    }
    b->swapped = order.swapped;
    b->type = get_u32(&order, &in);
    b->total = get_u32(&order, &in);
    if (in.failed)
        return FIT_SHORT;
    /* The section's length is bounded alike: no block of ours is longer than JOURNAL_BLOCK_MAX. */
    bool too_long = b->total > JOURNAL_BLOCK_MAX && b->type != JOURNAL_BLOCK_LOST;
    if (b->total < JOURNAL_BLOCK_MIN || b->total % 4 != 0 || too_long)
        return FIT_NONE;
    b->body = reader_view(&in, b->total - JOURNAL_BLOCK_MIN);
    uint32_t again = get_u32(&order, &in);
    if (in.failed)
        return FIT_SHORT;
    return again == b->total ? FIT_WHOLE : FIT_NONE;
}

/* A block after damage must look more like ours than two equal lengths do. */
static bool is_plausible(const struct journal_reader *r, const struct block *b)
{
    struct reader in = reader_of(b->body);
    if (b->type == JOURNAL_BLOCK_SECTION)
        return true;
    if (b->type == JOURNAL_BLOCK_INTERFACE)
        return get_u16(r, &in) == JOURNAL_LINK_RAW;
    if (b->type != JOURNAL_BLOCK_PACKET)
        return false;
    uint32_t interface = get_u32(r, &in);
    reader_skip(&in, 8);
    uint32_t captured = get_u32(r, &in);
    return !in.failed && interface < INTERFACES_MAX &&
           JOURNAL_PADDED((size_t)captured) + 4 <= reader_left(&in);
}

/* Where the next plausible block begins behind damage at the reader's offset; 0 when there is none.
 * Blocks lie on multiples of four; less than a block cannot be patched over,
 * so no gap is smaller. */
static uint64_t resync(const struct journal_reader *r)
{
    struct block b;
    for (uint64_t at = r->offset + JOURNAL_BLOCK_MIN; at + JOURNAL_BLOCK_MIN <= r->file.len;
         at += 4)
        if (block_at(r, at, &b) == FIT_WHOLE && is_plausible(r, &b))
            return at;
    return 0;
}

static bool read_section(struct journal_reader *r, const struct block *b,
                         struct journal_record *record)
{
    r->in_section = true;
    r->swapped = b->swapped;
    r->count = 0;
    r->message_len = 0;
    record->kind = JOURNAL_RECORD_SECTION;
    record->comment = find_comment(r, reader_of(view_skip(b->body, 16)));
    return true;
}

static bool grow_interfaces(struct journal_reader *r)
{
    if (r->count < r->room)
        return true;
    uint32_t wanted = r->room ? r->room * 2 : 16;
    if (wanted > INTERFACES_MAX)
        return false;
    struct interface *more = realloc(r->interfaces, wanted * sizeof *more);
    if (!more)
        return false;
    r->interfaces = more;
    r->room = wanted;
    return true;
}

static enum journal_role role_of(struct view description)
{
    char role[16];
    if (journal_event_text(description, "role", role, sizeof role)) {
        if (strcmp(role, "media") == 0)
            return JOURNAL_ROLE_MEDIA;
        if (strcmp(role, "apart") == 0)
            return JOURNAL_ROLE_APART;
    }
    return JOURNAL_ROLE_SIP;
}

/* Interfaces are numbered by their order in the file, so one that was lost with its page would
 * shift all that follow: ours say their number,
 * and what is missing before it becomes an interface of nobody. */
static void fill_lost_interfaces(struct journal_reader *r, struct view description)
{
    int64_t number;
    if (!journal_event_number(description, "interface", &number) || number >= INTERFACES_MAX)
        return;
    while (r->count < number && grow_interfaces(r))
        r->interfaces[r->count++] = (struct interface){.link = UINT16_MAX};
}

static void read_interface(struct journal_reader *r, const struct block *b,
                           struct journal_record *record)
{
    struct reader in = reader_of(b->body);
    struct interface found = {.resolution = 6}; /* §4.2: microseconds unless told */
    uint16_t code;
    struct view value;
    found.link = get_u16(r, &in);
    reader_skip(&in, 6);
    while (next_option(r, &in, &code, &value)) {
        if (code == JOURNAL_OPTION_IF_DESCRIPTION && view_starts_with(value, VIEW_LIT("{")))
            found.description = piece_of(r, value);
        else if (code == JOURNAL_OPTION_IF_TSRESOL && value.len == 1)
            found.resolution = (uint8_t)value.at[0];
    }
    struct view json = piece_view(r, found.description);
    int64_t stream;
    found.role = role_of(json);
    if (journal_event_number(json, "stream", &stream))
        found.stream = (uint32_t)stream;
    fill_lost_interfaces(r, json);
    if (!grow_interfaces(r))
        return;
    record->role = found.role;
    record->stream = found.stream;
    record->kind = JOURNAL_RECORD_INTERFACE;
    record->interface = r->count;
    r->interfaces[r->count++] = found;
}

const struct journal_interface *journal_reader_interface(struct journal_reader *r, uint32_t number)
{
    if (number >= r->count)
        return NULL;
    struct view json = piece_view(r, r->interfaces[number].description);
    struct journal_interface *d = &r->described;
    int64_t value;
    *d = (struct journal_interface){
        .role = r->interfaces[number].role, .stream = r->interfaces[number].stream, .more = json};
    if (journal_event_number(json, "mline", &value))
        d->mline = (uint32_t)value;
    if (journal_event_text(json, "label", r->label, sizeof r->label))
        d->label = view_of_string(r->label);
    /* Absent or null: the address stays unset. */
    (void)!journal_event_addr(json, "advertised", &d->advertised);
    (void)!journal_event_addr(json, "bound", &d->bound);
    (void)!journal_event_addr(json, "relay", &d->relay);
    return d;
}

/* §4.2 if_tsresol: a power of ten, or of two when the highest bit is set. */
static struct wall time_of(uint64_t units, uint8_t resolution)
{
    uint8_t power = resolution & 0x7f;
    if (resolution & 0x80) {
        if (power > 63)
            return (struct wall){0};
        uint64_t seconds = units >> power, fraction = units - (seconds << power);
        unsigned __int128 ns = (unsigned __int128)fraction * (uint64_t)NS_PER_S >> power;
        return (struct wall){(int64_t)(seconds * (uint64_t)NS_PER_S + (uint64_t)ns)};
    }
    for (; power < 9; power++)
        units *= 10;
    for (; power > 9 && units; power--)
        units /= 10;
    return (struct wall){(int64_t)units};
}

static bool append_message(struct journal_reader *r, struct view part)
{
    if (part.len > MESSAGE_MAX - r->message_len)
        return false;
    size_t wanted = r->message_len + part.len;
    if (wanted > r->message_room) {
        char *more = realloc(r->message, wanted * 2);
        if (!more)
            return false;
        r->message = more;
        r->message_room = wanted * 2;
    }
    if (part.len)
        memcpy(r->message + r->message_len, part.at, part.len);
    r->message_len = wanted;
    return true;
}

/* True when the segment completes a message. The parts of one stand next to
 * each other in the file. */
static bool read_segment(struct journal_reader *r, const struct journal_packet *p,
                         struct journal_record *record)
{
    bool first = r->message_len == 0;
    if (!first && !addr_equal(&r->message_from, &p->source)) {
        r->message_len = 0;
        first = true;
    }
    record->payload = p->payload;
    if (first && p->push)
        return true;
    r->message_from = p->source;
    if (!append_message(r, p->payload)) {
        r->message_len = 0;
        record->truncated = true;
        return true;
    }
    if (!p->push)
        return false;
    record->payload = view_of(r->message, r->message_len);
    r->message_len = 0;
    return true;
}

/* False when the packet is a part of a message whose rest comes later. */
static bool classify(struct journal_reader *r, const struct journal_packet *p,
                     struct journal_record *record)
{
    bool sip = record->role == JOURNAL_ROLE_SIP;
    record->source = p->source;
    record->destination = p->destination;
    record->payload = p->payload;
    if (p->protocol == JOURNAL_PROTOCOL_NONE && record->comment.len) {
        record->kind = JOURNAL_RECORD_EVENT;
    } else if (p->protocol == JOURNAL_PROTOCOL_TCP && sip) {
        record->kind = JOURNAL_RECORD_SIP;
        record->tcp = true;
        return read_segment(r, p, record);
    } else if (p->protocol == JOURNAL_PROTOCOL_UDP && sip) {
        record->kind = JOURNAL_RECORD_SIP;
    } else if (p->protocol == JOURNAL_PROTOCOL_UDP) {
        enum rtp_demux what = rtp_demux(p->payload);
        record->kind = what == RTP_DEMUX_RTP    ? JOURNAL_RECORD_RTP
                       : what == RTP_DEMUX_RTCP ? JOURNAL_RECORD_RTCP
                                                : JOURNAL_RECORD_OTHER;
    }
    return true;
}

static bool read_packet(struct journal_reader *r, const struct block *b,
                        struct journal_record *record)
{
    struct reader in = reader_of(b->body);
    struct journal_packet packet;
    record->interface = get_u32(r, &in);
    uint64_t units = (uint64_t)get_u32(r, &in) << 32;
    units |= get_u32(r, &in);
    uint32_t captured = get_u32(r, &in);
    reader_skip(&in, 4);
    struct view data = reader_view(&in, captured);
    reader_skip(&in, JOURNAL_PADDED((size_t)captured) - captured);
    if (in.failed || record->interface >= r->count)
        return true;
    const struct interface *interface = &r->interfaces[record->interface];
    record->role = interface->role;
    record->stream = interface->stream;
    record->time = time_of(units, interface->resolution);
    record->comment = find_comment(r, in);
    if (record->comment.len && !journal_event_decode(record->comment, &record->event))
        record->comment = VIEW_NONE;
    if (interface->link != JOURNAL_LINK_RAW || !journal_packet_decode(data, &packet))
        return true;
    return classify(r, &packet, record);
}

static bool read_block(struct journal_reader *r, const struct block *b,
                       struct journal_record *record)
{
    *record = (struct journal_record){.kind = JOURNAL_RECORD_OTHER, .event = JOURNAL_EVENT_OTHER};
    record->offset = r->offset;
    record->length = b->total;
    switch (b->type) {
    case JOURNAL_BLOCK_SECTION:
        return read_section(r, b, record);
    case JOURNAL_BLOCK_INTERFACE:
        read_interface(r, b, record);
        return true;
    case JOURNAL_BLOCK_PACKET:
        return read_packet(r, b, record);
    default:
        return true;
    }
}

bool journal_reader_next(struct journal_reader *r, struct journal_record *record)
{
    for (;;) {
        struct block b;
        enum fit fit = block_at(r, r->offset, &b);
        if (fit == FIT_WHOLE) {
            bool complete = read_block(r, &b, record);
            r->offset += b.total;
            if (complete)
                return true;
            continue;
        }
        /* Too short may only mean that more is to come, unless nothing will. */
        if (fit == FIT_SHORT && !r->final)
            return false;
        uint64_t next = resync(r);
        if (next == 0)
            return false;
        *record = (struct journal_record){.kind = JOURNAL_RECORD_DAMAGE,
                                          .offset = r->offset,
                                          .length = next - r->offset,
                                          .event = JOURNAL_EVENT_OTHER};
        r->offset = next;
        r->message_len = 0;
        return true;
    }
}
