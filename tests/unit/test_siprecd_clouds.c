/* The table of clouds: whom the firmware names, what each is asked, what answers say.
 * Not here: asking (tests/interop/network).
 * RFC: none; the words are those of each provider's documentation. */
#include "siprecd/clouds.h"

#include <string.h>

#include "tap.h"

static void test_recognise(void)
{
    static const struct {
        struct io_dmi dmi;
        enum cloud cloud;
    } cases[] = {
        {{.sys_vendor = "Google", .product_name = "Google Compute Engine"}, CLOUD_GCP},
        {{.sys_vendor = "Amazon EC2", .product_name = "m5.large"}, CLOUD_AWS},
        {{.sys_vendor = "Xen", .product_name = "HVM domU", .bios_version = "4.11.amazon"},
         CLOUD_AWS},
        {{.sys_vendor = "Microsoft Corporation",
          .product_name = "Virtual Machine",
          .chassis_asset_tag = "7783-7084-3265-9085-8269-3286-77"},
         CLOUD_AZURE},
        {{.sys_vendor = "QEMU", .chassis_asset_tag = "OracleCloud.com"}, CLOUD_OCI},
        {{.sys_vendor = "DigitalOcean", .product_name = "Droplet"}, CLOUD_DIGITALOCEAN},
        {{.sys_vendor = "Hetzner", .product_name = "vServer"}, CLOUD_HETZNER},
        /* in many a cellar */
        {{.sys_vendor = "Microsoft Corporation", .product_name = "Virtual Machine"}, CLOUD_NONE},
        {{.sys_vendor = "QEMU", .product_name = "Standard PC (Q35 + ICH9, 2009)"}, CLOUD_NONE},
        {{.sys_vendor = "Xen", .product_name = "HVM domU", .bios_version = "4.11"}, CLOUD_NONE},
        {{.sys_vendor = "Google", .product_name = "Rammus"}, CLOUD_NONE}, /* a Chromebook */
        {{.sys_vendor = "Dell Inc."}, CLOUD_NONE},
        {{.sys_vendor = ""}, CLOUD_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(cloud_recognise(&cases[i].dmi), cases[i].cloud);
}

static void test_requests(void)
{
    size_t count;
    const struct cloud_request *r = cloud_requests(CLOUD_AWS, &count);
    CHECK_INT(count, 2);
    CHECK_TEXT(r[0].method, "PUT");
    CHECK_TEXT(r[0].path, "/latest/api/token");
    CHECK(r[0].gives_token && r[1].token_header && !r[1].gives_token);
    CHECK_TEXT(r[1].path, "/latest/meta-data/public-ipv4");
    CHECK(!cloud_requests(CLOUD_NONE, &count) && count == 0);
    for (enum cloud c = CLOUD_GCP; c <= CLOUD_HETZNER; c++) {
        r = cloud_requests(c, &count);
        for (size_t i = 0; i < count; i++)
            CHECK(r[i].path[0] == '/');
        CHECK(count > 0 && strlen(cloud_name(c)) > 2);
    }
}

static void check_metadata(const char *body, const char *expected)
{
    struct addr got = {0};
    bool found = cloud_parse(view_of_string(body), &got);
    CHECK_INT(found, expected != NULL);
    if (expected && found)
        CHECK_TEXT(addr_print_ip(&got).s, expected);
}

static void test_metadata(void)
{
    check_metadata("198.51.100.7", "198.51.100.7");
    check_metadata("198.51.100.7\n", "198.51.100.7");
    check_metadata("", NULL);
    check_metadata("10.0.0.4", NULL);
    check_metadata("not found", NULL);
    check_metadata("198.51.100.7 203.0.113.1", NULL);
    check_metadata("2001:db8::1", NULL);
    /* GCP, ?recursive=true */
    check_metadata(
        "[{\"accessConfigs\":[{\"externalIp\":\"198.51.100.8\",\"type\":\"ONE_TO_ONE_NAT\"}],"
        "\"ip\":\"10.128.0.2\"}]",
        "198.51.100.8");
    /* Azure: an address of the basic SKU; of the standard one at the load balancer. */
    check_metadata(
        "{\"network\":{\"interface\":[{\"ipv4\":{\"ipAddress\":[{\"privateIpAddress\":\"10.0.0.4\","
        "\"publicIpAddress\":\"198.51.100.9\"}]}}]}}",
        "198.51.100.9");
    check_metadata(
        "{\"loadbalancer\":{\"publicIpAddresses\":[{\"frontendIpAddress\":\"198.51.100.10\","
        "\"privateIpAddress\":\"10.0.0.4\"}]}}",
        "198.51.100.10");
    check_metadata(
        "{\"network\":{\"interface\":[{\"ipv4\":{\"ipAddress\":[{\"privateIpAddress\":\"10.0.0.4\","
        "\"publicIpAddress\":\"\"}]}}]}}",
        NULL);
    check_metadata(
        "[{\"vnicId\":\"ocid1\",\"privateIp\":\"10.0.0.5\",\"publicIp\":\"198.51.100.11\"}]",
        "198.51.100.11");
    check_metadata("[{\"vnicId\":\"ocid1\",\"privateIp\":\"10.0.0.5\"}]", NULL);
    check_metadata("{\"publicIp\":\"169.254.169.254\"}", NULL);
    check_metadata("{\"publicIp\":17}", NULL);
    check_metadata(
        "[[[[[[[[[[[[[[[[[[[[[[[[{\"publicIp\":\"198.51.100.1\"}]]]]]]]]]]]]]]]]]]]]]]]]", NULL);
    check_metadata("{\"publicIp\":", NULL);
}

static void test_services(void)
{
    struct addr got;
    CHECK(cloud_parse_service(VIEW_LIT("203.0.113.4\n"), ADDR_V4, &got));
    CHECK(cloud_parse_service(VIEW_LIT("2001:db8::4\r\n"), ADDR_V6, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("2001:db8::4"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("203.0.113.4"), ADDR_V6, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("<html>203.0.113.4</html>"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("203.0.113.4, 203.0.113.5"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("192.168.1.1"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("100.64.3.4"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("127.0.0.1"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("169.254.169.254"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("0.0.0.0"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("240.0.0.1"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("fe80::1"), ADDR_V6, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("::ffff:203.0.113.4"), ADDR_V6, &got));
    CHECK(!cloud_parse_service(VIEW_LIT("203.0.113.4:80"), ADDR_V4, &got));
    CHECK(!cloud_parse_service(VIEW_LIT(""), ADDR_V4, &got));
}

int main(void)
{
    RUN(test_recognise);
    RUN(test_requests);
    RUN(test_metadata);
    RUN(test_services);
    return tap_done();
}
