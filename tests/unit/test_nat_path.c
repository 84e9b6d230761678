/* nat/path against doc/nat.md's tables B and B' (sim/cells.tsv, written by hand), and what the tables
 * do not say: what is tried next, and what is done where there is neither relay nor edge:
 * doc/nat.md 4 to 6. */
#include "nat/path.h"

#include "tap.h"

static void set_nat(struct path_us *us, enum nat_mapping mapping, const char *filter,
                    enum nat_scope scope)
{
    us->has_stun = us->relay_udp = true;
    us->behaviour.mapping = mapping;
    us->behaviour.scope = scope;
    us->behaviour.filtering = strcmp(filter, "EIF") == 0   ? NAT_FILTERING_INDEPENDENT
                              : strcmp(filter, "ADF") == 0 ? NAT_FILTERING_ADDRESS
                                                           : NAT_FILTERING_ADDRESS_PORT;
}

static const char *value_of(const char *variant)
{
    const char *equals = strchr(variant, '=');
    return equals ? equals + 1 : "";
}

/* What the row's words say of our side. */
static bool read_us(const char *row, const char *variant, struct path_us *us)
{
    const char *value = value_of(variant);
    *us = (struct path_us){.edge = true};
    if (strcmp(row, "Open") == 0) {
        us->is_open = us->relay_udp = true;
    } else if (strcmp(row, "1:1") == 0) {
        set_nat(us, NAT_MAPPING_INDEPENDENT, "EIF", NAT_SCOPE_UNKNOWN);
        us->is_static = true;
    } else if (strcmp(row, "PCP") == 0) { /* on top of the worst NAT */
        set_nat(us, NAT_MAPPING_ADDRESS_PORT, "APDF", NAT_SCOPE_MAPPING);
        us->is_mapped = true;
    } else if (strncmp(row, "EIM+", 4) == 0) {
        set_nat(us, NAT_MAPPING_INDEPENDENT, row + 4, NAT_SCOPE_UNKNOWN);
    } else if (strncmp(row, "EDM+", 4) == 0) {
        set_nat(us, NAT_MAPPING_ADDRESS_PORT, row + 4,
                strcmp(value, "endpoint") == 0  ? NAT_SCOPE_ENDPOINT
                : strcmp(value, "mapping") == 0 ? NAT_SCOPE_MAPPING
                                                : NAT_SCOPE_UNKNOWN);
    } else if (strcmp(row, "CGN eff. EIM") == 0) {
        set_nat(us, NAT_MAPPING_INDEPENDENT, value, NAT_SCOPE_UNKNOWN);
    } else if (strcmp(row, "CGN eff. EDM") == 0) {
        bool never = strcmp(value, "never") == 0;
        set_nat(us, NAT_MAPPING_ADDRESS, never ? "ADF" : value,
                never ? NAT_SCOPE_MAPPING : NAT_SCOPE_ENDPOINT);
    } else if (strcmp(row, "UDP blocked") == 0 || strcmp(row, "443 only") == 0) {
        us->relay_stream = true;
    } else if (strcmp(row, "IPv6 firewall") == 0) {
        set_nat(us, NAT_MAPPING_NONE, value, NAT_SCOPE_UNKNOWN);
    } else if (strcmp(row, "IPv6 pinhole") == 0) {
        set_nat(us, NAT_MAPPING_NONE, "APDF", NAT_SCOPE_UNKNOWN);
        us->is_mapped = true;
    } else if (strcmp(row, "k8s bridge") == 0) {
        bool kept = strcmp(value, "kept") == 0; /* then it looks like EIM: rule 9 */
        set_nat(us, kept ? NAT_MAPPING_INDEPENDENT : NAT_MAPPING_ADDRESS_PORT, "APDF",
                NAT_SCOPE_MAPPING);
    } else if (strcmp(row, "same LAN") == 0) {
        set_nat(us, NAT_MAPPING_ADDRESS_PORT, "APDF", NAT_SCOPE_MAPPING);
        us->same_realm = true;
    } else {
        return false;
    }
    return true;
}

/* "scope=endpoint offset=learned": the last word is of the SRC. True where it stood there; it is cut off. */
static bool cut_offset(char *variant)
{
    char *word = strstr(variant, "offset=learned");
    if (!word)
        return false;
    *(word > variant ? word - 1 : word) = 0;
    return true;
}

