/* doctor: "siprecctl doctor": asks siprecd why there is no media, and adds what only root on that
 * host can see: its firewall.
 * Not here: the diagnosis (siprecd's).
 * RFC: none. */
#ifndef SIPRECCTL_DOCTOR_H
#define SIPRECCTL_DOCTOR_H

#include "tools/siprecctl/client.h"
#include "tools/siprecctl/options.h"

/* *is_healthy: what the exit status says. */
enum ctl_answer ctl_doctor(struct ctl_client *client, const struct ctl_options *options,
                           bool *is_healthy);

#endif
