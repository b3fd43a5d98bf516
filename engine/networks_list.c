// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "networks_private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	WORDS_MAX = 5,
	MISTAKES_SHOWN = 20, // of one file; the rest is counted
};

const char *const network_kinds[NETWORK_KINDS] = {
	[NETWORK_UNKNOWN] = "",
	[NETWORK_ACCESS] = "access",
	[NETWORK_MOBILE] = "mobile",
	[NETWORK_HOSTING] = "hosting",
	[NETWORK_VPN] = "vpn",
	[NETWORK_TOR] = "tor",
	[NETWORK_OFFICE] = "office",
};

// ---- One line

// A line's words, cut apart in it; what is behind # is no word.
static int words_of(char *line, char *words[WORDS_MAX]) {
	int n = 0;
	char *save = NULL;

	line[strcspn(line, "#\r\n")] = '\0';
	for (char *word = strtok_r(line, " \t,;", &save); word && n < WORDS_MAX;
	     word = strtok_r(NULL, " \t,;", &save))
		words[n++] = word;
	return n;
}

static bool bits_beyond(const uint8_t *addr, size_t size, unsigned bits) {
	for (size_t i = bits; i < 8 * size; i++)
		if (addr[i / 8] & 0x80 >> i % 8)
			return true;
	return false;
}

static const char *prefix_read(char *word, struct network_prefix *prefix) {
	char *slash = strchr(word, '/'), *end;
	unsigned long bits;

	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, word, prefix->addr) == 1)
		prefix->family = 4;
	else if (inet_pton(AF_INET6, word, prefix->addr) == 1)
		prefix->family = 6;
	else
		return "begin with an address or CIDR, such as 198.51.100.0/24";
	bits = prefix->family == 4 ? 32 : 128;
	if (slash) {
		unsigned long most = bits;
		bits = strtoul(slash + 1, &end, 10);
		if (!isdigit((unsigned char)slash[1]) || *end || bits > most)
			return "write the prefix' length behind the slash: 0 to 32, or to 128 for "
			       "IPv6";
	}
	prefix->bits = (uint8_t)bits;
	if (bits_beyond(prefix->addr, prefix->family == 4 ? 4 : 16, (unsigned)bits))
		return "the address has bits beyond the prefix: is the length right?";
	return NULL;
}

static const char *word_read(const char *word, struct network_prefix *prefix) {
	for (int i = NETWORK_UNKNOWN + 1; i < NETWORK_KINDS; i++)
		if (strcasecmp(word, network_kinds[i]) == 0) {
			prefix->kind = (uint8_t)i;
			return NULL;
		}
	if (strncasecmp(word, "AS", 2) == 0 && isdigit((unsigned char)word[2])) {
		char *end;
		unsigned long long asn = strtoull(word + 2, &end, 10);
		if (*end || asn == 0 || asn > UINT32_MAX)
			return "an autonomous system is AS and a number up to 4294967295";
		prefix->asn = (uint32_t)asn;
		return NULL;
	}
	if (strlen(word) == 2 && isalpha((unsigned char)word[0])
	    && isalpha((unsigned char)word[1])) {
		prefix->country[0] = (char)toupper((unsigned char)word[0]);
		prefix->country[1] = (char)toupper((unsigned char)word[1]);
		return NULL;
	}
	return "a kind (access, mobile, hosting, vpn, tor, office), AS and a number, or a country "
	       "of "
	       "two letters is needed here";
}

// NULL, or what is wrong; *is_empty_r for a line that says nothing.
static const char *line_read(char *line, struct network_prefix *prefix, bool *is_empty_r) {
	char *words[WORDS_MAX];
	int n = words_of(line, words);
	const char *wrong;

	*prefix = (struct network_prefix){0};
	*is_empty_r = n == 0;
	if (n == 0)
		return NULL;
	if ((wrong = prefix_read(words[0], prefix)))
		return wrong;
	for (int i = 1; i < n; i++)
		if ((wrong = word_read(words[i], prefix)))
			return wrong;
	if (n == 1)
		return "say what network it is: a kind, AS and a number, or a country";
	return n == WORDS_MAX ? "there is too much on this line" : NULL;
}

