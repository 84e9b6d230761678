/* binding: one registration's messages: what REGISTER says, what its answers grant.
 * Not here: when they are sent, flows (register.h). Private to src/sip.
 * RFC 3261 §10.2, 10.3; RFC 5626 §4.2; RFC 3840 (+sip.instance, +sip.srs: RFC 7866 §6.2). */
#include "sip/binding.h"

#include <stdio.h>
#include <string.h>

#include "sip/print.h"

enum { BINDING_EXPIRES_MAX_S = 7 * 86400 };

/* ---- URIs ----------------------------------------------------------------------------------- */

bool sip_binding_target(const struct sip_uri *uri, struct sip_register_target *target)
{
    struct view host = uri->host;
    *target = (struct sip_register_target){.port = uri->port, .secure = uri->secure};
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        host = view_of(host.at + 1, host.len - 2);
    target->protocol_given = uri->protocol.len > 0;
    if (view_equal_nocase(uri->protocol, VIEW_LIT("tcp")))
        /* RFC 3261 §26.2.2: with sips it is TLS over TCP. */
        target->protocol = uri->secure ? SIP_PROTOCOL_TLS : SIP_PROTOCOL_TCP;
    else if (view_equal_nocase(uri->protocol, VIEW_LIT("tls")))
        target->protocol = SIP_PROTOCOL_TLS;
    else if (target->protocol_given &&
             (uri->secure || !view_equal_nocase(uri->protocol, VIEW_LIT("udp"))))
        return false;
    return view_copy(host, target->host, sizeof target->host);
}

static void binding_print_host(struct writer *w, const struct sip_register_target *target)
{
    writer_printf(w, strchr(target->host, ':') ? "[%s]" : "%s", target->host);
}

static bool binding_print_request_uri(char *out, size_t size,
                                      const struct sip_register_target *target)
{
    static const char *const parameters[] = {";transport=udp", ";transport=tcp", ";transport=tls"};
    struct writer w = writer_of(out, size - 1);
    writer_string(&w, target->secure ? "sips:" : "sip:");
    binding_print_host(&w, target);
    if (target->port != 0)
        writer_printf(&w, ":%u", target->port);
    if (target->protocol_given && !target->secure)
        writer_string(&w, parameters[target->protocol]);
    out[w.len] = '\0';
    return !w.failed;
}

/* The user part, without a password that some write behind it. */
static struct view binding_user(struct view uri)
{
    size_t at = view_find_char(uri, '@');
    struct view user;
    if (at == uri.len)
        return VIEW_NONE;
    user = view_skip(view_take(uri, at), view_find_char(uri, ':') + 1);
    return view_take(user, view_find_char(user, ':'));
}

bool sip_binding_init(struct sip_binding *b, struct view uri, uint32_t reg_id, uint32_t expires_s,
                      struct rng *rng)
{
    struct sip_uri parsed;
    struct view user = binding_user(uri);
    struct writer w;
    char tag[17];
    *b = (struct sip_binding){.reg_id = reg_id, .expires_s = expires_s};
    if (!sip_uri_parse(uri, &parsed) || !sip_binding_target(&parsed, &b->target) ||
        !view_copy(user, b->user, sizeof b->user) ||
        !binding_print_request_uri(b->request_uri, sizeof b->request_uri, &b->target))
        return false;
    /* RFC 3261 §10.2: the address of record has neither port nor transport. */
    w = writer_of(b->aor, sizeof b->aor - 1);
    writer_string(&w, b->target.secure ? "<sips:" : "<sip:");
    writer_printf(&w, b->user[0] ? "%s@" : "%s", b->user);
    binding_print_host(&w, &b->target);
    writer_string(&w, ">");
    if (w.failed)
        return false;
    rng_text(rng, tag, 16);
    rng_text(rng, b->call_id, 32);
    b->cseq = rng_below(rng, 1 << 16);
    snprintf(b->from, sizeof b->from, "%s;tag=%s", b->aor, tag);
    w = writer_of(b->uri, sizeof b->uri - 1);
    writer_string(&w, b->target.secure ? "sips:" : "sip:");
    writer_printf(&w, b->user[0] ? "%s@" : "%s", b->user);
    writer_string(&w, strchr(b->request_uri, ':') + 1);
    return !w.failed;
}

/* ---- REGISTER ------------------------------------------------------------------------------- */

