/* clouds: which cloud a machine is in, what to ask its metadata service, what the answers say.
 * Not here: asking (asker.c), reading the firmware's words (io/dmi.h).
 * RFC: none; each provider's documentation, and cloud-init's way to tell them apart. */
#include "siprecd/clouds.h"

#include <jansson.h>

const char *cloud_name(enum cloud cloud)
{
    static const char *const names[] = {"none", "gcp",          "aws",    "azure",
                                        "oci",  "digitalocean", "hetzner"};
    return names[cloud];
}

/* Asset tags first: the machines of Azure and OCI call themselves Microsoft's Hyper-V and QEMU,
 * which stand in many a cellar. */
enum cloud cloud_recognise(const struct io_dmi *dmi)
{
    static const struct {
        enum cloud cloud;
        size_t where;
        struct view starts;
    } rules[] = {
        {CLOUD_OCI, offsetof(struct io_dmi, chassis_asset_tag), VIEW("OracleCloud.com")},
        {CLOUD_AZURE, offsetof(struct io_dmi, chassis_asset_tag),
         VIEW("7783-7084-3265-9085-8269-3286-77")},
        {CLOUD_GCP, offsetof(struct io_dmi, product_name), VIEW("Google Compute Engine")},
        {CLOUD_AWS, offsetof(struct io_dmi, sys_vendor), VIEW("Amazon EC2")},
        {CLOUD_AWS, offsetof(struct io_dmi, board_vendor), VIEW("Amazon EC2")},
        {CLOUD_AWS, offsetof(struct io_dmi, bios_vendor), VIEW("Amazon EC2")},
        {CLOUD_DIGITALOCEAN, offsetof(struct io_dmi, sys_vendor), VIEW("DigitalOcean")},
        {CLOUD_HETZNER, offsetof(struct io_dmi, sys_vendor), VIEW("Hetzner")},
    };
    struct view version = view_of_string(dmi->bios_version);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct view text = view_of_string((const char *)dmi + rules[i].where);
        if (view_starts_with_nocase(text, rules[i].starts))
            return rules[i].cloud;
    }
    /* EC2 on Xen: vendor Xen, version "4.2.amazon" (and so their product_version). */
    if (view_find(version, VIEW_LIT("amazon")) < version.len)
        return CLOUD_AWS;
    version = view_of_string(dmi->product_version);
    return view_find(version, VIEW_LIT("amazon")) < version.len ? CLOUD_AWS : CLOUD_NONE;
}

#define AZURE   "/metadata/instance/network/interface/0/ipv4/ipAddress/0/publicIpAddress"
#define GCP     "/computeMetadata/v1/instance/network-interfaces/0/access-configs/0/external-ip"
#define GCP_ALL "/computeMetadata/v1/instance/network-interfaces/?recursive=true"
#define AWS_KEY "X-aws-ec2-metadata-token: "

static const struct cloud_request gcp[] = {
    {.path = GCP, .header = "Metadata-Flavor: Google"},
    {.path = GCP_ALL, .header = "Metadata-Flavor: Google"},
};
/* IMDSv2 only: many instances allow no other, and a token cannot be had by a request forged
 * elsewhere. */
static const struct cloud_request aws[] = {
    {.method = "PUT",
     .path = "/latest/api/token",
     .header = "X-aws-ec2-metadata-token-ttl-seconds: 60",
     .gives_token = true},
    {.path = "/latest/meta-data/public-ipv4", .token_header = AWS_KEY},
};
/* An address of the standard SKU shows at the load balancer's resource alone. */
static const struct cloud_request azure[] = {
    {.path = AZURE "?api-version=2021-02-01&format=text", .header = "Metadata: true"},
    {.path = "/metadata/loadbalancer?api-version=2020-10-01", .header = "Metadata: true"},
    {.path = "/metadata/instance?api-version=2021-02-01", .header = "Metadata: true"},
};
static const struct cloud_request oci[] = {
    {.path = "/opc/v2/vnics/", .header = "Authorization: Bearer Oracle"},
    {.path = "/opc/v2/instance/", .header = "Authorization: Bearer Oracle"},
};
static const struct cloud_request digitalocean[] = {
    {.path = "/metadata/v1/interfaces/public/0/ipv4/address"},
};
static const struct cloud_request hetzner[] = {
    {.path = "/hetzner/v1/metadata/public-ipv4"},
};

const struct cloud_request *cloud_requests(enum cloud cloud, size_t *count)
{
#define REQUESTS(list)                                                                             \
    *count = sizeof list / sizeof *list;                                                           \
    return list
    switch (cloud) {
    case CLOUD_GCP:
        REQUESTS(gcp);
    case CLOUD_AWS:
        REQUESTS(aws);
    case CLOUD_AZURE:
        REQUESTS(azure);
    case CLOUD_OCI:
        REQUESTS(oci);
    case CLOUD_DIGITALOCEAN:
        REQUESTS(digitalocean);
    case CLOUD_HETZNER:
        REQUESTS(hetzner);
    case CLOUD_NONE:
        break;
    }
#undef REQUESTS
    *count = 0;
    return NULL;
}

/* Could the world send to it? Documentation's ranges count as public: labs use them. An IPv4 address
 * in IPv6's clothes is nobody's. */
static bool is_outside(const struct addr *addr)
{
    return !addr_is_unspecified(addr) && !addr_is_loopback(addr) && !addr_is_link_local(addr) &&
           !addr_is_private(addr) && !addr_is_multicast(addr) && !addr_is_reserved(addr) &&
           addr_unmap(*addr).family == addr->family &&
           !(addr->family == ADDR_V4 && addr->ip[0] == 0);
}

static bool parse_text(struct view text, enum addr_family family, struct addr *out)
{
    struct addr addr;
    if (!addr_parse_ip(view_trim(text), &addr) || addr.family != family || !is_outside(&addr))
        return false;
    *out = addr;
    return true;
}

static bool is_public_key(const char *key)
{
    static const char *const keys[] = {"externalIp", "publicIpAddress", "frontendIpAddress",
                                       "publicIp"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (view_equal(view_of_string(key), view_of_string(keys[i])))
            return true;
    }
    return false;
}

/* The first that is found counts: the first card is the one with the default route. */
static bool find_in(json_t *json, int depth, struct addr *out)
{
    json_t *value;
    const char *key;
    size_t i;
    if (depth == 0)
        return false;
    json_array_foreach(json, i, value)
    {
        if (find_in(value, depth - 1, out))
            return true;
    }
    json_object_foreach(json, key, value)
    {
        if (is_public_key(key) && json_is_string(value) &&
            parse_text(view_of_string(json_string_value(value)), ADDR_V4, out))
            return true;
        if (find_in(value, depth - 1, out))
            return true;
    }
    return false;
}

bool cloud_parse(struct view body, struct addr *out)
{
    json_t *json;
    bool found;
    if (parse_text(body, ADDR_V4, out))
        return true;
    json = json_loadb(body.at ? body.at : "", body.len, 0, NULL);
    found = find_in(json, 16, out);
    json_decref(json);
    return found;
}

bool cloud_parse_service(struct view body, enum addr_family family, struct addr *out)
{
    return parse_text(body, family, out);
}
