// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One reader and one writer per type of value.

#include "config_value.h"

#include "config.h"
#include "mime/charset.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

// Largest first, as they are written; the first without a name is what a number alone means.
static const struct unit no_units[] = {{"", 1}, {0}};
static const struct unit size_units[] = {
	{"T", 1ull << 40},
	{"G", 1ull << 30},
	{"M", 1ull << 20},
	{"k", 1ull << 10},
	{"", 1},
	{0},
};
static const struct unit duration_units[] = {
	{"d", 86400000000000},
	{"h", 3600000000000},
	{"m", 60000000000},
	{"s", 1000000000},
	{"ms", 1000000},
	{"", 1000000000},
	{0},
};

static const struct {
	const char *what, *example;
	const struct unit *units;
} numbers[] = {
	[CONFIG_VALUE_count] = {"a whole number", "", no_units},
	[CONFIG_VALUE_size] = {"a size", ", such as 512M (k, M, G, T)", size_units},
	[CONFIG_VALUE_duration] = {"a time", ", such as 90s (ms, s, m, h, d)", duration_units},
};

static void number_text(enum config_type type, uint64_t number, char *buffer, size_t size) {
	const struct unit *unit = numbers[type].units;

	while (unit->name[0] != '\0' && (number < unit->factor || number % unit->factor != 0))
		unit++;
	// Durations count nanoseconds: what is finer than a millisecond is shown in milliseconds.
	if (unit->name[0] == '\0' && unit->factor > 1)
		unit--;
	snprintf(buffer, size, "%" PRIu64 "%s", number / unit->factor, unit->name);
}

// Digits and a unit. False also when it does not fit 64 bits.
static bool number_read(const struct unit *units, const char *text, uint64_t *number_r) {
	uint64_t number = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(number, 10, &number)
		    || __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
			return false;
	if (p == text)
		return false;
	while (units->name != NULL && strcasecmp(units->name, p) != 0)
		units++;
	return units->name != NULL && !__builtin_mul_overflow(number, units->factor, number_r);
}

static int number_set(
	enum config_type type,
	const char *text,
	uint64_t min,
	uint64_t max,
	uint64_t *value,
	char *error,
	size_t error_size
) {
	char min_text[32], max_text[32];
	uint64_t number;
	bool is_number = number_read(numbers[type].units, text, &number);

	if (is_number && number >= min && number <= max) {
		*value = number;
		return 0;
	}
	number_text(type, min, min_text, sizeof(min_text));
	number_text(type, max, max_text, sizeof(max_text));
	snprintf(
		error,
		error_size,
		"\"%.60s\" is %s; write %s from %s to %s%s",
		text,
		is_number ? "out of range" : "not a number",
		numbers[type].what,
		min_text,
		max_text,
		numbers[type].example
	);
	return -1;
}

static int flag_set(const char *text, bool *value, char *error, size_t error_size) {
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"yes", true},
		{"true", true},
		{"on", true},
		{"no", false},
		{"false", false},
		{"off", false},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i].word, text) == 0) {
			*value = words[i].value;
			return 0;
		}
	snprintf(error, error_size, "\"%.60s\" is neither yes nor no; write one of them", text);
	return -1;
}

static int string_set(const char *text, char **value, char *error, size_t error_size) {
	char *copy;

	if (text[0] == '\0') {
		snprintf(error, error_size, "is empty; write a value or leave it out");
		return -1;
	}
	if (strlen(text) >= CONFIG_TEXT_SIZE_MAX) {
		snprintf(error, error_size, "is longer than %d bytes", CONFIG_TEXT_SIZE_MAX - 1);
		return -1;
	}
	copy = strdup(text);
	if (copy == NULL) {
		snprintf(error, error_size, "no memory");
		return -1;
	}
	free(*value);
	*value = copy;
	return 0;
}

// ---- Prefixes.

// True when bits beyond the prefix were set; they are cleared.
static bool host_bits_clear(uint8_t *addr, int size, int bits) {
	bool found = false;

	for (int i = 0; i < size; i++) {
		int left = bits - i * 8;
		uint8_t mask = left >= 8 ? 0xff : left <= 0 ? 0 : (uint8_t)(0xff << (8 - left));

		found |= (addr[i] & ~mask) != 0;
		addr[i] &= mask;
	}
	return found;
}