struct sip_post sip_binding_post(struct sip_binding *b, const struct sip_flow *flow)
{
    (void)binding_print_request_uri(b->request_uri, sizeof b->request_uri, &b->target);
    b->cseq++;
    return (struct sip_post){.flow = *flow,
                             .method = SIP_METHOD_REGISTER,
                             .target = view_of_string(b->request_uri),
                             .from = view_of_string(b->from),
                             .to = view_of_string(b->aor),
                             .call_id = view_of_string(b->call_id),
                             .cseq = b->cseq};
}

struct sip_post sip_binding_post_question(struct sip_binding *b, const struct sip_flow *flow)
{
    struct sip_post post = sip_binding_post(b, flow);
    post.headers = VIEW_LIT("Supported: path\r\n");
    b->authorized = false;
    return post;
}

static void binding_print_contact(struct writer *w, struct sip_binding *b,
                                  const struct sip_binding_user *user, const struct sip_flow *flow)
{
    static const char *const parameters[] = {"", ";transport=tcp", ";transport=tls"};
    const struct addr *own = addr_is_set(&flow->advertised) ? &flow->advertised : &flow->local;
    struct writer uri = writer_of(b->contact, sizeof b->contact - 1);
    writer_string(&uri, b->target.secure ? "sips:" : "sip:");
    if (user->contact_user.len > 0) {
        writer_view(&uri, user->contact_user);
        writer_string(&uri, "@");
    }
    writer_string(&uri, addr_print(own).s);
    writer_string(&uri, parameters[flow->protocol]);
    b->contact[uri.len] = '\0';
    writer_printf(w, "Contact: <%s>;+sip.instance=\"<" VIEW_FMT ">\"", b->contact,
                  VIEW_ARG(user->instance));
    if (!b->plain)
        writer_printf(w, ";reg-id=%u", b->reg_id);
    writer_view(w, user->contact_params);
    writer_string(w, "\r\n");
}

void sip_binding_print(struct writer *w, struct sip_binding *b, const struct sip_binding_user *user,
                       const struct sip_flow *flow, bool leaving, struct view cnonce)
{
    struct sip_digest_user who = {.username = user->username, .password = user->password};
    if (who.username.len == 0)
        who.username = view_of_string(b->user);
    binding_print_contact(w, b, user, flow);
    writer_printf(w, "Expires: %u\r\n", leaving ? 0 : b->expires_s);
    writer_string(w, b->plain ? "Supported: path\r\n" : "Supported: path, outbound\r\n");
    b->authorized = b->digests[0].set || b->digests[1].set;
    for (size_t i = 0; i < 2; i++) {
        if (b->digests[i].set)
            sip_digest_print(w, &b->digests[i], &who, VIEW_LIT("REGISTER"),
                             view_of_string(b->request_uri), cnonce);
    }
}

/* ---- answers -------------------------------------------------------------------------------- */

bool sip_binding_challenge(struct sip_binding *b, const struct sip_binding_user *user,
                           const struct sip_message *m, char *why, size_t why_size)
{
    struct sip_digest *digest = &b->digests[m->status == 407];
    /* A nonce that was used before may have become old without the server's saying so. */
    bool fresh = b->authorized && digest->set && digest->count == 1;
    struct sip_digest next = *digest;
    if (!sip_digest_take(&next, m)) {
        snprintf(why, why_size, "the registrar wants to know who we are in a way that we do not");
        return false;
    }
    if (user->password.len == 0) {
        snprintf(why, why_size,
                 "the registrar asks for a password: set sip.register_username and "
                 "sip.register_password");
        return false;
    }
    if (fresh && !next.stale) {
        digest->set = false;
        snprintf(why, why_size,
                 "the registrar does not accept sip.register_username with "
                 "sip.register_password (%u)",
                 m->status);
        return false;
    }
    *digest = next;
    return true;
}

void sip_binding_forget(struct sip_binding *b)
{
    b->digests[0].set = b->digests[1].set = false;
}

/* Digits at the start of a header's value. */
static bool binding_number(struct view value, uint32_t *number)
{
    size_t digits = 0;
    while (digits < value.len && value.at[digits] >= '0' && value.at[digits] <= '9')
        digits++;
    return view_parse_u32(view_take(value, digits), number);
}

bool sip_binding_lengthen(struct sip_binding *b, const struct sip_message *m)
{
    uint32_t least;
    if (!binding_number(sip_message_header(m, VIEW_LIT("Min-Expires")), &least) ||
        least <= b->expires_s || least > BINDING_EXPIRES_MAX_S)
        return false;
    b->expires_s = least;
    return true;
}

