#include "gateway/egress/address.h"

#include "test.h"

static const struct address *address_of(const char *text, struct addresses *room)
{
    assert_true(addresses_literal(slice_of(text), room));
    return &room->at[0];
}

static void every_special_range_is_known_to_its_edges(void **state)
{
    static const struct {
        const char *text;
        enum address_kind kind;
    } cases[] = {
        {"8.8.8.8", ADDRESS_PUBLIC},
        {"9.255.255.255", ADDRESS_PUBLIC},
        {"10.0.0.0", ADDRESS_PRIVATE},
        {"10.255.255.255", ADDRESS_PRIVATE},
        {"11.0.0.0", ADDRESS_PUBLIC},
        {"0.0.0.0", ADDRESS_NEVER},
        {"0.1.2.3", ADDRESS_NEVER},
        {"100.63.255.255", ADDRESS_PUBLIC},
        {"100.64.0.0", ADDRESS_PRIVATE},
        {"100.127.255.255", ADDRESS_PRIVATE},
        {"100.128.0.0", ADDRESS_PUBLIC},
        {"100.100.100.200", ADDRESS_METADATA},
        {"127.0.0.1", ADDRESS_PRIVATE},
        {"127.255.255.254", ADDRESS_PRIVATE},
        {"169.254.0.1", ADDRESS_PRIVATE},
        {"169.254.169.254", ADDRESS_METADATA},
        {"169.254.169.253", ADDRESS_PRIVATE},
        {"172.15.255.255", ADDRESS_PUBLIC},
        {"172.16.0.0", ADDRESS_PRIVATE},
        {"172.31.255.255", ADDRESS_PRIVATE},
        {"172.32.0.0", ADDRESS_PUBLIC},
        {"192.168.255.255", ADDRESS_PRIVATE},
        {"192.169.0.0", ADDRESS_PUBLIC},
        {"198.17.255.255", ADDRESS_PUBLIC},
        {"198.19.255.255", ADDRESS_PRIVATE},
        {"198.20.0.0", ADDRESS_PUBLIC},
        {"223.255.255.255", ADDRESS_PUBLIC},
        {"224.0.0.1", ADDRESS_NEVER},
        {"255.255.255.255", ADDRESS_NEVER},
        {"2606:4700::1", ADDRESS_PUBLIC},
        {"::", ADDRESS_NEVER},
        {"::1", ADDRESS_PRIVATE},
        {"::2", ADDRESS_NEVER},
        {"::127.0.0.1", ADDRESS_NEVER},
        {"::ffff:127.0.0.1", ADDRESS_NEVER},
        {"::ffff:8.8.8.8", ADDRESS_NEVER},
        {"64:ff9b::7f00:1", ADDRESS_NEVER},
        {"2001:0:1::", ADDRESS_PRIVATE},
        {"2001:200::1", ADDRESS_PUBLIC},
        {"2001:db8::1", ADDRESS_PRIVATE},
        {"2002:7f00:1::", ADDRESS_NEVER},
        {"3fff::1", ADDRESS_PRIVATE},
        {"4000::1", ADDRESS_PRIVATE},
        {"fc00::1", ADDRESS_PRIVATE},
        {"fd00:ec2::254", ADDRESS_METADATA},
        {"fdff::1", ADDRESS_PRIVATE},
        {"fe80::1", ADDRESS_PRIVATE},
        {"fec0::1", ADDRESS_PRIVATE},
        {"ff02::1", ADDRESS_NEVER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct addresses room;

        if (address_kind_of(address_of(cases[i].text, &room)) != cases[i].kind)
            fail_msg("%s", cases[i].text);
    }
}

static void private_means_private_and_no_more(void **state)
{
    static const struct {
        const char *text;
        bool is_private, named, ok;
    } cases[] = {
        {"8.8.8.8", false, false, true},
        {"10.0.0.1", false, false, false},
        {"10.0.0.1", true, false, true},
        {"10.0.0.1", false, true, false},
        {"169.254.169.254", true, false, false},
        {"169.254.169.254", true, true, true},
        {"224.0.0.1", true, true, false},
        {"::ffff:10.0.0.1", true, false, false},
        {"::1", true, false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct addresses room;
        struct fault fault = {0};

        if (address_check(address_of(cases[i].text, &room), cases[i].is_private,
                          cases[i].named, &fault) != cases[i].ok)
            fail_msg("%s", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_special_range_is_known_to_its_edges),
        TEST(private_means_private_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
