// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "output/ecs.h"

#include <string.h>

enum {
	OBSERVER_CHARS_MAX = 64, // a host's name on Linux
	NAME_CHARS_MAX = 64, // of an organisation
};

void ecs_version_write(struct json *json) {
	json_begin_object(json, "ecs");
	json_put_word(json, "version", "8.17.0");
	json_end_object(json);
}

bool ecs_user_write(struct json *json, const char *account, size_t chars) {
	size_t size = strlen(account);
	const char *at = memrchr(account, '@', size), *end = account + size;
	bool has_domain = at && at > account && at + 1 < end, is_cut;

	json_begin_object(json, "user");
	json_put_string(json, "name", account, has_domain ? (size_t)(at - account) : size, chars);
	if (has_domain) {
		json_put_string(json, "domain", at + 1, (size_t)(end - at - 1), chars);
		json_put_string(json, "email", account, size, chars);
	}
	is_cut = json_put_string(json, "id", account, size, chars);
	json_end_object(json);
	return is_cut;
}

void ecs_observer_write(struct json *json, const char *name) {
	json_begin_object(json, "observer");
	json_put_word(json, "vendor", "Postern");
	json_put_word(json, "product", "postern");
	json_put_word(json, "type", "ids");
	json_put_word(json, "version", POSTERN_VERSION);
	if (name && *name)
		json_put_string(json, "name", name, strlen(name), OBSERVER_CHARS_MAX);
	json_end_object(json);
}

void ecs_single_write(struct json *json, const char *key, const char *text) {
	json_begin_array(json, key);
	json_put_text(json, NULL, text);
	json_end_array(json);
}

void ecs_event_begin(
	struct json *json,
	const char *kind,
	const char *dataset,
	const char *category
) {
	json_begin_object(json, "event");
	json_put_word(json, "kind", kind);
	json_put_word(json, "module", "postern");
	json_put_word(json, "dataset", dataset);
	json_begin_array(json, "category");
	json_put_word(json, NULL, category);
	json_put_word(json, NULL, "email");
	json_end_array(json);
	ecs_single_write(json, "type", "info");
}

void ecs_place_write(struct json *json, uint32_t asn, const char *name, const char *country) {
	if (asn) {
		json_begin_object(json, "as");
		json_put_u64(json, "number", asn);
		if (name[0]) {
			json_begin_object(json, "organization");
			json_put_string(json, "name", name, strlen(name), NAME_CHARS_MAX);
			json_end_object(json);
		}
		json_end_object(json);
	}
	if (country[0]) {
		json_begin_object(json, "geo");
		json_put_text(json, "country_iso_code", country);
		json_end_object(json);
	}
}
