// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "account_name.h"

#include <string.h>
#include <strings.h>

static bool list_has(const char *list, const char *domain, size_t size) {
	for (const char *at = list, *end; at; at = *end ? end + 1 : NULL) {
		end = strchrnul(at, ',');
		while (at < end && *at == ' ')
			at++;
		if (end - at == 1 && *at == '*')
			return true;
		if ((size_t)(end - at) == size && strncasecmp(at, domain, size) == 0)
			return true;
	}
	return false;
}

static void lower(char *text, size_t size) {
	for (size_t i = 0; i < size; i++)
		text[i] |= (text[i] >= 'A' && text[i] <= 'Z') << 5;
}

static bool has_control(const char *name, size_t size) {
	bool has = false;

	for (size_t i = 0; i < size; i++)
		has |= ((unsigned char)name[i] < 0x20) | (name[i] == 0x7f);
	return has;
}

size_t account_name(
	const struct account_names *names,
	const char *name,
	size_t size,
	char account[ACCOUNT_SIZE]
) {
	const char *at = memrchr(name, '@', size);
	const char *domain = at && at > name && at + 1 < name + size ? at + 1 : NULL;
	size_t more = 0;

	if (size == 0 || size >= ACCOUNT_SIZE || has_control(name, size))
		return 0;
	if (domain && names->strip_domains
	    && list_has(names->strip_domains, domain, (size_t)(name + size - domain)))
		size = (size_t)(at - name);
	else if (!at && names->default_domain && *names->default_domain)
		more = 1 + strlen(names->default_domain);
	if (size + more >= ACCOUNT_SIZE)
		return 0;
	memcpy(account, name, size);
	if (more > 0) {
		account[size] = '@';
		memcpy(account + size + 1, names->default_domain, more - 1);
	}
	size += more;
	account[size] = '\0';
	if (!names->is_case_kept)
		lower(account, size);
	return size;
}

size_t account_name_user(const struct account_names *names, const char *name, size_t size) {
	const char *separators = names->master_separators;

	if (!separators || !*separators)
		return size;
	// With nothing on one side it is part of a name.
	for (size_t i = size; i-- > 1;)
		if (name[i] && strchr(separators, name[i]))
			return i + 1 < size ? i : size;
	return size;
}
