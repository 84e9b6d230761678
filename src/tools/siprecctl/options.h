/* options: siprecctl's command line as plain data, and its help.
 * Not here: doing what it says.
 * RFC: none. */
#ifndef SIPRECCTL_OPTIONS_H
#define SIPRECCTL_OPTIONS_H

#include "base/view.h"

enum ctl_command {
    CTL_RECORDINGS,
    CTL_SESSIONS,
    CTL_SRCS,
    CTL_NAT,
    CTL_DOCTOR,
    CTL_DRAIN,
};

struct ctl_options {
    enum ctl_command command;
    const char *url; /* without a slash at its end */
    bool json;
    const char *id;      /* NULL: the list */
    const char *call_id; /* NULL: any */
    const char *state;   /* NULL: any */
    unsigned limit;
    bool delete_it; /* recordings ID --delete, srcs forget ID */
    char url_text[1024];
};

enum ctl_usage {
    CTL_USAGE_RUN,
    CTL_USAGE_DONE, /* help or version was printed: exit 0 */
    CTL_USAGE_BAD,  /* what is wrong was printed: exit 2 */
};

/* Options may stand before and after the command. *out borrows argv and the environment. */
WARN_UNUSED enum ctl_usage ctl_options_parse(struct ctl_options *out, int argc, char **argv);

#endif
