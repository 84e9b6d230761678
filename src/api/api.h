/* api: the HTTP API of siprecd: its routes, its server, and two threads for what takes longer
 * (audio rendered on demand, deleting).
 * Not here: the daemon's own state (board.h carries it), the catalogue.
 * RFC 9457 (problems), OpenAPI 3.1 (openapi.json). */
#ifndef API_API_H
#define API_API_H

#include "api/board.h"
#include "base/addr.h"
#include "catalog/catalog.h"
#include "http/router.h"
#include "nat/path.h"

struct api;

/* Why is there no media? */
enum { API_QUESTION_STREAMS = 16, API_QUESTION_NAME = 64 };

struct api_question {
    const char *call_id;   /* NULL: of no call */
    bool was_asked;        /* for that very call; else it is the latest */
    const char *document;  /* its recording; NULL: there is none */
    const char *directory; /* of the recording, below root */
    struct wall started;
    struct wall ended;   /* ns 0: it goes on */
    const char *network; /* as GET /v1/nat has it; NULL: not known */
    /* Whether this host's firewall drops what comes to each stream's port, as the asker could see,
     * and which chain of nftables does. */
    enum path_answer firewall[API_QUESTION_STREAMS];
    bool lets_answers_in[API_QUESTION_STREAMS]; /* it drops only what begins a flow */
    struct api_chain {
        char family[8], table[API_QUESTION_NAME], name[API_QUESTION_NAME];
    } chain;
};

struct api_options {
    const struct addr *listen; /* http.listen */
    size_t listen_count;
    const char *hostnames;   /* http.hostnames, NULL: none */
    const char *root;        /* recordings.directory */
    const char *format;      /* recordings.format: what /audio gives when not told */
    const char *render;      /* path of siprecd-render, for audio on demand */
    struct catalog *catalog; /* borrowed */
    struct api_board *board; /* borrowed */
    /* Answers GET /v1/doctor with JSON, malloc'ed, on a thread that may take its time. */
    char *(*examine)(void *doctor, const struct api_question *question);
    void *doctor; /* borrowed */
};

/* Starts serving. The options' strings are copied. NULL with a sentence in error. */
struct api *api_create(const struct api_options *options, char *error, size_t error_size);
/* Stops serving; running renders are ended. NULL is fine. */
void api_destroy(struct api *api);

/* The port of listener n. */
uint16_t api_port(const struct api *api, size_t n);

/* Every route there is, for the test that holds them against openapi.json. */
const struct http_route *api_routes(size_t *count);

#endif