/* What is known of the SRC by its offer, its SIP and its profile. */
static bool read_src(const char *column, struct path_src *src)
{
    *src = (struct path_src){.offered = addr_v4(192, 0, 2, 10, 20000),
                             .signalled = addr_v4(192, 0, 2, 10, 5060)};
    if (strcmp(column, "B1") == 0 || strcmp(column, "Open") == 0)
        return true;
    if (strcmp(column, "B2") == 0)
        src->symmetric = PATH_NO;
    else if (strcmp(column, "B3") == 0)
        src->many_addresses = true;
    else if (strcmp(column, "B5") == 0 || strcmp(column, "CGN arbitrary") == 0)
        src->any_address = true;
    else if (strcmp(column, "B6") == 0)
        src->latches = PATH_YES;
    else { /* behind a NAT: what it offers is an address of its own network */
        src->offered = addr_v4(10, 0, 0, 5, 20000);
        if (strcmp(column, "1:1 NAT") == 0)
            src->keeps_port = PATH_YES;
        else
            return strcmp(column, "B4") == 0 || strcmp(column, "EIM") == 0 ||
                   strcmp(column, "EDM") == 0 || strcmp(column, "CGN paired") == 0;
    }
    return true;
}

static void print(const struct path_choice *choice, char text[64])
{
    struct writer w = writer_of(text, 63);
    path_print(&w, choice);
    text[writer_done(&w).len] = 0;
}

static void test_every_cell_of_the_tables(void)
{
    char line[512], got[64];
    int cells = 0;
    FILE *f = fopen(TESTS_DIR "/sim/cells.tsv", "r");
    if (!CHECK(f != NULL))
        return;
    while (fgets(line, sizeof line, f)) {
        char *cell[6], *at = line;
        struct path_us us;
        struct path_src src;
        int n = 0;
        line[strcspn(line, "\n")] = 0;
        if (line[0] != 'B') /* table A, of ICE, and the budgets are natsim's */
            continue;
        while (n < 6 && (cell[n] = strsep(&at, "\t")))
            n++;
        if (n == 6 && strcmp(cell[4], "X") == 0) /* the SRC's own network: nothing of ours helps */
            continue;
        bool has_offset = n == 6 && cut_offset(cell[3]);
        if (!CHECK_INT(n, 6) || !CHECK(read_us(cell[1], cell[3], &us)) ||
            !CHECK(read_src(cell[2], &src)))
            break;
        if (has_offset) {
            src.port_offset = 1000;
            src.keeps_port = strcmp(cell[2], "B4") == 0 ? PATH_NO : PATH_UNKNOWN;
        }
        struct path_choice choice = path_choose(&us, &src, 0);
        print(&choice, got);
        bool good = CHECK_TEXT(got, cell[4]);
        good &= CHECK_INT(choice.latches, strcmp(cell[5], "yes") == 0);
        good &= CHECK(choice.why != NULL);
        if (!good)
            printf("# %s x %s, %s\n", cell[1], cell[2], cell[3]);
        cells++;
    }
    fclose(f);
    printf("# %d cells\n", cells);
    CHECK(cells > 200);
}

/* An SRC of which nothing was learned: RFC 7866 §8.1.8 is believed, a relay stands by. */
static void test_first_calls(void)
{
    struct path_us us;
    struct path_src src;
    char got[64];
    read_us("EIM+APDF", "-", &us);
    read_src("B1", &src);
    src.offered = addr_v4(192, 0, 2, 99, 20000); /* elsewhere than its SIP, and public */
    struct path_choice choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "S+H(ip:port)");
    CHECK(choice.relay_stands_by && choice.probes_back && !choice.permits);
    /* Behind NAT: its port outside is anybody's guess, so a relay;
     * and the way back to S stays open. */
    read_src("B4", &src);
    choice = path_choose(&us, &src, 0);
    CHECK_INT(choice.code, PATH_RELAY);
    CHECK(choice.permits && choice.may_migrate);
    read_us("EDM+APDF", "scope=mapping", &us);
    choice = path_choose(&us, &src, 0);
    CHECK_INT(choice.code, PATH_RELAY);
    CHECK(!choice.may_migrate);
    /* A filter nobody could find out counts as the worst (issue of RFC 5780 servers being rare). */
    read_us("EIM+ADF", "-", &us);
    us.behaviour.filtering = NAT_FILTERING_UNKNOWN;
    choice = path_choose(&us, &src, 0);
    CHECK_INT(choice.code, PATH_RELAY);
    read_src("B1", &src);
    choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "S+H(ip:port)");
    /* Our own address, of which nobody could tell who gets in: it is tried, but not where UDP passes
     * neither to STUN nor to a relay's server. */
    set_nat(&us, NAT_MAPPING_NONE, "APDF", NAT_SCOPE_UNKNOWN);
    us.behaviour.filtering = NAT_FILTERING_UNKNOWN;
    us.relay_udp = us.has_stun = false;
    us.relay_stream = true;
    CHECK_INT(path_choose(&us, &src, 0).code, PATH_DIRECT);
    us.no_udp = true;
    CHECK_INT(path_choose(&us, &src, 0).code, PATH_RELAY_STREAM);
}

