// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a search looks for, as far as models want to know: words in texts, addresses and subjects,
// flags, or dates. Keys take arguments, which must not be taken for keys: a table says how many.

#include "proto/imap/imap_private.h"

static const struct {
	const char *name;
	uint8_t class; // SEARCH_*
	uint8_t n_args;
} keys[] = {
	{"BODY", SEARCH_TEXT, 1},
	{"TEXT", SEARCH_TEXT, 1},
	{"X-GM-RAW", SEARCH_TEXT, 1},
	{"SUBJECT", SEARCH_HEADER, 1},
	{"FROM", SEARCH_HEADER, 1},
	{"TO", SEARCH_HEADER, 1},
	{"CC", SEARCH_HEADER, 1},
	{"BCC", SEARCH_HEADER, 1},
	{"HEADER", SEARCH_HEADER, 2},
	{"SEEN", SEARCH_FLAG, 0},
	{"UNSEEN", SEARCH_FLAG, 0},
	{"RECENT", SEARCH_FLAG, 0},
	{"NEW", SEARCH_FLAG, 0},
	{"OLD", SEARCH_FLAG, 0},
	{"ANSWERED", SEARCH_FLAG, 0},
	{"UNANSWERED", SEARCH_FLAG, 0},
	{"DELETED", SEARCH_FLAG, 0},
	{"UNDELETED", SEARCH_FLAG, 0},
	{"DRAFT", SEARCH_FLAG, 0},
	{"UNDRAFT", SEARCH_FLAG, 0},
	{"FLAGGED", SEARCH_FLAG, 0},
	{"UNFLAGGED", SEARCH_FLAG, 0},
	{"KEYWORD", SEARCH_FLAG, 1},
	{"UNKEYWORD", SEARCH_FLAG, 1},
	{"BEFORE", SEARCH_DATE, 1},
	{"ON", SEARCH_DATE, 1},
	{"SINCE", SEARCH_DATE, 1},
	{"SENTBEFORE", SEARCH_DATE, 1},
	{"SENTON", SEARCH_DATE, 1},
	{"SENTSINCE", SEARCH_DATE, 1},
	{"SAVEDBEFORE", SEARCH_DATE, 1},
	{"SAVEDON", SEARCH_DATE, 1},
	{"SAVEDSINCE", SEARCH_DATE, 1},
	{"YOUNGER", SEARCH_DATE, 1},
	{"OLDER", SEARCH_DATE, 1},
	{"UID", 0, 1},
	{"LARGER", 0, 1},
	{"SMALLER", 0, 1},
	{"MODSEQ", 0, 1},
	{"CHARSET", 0, 1},
	{"ALL", 0, 0},
	{"NOT", 0, 0},
	{"OR", 0, 0},
	{"RETURN", 0, 0},
};

bool imap_search_is_key(const struct imap_token *arg) {
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (imap_token_is(arg, keys[i].name))
			return true;
	return false;
}

static void
search_arg(struct imap_ctx *c, struct imap_flight *flight, const struct imap_token *arg) {
	if (arg->kind == TOKEN_OPEN || arg->kind == TOKEN_CLOSE)
		return;
	if ((flight->command == IMAP_SORT || flight->command == IMAP_UID_SORT)
	    && !(flight->search & SEARCH_BEGUN)) {
		if (arg->depth == 0 && !imap_token_is(arg, "RETURN"))
			flight->search |= SEARCH_BEGUN; // the charset
		return;
	}
	if (flight->skip > 0) {
		flight->skip--;
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (imap_token_is(arg, keys[i].name)) {
			flight->search |= keys[i].class;
			flight->skip = keys[i].n_args;
			return;
		}
	}
}

static void search_ok(struct imap_ctx *c, struct imap_flight *flight, struct imap_cursor text) {
	struct activity_mailbox *activity = imap_activity(c);

	imap_deeds(c)->n_search++;
	if (activity == NULL)
		return;
	activity->search.text += (flight->search & SEARCH_TEXT) != 0;
	activity->search.header += (flight->search & SEARCH_HEADER) != 0;
	activity->search.flag += (flight->search & SEARCH_FLAG) != 0;
	activity->search.date += (flight->search & SEARCH_DATE) != 0;
}

const struct imap_verb imap_verb_search = {.arg = search_arg, .ok = search_ok};
