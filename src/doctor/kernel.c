/* kernel: the tables of /proc/net/snmp and snmp6.
 * Not here: when they are read.
 * RFC 4113, 4293. */
#include "doctor/kernel.h"

/* /proc/net/snmp has two lines a protocol: the names, then the numbers in the same order. */
static uint64_t find_v4(struct view text, struct view protocol, struct view name)
{
    struct view names, numbers, word, number;
    uint64_t value = 0;
    while (view_cut_line(&text, &names)) {
        if (!view_starts_with(names, protocol) || !view_cut_line(&text, &numbers))
            continue;
        while (view_cut(&names, ' ', &word) && view_cut(&numbers, ' ', &number)) {
            if (view_equal(word, name))
                return view_parse_u64(number, &value) ? value : 0;
        }
    }
    return 0;
}

/* /proc/net/snmp6 has a name and a number a line. */
static uint64_t find_v6(struct view text, struct view name)
{
    struct view line, word;
    uint64_t value = 0;
    while (view_cut_line(&text, &line)) {
        size_t end = 0;
        while (end < line.len && line.at[end] != ' ' && line.at[end] != '\t')
            end++;
        word = view_take(line, end);
        if (view_equal(word, name))
            return view_parse_u64(view_trim(view_skip(line, end)), &value) ? value : 0;
    }
    return 0;
}

void doctor_kernel_read(struct doctor_kernel *out, struct view snmp, struct view snmp6)
{
    *out = (struct doctor_kernel){
        .no_ports = find_v4(snmp, VIEW_LIT("Udp:"), VIEW_LIT("NoPorts")) +
                    find_v6(snmp6, VIEW_LIT("Udp6NoPorts")),
        .receive_overflow = find_v4(snmp, VIEW_LIT("Udp:"), VIEW_LIT("RcvbufErrors")) +
                            find_v6(snmp6, VIEW_LIT("Udp6RcvbufErrors")),
        .reassembly_failures = find_v4(snmp, VIEW_LIT("Ip:"), VIEW_LIT("ReasmFails")) +
                               find_v6(snmp6, VIEW_LIT("Ip6ReasmFails")),
    };
}
