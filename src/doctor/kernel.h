/* kernel: what the kernel counts about datagrams that reached nobody.
 * Not here: reading /proc (siprecd/doctor.h).
 * RFC 4113 (UDP-MIB), 4293 (IP-MIB): the names of the counters. */
#ifndef DOCTOR_KERNEL_H
#define DOCTOR_KERNEL_H

#include "base/view.h"

struct doctor_kernel {
    uint64_t no_ports;         /* nobody listens on the port */
    uint64_t receive_overflow; /* a socket's buffer was full */
    uint64_t reassembly_failures;
};

/* Adds up what /proc/net/snmp and /proc/net/snmp6 say; either may be empty. */
void doctor_kernel_read(struct doctor_kernel *out, struct view snmp, struct view snmp6);

#endif
