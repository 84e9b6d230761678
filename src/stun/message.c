/* message: STUN on the wire.
 * Not here: credentials, time.
 * RFC 8489 §5, §14. */
#include "stun/message.h"

#include "base/reader.h"

#include <assert.h>
#include <string.h>

#define ATTRIBUTE_HEADER_SIZE 4
#define FINGERPRINT_SIZE      4
#define FINGERPRINT_XOR       0x5354554eu /* "STUN", §14.7 */

struct stun_transaction stun_transaction_make(struct rng *rng)
{
    struct stun_transaction t;
    rng_bytes(rng, t.id, sizeof t.id);
    return t;
}

bool stun_transaction_equal(const struct stun_transaction *a, const struct stun_transaction *b)
{
    return memcmp(a->id, b->id, sizeof a->id) == 0;
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* What each of a nibble's bits makes of the remainder; the nibble makes of it their sum. */
#define NIBBLES(a, b, c, d)                                                                        \
    {                                                                                              \
        0, (a), (b), (a) ^ (b), (c), (a) ^ (c), (b) ^ (c), (a) ^ (b) ^ (c), (d), (a) ^ (d),        \
            (b) ^ (d), (a) ^ (b) ^ (d), (c) ^ (d), (a) ^ (c) ^ (d), (b) ^ (c) ^ (d),               \
            (a) ^ (b) ^ (c) ^ (d)                                                                  \
    }

/* table[k][n]: what nibble n makes of the remainder when k more nibbles have followed. */
static const uint32_t crc_table[8][16] = {
    NIBBLES(0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320),
    NIBBLES(0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832),
    NIBBLES(0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b),
    NIBBLES(0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08),
    NIBBLES(0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80),
    NIBBLES(0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8),
    NIBBLES(0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b),
    NIBBLES(0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef),
};
#undef NIBBLES

/* CRC-32 of ITU V.42, four bytes a step, whose eight look-ups do not wait for each other; the table
 * stays small. */
static uint32_t crc32(struct view bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    uint32_t crc = UINT32_MAX;
    size_t i = 0;
    for (; i + 4 <= bytes.len; i += 4) {
        uint32_t x = crc ^ ((uint32_t)at[i] | (uint32_t)at[i + 1] << 8 | (uint32_t)at[i + 2] << 16 |
                            (uint32_t)at[i + 3] << 24);
        crc = crc_table[7][x & 15] ^ crc_table[6][x >> 4 & 15] ^ crc_table[5][x >> 8 & 15] ^
              crc_table[4][x >> 12 & 15] ^ crc_table[3][x >> 16 & 15] ^ crc_table[2][x >> 20 & 15] ^
              crc_table[1][x >> 24 & 15] ^ crc_table[0][x >> 28];
    }
    for (; i < bytes.len; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ crc_table[0][crc & 15];
        crc = crc >> 4 ^ crc_table[0][crc & 15];
    }
    return ~crc;
}

/* §5: the class bits stand at 0x0100 and 0x0010 of the type, the method's bits around them. */
static enum stun_class class_of(uint16_t type)
{
    static const enum stun_class classes[] = {STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS,
                                              STUN_ERROR};
    return classes[(type >> 7 & 2) | (type >> 4 & 1)];
}

static uint16_t method_of(uint16_t type)
{
    return (uint16_t)((type & 0x000f) | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2);
}

static uint16_t type_of(enum stun_class class, uint16_t method)
{
    static const uint16_t bits[] = {[STUN_REQUEST] = 0x000,
                                    [STUN_INDICATION] = 0x010,
                                    [STUN_SUCCESS] = 0x100,
                                    [STUN_ERROR] = 0x110};
    return (uint16_t)((method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2 |
                      bits[class]);
}

static uint16_t u16_at(struct view bytes, size_t at)
{
    return (uint16_t)((uint8_t)bytes.at[at] << 8 | (uint8_t)bytes.at[at + 1]);
}

/* Remembers where the integrity attributes and FINGERPRINT stand; false when one runs over the end,
 * or when something follows FINGERPRINT (§14.7: it must be the last). */
static bool survey(struct stun_message *m)
{
    size_t at = STUN_HEADER_SIZE, end = m->bytes.len;
    while (at < end) {
        /* The length field is a multiple of 4, and so is every step: a header is never cut. */
        uint16_t type = u16_at(m->bytes, at);
        size_t next = at + ATTRIBUTE_HEADER_SIZE + padded(u16_at(m->bytes, at + 2));
        if (m->fingerprint || next > end)
            return false;
        if (type == STUN_MESSAGE_INTEGRITY && !m->integrity && !m->integrity_sha256)
            m->integrity = at;
        else if (type == STUN_MESSAGE_INTEGRITY_SHA256 && !m->integrity_sha256)
            m->integrity_sha256 = at;
        else if (type == STUN_FINGERPRINT)
            m->fingerprint = at;
        at = next;
    }
    return true;
}

static bool fingerprint_holds(const struct stun_message *m)
{
    struct reader r = reader_of(view_skip(m->bytes, m->fingerprint + 2));
    uint16_t len = reader_u16(&r);
    uint32_t value = reader_u32(&r);
    return !r.failed && len == FINGERPRINT_SIZE &&
           value == (crc32(view_take(m->bytes, m->fingerprint)) ^ FINGERPRINT_XOR);
}

enum stun_decode_result stun_message_decode(struct view datagram, struct stun_message *out)
{
    struct stun_message m = {.bytes = datagram};
    struct reader r = reader_of(datagram);
    uint16_t type = reader_u16(&r);
    uint16_t length = reader_u16(&r);
    m.head = reader_u32(&r);
    struct view id = reader_view(&r, sizeof m.transaction.id);
    if (r.failed || type > 0x3fff || length % 4 != 0 || length != reader_left(&r))
        return STUN_NOT_STUN;
    memcpy(m.transaction.id, id.at, id.len);
    m.class = class_of(type);
    m.method = method_of(type);
    m.classic = m.head != STUN_COOKIE;
    if (!survey(&m))
        return STUN_MALFORMED;
    if (m.fingerprint && !fingerprint_holds(&m))
        return STUN_BAD_FINGERPRINT;
    *out = m;
    return STUN_DECODED;
}

static bool counts(const struct stun_message *m, size_t at)
{
    if (at == m->fingerprint || at == m->integrity || at == m->integrity_sha256)
        return true;
    return !(m->integrity && at > m->integrity) &&
           !(m->integrity_sha256 && at > m->integrity_sha256);
}

bool stun_attribute_next(const struct stun_message *m, size_t *at, struct stun_attribute *out)
{
    size_t here = *at ? *at : STUN_HEADER_SIZE;
    while (here < m->bytes.len) {
        size_t len = u16_at(m->bytes, here + 2);
        size_t next = here + ATTRIBUTE_HEADER_SIZE + padded(len);
        assert(next <= m->bytes.len); /* survey saw to it */
        if (counts(m, here)) {
            *out = (struct stun_attribute){
                u16_at(m->bytes, here),
                view_take(view_skip(m->bytes, here + ATTRIBUTE_HEADER_SIZE), len)};
            *at = next;
            return true;
        }
        here = next;
    }
    *at = m->bytes.len;
    return false;
}

bool stun_attribute_find(const struct stun_message *m, enum stun_attribute_type type,
                         struct view *value)
{
    struct stun_attribute a;
    size_t at = 0;
    while (stun_attribute_next(m, &at, &a)) {
        if (a.type == type) {
            *value = a.value;
            return true;
        }
    }
    *value = VIEW_NONE;
    return false;
}

static bool is_xored(enum stun_attribute_type type)
{
    return type == STUN_XOR_MAPPED_ADDRESS || type == STUN_XOR_PEER_ADDRESS ||
           type == STUN_XOR_RELAYED_ADDRESS;
}

/* §14.2: the port with the cookie's upper half, the address with cookie and transaction id. */
static void xor_address(struct addr *a, uint32_t head, const struct stun_transaction *t)
{
    uint8_t mask[16];
    struct writer w = writer_of(mask, sizeof mask);
    writer_u32(&w, head);
    writer_view(&w, view_of(t->id, sizeof t->id));
    a->port ^= (uint16_t)(head >> 16);
    for (size_t i = 0; i < (a->family == ADDR_V4 ? 4u : 16u); i++)
        a->ip[i] ^= mask[i];
}

bool stun_address_of(const struct stun_message *m, const struct stun_attribute *attribute,
                     struct addr *out)
{
    struct reader r = reader_of(attribute->value);
    struct addr a = {0};
    reader_skip(&r, 1);
    uint8_t family = reader_u8(&r);
    a.family = family == 1 ? ADDR_V4 : family == 2 ? ADDR_V6 : ADDR_NONE;
    a.port = reader_u16(&r);
    struct view ip = reader_view(&r, a.family == ADDR_V4 ? 4 : 16);
    if (r.failed || reader_left(&r) > 0 || a.family == ADDR_NONE)
        return false;
    memcpy(a.ip, ip.at, ip.len);
    if (is_xored((enum stun_attribute_type)attribute->type))
        xor_address(&a, m->head, &m->transaction);
    *out = a;
    return true;
}

bool stun_read_address(const struct stun_message *m, enum stun_attribute_type type,
                       struct addr *out)
{
    struct stun_attribute a = {.type = (uint16_t)type};
    return stun_attribute_find(m, type, &a.value) && stun_address_of(m, &a, out);
}

bool stun_read_mapped(const struct stun_message *m, struct addr *out)
{
    return stun_read_address(m, STUN_XOR_MAPPED_ADDRESS, out) ||
           stun_read_address(m, STUN_MAPPED_ADDRESS, out);
}

bool stun_read_u32(const struct stun_message *m, enum stun_attribute_type type, uint32_t *out)
{
    struct view value;
    if (!stun_attribute_find(m, type, &value) || value.len != 4)
        return false;
    struct reader r = reader_of(value);
    *out = reader_u32(&r);
    return true;
}

bool stun_read_u64(const struct stun_message *m, enum stun_attribute_type type, uint64_t *out)
{
    struct view value;
    if (!stun_attribute_find(m, type, &value) || value.len != 8)
        return false;
    struct reader r = reader_of(value);
    *out = reader_u64(&r);
    return true;
}

bool stun_read_error(const struct stun_message *m, uint16_t *code, struct view *reason)
{
    struct view value;
    if (!stun_attribute_find(m, STUN_ERROR_CODE, &value))
        return false;
    struct reader r = reader_of(value);
    reader_skip(&r, 2);
    unsigned hundreds = reader_u8(&r) & 7u, rest = reader_u8(&r);
    if (r.failed || hundreds < 3 || hundreds > 6 || rest > 99)
        return false;
    *code = (uint16_t)(hundreds * 100 + rest);
    *reason = r.rest;
    return true;
}

size_t stun_unknown_attributes(const struct stun_message *m, const uint16_t *known,
                               size_t known_count, uint16_t *out, size_t size)
{
    struct stun_attribute a;
    size_t at = 0, found = 0;
    while (stun_attribute_next(m, &at, &a)) {
        bool unknown = a.type < 0x8000;
        for (size_t i = 0; i < known_count && unknown; i++)
            unknown = known[i] != a.type;
        for (size_t i = 0; i < found && i < size && unknown; i++)
            unknown = out[i] != a.type; /* each once */
        if (!unknown)
            continue;
        if (found < size)
            out[found] = a.type;
        found++;
    }
    return found;
}

static void begin(struct writer *w, uint16_t type, uint32_t head,
                  const struct stun_transaction *transaction)
{
    assert(w->len == 0);
    writer_u16(w, type);
    writer_u16(w, 0);
    writer_u32(w, head);
    writer_view(w, view_of(transaction->id, sizeof transaction->id));
}

void stun_begin(struct writer *w, enum stun_class class, enum stun_method method,
                const struct stun_transaction *transaction)
{
    begin(w, type_of(class, (uint16_t)method), STUN_COOKIE, transaction);
}

void stun_begin_answer(struct writer *w, enum stun_class class, const struct stun_message *request)
{
    begin(w, type_of(class, request->method), request->head, &request->transaction);
}

void stun_put(struct writer *w, enum stun_attribute_type type, struct view value)
{
    if (value.len > UINT16_MAX) {
        w->failed = true;
        return;
    }
    writer_u16(w, (uint16_t)type);
    writer_u16(w, (uint16_t)value.len);
    writer_view(w, value);
    writer_fill(w, 0, padded(value.len) - value.len);
}

void stun_put_u32(struct writer *w, enum stun_attribute_type type, uint32_t value)
{
    writer_u16(w, (uint16_t)type);
    writer_u16(w, 4);
    writer_u32(w, value);
}

void stun_put_u64(struct writer *w, enum stun_attribute_type type, uint64_t value)
{
    writer_u16(w, (uint16_t)type);
    writer_u16(w, 8);
    writer_u64(w, value);
}

void stun_put_address(struct writer *w, enum stun_attribute_type type, const struct addr *address)
{
    struct addr a = *address;
    size_t ip_len = a.family == ADDR_V4 ? 4 : 16;
    assert(addr_is_set(address));
    if (is_xored(type) && !w->failed) {
        struct stun_transaction t;
        struct reader r = reader_of(view_skip(view_of(w->buffer, w->len), 4));
        uint32_t head = reader_u32(&r);
        memcpy(t.id, reader_view(&r, sizeof t.id).at, sizeof t.id);
        xor_address(&a, head, &t);
    }
    writer_u16(w, (uint16_t)type);
    writer_u16(w, (uint16_t)(4 + ip_len));
    writer_u8(w, 0);
    writer_u8(w, a.family == ADDR_V4 ? 1 : 2);
    writer_u16(w, a.port);
    writer_view(w, view_of(a.ip, ip_len));
}

void stun_put_error(struct writer *w, uint16_t code, const char *reason)
{
    size_t len = strlen(reason);
    assert(code >= 300 && code <= 699 && len <= 509); /* §14.8 */
    writer_u16(w, STUN_ERROR_CODE);
    writer_u16(w, (uint16_t)(4 + len));
    writer_u16(w, 0);
    writer_u8(w, (uint8_t)(code / 100));
    writer_u8(w, (uint8_t)(code % 100));
    writer_string(w, reason);
    writer_fill(w, 0, padded(len) - len);
}

void stun_put_unknown(struct writer *w, const uint16_t *types, size_t count)
{
    writer_u16(w, STUN_UNKNOWN_ATTRIBUTES);
    writer_u16(w, (uint16_t)(2 * count));
    for (size_t i = 0; i < count; i++)
        writer_u16(w, types[i]);
    writer_fill(w, 0, padded(2 * count) - 2 * count);
}

void stun_settle_length(struct writer *w, size_t extra)
{
    size_t length = w->len - (w->failed ? w->len : STUN_HEADER_SIZE) + extra;
    if (length > UINT16_MAX)
        w->failed = true;
    writer_patch_u16(w, 2, (uint16_t)length);
}

void stun_finish(struct writer *w, bool fingerprint)
{
    if (fingerprint) {
        stun_settle_length(w, ATTRIBUTE_HEADER_SIZE + FINGERPRINT_SIZE);
        stun_put_u32(w, STUN_FINGERPRINT, crc32(writer_done(w)) ^ FINGERPRINT_XOR);
    }
    stun_settle_length(w, 0);
}