static void test_what_comes_next(void)
{
    struct path_us us;
    struct path_src src;
    unsigned tried = 0;
    static const enum path_code order[] = {PATH_STUN, PATH_RELAY, PATH_EDGE, PATH_BEST_EFFORT,
                                           PATH_BEST_EFFORT};
    read_us("EIM+APDF", "-", &us);
    read_src("B1", &src);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        struct path_choice choice = path_choose(&us, &src, tried);
        CHECK_INT(choice.code, order[i]);
        tried |= 1u << (unsigned)choice.code;
    }
    /* What follows us would have been heard at the STUN address: the relay is next. */
    src.latches = PATH_YES;
    CHECK_INT(path_choose(&us, &src, 1u << PATH_STUN).code, PATH_RELAY);
    src.latches = PATH_UNKNOWN;
    read_us("IPv6 firewall", "filter=APDF", &us); /* its D stands for STUN's row: tried once, too */
    CHECK_INT(path_choose(&us, &src, 0).code, PATH_DIRECT);
    CHECK_INT(path_choose(&us, &src, 1u << PATH_DIRECT).code, PATH_RELAY);
}

static void test_without_relay_and_edge(void)
{
    struct path_us us;
    struct path_src src;
    char got[64];
    read_us("EDM+APDF", "scope=mapping", &us);
    us.relay_udp = us.edge = false;
    read_src("B4", &src);
    struct path_choice choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "none+H(SIP ip)");
    CHECK_TEXT(path_name(&choice, &us), "none");
    CHECK_TEXT(path_name_unexpected(&us, false), "stun");
    CHECK_TEXT(path_name_unexpected(&us, true), "host");
    us.has_stun = false;
    CHECK_TEXT(path_name_unexpected(&us, false), "static");
    us.has_stun = true;
    /* What follows can be sent to where its NAT is known to keep the port. */
    src.latches = PATH_YES;
    src.keeps_port = PATH_UNKNOWN;
    choice = path_choose(&us, &src, 0);
    CHECK(choice.code == PATH_BEST_EFFORT && !choice.probes_back);
    src.keeps_port = PATH_YES;
    choice = path_choose(&us, &src, 0);
    CHECK(choice.code == PATH_REVERSE && choice.probes_back);
    read_src("B5", &src); /* the free try of the cells marked E */
    choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "none+H(ip)");
    us.relay_udp = true; /* a relay asks for less */
    choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "Rw(ip)");
    CHECK(choice.latches);
    us.edge = true; /* and when the edge has been tried */
    CHECK_INT(path_choose(&us, &src, 0).code, PATH_EDGE);
    CHECK_INT(path_choose(&us, &src, 1u << PATH_EDGE).code, PATH_RELAY);
    us = (struct path_us){0};
    choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "none");
}

/* Who is not listed may name nobody but himself: what he offers plays no part then. */
static void test_strangers(void)
{
    struct path_us us;
    struct path_src src;
    char got[64];
    read_us("EIM+ADF", "-", &us);
    read_src("B1", &src);
    src.offered = addr_v4(192, 0, 2, 99, 20000);
    src.latches = PATH_YES;
    src.barred = true;
    struct path_choice choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "S+H(SIP ip)");
    CHECK(!choice.probes_back);
    read_us("EDM+APDF", "scope=mapping", &us);
    choice = path_choose(&us, &src, 0);
    print(&choice, got);
    CHECK_TEXT(got, "Rw(SIP ip)");
    src.offered = addr_v4(192, 0, 2, 10, 20000); /* his own address is his to name */
    src.barred = false;
    CHECK_INT(path_choose(&us, &src, 0).code, PATH_REVERSE);
}

/* Relayed, and its true source is seen: S, if our NAT lets that in at all (doc/nat.md 6). */
static void test_the_direct_path(void)
{
    static const struct {
        const char *row, *variant, *want;
    } cases[] = {
        {"EIM+APDF", "-", "S+H(ip:port)"},
        {"EIM+ADF", "-", "S+H(ip)"},
        {"EDM+APDF", "scope=mapping", "none+H(ip)"},
        {"EDM+APDF", "scope=endpoint", "S+H(ip:port)"},
    };
    const struct addr seen = addr_v4(192, 0, 2, 10, 61000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct path_us us;
        char got[64];
        read_us(cases[i].row, cases[i].variant, &us);
        struct path_choice choice = path_direct(&us, &seen);
        print(&choice, got);
        CHECK_TEXT(got, cases[i].want);
    }
}

/* Its port is the offered one and a number: by arithmetic, and only where that is a port, of the one address
 * at which it was seen to be another. */