// "10.0.0.0/8", "fd00::/8", or one address.
static int
prefix_read(const char *text, struct ip *ip, uint8_t *bits_r, char *error, size_t error_size) {
	char address[INET6_ADDRSTRLEN + 4], right[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t size = slash != NULL ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;

	*ip = (struct ip){0};
	if (size < sizeof(address)) {
		memcpy(address, text, size);
		address[size] = '\0';
		if (inet_pton(AF_INET, address, ip->addr) == 1)
			ip->family = 4;
		else if (inet_pton(AF_INET6, address, ip->addr) == 1)
			ip->family = 6;
	}
	bits = ip->family == 6 ? 128 : 32;
	if (ip->family == 0
	    || (slash != NULL
		&& (!number_read(no_units, slash + 1, &bits) || bits > (ip->family == 6 ? 128 : 32))
	    )) {
		snprintf(
			error,
			error_size,
			"\"%.60s\" is no network; write 10.0.0.0/8, 192.0.2.7 or fd00::/8",
			text
		);
		return -1;
	}
	*bits_r = (uint8_t)bits;
	if (!host_bits_clear(ip->addr, ip->family == 6 ? 16 : 4, (int)bits))
		return 0;
	inet_ntop(ip->family == 6 ? AF_INET6 : AF_INET, ip->addr, right, sizeof(right));
	snprintf(
		error,
		error_size,
		"\"%.60s\" has bits beyond its prefix; write %s/%d or %s",
		text,
		right,
		(int)bits,
		address
	);
	return -1;
}

enum { ITEM_SIZE = 64 };

// The next of a list's items, which commas and blanks part; what is too long is cut, and then is none of any
// list. false: there is no further one. *at moves behind it.
static bool item_next(const char **at, char item[ITEM_SIZE]) {
	const char *p = *at + strspn(*at, ", ");
	size_t size = strcspn(p, ", ");

	snprintf(item, ITEM_SIZE, "%.*s", (int)(size < ITEM_SIZE ? size : ITEM_SIZE - 1), p);
	*at = p + size;
	return size > 0;
}

static int
prefixes_set(const char *text, struct config_prefixes *value, char *error, size_t error_size) {
	struct config_prefixes prefixes = {0};
	char item[ITEM_SIZE];

	while (item_next(&text, item)) {
		if (prefixes.n == CONFIG_PREFIXES_MAX) {
			snprintf(
				error,
				error_size,
				"more than %d networks; write larger ones",
				CONFIG_PREFIXES_MAX
			);
			return -1;
		}
		if (prefix_read(
			    item,
			    &prefixes.prefix[prefixes.n].ip,
			    &prefixes.prefix[prefixes.n].bits,
			    error,
			    error_size
		    )
		    < 0)
			return -1;
		prefixes.n++;
	}
	*value = prefixes;
	return 0;
}

static void prefixes_text(const struct config_prefixes *prefixes, char *buffer, size_t size) {
	char address[INET6_ADDRSTRLEN];
	size_t used = 0;

	snprintf(buffer, size, "none");
	for (uint32_t i = 0; i < prefixes->n && used < size; i++) {
		const struct ip *ip = &prefixes->prefix[i].ip;

		inet_ntop(ip->family == 6 ? AF_INET6 : AF_INET, ip->addr, address, sizeof(address));
		used += (size_t)snprintf(
			buffer + used,
			size - used,
			"%s%s/%d",
			i > 0 ? "," : "",
			address,
			prefixes->prefix[i].bits
		);
	}
}

// ---- Lists of numbers.

// "7" or "7-9"; the last, when there is one, no smaller than the first.
static bool range_read(const char *text, uint64_t *first_r, uint64_t *last_r) {
	char left[24];
	size_t size = strcspn(text, "-");

	if (size >= sizeof(left))
		return false;
	memcpy(left, text, size);
	left[size] = '\0';
	if (!number_read(no_units, left, first_r))
		return false;
	*last_r = *first_r;
	if (text[size] == '-' && !number_read(no_units, text + size + 1, last_r))
		return false;
	return *last_r >= *first_r;
}

static int numbers_set(
	const char *text,
	uint64_t min,
	uint64_t max,
	struct config_numbers *value,
	char *error,
	size_t error_size
) {
	struct config_numbers numbers = {0};
	uint64_t first, last;
	char item[ITEM_SIZE];

	while (item_next(&text, item)) {
		if (!range_read(item, &first, &last) || first < min || last > max
		    || last - first >= CONFIG_NUMBERS_MAX - numbers.n) {
			snprintf(
				error,
				error_size,
				"\"%.60s\": write at most %d numbers from %llu to %llu, such as "
				"25,143,990-995",
				item,
				CONFIG_NUMBERS_MAX,
				(unsigned long long)min,
				(unsigned long long)max
			);
			return -1;
		}
		for (; first <= last; first++)
			numbers.number[numbers.n++] = (uint16_t)first;
	}
	*value = numbers;
	return 0;
}

static void numbers_text(const struct config_numbers *numbers, char *buffer, size_t size) {
	size_t used = 0;

	snprintf(buffer, size, "none");
	for (uint32_t i = 0; i < numbers->n && used < size; i++)
		used += (size_t
		)snprintf(buffer + used, size - used, "%s%u", i > 0 ? "," : "", numbers->number[i]);
}

// ---- What the dataplane is told.

struct word {
	const char *name;
	int value;
};

static const struct word overlap_words[] = {
	{"first", OVERLAP_FIRST},
	{"last", OVERLAP_LAST},
	{"linux", OVERLAP_LINUX},
	{"windows", OVERLAP_WINDOWS},
	{0},
};
static const struct word urgent_words[]
	= {{"inline", URGENT_INLINE}, {"oob", URGENT_OOB}, {"gap", URGENT_GAP}, {0}};

// The word's value, or -1 after an error that lists those there are.
static int word_read(const struct word *words, const char *text, char *error, size_t error_size) {
	size_t used;

	for (const struct word *word = words; word->name; word++)
		if (strcmp(word->name, text) == 0)
			return word->value;
	used = (size_t)snprintf(error, error_size, "\"%.60s\" is none of", text);
	for (const struct word *word = words; word->name && used < error_size; word++)
		used += (size_t)snprintf(
			error + used,
			error_size - used,
			"%s %s",
			word == words ? "" : ",",
			word->name
		);
	return -1;
}

static const char *word_text(const struct word *words, int value) {
	for (; words->name; words++)
		if (words->value == value)
			return words->name;
	return "unknown";
}

// One NAME=PORT of a list. 0, or -1.
static int
tunnel_port_read(const char *item, struct tunnel_ports *ports, char *error, size_t error_size) {
	size_t size = strcspn(item, "=");
	int tunnel = 0;
	uint64_t port;

	while (tunnel < TUNNELS
	       && (strlen(tunnel_name(tunnel)) != size
		   || strncmp(tunnel_name(tunnel), item, size) != 0))
		tunnel++;
	if (tunnel == TUNNELS || item[size] != '=' || !number_read(no_units, item + size + 1, &port)
	    || port < 1 || port > 65535) {
		snprintf(
			error,
			error_size,
			"\"%.60s\" is no tunnel and port; write vxlan=4789, vxlan-gpe=4790, "
			"geneve=6081 or gtp=2152",
			item
		);
		return -1;
	}
	if (ports->n == TUNNEL_PORTS_MAX) {
		snprintf(error, error_size, "more than %d ports of tunnels", TUNNEL_PORTS_MAX);
		return -1;
	}
	ports->of[ports->n].port = (uint16_t)port;
	ports->of[ports->n++].tunnel = (uint8_t)tunnel;
	return 0;
}

static int
tunnel_ports_set(const char *text, struct tunnel_ports *value, char *error, size_t error_size) {
	struct tunnel_ports ports = {0};
	char item[64];

	for (const char *p = text, *end; strcmp(text, "none") != 0 && *p != '\0'; p = end) {
		p += strspn(p, ", ");
		end = p + strcspn(p, ", ");
		if (end == p)
			break;
		snprintf(item, sizeof(item), "%.*s", (int)(end - p < 63 ? end - p : 63), p);
		if (tunnel_port_read(item, &ports, error, error_size) < 0)
			return -1;
	}
	*value = ports;
	return 0;
}

static void tunnel_ports_text(const struct tunnel_ports *ports, char *buffer, size_t size) {
	size_t used = 0;

	snprintf(buffer, size, "none");
	for (uint32_t i = 0; i < ports->n && used < size; i++)
		used += (size_t)snprintf(
			buffer + used,
			size - used,
			"%s%s=%u",
			i > 0 ? "," : "",
			tunnel_name(ports->of[i].tunnel),
			ports->of[i].port
		);
}

// ---- Decimal numbers, in thousandths.

static int milli_set(
	const char *text,
	uint64_t min,
	uint64_t max,
	uint64_t *value,
	char *error,
	size_t error_size
) {
	uint64_t number = 0, unit = 1000;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && number < 1000000000; p++)
		number = number * 10 + (uint64_t)(*p - '0') * 1000;
	bool is_number = p > text;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && unit > 1; p++)
			number += (uint64_t)(*p - '0') * (unit /= 10);
	if (is_number && *p == '\0' && number >= min && number <= max) {
		*value = number;
		return 0;
	}
	snprintf(
		error,
		error_size,
		"a number from %g to %g, such as 0.5, is wanted",
		(double)min / 1000,
		(double)max / 1000
	);
	return -1;
}

