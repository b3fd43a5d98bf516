// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "clients.h"

#include "installed.h"
#include "yaml.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct known {
	uint32_t grammar;
	const char *name; // the file's
};

struct clients {
	struct yaml *yaml;
	char *text; // the names stand in it
	struct yaml_mistakes mistakes;
	struct known *known; // sorted
	size_t n, cap;
};

static void report(void *ctx, const char *text) {
	fprintf(ctx, "postern: %s\n", text);
}

// ---- The file

struct reader {
	struct clients *clients;
	const char *file;
};

#define MISTAKE(reader, node, ...)                                                                 \
	yaml_mistake(                                                                              \
		&(reader)->clients->mistakes,                                                      \
		(reader)->file,                                                                    \
		(node)->line,                                                                      \
		(node)->column,                                                                    \
		__VA_ARGS__                                                                        \
	)

static void grammar_read(struct reader *reader, const struct yaml_node *node, const char *name) {
	struct clients *clients = reader->clients;
	char *end = NULL;
	unsigned long grammar = 0;

	if (node->kind == YAML_SCALAR && strlen(node->text) == 8)
		grammar = strtoul(node->text, &end, 16);
	if (end == NULL || *end != '\0' || grammar == 0) {
		MISTAKE(reader, node, "a grammar is eight hexadecimal digits, as in session records"
		);
		return;
	}
	if (clients->n == clients->cap) {
		MISTAKE(reader, node, "more than %d grammars; this one is not used", CLIENTS_MAX);
		return;
	}
	clients->known[clients->n++] = (struct known){grammar, name};
}

static void client_read(struct reader *reader, const struct yaml_node *node) {
	const struct yaml_node *name = NULL, *grammars = NULL;

	if (node->is_cut)
		return; // the mistake in it was reported
	for (const struct yaml_node *key = node->kind == YAML_MAP ? node->first : NULL; key != NULL;
	     key = key->next) {
		if (strcmp(key->text, "name") == 0)
			name = key->value;
		else if (strcmp(key->text, "grammars") == 0)
			grammars = key->value;
		else
			MISTAKE(reader,
				key,
				"%.60s: unknown key; known are name and grammars",
				key->text);
	}
	if (name == NULL || name->kind != YAML_SCALAR || name->text[0] == '\0'
	    || strlen(name->text) > CLIENT_NAME_SIZE_MAX || grammars == NULL
	    || grammars->kind != YAML_LIST) {
		MISTAKE(reader,
			node,
			"a client needs a name of at most %d bytes and a list of grammars",
			CLIENT_NAME_SIZE_MAX);
		return;
	}
	for (const struct yaml_node *item = grammars->first; item != NULL; item = item->next)
		grammar_read(reader, item, name->text);
}

static void root_read(struct reader *reader, const struct yaml_node *root) {
	const struct yaml_node *list = NULL;

	if (root != NULL && root->kind == YAML_MAP && root->n == 1
	    && strcmp(root->first->text, "clients") == 0)
		list = root->first->value;
	if (root != NULL && (list == NULL || list->kind != YAML_LIST)) {
		MISTAKE(reader, root, "the file holds clients: and a list below it, nothing else");
		return;
	}
	for (const struct yaml_node *item = list != NULL ? list->first : NULL; item != NULL;
	     item = item->next)
		client_read(reader, item);
}

static int known_compare(const void *a, const void *b) {
	const struct known *left = a, *right = b;

	return left->grammar < right->grammar ? -1 : left->grammar > right->grammar;
}

// 0, or -1: it cannot be read, which was reported.
static int file_read(struct clients *clients, const char *path) {
	struct reader reader = {clients, path};
	size_t size;

	clients->text = yaml_file(path, CLIENTS_FILE_SIZE_MAX, &size, &clients->mistakes);
	if (clients->text == NULL)
		return -1;
	clients->yaml = yaml_open(path, clients->text, size, 1, &clients->mistakes);
	clients->known = calloc(CLIENTS_MAX, sizeof(*clients->known));
	if (clients->yaml == NULL || clients->known == NULL)
		return -1;
	clients->cap = CLIENTS_MAX;
	root_read(&reader, yaml_root(clients->yaml));
	qsort(clients->known, clients->n, sizeof(*clients->known), known_compare);
	return 0;
}

// ----

struct clients *clients_open(const char *path, FILE *err) {
	struct clients *clients = calloc(1, sizeof(*clients));
	char beside[PATH_MAX];

	if (clients == NULL)
		return NULL;
	clients->mistakes = (struct yaml_mistakes){.report = report, .ctx = err};
	if (path == NULL && !installed_find("clients/grammars.yaml", beside))
		return clients;
	if (file_read(clients, path != NULL ? path : beside) < 0 && path != NULL) {
		clients_close(clients);
		return NULL;
	}
	return clients;
}

int clients_n_bad(const struct clients *clients) {
	return clients->mistakes.n;
}

const char *clients_name(const struct clients *clients, uint32_t grammar) {
	const struct known key = {.grammar = grammar};
	const struct known *known = NULL;

	if (clients != NULL && clients->n > 0)
		known = bsearch(&key, clients->known, clients->n, sizeof(key), known_compare);
	return known != NULL ? known->name : NULL;
}

void clients_close(struct clients *clients) {
	if (clients == NULL)
		return;
	yaml_close(clients->yaml);
	free(clients->text);
	free(clients->known);
	free(clients);
}
