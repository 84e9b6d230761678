/* payload: cuts one RTP payload into the frames a decoder takes, one at a time.
 * Not here: decoding them (decoder.h), timestamps and sequence numbers (clock.h).
 * RFC 4867 §4 (AMR, AMR-WB), 3952 §3 (iLBC), 3551 §4.5 (G.729, GSM, G.722), 7587 §4.2 (Opus). */
#include "render/payload.h"

#include <string.h>

/* Bits of speech per frame type (3GPP TS 26.101 and 26.201; RFC 4867 §4.3.1 and 5.3).
 * -1: reserved, the rest of the packet cannot be read. 0: no data follows. */
static const int AMR_BITS[16] = {95, 103, 118, 134, 148, 159, 204, 244,
                                 39, 43,  38,  37,  -1,  -1,  -1,  0};
static const int AMR_WB_BITS[16] = {132, 177, 253, 285, 317, 365, 397, 461,
                                    477, 40,  -1,  -1,  -1,  -1,  0,   0};
enum { AMR_FIRST_SID = 8, AMR_WB_SID = 9, AMR_MAX_TYPES = 16 };

struct bits {
    const uint8_t *at;
    size_t len;  /* bits */
    size_t pos;  /* bits */
    bool failed; /* sticky */
};

static unsigned bits_take(struct bits *bits, unsigned count)
{
    unsigned value = 0;
    if (bits->failed || bits->len - bits->pos < count) {
        bits->failed = true;
        return 0;
    }
    for (unsigned i = 0; i < count; i++, bits->pos++)
        value = value << 1 | ((unsigned)bits->at[bits->pos / 8] >> (7 - bits->pos % 8) & 1U);
    return value;
}

static void frame_add(struct render_payload *payload, enum render_frame_kind kind,
                      struct view bytes, uint32_t samples)
{
    if (payload->count == RENDER_PAYLOAD_FRAMES) {
        payload->broken = true;
        return;
    }
    payload->frames[payload->count++] = (struct render_frame){kind, bytes, samples};
}

/* Equal frames of `size` bytes; what is left over is returned. */
static struct view fixed_split(struct render_payload *payload, struct view bytes, size_t size,
                               uint32_t samples)
{
    while (bytes.len >= size && payload->count < RENDER_PAYLOAD_FRAMES) {
        frame_add(payload, RENDER_FRAME_SPEECH, (struct view){bytes.at, size}, samples);
        bytes = (struct view){bytes.at + size, bytes.len - size};
    }
    return bytes;
}

/* RFC 3551 §4.5.6: any number of 10-byte frames, and at most one 2-byte Annex B comfort-noise
 * frame, last. */
static void g729_split(struct render_payload *payload, struct view bytes)
{
    struct view rest = fixed_split(payload, bytes, 10, 80);
    if (rest.len == 2)
        frame_add(payload, RENDER_FRAME_COMFORT, rest, 80);
    else if (rest.len > 0)
        payload->broken = true;
}

/* RFC 3952 §3: 38 bytes are 20 ms, 50 bytes 30 ms. Senders mix up `mode`, so a length that
 * only the other size divides wins over the fmtp. */
static void ilbc_split(struct render_payload *payload, const struct render_codec *codec,
                       struct view bytes)
{
    bool twenty = codec->ilbc_ms == 20;
    if (twenty ? (bytes.len % 38 != 0 && bytes.len % 50 == 0)
               : (bytes.len % 50 != 0 && bytes.len % 38 == 0)) {
        twenty = !twenty;
    }
    struct view rest = fixed_split(payload, bytes, twenty ? 38 : 50, twenty ? 160 : 240);
    payload->broken |= rest.len > 0;
}

struct amr_toc {
    uint8_t type;
    bool good;
};

struct amr_reader {
    struct bits bits;
    const int *sizes;
    uint8_t first_sid;
    uint32_t samples;
    size_t scratch_used;
};

/* Moves one frame to octet boundaries behind a storage-format header (RFC 4867 §5.3), which
 * is the form decoders take. */
static void amr_frame_add(struct render_payload *payload, struct amr_reader *reader,
                          struct amr_toc toc)
{
    size_t size = (size_t)reader->sizes[toc.type];
    size_t octets = 1 + (size + 7) / 8;
    if (size == 0 || !toc.good) {
        for (size_t left = size; left > 0 && !reader->bits.failed;) {
            unsigned chunk = left > 16 ? 16 : (unsigned)left;
            (void)bits_take(&reader->bits, chunk);
            left -= chunk;
        }
        frame_add(payload, RENDER_FRAME_MISSING, (struct view){NULL, 0}, reader->samples);
        return;
    }
    if (reader->scratch_used + octets > sizeof payload->scratch) {
        payload->broken = true;
        return;
    }
    uint8_t *out = payload->scratch + reader->scratch_used;
    memset(out, 0, octets);
    out[0] = (uint8_t)(toc.type << 3 | 4);
    for (size_t i = 0; i < size; i += 8) {
        unsigned count = size - i < 8 ? (unsigned)(size - i) : 8;
        out[1 + i / 8] = (uint8_t)(bits_take(&reader->bits, count) << (8 - count));
    }
    if (reader->bits.failed) {
        payload->broken = true;
        return;
    }
    reader->scratch_used += octets;
    frame_add(payload, toc.type >= reader->first_sid ? RENDER_FRAME_COMFORT : RENDER_FRAME_SPEECH,
              (struct view){(const char *)out, octets}, reader->samples);
}