// Converters are programs that are loaded, which is over once system calls are confined. What was known when the
// configuration was read first is known when it is read again: the default and what was asked for.
static bool charset_was_known(const char *text) {
	static char known[4][64];
	static unsigned n_known;
	size_t size = strlen(text);

	for (unsigned i = 0; i < n_known && i < 4; i++)
		if (strcmp(known[i], text) == 0)
			return true;
	if (!charset_is_known(text, size))
		return false;
	if (size < sizeof(known[0]))
		strcpy(known[n_known++ % 4], text);
	return true;
}

static int charset_set(const char *text, char **value, char *error, size_t error_size) {
	if (charset_was_known(text))
		return string_set(text, value, error, error_size);
	snprintf(
		error,
		error_size,
		"\"%.60s\" is no character set that is known, such as windows-1250, koi8-r or "
		"utf-8",
		text
	);
	return -1;
}

// ---- All types.

int config_value_set(
	enum config_type type,
	const char *text,
	uint64_t min,
	uint64_t max,
	void *value,
	char *error,
	size_t error_size
) {
	int word;

	switch (type) {
	case CONFIG_VALUE_string:
	case CONFIG_VALUE_path:
		return string_set(text, value, error, error_size);
	case CONFIG_VALUE_charset:
		return charset_set(text, value, error, error_size);
	case CONFIG_VALUE_count:
	case CONFIG_VALUE_size:
	case CONFIG_VALUE_duration:
		return number_set(type, text, min, max, value, error, error_size);
	case CONFIG_VALUE_flag:
		return flag_set(text, value, error, error_size);
	case CONFIG_VALUE_prefixes:
		return prefixes_set(text, value, error, error_size);
	case CONFIG_VALUE_numbers:
		return numbers_set(text, min, max, value, error, error_size);
	case CONFIG_VALUE_overlap:
		if ((word = word_read(overlap_words, text, error, error_size)) < 0)
			return -1;
		*(enum overlap *)value = (enum overlap)word;
		return 0;
	case CONFIG_VALUE_urgent:
		if ((word = word_read(urgent_words, text, error, error_size)) < 0)
			return -1;
		*(enum urgent *)value = (enum urgent)word;
		return 0;
	case CONFIG_VALUE_tunnel_ports:
		return tunnel_ports_set(text, value, error, error_size);
	case CONFIG_VALUE_milli:
		return milli_set(text, min, max, value, error, error_size);
	}
	assert(false);
	return -1;
}

