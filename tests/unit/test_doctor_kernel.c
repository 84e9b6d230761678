/* Tests of the kernel's counters, as Linux 6.1 prints them. */
#include "doctor/kernel.h"

#include "tap.h"

static const char snmp[] =
    "Ip: Forwarding DefaultTTL InReceives ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs\n"
    "Ip: 1 64 1000 2 40 18 7 0\n"
    "UdpLite: InDatagrams NoPorts\n"
    "UdpLite: 0 99\n"
    "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n"
    "Udp: 5000 12 3 4000 3 0\n";
static const char snmp6[] = "Ip6InReceives                   \t100\n"
                            "Ip6ReasmFails                   \t1\n"
                            "Udp6NoPorts                     \t5\n"
                            "Udp6RcvbufErrors                \t2\n";

static void test_both_families(void)
{
    struct doctor_kernel k;
    doctor_kernel_read(&k, view_of_string(snmp), view_of_string(snmp6));
    CHECK_INT(k.no_ports, 17);
    CHECK_INT(k.receive_overflow, 5);
    CHECK_INT(k.reassembly_failures, 8);
}

static void test_nothing(void)
{
    struct doctor_kernel k;
    doctor_kernel_read(&k, VIEW_NONE, VIEW_LIT("Udp6NoPorts x\n"));
    CHECK_INT(k.no_ports, 0);
    doctor_kernel_read(&k, VIEW_LIT("Udp: NoPorts\n"), VIEW_NONE); /* the numbers are missing */
    CHECK_INT(k.no_ports, 0);
}

int main(void)
{
    RUN(test_both_families);
    RUN(test_nothing);
    return tap_done();
}