bool sip_binding_retry_after(const struct sip_message *m, uint32_t *seconds)
{
    return binding_number(sip_message_header(m, VIEW_LIT("Retry-After")), seconds);
}

/* The value of a parameter behind a Contact's URI, quotes taken off. */
static bool binding_parameter(struct view element, struct view name, struct view *value)
{
    size_t close = view_find_char(element, '>');
    struct view rest = close < element.len ? view_skip(element, close + 1) : element;
    struct view one;
    /* A quoted value with ';' in it is nobody's expires or reg-id, and an instance has none. */
    (void)view_cut(&rest, ';', &one);
    while (view_cut(&rest, ';', &one)) {
        size_t equals = view_find_char(one, '=');
        if (!view_equal_nocase(view_trim(view_take(one, equals)), name))
            continue;
        *value = view_trim(view_skip(one, equals + 1));
        if (value->len >= 2 && value->at[0] == '"' && value->at[value->len - 1] == '"')
            *value = view_of(value->at + 1, value->len - 2);
        return true;
    }
    return false;
}

/* RFC 3261 §20.10: 0 to 1 with up to three decimals, here in thousandths; 1 where it is missing, or is
 * none. */
static unsigned binding_rank(struct view element)
{
    struct view q;
    unsigned rank = 0, unit = 1000;
    if (!binding_parameter(element, VIEW_LIT("q"), &q) || q.len == 0 || q.at[0] != '0')
        return 1000;
    for (size_t i = 2; i < q.len && unit > 1 && q.at[i] >= '0' && q.at[i] <= '9'; i++)
        rank += (unsigned)(q.at[i] - '0') * (unit /= 10);
    return rank;
}

bool sip_binding_redirect(const struct sip_message *m, bool is_secure,
                          struct sip_register_target *target)
{
    struct sip_header at = {0};
    unsigned best = 0;
    bool found = false;
    while (sip_message_header_named(m, VIEW_LIT("Contact"), &at)) {
        struct view rest = at.value, element;
        while (sip_list_next(&rest, &element)) {
            struct sip_uri uri;
            struct sip_register_target one;
            unsigned rank = binding_rank(element);
            if ((found && rank <= best) || !sip_uri_parse(sip_address_uri(element), &uri) ||
                !sip_binding_target(&uri, &one) ||
                (is_secure && !one.secure && one.protocol != SIP_PROTOCOL_TLS))
                continue;
            *target = one;
            best = rank;
            found = true;
        }
    }
    return found;
}

/* RFC 5626 §6: by instance and reg-id; else by the URI. */
static bool binding_is_ours(const struct sip_binding *b, const struct sip_binding_user *user,
                            struct view element)
{
    struct view instance, id;
    uint32_t number;
    if (!b->plain && binding_parameter(element, VIEW_LIT("+sip.instance"), &instance) &&
        binding_parameter(element, VIEW_LIT("reg-id"), &id))
        return instance.len > 2 &&
               view_equal(view_of(instance.at + 1, instance.len - 2), user->instance) &&
               view_parse_u32(id, &number) && number == b->reg_id;
    return view_equal_nocase(sip_address_uri(element), view_of_string(b->contact));
}

struct sip_binding_grant sip_binding_read(const struct sip_binding *b,
                                          const struct sip_binding_user *user,
                                          const struct sip_message *m)
{
    struct sip_binding_grant grant = {
        .outbound = !b->plain && sip_message_lists(m, VIEW_LIT("Require"), VIEW_LIT("outbound"))};
    struct sip_header at = {0};
    uint32_t common = b->expires_s;
    bool ours = false;
    (void)binding_number(sip_message_header(m, VIEW_LIT("Expires")), &common);
    (void)binding_number(sip_message_header(m, VIEW_LIT("Flow-Timer")), &grant.flow_timer_s);
    while (sip_message_header_named(m, VIEW_LIT("Contact"), &at)) {
        struct view rest = at.value, element, expires;
        while (sip_list_next(&rest, &element)) {
            uint32_t one = common;
            if (element.len == 0 || ours || !binding_is_ours(b, user, element))
                continue;
            ours = true;
            if (binding_parameter(element, VIEW_LIT("expires"), &expires))
                (void)binding_number(expires, &one);
            grant.expires_s = one;
        }
    }
    /* Registrars behind address rewriting list a Contact that is not ours to the letter; those that
     * list none at all took ours without a word. */
    if (!ours)
        grant.expires_s = common;
    if (grant.expires_s > BINDING_EXPIRES_MAX_S)
        grant.expires_s = BINDING_EXPIRES_MAX_S;
    return grant;
}
