/* candidate: a=candidate lines.
 * Not here: ICE.
 * RFC 8839 §5.1, 6544 §4.5. */
#include "sdp/candidate.h"

#include <assert.h>

static const struct view types[] = {
    [CANDIDATE_HOST] = VIEW("host"),
    [CANDIDATE_SERVER_REFLEXIVE] = VIEW("srflx"),
    [CANDIDATE_PEER_REFLEXIVE] = VIEW("prflx"),
    [CANDIDATE_RELAYED] = VIEW("relay"),
};

static const struct view tcp_types[] = {
    [CANDIDATE_TCP_ACTIVE] = VIEW("active"),
    [CANDIDATE_TCP_PASSIVE] = VIEW("passive"),
    [CANDIDATE_TCP_SIMULTANEOUS] = VIEW("so"),
};

static bool next_word(struct view *rest, struct view *word)
{
    *rest = view_trim(*rest);
    *word = view_take(*rest, view_find_char(*rest, ' '));
    *rest = view_skip(*rest, word->len);
    return word->len > 0;
}

/* RFC 8839 §5.1 has letters, digits, "+" and "/"; vendors put in more. What cannot be seen would
 * make two foundations look as one. */
static bool read_foundation(struct view word, char out[CANDIDATE_FOUNDATION_SIZE])
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] <= ' ' || word.at[i] > '~')
            return false;
    }
    return view_copy(word, out, CANDIDATE_FOUNDATION_SIZE);
}

static bool read_address(struct view host, struct view port, struct addr *out)
{
    struct addr address;
    if (!addr_parse_ip(host, &address) || !view_parse_u16(port, &address.port))
        return false;
    *out = address;
    return true;
}

static bool read_type(struct view word, enum candidate_type *out)
{
    for (enum candidate_type t = CANDIDATE_HOST; t <= CANDIDATE_RELAYED; t++) {
        if (view_equal_nocase(word, types[t])) {
            *out = t;
            return true;
        }
    }
    return false;
}

static bool read_tcp_type(struct view word, enum candidate_transport *out)
{
    for (enum candidate_transport t = CANDIDATE_TCP_ACTIVE; t <= CANDIDATE_TCP_SIMULTANEOUS; t++) {
        if (view_equal_nocase(word, tcp_types[t])) {
            *out = t;
            return true;
        }
    }
    return false;
}

/* The pairs behind the type: raddr, rport, tcptype, and extensions that are skipped. */
static bool read_extensions(struct view rest, bool tcp, struct candidate *c)
{
    struct view key, value, related = VIEW_NONE;
    bool tcp_type = false;
    while (next_word(&rest, &key) && next_word(&rest, &value)) {
        if (view_equal_nocase(key, VIEW_LIT("raddr")))
            related = value;
        else if (view_equal_nocase(key, VIEW_LIT("rport")) && related.len)
            (void)read_address(related, value,
                               &c->related); /* for diagnosis only, so a name is no fault */
        else if (view_equal_nocase(key, VIEW_LIT("tcptype")))
            tcp_type = read_tcp_type(value, &c->transport);
    }
    return !tcp || tcp_type; /* RFC 6544 §4.5: a TCP candidate must say which */
}

bool sdp_candidate_parse(struct view value, struct candidate *out)
{
    struct candidate c = {0};
    struct view rest = value, word, host;
    if (!next_word(&rest, &word) || !read_foundation(word, c.foundation))
        return false;
    if (!next_word(&rest, &word) || !view_parse_u16(word, &c.component) || c.component < 1 ||
        c.component > 256)
        return false;
    if (!next_word(&rest, &word))
        return false;
    bool tcp = view_equal_nocase(word, VIEW_LIT("TCP"));
    if (!tcp && !view_equal_nocase(word, VIEW_LIT("UDP")))
        return false;
    if (!next_word(&rest, &word) || !view_parse_u32(word, &c.priority))
        return false;
    if (!next_word(&rest, &host) || !next_word(&rest, &word) ||
        !read_address(host, word, &c.address))
        return false;
    if (!next_word(&rest, &word) || !view_equal_nocase(word, VIEW_LIT("typ")) ||
        !next_word(&rest, &word) || !read_type(word, &c.type) || !read_extensions(rest, tcp, &c))
        return false;
    *out = c;
    return true;
}

void sdp_candidate_print(struct writer *w, const struct candidate *candidate)
{
    bool tcp = candidate->transport != CANDIDATE_UDP;
    assert(addr_is_set(&candidate->address));
    writer_printf(w, "a=candidate:%s %u %s %u %s %u typ %s", candidate->foundation,
                  (unsigned)candidate->component, tcp ? "TCP" : "UDP",
                  (unsigned)candidate->priority, addr_print_ip(&candidate->address).s,
                  (unsigned)candidate->address.port, types[candidate->type].at);
    if (addr_is_set(&candidate->related))
        writer_printf(w, " raddr %s rport %u", addr_print_ip(&candidate->related).s,
                      (unsigned)candidate->related.port);
    if (tcp)
        writer_printf(w, " tcptype %s", tcp_types[candidate->transport].at);
    writer_string(w, "\r\n");
}