static void test_port_offsets(void)
{
    static const struct {
        uint16_t offered;
        int32_t offset;
        uint16_t want; /* 0: it cannot be told */
    } cases[] = {
        {20000, 1000, 21000}, {20000, -500, 19500}, {20000, 0, 0},     {64535, 1000, 65535},
        {64536, 1000, 0},     {1001, -1000, 1},     {1000, -1000, 0},  {500, -1000, 0},
        {1, 65534, 65535},    {65535, -65534, 1},   {65535, 65534, 0}, {0, 1000, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct path_src src;
        read_src("B2", &src);
        src.offered.port = cases[i].offered;
        src.port_offset = cases[i].offset;
        struct addr shifted = path_shifted(&src, &src.offered);
        CHECK_INT(shifted.port, cases[i].want);
        CHECK(addr_is_set(&shifted) == (cases[i].want != 0));
        CHECK(!cases[i].want || addr_equal_ip(&shifted, &src.offered));
        CHECK_INT(path_known_of(&src), cases[i].want      ? PATH_KNOWN_EXACTLY
                                       : cases[i].offered ? PATH_KNOWN_IP
                                                          : PATH_KNOWN_SIGNALLED);
    }
    struct path_src src;
    struct addr shifted;
    read_src("B1", &src); /* not one that keeps its word, */
    src.port_offset = 1000;
    shifted = path_shifted(&src, &src.offered);
    CHECK(!addr_is_set(&shifted));
    read_src("B2", &src);
    src.port_offset = 1000;
    src.many_addresses = true; /* or sends from elsewhere, */
    shifted = path_shifted(&src, &src.offered);
    CHECK(!addr_is_set(&shifted));
    read_src("B4", &src); /* behind its NAT at SIP's address, */
    src.port_offset = 1000;
    shifted = path_shifted(&src, &src.offered);
    CHECK(!addr_is_set(&shifted)); /* where another port must have been seen */
    src.keeps_port = PATH_NO;
    shifted = path_shifted(&src, &src.offered);
    CHECK(addr_equal_ip(&shifted, &src.signalled) && shifted.port == 21000);
    CHECK_INT(path_known_of(&src), PATH_KNOWN_GUESSED);
    struct addr rtcp = addr_with_port(src.offered, 20001);
    shifted = path_shifted(&src, &rtcp);
    CHECK_INT(shifted.port, 21001);
}

/* It was learned, and is wrong today: a relay stands by, and comes next. */
static void test_a_wrong_offset(void)
{
    struct path_us us;
    struct path_src src;
    char got[64];
    read_us("EIM+APDF", "-", &us);
    read_src("B2", &src);
    src.port_offset = 1000;
    struct path_choice choice = path_choose(&us, &src, 0);
    CHECK(choice.code == PATH_STUN && choice.relay_stands_by && choice.latches);
    choice = path_choose(&us, &src, 1u << PATH_STUN);
    print(&choice, got);
    CHECK_TEXT(got, "Rw(ip)");
    CHECK(choice.permits);
}

static void test_nonsense_is_not_a_source(void)
{
    static const struct {
        uint8_t ip[4];
        enum path_known known;
    } offers[] = {
        {{0, 0, 0, 0}, PATH_KNOWN_SIGNALLED},         {{127, 0, 0, 1}, PATH_KNOWN_SIGNALLED},
        {{169, 254, 169, 254}, PATH_KNOWN_SIGNALLED}, {{224, 0, 0, 5}, PATH_KNOWN_SIGNALLED},
        {{100, 64, 3, 4}, PATH_KNOWN_SIGNALLED},      {{255, 255, 255, 255}, PATH_KNOWN_SIGNALLED},
        {{192, 0, 2, 10}, PATH_KNOWN_EXACTLY},        {{203, 0, 113, 5}, PATH_KNOWN_EXACTLY},
    };
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        const uint8_t *ip = offers[i].ip;
        struct path_src src = {.offered = addr_v4(ip[0], ip[1], ip[2], ip[3], 4000),
                               .signalled = addr_v4(192, 0, 2, 10, 5060),
                               .latches = PATH_YES};
        CHECK_INT(path_known_of(&src), offers[i].known);
    }
    struct path_src nothing = {0};
    CHECK_INT(path_known_of(&nothing), PATH_KNOWN_NOTHING);
}

int main(void)
{
    RUN(test_every_cell_of_the_tables);
    RUN(test_first_calls);
    RUN(test_what_comes_next);
    RUN(test_without_relay_and_edge);
    RUN(test_strangers);
    RUN(test_the_direct_path);
    RUN(test_port_offsets);
    RUN(test_a_wrong_offset);
    RUN(test_nonsense_is_not_a_source);
    return tap_done();
}