/* Reads the table of contents: F, FT and Q for each frame until F is 0. Octet-aligned entries have
 * two bits of padding. Returns the number of entries; 0 with `broken` set on a fault. */
static size_t amr_toc_read(struct render_payload *payload, struct amr_reader *reader,
                           bool octet_align, struct amr_toc *toc)
{
    size_t count = 0;
    bool more = true;
    while (more && count < RENDER_PAYLOAD_FRAMES) {
        more = bits_take(&reader->bits, 1) == 1;
        toc[count].type = (uint8_t)bits_take(&reader->bits, 4);
        toc[count].good = bits_take(&reader->bits, 1) == 1;
        if (octet_align)
            (void)bits_take(&reader->bits, 2);
        /* RFC 4867 §4.3.2: a packet with a reserved frame type is to be discarded. */
        if (reader->bits.failed || reader->sizes[toc[count].type] < 0) {
            payload->broken = true;
            return 0;
        }
        count++;
    }
    payload->broken |= more;
    return count;
}

static void amr_split(struct render_payload *payload, const struct render_codec *codec,
                      struct view bytes)
{
    bool wide = codec->kind == SDP_CODEC_AMR_WB;
    struct amr_reader reader = {
        .bits = {(const uint8_t *)bytes.at, bytes.len * 8, 0, false},
        .sizes = wide ? AMR_WB_BITS : AMR_BITS,
        .first_sid = wide ? AMR_WB_SID : AMR_FIRST_SID,
        .samples = wide ? 320 : 160,
    };
    struct amr_toc toc[RENDER_PAYLOAD_FRAMES];
    /* RFC 4867 §4.3.1 and 4.4.1: a codec mode request of 4 bits, padded to 8 when octet-aligned. */
    (void)bits_take(&reader.bits, codec->octet_align ? 8 : 4);
    size_t count = amr_toc_read(payload, &reader, codec->octet_align, toc);
    if (codec->crc) {
        /* RFC 4867 §4.4.2.1: one CRC octet for each frame that has data. UDP's checksum has already
         * covered what it protects. */
        for (size_t i = 0; i < count; i++)
            (void)bits_take(&reader.bits, reader.sizes[toc[i].type] > 0 ? 8 : 0);
    }
    for (size_t i = 0; i < count && !payload->broken; i++) {
        amr_frame_add(payload, &reader, toc[i]);
        if (codec->octet_align)
            reader.bits.pos = (reader.bits.pos + 7) / 8 * 8;
    }
    payload->broken |= reader.bits.failed;
}

void render_payload_split(struct render_payload *payload, const struct render_codec *codec,
                          struct view bytes)
{
    payload->count = 0;
    payload->broken = codec->undecodable;
    if (bytes.len == 0 || codec->undecodable)
        return;
    switch (codec->kind) {
    case SDP_CODEC_G729:
        g729_split(payload, bytes);
        break;
    case SDP_CODEC_ILBC:
        ilbc_split(payload, codec, bytes);
        break;
    case SDP_CODEC_GSM:
        payload->broken |= fixed_split(payload, bytes, 33, 160).len > 0;
        break;
    case SDP_CODEC_AMR:
    case SDP_CODEC_AMR_WB:
        amr_split(payload, codec, bytes);
        break;
    case SDP_CODEC_PCMU:
    case SDP_CODEC_PCMA:
        payload->broken |= bytes.len % codec->channels != 0;
        frame_add(payload, RENDER_FRAME_SPEECH, bytes, (uint32_t)(bytes.len / codec->channels));
        break;
    case SDP_CODEC_G722:
        /* 64 kbit/s: one octet holds two samples of 16 kHz (RFC 3551 §4.5.2). */
        frame_add(payload, RENDER_FRAME_SPEECH, bytes, (uint32_t)(bytes.len * 2));
        break;
    case SDP_CODEC_L16:
        payload->broken |= bytes.len % (2 * (size_t)codec->channels) != 0;
        frame_add(payload, RENDER_FRAME_SPEECH, bytes,
                  (uint32_t)(bytes.len / (2 * (size_t)codec->channels)));
        break;
    case SDP_CODEC_OPUS:
        frame_add(payload, RENDER_FRAME_SPEECH, bytes, 0);
        break;
    case SDP_CODEC_CN:
    case SDP_CODEC_TELEPHONE_EVENT:
    case SDP_CODEC_UNKNOWN:
    case SDP_CODEC_COUNT:
        break;
    }
}
