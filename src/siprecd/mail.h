/* mail: the plain messages between the daemon's threads.
 * Not here: the mailboxes (io/mailbox.h), what the threads do with them.
 * RFC: none. */
#ifndef SIPRECD_MAIL_H
#define SIPRECD_MAIL_H

#include "media/media.h"
#include "recorder/recorder.h"
#include "siprecd/network.h"

/* To a media worker. */
enum worker_mail_kind {
    WORKER_COMMAND,     /* command; its bytes pass to the worker */
    WORKER_TICKET_BACK, /* ticket: was never used */
    WORKER_STOP,        /* write what there is, close, end the thread */
};

struct worker_mail {
    enum worker_mail_kind kind;
    union {
        struct media_command command;
        struct recorder_ticket ticket;
    };
};

/* What SIGHUP may change for signalling. */
struct signalling_settings {
    struct recorder_settings recorder;
    struct network network;
};

/* To signalling. */
enum signalling_mail_kind {
    SIGNALLING_TICKET,    /* ticket, of worker */
    SIGNALLING_MEDIA,     /* event, of worker */
    SIGNALLING_PORTS,     /* worker says whether it has a port left: on = none */
    SIGNALLING_DISK_FULL, /* on or off */
    SIGNALLING_RELOAD,    /* settings, to be freed */
    SIGNALLING_DRAIN,     /* take no more calls; end when the last is over */
    SIGNALLING_HANG_UP,   /* end them now */
    SIGNALLING_STOP,      /* end the thread */
};

struct signalling_mail {
    enum signalling_mail_kind kind;
    uint32_t worker;
    bool on;
    union {
        struct recorder_ticket ticket;
        struct media_event event;
        struct signalling_settings *settings;
    };
};

#endif
