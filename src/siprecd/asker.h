/* asker: what takes its time (names, metadata, web services, UPnP, a file to write), done by a
 * thread each, so that nothing waits behind another and no call waits for any.
 * Not here: what is asked when, and what follows (surveyor.h, mapper.h).
 * RFC: none. */
#ifndef SIPRECD_ASKER_H
#define SIPRECD_ASKER_H

#include "io/igd.h"
#include "siprecd/clouds.h"

enum {
    ASKER_AT_ONCE = 32, /* questions under way */
    ASKER_TEXT_SIZE = 512,
    ASKER_ADDRESSES = 8,
    ASKER_PORTS = 256, /* mappings in one question: all that there are */
};

enum asker_kind {
    ASKER_NAME,     /* text: a host's name; port */
    ASKER_METADATA, /* nothing but the kind */
    ASKER_SERVICE,  /* text: a URL; family; proxy */
    ASKER_GATEWAY,  /* local, gateway; igd or NULL: looks for one; ports to map or give back */
    ASKER_KEEP,     /* text: a file's path; content: its new bytes */
};

/* A mapping that is wanted, and what became of it. */
struct asker_port {
    bool is_tcp;
    bool give_back;
    bool is_check; /* is it still mapped? is_mapped is the answer */
    uint16_t internal;
    uint16_t external; /* wanted (0: the same), then got */
    bool is_mapped;
    int error; /* UPnP's, or negative */
};

struct asker_question {
    enum asker_kind kind;
    uint32_t id; /* the asker's own; comes back */
    char text[ASKER_TEXT_SIZE];
    char proxy[ASKER_TEXT_SIZE]; /* "": none. Tried where the direct way fails */
    enum addr_family family;
    uint16_t port;
    struct addr local, gateway;
    struct io_igd *igd; /* passes along, and comes back */
    bool is_farewell;   /* GATEWAY: all is given back, and nothing asked for any more */
    uint32_t lease_s;
    char *content; /* malloc'ed; passes along, and is freed with the answer */
    size_t ports_count;
    struct asker_port ports[ASKER_PORTS];
};

struct asker_answer {
    struct asker_question question; /* as asked, with ports and igd as they became */
    bool good;                      /* there is something in the answer */
    size_t count;
    struct addr addresses[ASKER_ADDRESSES]; /* GATEWAY: its outside address */
    enum cloud cloud;                       /* METADATA */
    char why[128];                          /* not good: for the log */
};

struct asker;

/* NULL with errno. */
struct asker *asker_create(void);
/* Does not wait for what is still under way: nobody hears its answers. NULL is fine. */
void asker_destroy(struct asker *asker);

/* A descriptor that is readable while answers stand ready. */
int asker_fd(const struct asker *asker);
/* Waits until one stands ready, timeout_ms at most. */
void asker_wait(const struct asker *asker, int64_t timeout_ms);

/* At the end: no errand maps anything more. What one has under way at that moment it finishes. */
void asker_map_no_more(struct asker *asker);
/* An errand has mapped something, or is about to, and its answer was not taken out yet. */
bool asker_is_mapping(struct asker *asker);

/* Copies the question; takes its igd and content. False: too many are under way, they stay the
 * caller's. */
WARN_UNUSED bool asker_ask(struct asker *asker, const struct asker_question *question);

/* Takes an answer out; NULL: none. It stays until asker_answer_free; whoever keeps its igd sets that
 * to NULL. */
struct asker_answer *asker_answer(struct asker *asker);
void asker_answer_free(struct asker_answer *answer);

#endif
