/* spoof: INVITEs that name other people's addresses: who gets how much from our media ports and our
 * relays because of them. Each packet and each byte is counted.
 * DESIGN.md, sip.allow; RFC 6890. */
#include "play.h"

struct sum {
    unsigned packets, permissions;
    size_t bytes;
};

/* What went to an address, or to all but it. */
static struct sum sum_of(const struct srs *srs, const struct addr *ip, bool others)
{
    struct sum sum = {0};
    for (unsigned i = 0; i < srs->sent_count; i++) {
        const struct srs_sent *one = &srs->sent[i];
        if (addr_equal_ip(&one->to, ip) == others || addr_equal_ip(&one->to, &gate_stun))
            continue;
        sum.packets += one->bytes > 0;
        sum.permissions += one->bytes == 0;
        sum.bytes += one->bytes;
    }
    return sum;
}

/* Behind a NAT that asks for punches, with relays: all there is to send has a reason. */
static const struct srs_options *behind_a_nat(const struct recorder_prefixes *allow, bool symmetric)
{
    static struct srs_options options;
    struct nat_behaviour nat = {.mapping =
                                    symmetric ? NAT_MAPPING_ADDRESS_PORT : NAT_MAPPING_INDEPENDENT,
                                .filtering = NAT_FILTERING_ADDRESS_PORT};
    options = (struct srs_options){
        .profiles = srs_behind(&nat), .seen = SRS_OUTSIDE, .relays = 8, .allow = allow};
    return &options;
}

/* One call that names `names` in its streams' c=; with_ack: the sender is who he says he is. */
static struct play *call(const struct srs_options *options, const char *const names[2],
                         bool with_ack, size_t *asked)
{
    struct play *play = play_begin(50, options);
    (void)snprintf(play->a->connection, sizeof play->a->connection, "%s", names[0]);
    (void)snprintf(play->b->connection, sizeof play->b->connection, "%s", names[1]);
    play->src->no_ack = !with_ack;
    play->srs.sent_count = 0;
    src_invite(play->src, NULL);
    *asked = play->src->request_len;
    CHECK_INT(src_wait(play->src), 200);
    /* 64*T1 later we give up (RFC 3261 §13.3.1.4); until then a victim of a spoof is hit. */
    world_run(&play->world, 31000);
    return play;
}

static void end(struct play *play)
{
    play->src->over = true;
    recorder_hang_up(play->srs.recorder, srs_now(&play->srs));
    world_run(&play->world, 60000);
    CHECK(srs_at_rest(&play->srs));
    play_free(play);
}

/* Nobody is in sip.allow: what an SDP names gets nothing, and who sent the INVITE, or is said to
 * have, at most three packets and never more bytes than the INVITE had. */
static void test_the_unlisted(void)
{
    static const char *const names[][2] = {
        {"203.0.113.77", "203.0.113.78"},
        {"127.0.0.1", "127.9.9.9"},
        {"169.254.169.254", "169.254.0.1"},
        {"224.0.0.1", "239.1.2.3"},
        {"255.255.255.255", "0.0.0.0"},
        {"10.0.0.1", "192.168.1.1"},
        {"240.0.0.1", "100.64.0.1"},
        {"192.0.2.10", "192.0.2.10"},
        {"::ffff:127.0.0.1", "64:ff9b::7f00:1"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int symmetric = 0; symmetric < 2; symmetric++) {
            size_t asked;
            struct play *play = call(behind_a_nat(NULL, symmetric), names[i], false, &asked);
            struct addr source = play->src->sip;
            struct sum others = sum_of(&play->srs, &source, true);
            struct sum back = sum_of(&play->srs, &source, false);
            CHECK_INT(others.packets, 0);
            CHECK_INT(others.bytes, 0);
            CHECK_INT(others.permissions, 0);
            CHECK(back.packets <= 3 && back.bytes <= asked);
            printf("# %s, %s: %u packets and %zu bytes to the source of an INVITE of %zu\n",
                   names[i][0], symmetric ? "relay" : "punch", back.packets, back.bytes, asked);
            end(play);
        }
    }
}