void config_value_free(enum config_type type, void *value) {
	if (type != CONFIG_VALUE_string && type != CONFIG_VALUE_path
	    && type != CONFIG_VALUE_charset)
		return;
	free(*(char **)value);
	*(char **)value = NULL;
}

void config_value_text(enum config_type type, const void *value, char *buffer, size_t size) {
	const char *string;

	switch (type) {
	case CONFIG_VALUE_string:
	case CONFIG_VALUE_path:
	case CONFIG_VALUE_charset:
		string = *(char *const *)value;
		snprintf(buffer, size, "%s", string != NULL ? string : "none");
		break;
	case CONFIG_VALUE_count:
	case CONFIG_VALUE_size:
	case CONFIG_VALUE_duration:
		number_text(type, *(const uint64_t *)value, buffer, size);
		break;
	case CONFIG_VALUE_flag:
		snprintf(buffer, size, "%s", *(const bool *)value ? "yes" : "no");
		break;
	case CONFIG_VALUE_prefixes:
		prefixes_text(value, buffer, size);
		break;
	case CONFIG_VALUE_numbers:
		numbers_text(value, buffer, size);
		break;
	case CONFIG_VALUE_overlap:
		string = word_text(overlap_words, (int)*(const enum overlap *)value);
		snprintf(buffer, size, "%s", string);
		break;
	case CONFIG_VALUE_urgent:
		string = word_text(urgent_words, (int)*(const enum urgent *)value);
		snprintf(buffer, size, "%s", string);
		break;
	case CONFIG_VALUE_tunnel_ports:
		tunnel_ports_text(value, buffer, size);
		break;
	case CONFIG_VALUE_milli:
		snprintf(buffer, size, "%g", (double)*(const uint64_t *)value / 1000);
		break;
	}
}
