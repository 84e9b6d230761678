/* message: reading and building STUN messages and their attributes.
 * Not here: credentials (key.h, auth.h), retransmission (client.h), answers (server.h).
 * RFC 8489 §5, §14; RFC 5780 §7; RFC 3489 messages without the cookie are told apart (RFC 8489
 * §11). */
#ifndef STUN_MESSAGE_H
#define STUN_MESSAGE_H

#include "base/addr.h"
#include "base/rng.h"
#include "base/writer.h"

#define STUN_HEADER_SIZE 20
#define STUN_COOKIE      0x2112a442u

enum stun_class {
    STUN_REQUEST,
    STUN_INDICATION,
    STUN_SUCCESS,
    STUN_ERROR,
};

/* RFC 8489 §18.2, RFC 8656 §18. */
enum stun_method {
    STUN_BINDING = 0x001,
    STUN_ALLOCATE = 0x003,
    STUN_REFRESH = 0x004,
    STUN_SEND = 0x006,
    STUN_DATA = 0x007,
    STUN_CREATE_PERMISSION = 0x008,
    STUN_CHANNEL_BIND = 0x009,
    STUN_CONNECT = 0x00a,
    STUN_CONNECTION_BIND = 0x00b,
    STUN_CONNECTION_ATTEMPT = 0x00c,
};

/* Types under 0x8000 must be understood by who receives them in a request (§14). */
enum stun_attribute_type {
    STUN_MAPPED_ADDRESS = 0x0001,
    STUN_CHANGE_REQUEST = 0x0003,
    STUN_USERNAME = 0x0006,
    STUN_MESSAGE_INTEGRITY = 0x0008,
    STUN_ERROR_CODE = 0x0009,
    STUN_UNKNOWN_ATTRIBUTES = 0x000a,
    STUN_CHANNEL_NUMBER = 0x000c,
    STUN_LIFETIME = 0x000d,
    STUN_XOR_PEER_ADDRESS = 0x0012,
    STUN_DATA_VALUE = 0x0013,
    STUN_REALM = 0x0014,
    STUN_NONCE = 0x0015,
    STUN_XOR_RELAYED_ADDRESS = 0x0016,
    STUN_REQUESTED_ADDRESS_FAMILY = 0x0017,
    STUN_EVEN_PORT = 0x0018,
    STUN_REQUESTED_TRANSPORT = 0x0019,
    STUN_DONT_FRAGMENT = 0x001a,
    STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    STUN_PASSWORD_ALGORITHM = 0x001d,
    STUN_USERHASH = 0x001e,
    STUN_XOR_MAPPED_ADDRESS = 0x0020,
    STUN_RESERVATION_TOKEN = 0x0022,
    STUN_PRIORITY = 0x0024,
    STUN_USE_CANDIDATE = 0x0025,
    STUN_PADDING = 0x0026,
    STUN_RESPONSE_PORT = 0x0027,
    STUN_CONNECTION_ID = 0x002a,
    STUN_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
    STUN_ADDITIONAL_ADDRESS_FAMILY_COTURN = 0x8032, /* coturn knows it by this number alone */
    STUN_ADDRESS_ERROR_CODE = 0x8001,
    STUN_PASSWORD_ALGORITHMS = 0x8002,
    STUN_ALTERNATE_DOMAIN = 0x8003,
    STUN_ICMP = 0x8004,
    STUN_SOFTWARE = 0x8022,
    STUN_ALTERNATE_SERVER = 0x8023,
    STUN_TRANSACTION_TRANSMIT_COUNTER = 0x8025,
    STUN_FINGERPRINT = 0x8028,
    STUN_ICE_CONTROLLED = 0x8029,
    STUN_ICE_CONTROLLING = 0x802a,
    STUN_RESPONSE_ORIGIN = 0x802b,
    STUN_OTHER_ADDRESS = 0x802c,
    STUN_MOBILITY_TICKET = 0x8030,
};

/* CHANGE-REQUEST flags (RFC 5780 §7.2). */
#define STUN_CHANGE_IP   0x4u
#define STUN_CHANGE_PORT 0x2u

/* 96 bits. A classic message has 128: the first 32 are head in struct stun_message. */
struct stun_transaction {
    uint8_t id[12];
};

struct stun_transaction stun_transaction_make(struct rng *rng);
bool stun_transaction_equal(const struct stun_transaction *a, const struct stun_transaction *b);

