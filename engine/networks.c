// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "networks.h"

#include "config.h"
#include "networks_private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_MAXMINDDB
#include <maxminddb.h>
#endif

struct networks {
#ifdef HAVE_MAXMINDDB
	MMDB_s db[2];
#endif
	int n_dbs;
	struct network_list list;
};

#ifdef HAVE_MAXMINDDB

static int db_open(struct networks *networks, const char *path, FILE *err) {
	int rc = MMDB_open(path, MMDB_MODE_MMAP, &networks->db[networks->n_dbs]);

	if (rc != MMDB_SUCCESS) {
		fprintf(err, "postern: %s: %s\n", path, MMDB_strerror(rc));
		return -1;
	}
	networks->n_dbs++;
	return 0;
}

static void dbs_close(struct networks *networks) {
	for (int i = 0; i < networks->n_dbs; i++)
		MMDB_close(&networks->db[i]);
}

static bool
value_get(MMDB_entry_s *entry, const char *const *path, uint32_t type, MMDB_entry_data_s *data) {
	return MMDB_aget_value(entry, data, path) == MMDB_SUCCESS && data->has_data
		&& data->type == type;
}

// A text, cut where it is too long, at a whole character.
static bool text_get(MMDB_entry_s *entry, const char *const *path, char *text, size_t size) {
	MMDB_entry_data_s data;
	size_t len;

	if (!value_get(entry, path, MMDB_DATA_TYPE_UTF8_STRING, &data) || data.data_size == 0)
		return false;
	len = data.data_size < size ? data.data_size : size - 1;
	while (len < data.data_size && len > 0 && (data.utf8_string[len] & 0xc0) == 0x80)
		len--;
	memcpy(text, data.utf8_string, len);
	text[len] = '\0';
	return true;
}

static bool flag_get(MMDB_entry_s *entry, const char *const *path) {
	MMDB_entry_data_s data;

	return value_get(entry, path, MMDB_DATA_TYPE_BOOLEAN, &data) && data.boolean;
}

#define PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

// MaxMind and DB-IP write a number, IPinfo a text "AS64501".
static void asn_get(MMDB_entry_s *entry, struct network *network) {
	MMDB_entry_data_s data;
	char text[16];

	if (value_get(entry, PATH("autonomous_system_number"), MMDB_DATA_TYPE_UINT32, &data))
		network->asn = data.uint32;
	else if (text_get(entry, PATH("asn"), text, sizeof(text)) && !strncmp(text, "AS", 2))
		network->asn = (uint32_t)strtoul(text + 2, NULL, 10);
	if (!text_get(
		    entry,
		    PATH("autonomous_system_organization"),
		    network->name,
		    sizeof(network->name)
	    ))
		text_get(entry, PATH("as_name"), network->name, sizeof(network->name));
}

static void country_get(MMDB_entry_s *entry, struct network *network) {
	char text[4];

	if ((text_get(entry, PATH("country", "iso_code"), text, sizeof(text))
	     || text_get(entry, PATH("country_code"), text, sizeof(text))
	     || text_get(entry, PATH("country"), text, sizeof(text)))
	    && strlen(text) == 2 && isalpha((unsigned char)text[0])
	    && isalpha((unsigned char)text[1])) {
		network->country[0] = (char)toupper((unsigned char)text[0]);
		network->country[1] = (char)toupper((unsigned char)text[1]);
	}
}

// As in MaxMind's databases of anonymous addresses and of connection types.
static void kind_get(MMDB_entry_s *entry, struct network *network) {
	char text[16];

	if (flag_get(entry, PATH("is_tor_exit_node")))
		network->kind = NETWORK_TOR;
	else if (flag_get(entry, PATH("is_anonymous_vpn")))
		network->kind = NETWORK_VPN;
	else if (flag_get(entry, PATH("is_hosting_provider")))
		network->kind = NETWORK_HOSTING;
	else if (!text_get(entry, PATH("connection_type"), text, sizeof(text)))
		return;
	else if (!strcmp(text, "Cellular"))
		network->kind = NETWORK_MOBILE;
	else if (!strcmp(text, "Corporate"))
		network->kind = NETWORK_OFFICE;
	else
		network->kind = NETWORK_ACCESS;
}

static void
dbs_find(const struct networks *networks, const struct ip *ip, struct network *network) {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {0};

	address.any.sa_family = ip->family == 4 ? AF_INET : AF_INET6;
	if (ip->family == 4)
		memcpy(&address.v4.sin_addr, ip->addr, sizeof(address.v4.sin_addr));
	else
		memcpy(&address.v6.sin6_addr, ip->addr, sizeof(address.v6.sin6_addr));
	for (int i = 0; i < networks->n_dbs; i++) {
		int rc;
		MMDB_lookup_result_s found
			= MMDB_lookup_sockaddr(&networks->db[i], &address.any, &rc);
		if (rc != MMDB_SUCCESS || !found.found_entry)
			continue;
		asn_get(&found.entry, network);
		country_get(&found.entry, network);
		kind_get(&found.entry, network);
	}
}

#else

static int db_open(struct networks *, const char *path, FILE *err) {
	fprintf(err,
		"postern: %s: this program was built without libmaxminddb: build it with "
		"-Dmaxminddb=enabled, or use a list (--networks)\n",
		path);
	return -1;
}

static void dbs_close(struct networks *) {}

static void dbs_find(const struct networks *, const struct ip *, struct network *) {}

#endif

struct networks *
networks_open(const struct networks_config *config, FILE *err, unsigned *n_mistakes_r) {
	struct networks *networks = calloc(1, sizeof(*networks));
	long n_wrong = 0;

	*n_mistakes_r = 0;
	if (!networks) {
		fputs("postern: out of memory\n", err);
		return NULL;
	}
	if ((config->asn_db && db_open(networks, config->asn_db, err) < 0)
	    || (config->country_db && db_open(networks, config->country_db, err) < 0))
		goto err;
	if (config->list)
		n_wrong = network_list_read(&networks->list, config->list, err);
	if (n_wrong < 0)
		goto err;
	*n_mistakes_r = (unsigned)n_wrong;
	return networks;
err:
	networks_close(networks);
	return NULL;
}

int networks_of(const struct config *config, struct networks **networks_r) {
	const struct networks_config named = {
		.asn_db = config->asn_db,
		.country_db = config->country_db,
		.list = config->networks,
	};
	unsigned n_mistakes;

	*networks_r = NULL;
	if (!named.asn_db && !named.country_db && !named.list)
		return 0;
	*networks_r = networks_open(&named, stderr, &n_mistakes);
	return *networks_r && n_mistakes == 0 ? 0 : -1;
}

void networks_close(struct networks *networks) {
	if (!networks)
		return;
	dbs_close(networks);
	network_list_close(&networks->list);
	free(networks);
}

void networks_find(const struct networks *networks, const struct ip *ip, struct network *network) {
	const struct network_prefix *prefix;

	*network = (struct network){0};
	if (!networks || (ip->family != 4 && ip->family != 6))
		return;
	dbs_find(networks, ip, network);
	prefix = network_list_find(&networks->list, ip);
	if (!prefix)
		return;
	if (prefix->asn && prefix->asn != network->asn) {
		network->asn = prefix->asn;
		network->name[0] = '\0'; // it was another's
	}
	if (prefix->country[0])
		memcpy(network->country, prefix->country, 2);
	if (prefix->kind)
		network->kind = prefix->kind;
}
