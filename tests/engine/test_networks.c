// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "networks.h"
#include "networks_private.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *file_of(const char *text) {
	static char path[64];
	snprintf(path, sizeof(path), "/tmp/postern-networks-%ld", (long)getpid());
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static struct ip ip_of(const char *text) {
	struct ip ip = {.family = strchr(text, ':') ? 6 : 4};
	assert_int_equal(inet_pton(ip.family == 6 ? AF_INET6 : AF_INET, text, ip.addr), 1);
	return ip;
}

// What a list of lines says of an address; what is wrong with it stands in said.
static struct network look(const char *lines, const char *address, char *said, size_t size) {
	struct networks_config config = {.list = file_of(lines)};
	struct network network;
	struct ip ip = ip_of(address);
	unsigned n;
	memset(said, 0, size);
	FILE *err = fmemopen(said, size, "w");
	struct networks *networks = networks_open(&config, err, &n);
	fclose(err);
	assert_non_null(networks);
	networks_find(networks, &ip, &network);
	networks_close(networks);
	unlink(config.list);
	return network;
}

static void the_most_specific_prefix_counts(void **) {
	static const char LIST[] = "# ours\n"
				   "198.51.0.0/16   hosting AS64500 NL\n"
				   "198.51.100.0/24 vpn     AS64501 CZ # one of them\n"
				   "\n"
				   "198.51.100.7    tor\r\n"
				   "10.0.0.0/8,office\n"
				   "2001:db8::/32;mobile;AS64502;sk\n"
				   "0.0.0.0/0 access\n";
	static const struct {
		const char *address;
		enum activity_network kind;
		uint32_t asn;
		const char *country;
	} cases[] = {
		{"198.51.99.255", NETWORK_HOSTING, 64500, "NL"},
		{"198.51.100.0", NETWORK_VPN, 64501, "CZ"},
		{"198.51.100.6", NETWORK_VPN, 64501, "CZ"},
		{"198.51.100.7", NETWORK_TOR, 0, ""},
		{"198.51.100.8", NETWORK_VPN, 64501, "CZ"},
		{"198.51.101.0", NETWORK_HOSTING, 64500, "NL"},
		{"198.52.0.0", NETWORK_ACCESS, 0, ""},
		{"10.255.255.255", NETWORK_OFFICE, 0, ""},
		{"11.0.0.0", NETWORK_ACCESS, 0, ""},
		{"2001:db8:ffff::1", NETWORK_MOBILE, 64502, "SK"},
		{"2001:db9::", NETWORK_UNKNOWN, 0, ""},
		{"::", NETWORK_UNKNOWN, 0, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char said[512];
		struct network network = look(LIST, cases[i].address, said, sizeof(said));
		assert_string_equal(said, "");
		assert_int_equal(network.kind, cases[i].kind);
		assert_int_equal(network.asn, cases[i].asn);
		assert_string_equal(network.country, cases[i].country);
	}
}

static void a_wrong_line_is_said_with_its_number_and_the_others_count(void **) {
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"example.org vpn", "begin with an address"},
		{"198.51.100.0/33 vpn", "length behind the slash"},
		{"198.51.100.0/ vpn", "length behind the slash"},
		{"198.51.100.0/-1 vpn", "length behind the slash"},
		{"198.51.100.0/2x vpn", "length behind the slash"},
		{"198.51.100.1/24 vpn", "bits beyond the prefix"},
		{"2001:db8::1/64 vpn", "bits beyond the prefix"},
		{"198.51.100.0/24 satellite", "a kind ("},
		{"198.51.100.0/24 AS4294967296", "up to 4294967295"},
		{"198.51.100.0/24 AS0", "up to 4294967295"},
		{"198.51.100.0/24 AS1x", "up to 4294967295"},
		{"198.51.100.0/24", "say what network it is"},
		{"198.51.100.0/24 vpn AS1 NL nl more", "too much"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char lines[256], said[512];
		snprintf(
			lines,
			sizeof(lines),
			"10.0.0.0/8 office\n%s\n11.0.0.0/8 vpn\n",
			cases[i].line
		);
		struct network network = look(lines, "11.1.1.1", said, sizeof(said));
		assert_non_null(strstr(said, ":2: "));
		if (!strstr(said, cases[i].says))
			fail_msg("%s: %s", cases[i].line, said);
		assert_int_equal(network.kind, NETWORK_VPN);
	}
}

static void a_file_that_is_not_there_is_said(void **) {
	struct networks_config list = {.list = "/nonexistent/list"};
	struct networks_config db = {.asn_db = "/nonexistent/asn.mmdb"};
	char said[512] = "";
	unsigned n;
	FILE *err = fmemopen(said, sizeof(said), "w");
	assert_null(networks_open(&list, err, &n));
	assert_null(networks_open(&db, err, &n));
	fclose(err);
	assert_non_null(strstr(said, "/nonexistent/list"));
	assert_non_null(strstr(said, "/nonexistent/asn.mmdb"));
}

static void nothing_is_known_without_databases(void **) {
	struct network network;
	struct ip ip = ip_of("192.0.2.1");
	memset(&network, 0xff, sizeof(network));
	networks_find(NULL, &ip, &network);
	assert_int_equal(network.asn, 0);
	assert_int_equal(network.kind, NETWORK_UNKNOWN);
	assert_string_equal(network.country, "");
}

// ---- The list against a pass over all its lines

static bool oracle_has(const struct network_prefix *prefix, const struct ip *ip) {
	for (unsigned i = 0; i < prefix->bits; i++)
		if ((prefix->addr[i / 8] ^ ip->addr[i / 8]) & 0x80 >> i % 8)
			return false;
	return prefix->family == ip->family;
}

