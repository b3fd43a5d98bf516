// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Attempts to log in: whose the session is after them, and what the models are told of each.

#include "account_name.h"
#include "engine.h"
#include "proto/sasl.h"
#include "session.h"
#include "siphash.h"

#include <string.h>

uint64_t session_password_hash(const struct session *s, const uint8_t *password, size_t size) {
	if (size == 0)
		return 0;
	uint64_t hash = siphash(s->engine->config.password_key, password, size);
	return hash ? hash : 1;
}

// A name of the wire in its normal form, in a block of its size. NULL: it is none, which is stated.
static char *account_new(struct session *s, const char *name, size_t name_size) {
	char text[ACCOUNT_SIZE];
	size_t size = 0;
	char *account;

	static_assert(
		(int)ACCOUNT_NAME_SIZE_MAX < (int)ACCOUNT_SIZE,
		"an account fits the door to the models"
	);
	if (name_size <= ACCOUNT_NAME_SIZE_MAX)
		size = account_name(&s->engine->config.accounts, name, name_size, text);
	if (size == 0) {
		session_event(s, EVENT_bad_syntax);
		return NULL;
	}
	account = slab_get(s->engine->slab, size + 1);
	if (!account) {
		session_event(s, EVENT_memory_full);
		return NULL;
	}
	return memcpy(account, text, size + 1);
}

// The session is this account's from now on; name NULL: nobody's.
static void account_set(struct session *s, const char *name, size_t size, uint64_t now_ns) {
	char *account = name && size ? account_new(s, name, size) : NULL;

	if (s->pending && (!account || !s->account || strcmp(account, s->account) != 0))
		session_activity_flush(s, now_ns); // what was before belongs to the account before
	session_text_put(s, s->account);
	s->account = account;
}

// Whose password it was, where that is somebody else than the account; name NULL: nobody else's.
static void master_set(struct session *s, const char *name, size_t size) {
	if (!s->client && !name)
		return;
	if (!session_client_get(s))
		return;
	session_text_put(s, s->client->master);
	s->client->master = name ? account_new(s, name, size) : NULL;
}

static void attempt_tell(
	struct session *s,
	enum login_outcome outcome,
	uint8_t mechanism,
	uint64_t password_hash,
	uint64_t now_ns
) {
	struct activity *a = session_activity(s, now_ns);

	s->login = (uint8_t)outcome;
	s->is_claimed = false;
	s->mechanism = mechanism;
	s->n_attempts += s->n_attempts < UINT16_MAX;
	if (outcome == LOGIN_SUCCESS) {
		a->auth.success++;
	} else {
		a->auth.failure++;
		a->auth.password = password_hash;
	}
	strncpy(a->auth.mechanism, sasl_name(mechanism), sizeof(a->auth.mechanism) - 1);
	// An attempt is told at once, so that the models see attempts in the order they were made. Whoever was
	// refused is not the account: what he does after it is nobody's.
	session_activity_flush(s, now_ns);
	s->is_claimed = outcome != LOGIN_SUCCESS && s->account;
}

void session_login(
	struct session *s,
	enum login_outcome outcome,
	uint8_t mechanism,
	const char *name,
	size_t name_size,
	uint64_t password_hash,
	uint64_t now_ns
) {
	size_t user = name ? account_name_user(&s->engine->config.accounts, name, name_size) : 0;
	bool has_master = name && user < name_size;
	const char *master = has_master ? name + user + 1 : NULL;
	size_t master_size = has_master ? name_size - user - 1 : 0;

	// The mail is the user's, the password the master's: a refused one was tried on the latter.
	if (has_master && outcome == LOGIN_SUCCESS)
		account_set(s, name, user, now_ns);
	else if (has_master)
		account_set(s, master, master_size, now_ns);
	else
		account_set(s, name, name_size, now_ns);
	master_set(s, outcome == LOGIN_SUCCESS ? master : NULL, master_size);
	attempt_tell(s, outcome, mechanism, password_hash, now_ns);
}

void session_login_sasl(
	struct session *s,
	enum login_outcome outcome,
	const struct sasl *sasl,
	uint64_t now_ns
) {
	bool acts_for_another = sasl->authzid_size > 0 && outcome == LOGIN_SUCCESS;

	if (!acts_for_another) {
		session_login(
			s,
			outcome,
			sasl->mechanism,
			sasl->name_size ? sasl->name : NULL,
			sasl->name_size,
			sasl->password_hash,
			now_ns
		);
		return;
	}
	account_set(s, sasl->authzid, sasl->authzid_size, now_ns);
	master_set(s, sasl->name, sasl->name_size);
	attempt_tell(s, outcome, sasl->mechanism, sasl->password_hash, now_ns);
}

void session_login_unanswered(
	struct session *s,
	uint8_t mechanism,
	const char *name,
	size_t name_size,
	uint64_t now_ns
) {
	if (s->login == LOGIN_SUCCESS)
		return;
	session_activity_flush(s, now_ns); // what was before belongs to the account before
	s->login = LOGIN_NONE;
	s->mechanism = mechanism;
	s->n_attempts += s->n_attempts < UINT16_MAX;
	account_set(s, name, name_size, now_ns);
	s->is_claimed = s->account != NULL;
}