/* A whole message whose every attribute lies inside it. Borrows the datagram. */
struct stun_message {
    struct view bytes;
    enum stun_class class;
    uint16_t method; /* enum stun_method, or one we do not know */
    struct stun_transaction transaction;
    bool classic;     /* RFC 3489: no magic cookie */
    uint32_t head;    /* the cookie, or what a classic message has in its place */
    size_t integrity; /* where MESSAGE-INTEGRITY starts in bytes; 0: none */
    size_t integrity_sha256;
    size_t fingerprint;
};

enum stun_decode_result {
    STUN_DECODED,
    STUN_NOT_STUN,        /* its first bits or its length field say that it is something else */
    STUN_MALFORMED,       /* attributes run over the end, or FINGERPRINT is not the last */
    STUN_BAD_FINGERPRINT, /* §7: then it is no STUN message either, but worth a count of its own */
};

/* The datagram must be one message and nothing more (§5: the length field is a multiple of 4). */
enum stun_decode_result stun_message_decode(struct view datagram, struct stun_message *out);

struct stun_attribute {
    uint16_t type;
    struct view value; /* without padding */
};

/* Walks the attributes that count: those after MESSAGE-INTEGRITY are passed over except
 * MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, those after MESSAGE-INTEGRITY-SHA256 except FINGERPRINT
 * (§14.5, §14.6). *at starts at 0. */
bool stun_attribute_next(const struct stun_message *m, size_t *at, struct stun_attribute *out);
/* The first of its type (§14: later ones may be ignored). */
bool stun_attribute_find(const struct stun_message *m, enum stun_attribute_type type,
                         struct view *value);

/* The address in one attribute of m; XOR forms are undone (§14.2).
 * False when it is not of the RFC's form. */
WARN_UNUSED bool stun_address_of(const struct stun_message *m, const struct stun_attribute *a,
                                 struct addr *out);

/* Typed values; false when absent or not of the form the RFC gives.
 * XOR forms are undone (§14.2). */
WARN_UNUSED bool stun_read_address(const struct stun_message *m, enum stun_attribute_type type,
                                   struct addr *out);
/* XOR-MAPPED-ADDRESS, or the old MAPPED-ADDRESS where a server sends only that. */
WARN_UNUSED bool stun_read_mapped(const struct stun_message *m, struct addr *out);
WARN_UNUSED bool stun_read_u32(const struct stun_message *m, enum stun_attribute_type type,
                               uint32_t *out);
WARN_UNUSED bool stun_read_u64(const struct stun_message *m, enum stun_attribute_type type,
                               uint64_t *out);
/* The code (300-699, §14.8) and the reason, which may be empty. */
WARN_UNUSED bool stun_read_error(const struct stun_message *m, uint16_t *code, struct view *reason);

/* Comprehension-required types of m that are not in known[0..known_count), to out; how many there
 * are, at most size of them written. For 420 (§6.3.1). */
size_t stun_unknown_attributes(const struct stun_message *m, const uint16_t *known,
                               size_t known_count, uint16_t *out, size_t size);

/* Building: begin, put, then one of the ends in key.h or stun_finish. The writer starts empty; on
 * overflow it fails and nothing is to be sent. Text attributes over their limits (§14.3, §14.9,
 * §14.10) are our mistake. */
void stun_begin(struct writer *w, enum stun_class class, enum stun_method method,
                const struct stun_transaction *transaction);
/* An answer to request in its own form: the same method, transaction and,
 * for a classic one, head. */
void stun_begin_answer(struct writer *w, enum stun_class class, const struct stun_message *request);
void stun_put(struct writer *w, enum stun_attribute_type type, struct view value);
void stun_put_u32(struct writer *w, enum stun_attribute_type type, uint32_t value);
void stun_put_u64(struct writer *w, enum stun_attribute_type type, uint64_t value);
/* XORed for the types that are (§14.2). */
void stun_put_address(struct writer *w, enum stun_attribute_type type, const struct addr *address);
void stun_put_error(struct writer *w, uint16_t code, const char *reason);
void stun_put_unknown(struct writer *w, const uint16_t *types, size_t count);
/* Appends FINGERPRINT (§14.7) when asked, and settles the length field. */
void stun_finish(struct writer *w, bool fingerprint);

/* Writes the length field as if the message ended extra bytes from here: integrity is computed over
 * that (§14.5). */
void stun_settle_length(struct writer *w, size_t extra);

#endif