static void the_list_agrees_with_a_pass_over_all_lines(void **) {
	enum { LINES = 3000, LOOKUPS = 20000, SEED = 9 };
	static struct network_prefix plain[LINES];
	srandom(SEED);
	print_message("  seed %d\n", SEED);
	char *text = malloc(LINES * 64), *at = text, name[INET6_ADDRSTRLEN];
	for (int i = 0; i < LINES; i++) {
		struct network_prefix *p = &plain[i];
		p->family = random() % 4 ? 4 : 6;
		p->bits = random() % (p->family == 4 ? 33 : 65);
		// Few different bytes, so that prefixes lie in each other.
		for (unsigned b = 0; b < p->bits; b++)
			if (b % 8 >= 6 && random() % 2)
				p->addr[b / 8] |= 0x80 >> b % 8;
		p->asn = (uint32_t)i + 1;
		inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, name, sizeof(name));
		at += sprintf(at, "%s/%u AS%u\n", name, p->bits, p->asn);
	}
	struct network_list list;
	const char *path = file_of(text);
	assert_int_equal(network_list_read(&list, path, stderr), 0);
	assert_int_equal(list.n, LINES);
	for (int i = 0; i < LOOKUPS; i++) {
		struct ip ip = {.family = random() % 4 ? 4 : 6};
		for (int b = 0; b < (ip.family == 4 ? 4 : 16); b++)
			ip.addr[b] = random() % 4;
		int bits = -1;
		for (int k = 0; k < LINES; k++)
			if (oracle_has(&plain[k], &ip) && plain[k].bits > bits)
				bits = plain[k].bits;
		const struct network_prefix *found = network_list_find(&list, &ip);
		assert_int_equal(found ? found->bits : -1, bits);
		assert_true(!found || oracle_has(found, &ip));
	}
	network_list_close(&list);
	unlink(path);
	free(text);
}

#ifdef HAVE_MAXMINDDB

static void databases_say_asn_country_and_kind_and_the_list_has_the_last_word(void **) {
	char asn[64], country[64], command[512];
	snprintf(asn, sizeof(asn), "/tmp/postern-asn-%ld.mmdb", (long)getpid());
	snprintf(country, sizeof(country), "/tmp/postern-country-%ld.mmdb", (long)getpid());
	snprintf(command, sizeof(command), "python3 tests/tools/make_mmdb.py %s", asn);
	FILE *make = popen(command, "w");
	fputs("198.51.100.0/24 {\"autonomous_system_number\":64501,"
	      "\"autonomous_system_organization\":\"Example Hosting\"}\n"
	      "203.0.113.0/25 {\"asn\":\"AS64502\",\"as_name\":\"Provid\xc3\xa9r\","
	      "\"country_code\":\"CZ\"}\n"
	      "2001:db8::/32 {\"autonomous_system_number\":4200000000,\"is_anonymous_vpn\":true}\n",
	      make);
	assert_int_equal(pclose(make), 0);
	snprintf(command, sizeof(command), "python3 tests/tools/make_mmdb.py %s", country);
	make = popen(command, "w");
	fputs("198.51.0.0/16 {\"country\":{\"iso_code\":\"NL\"}}\n"
	      "203.0.113.128/25 {\"country\":\"SK\",\"connection_type\":\"Cellular\"}\n",
	      make);
	assert_int_equal(pclose(make), 0);
	struct networks_config config = {
		.asn_db = asn,
		.country_db = country,
		.list = file_of("198.51.100.64/26 hosting\n203.0.113.1 office AS64999\n"),
	};
	static const struct {
		const char *address;
		struct network is;
	} cases[] = {
		{"198.51.100.1", {64501, "NL", NETWORK_UNKNOWN, "Example Hosting"}},
		{"198.51.100.65", {64501, "NL", NETWORK_HOSTING, "Example Hosting"}},
		{"198.51.101.1", {0, "NL", NETWORK_UNKNOWN, ""}},
		{"203.0.113.1", {64999, "CZ", NETWORK_OFFICE, ""}},
		{"203.0.113.2", {64502, "CZ", NETWORK_UNKNOWN, "Provid\xc3\xa9r"}},
		{"203.0.113.200", {0, "SK", NETWORK_MOBILE, ""}},
		{"2001:db8::1", {4200000000, "", NETWORK_VPN, ""}},
		{"192.0.2.1", {0, "", NETWORK_UNKNOWN, ""}},
	};
	unsigned n;
	struct networks *networks = networks_open(&config, stderr, &n);
	assert_non_null(networks);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip ip = ip_of(cases[i].address);
		struct network found;
		networks_find(networks, &ip, &found);
		assert_int_equal(found.asn, cases[i].is.asn);
		assert_string_equal(found.country, cases[i].is.country);
		assert_int_equal(found.kind, cases[i].is.kind);
		assert_string_equal(found.name, cases[i].is.name);
	}
	networks_close(networks);
	unlink(asn);
	unlink(country);
	unlink(config.list);
}

#endif

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_specific_prefix_counts),
		cmocka_unit_test(a_wrong_line_is_said_with_its_number_and_the_others_count),
		cmocka_unit_test(a_file_that_is_not_there_is_said),
		cmocka_unit_test(nothing_is_known_without_databases),
		cmocka_unit_test(the_list_agrees_with_a_pass_over_all_lines),
#ifdef HAVE_MAXMINDDB
		cmocka_unit_test(databases_say_asn_country_and_kind_and_the_list_has_the_last_word),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
