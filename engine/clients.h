// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Names of client software by its command grammar (proto/imap/imap_grammar.c): what is known to speak so,
// out of a YAML file.
//
//	clients:
//	  - name: OfflineIMAP
//	    grammars: [e0b37bb1]

#pragma once

#include <stdint.h>
#include <stdio.h>

enum {
	CLIENTS_MAX = 10000, // grammars that have a name
	CLIENTS_FILE_SIZE_MAX = 1 << 20,
	CLIENT_NAME_SIZE_MAX = 64,
};

struct clients;

// path as given by the user; NULL: the file beside the program, and without it nobody is known. Mistakes
// are said on err, the entries that are right are used. NULL when path was given and cannot be read,
// or there is no memory.
struct clients *clients_open(const char *path, FILE *err);
// Mistakes found.
int clients_n_bad(const struct clients *clients);
// NULL: nobody who is known speaks so. Cost: a binary search. Accepts NULL.
const char *clients_name(const struct clients *clients, uint32_t grammar);
// Accepts NULL.
void clients_close(struct clients *clients);