/* Who is in sip.allow may name any address, but never one that is nobody's to name. */
static void test_the_listed(void)
{
    struct recorder_prefixes allow = {.count = 1};
    CHECK(addr_prefix_parse(VIEW_LIT("192.0.2.0/24"), &allow.list[0]));
    static const struct {
        const char *names[2];
        bool may;
    } cases[] = {
        {{"203.0.113.77", "203.0.113.77"}, true},
        {{"127.0.0.1", "127.0.0.1"}, false},
        {{"169.254.169.254", "169.254.169.254"}, false},
        {{"224.0.0.1", "224.0.0.1"}, false},
        {{"255.255.255.255", "255.255.255.255"}, false},
        {{"0.0.0.0", "0.0.0.0"}, false},
        {{"240.1.1.1", "240.1.1.1"}, false},
        {{"10.0.0.1", "10.0.0.1"}, false}, /* its SIP came from a public address */
        {{"100.64.0.1", "100.64.0.1"}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t asked;
        struct addr named;
        struct play *play = call(behind_a_nat(&allow, false), cases[i].names, true, &asked);
        CHECK(addr_parse_ip(view_of_string(cases[i].names[0]), &named));
        struct sum there = sum_of(&play->srs, &named, false);
        printf("# %s: %u packets\n", cases[i].names[0], there.packets);
        CHECK((there.packets > 0) == cases[i].may);
        CHECK((there.permissions > 0) == cases[i].may);
        CHECK(there.packets <= 2 * 20); /* two streams */
        end(play);
    }
    /* Named in sip.allow itself a private address is fine. */
    allow.count = 2;
    CHECK(addr_prefix_parse(VIEW_LIT("10.0.0.0/24"), &allow.list[1]));
    static const char *const inside[2] = {"10.0.0.1", "10.0.0.1"};
    size_t asked;
    struct addr named = addr_v4(10, 0, 0, 1, 0);
    struct play *play = call(behind_a_nat(&allow, false), inside, true, &asked);
    CHECK(sum_of(&play->srs, &named, false).packets > 0);
    end(play);
}

/* A network of a few addresses with the SRC in it is its media farm: each of them may get through a NAT that filters, and
 * a relay, the others of the list may not; nor may those of a network that is too large. */
static void test_a_farm(void)
{
    static const struct {
        const char *networks[2];
        struct addr other;
        bool may;
    } cases[] = {
        {{"192.0.2.8/29", NULL}, {.family = ADDR_V4, .ip = {192, 0, 2, 15}}, true},
        {{"192.0.2.13/29", NULL}, {.family = ADDR_V4, .ip = {192, 0, 2, 8}}, true},
        {{"192.0.2.8/29", NULL}, {.family = ADDR_V4, .ip = {192, 0, 2, 16}}, false},
        {{"192.0.2.0/28", NULL}, {.family = ADDR_V4, .ip = {192, 0, 2, 15}}, false},
        {{"192.0.2.10", "203.0.113.64/30"}, {.family = ADDR_V4, .ip = {203, 0, 113, 65}}, false},
        {{"192.0.2.10", "192.0.2.11"}, {.family = ADDR_V4, .ip = {192, 0, 2, 11}}, false},
    };
    static const char *const names[2] = {"192.0.2.10", "192.0.2.10"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int symmetric = 0; symmetric < 2; symmetric++) {
            struct recorder_prefixes allow = {0};
            size_t asked;
            for (int n = 0; n < 2 && cases[i].networks[n]; n++)
                CHECK(addr_prefix_parse(view_of_string(cases[i].networks[n]),
                                        &allow.list[allow.count++]));
            struct play *play = call(behind_a_nat(&allow, symmetric), names, true, &asked);
            struct sum there = sum_of(&play->srs, &cases[i].other, false);
            CHECK((there.permissions > 0) == cases[i].may);
            CHECK(symmetric || (there.packets > 0) == cases[i].may);
            CHECK(there.packets <= 2 * 20);
            end(play);
        }
    }
}

/* The limits are the call's, not the stream's: thirty m-lines bring no more than one. */
static void test_many_streams_are_one_call(void)
{
    struct play *play = play_begin(51, behind_a_nat(NULL, false));
    for (int i = 0; i < 6; i++)
        (void)src_add_stream(play->src, i % 2 ? "x" : "y");
    play->src->no_ack = true;
    play->srs.sent_count = 0;
    src_invite(play->src, NULL);
    size_t asked = play->src->request_len;
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 31000);
    struct sum back = sum_of(&play->srs, &play->src->sip, false);
    CHECK(back.packets <= 3 && back.bytes <= asked);
    end(play);
}

int main(void)
{
    RUN(test_the_unlisted);
    RUN(test_the_listed);
    RUN(test_a_farm);
    RUN(test_many_streams_are_one_call);
    return tap_done();
}