// ---- The list

static int prefix_order(const void *a, const void *b) {
	const struct network_prefix *x = a, *y = b;
	int order;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	order = memcmp(x->addr, y->addr, sizeof(x->addr));
	return order ? order : (int)x->bits - (int)y->bits;
}

static bool prefix_has(const struct network_prefix *prefix, const uint8_t *addr, uint8_t family) {
	unsigned bytes = prefix->bits / 8, rest = prefix->bits % 8;

	if (prefix->family != family || memcmp(prefix->addr, addr, bytes) != 0)
		return false;
	return rest == 0 || ((prefix->addr[bytes] ^ addr[bytes]) >> (8 - rest)) == 0;
}

// In the order of addresses, wider prefixes first: what is around an entry is before it.
static void list_nest(struct network_list *list) {
	qsort(list->prefix, list->n, sizeof(list->prefix[0]), prefix_order);
	for (size_t i = 1; i < list->n; i++) {
		uint32_t around = (uint32_t)i;
		while (around
		       && !prefix_has(
			       &list->prefix[around - 1],
			       list->prefix[i].addr,
			       list->prefix[i].family
		       ))
			around = list->prefix[around - 1].around;
		list->prefix[i].around = around;
	}
}

static int list_add(struct network_list *list, const struct network_prefix *prefix) {
	// Grows by doubling: at 1, 2, 4, 8 …
	if ((list->n & (list->n - 1)) == 0) {
		size_t n_max = list->n ? 2 * list->n : 1;
		struct network_prefix *larger
			= realloc(list->prefix, n_max * sizeof(list->prefix[0]));
		if (!larger)
			return -1;
		list->prefix = larger;
	}
	list->prefix[list->n++] = *prefix;
	return 0;
}

static long lines_read(struct network_list *list, const char *path, FILE *file, FILE *err) {
	struct network_prefix prefix;
	size_t capacity = 0;
	char *line = NULL;
	long n_wrong = 0;
	bool is_empty;

	for (long number = 1; getline(&line, &capacity, file) >= 0; number++) {
		const char *wrong = line_read(line, &prefix, &is_empty);
		if (!wrong && is_empty)
			continue;
		if (!wrong && list->n == NETWORKS_LIST_MAX)
			wrong = "the list is too long; what follows is left out";
		if (!wrong && list_add(list, &prefix) < 0)
			wrong = "out of memory";
		if (wrong && ++n_wrong <= MISTAKES_SHOWN)
			fprintf(err, "postern: %s:%ld: %s\n", path, number, wrong);
	}
	if (n_wrong > MISTAKES_SHOWN)
		fprintf(err,
			"postern: %s: %ld more lines are wrong\n",
			path,
			n_wrong - MISTAKES_SHOWN);
	free(line);
	return n_wrong;
}

long network_list_read(struct network_list *list, const char *path, FILE *err) {
	FILE *file = fopen(path, "r");
	long n_wrong;

	*list = (struct network_list){0};
	if (!file) {
		fprintf(err, "postern: %s: %s\n", path, strerror(errno));
		return -1;
	}
	n_wrong = lines_read(list, path, file, err);
	if (ferror(file)) {
		fprintf(err, "postern: %s: %s\n", path, strerror(errno));
		n_wrong = -1;
	}
	fclose(file);
	list_nest(list);
	return n_wrong;
}

const struct network_prefix *
network_list_find(const struct network_list *list, const struct ip *ip) {
	struct network_prefix sought = {.family = ip->family, .bits = 128};
	size_t low = 0, high = list->n;

	memcpy(sought.addr, ip->addr, sizeof(sought.addr));
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (prefix_order(&list->prefix[middle], &sought) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	// The last that begins at or before it; if that does not reach so far, something around it may.
	uint32_t at = (uint32_t)low;
	while (at && !prefix_has(&list->prefix[at - 1], ip->addr, ip->family))
		at = list->prefix[at - 1].around;
	return at ? &list->prefix[at - 1] : NULL;
}

void network_list_close(struct network_list *list) {
	free(list->prefix);
	*list = (struct network_list){0};
}
