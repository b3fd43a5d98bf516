// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// All of this runs only when something matched, but for the first line of session_token() and
// session_events_match().

#include "session_match.h"

#include "engine.h"
#include "limits.h"
#include "proto/proto.h"

#include <string.h>

static_assert(sizeof(((struct activity_match *)0)->part) == FOUND_PART_SIZE, "a part fits");
static_assert(
	sizeof(((struct activity_match *)0)->excerpt) == FOUND_EXCERPT_SIZE,
	"an excerpt fits"
);

bool session_match_wants(const struct session *s, const struct rule *rule) {
	return s->proto == NULL || (rule->protocols >> s->proto->activity & 1) != 0;
}

// ---- Values

static void values_free(struct session *s, struct found_values **values) {
	slab_put(session_slab(s), *values, sizeof(**values));
	*values = NULL;
}

static struct found_values *values_get(struct session *s, struct found_values **values) {
	if (*values == NULL)
		*values = slab_get(session_slab(s), sizeof(**values));
	if (*values == NULL)
		session_event(s, EVENT_memory_full);
	return *values;
}

void session_found_value(
	struct session *s,
	const struct rule *rule,
	const struct scan_hit *hit,
	struct session_found *found
) {
	struct found_values *values = values_get(s, &found->values);

	if (values != NULL)
		found_values_add(values, found_value(rule, hit, s->engine->config.password_key));
}

static uint32_t n_values(const struct found_values *values) {
	return values != NULL ? values->n : 0;
}

// ---- What a session remembers

static struct session_match *match_find(const struct session *s, const char *id) {
	for (int i = 0; i < s->n_matches; i++)
		if (strcmp(s->matches[i].rule, id) == 0)
			return &s->matches[i];
	return NULL;
}

// NULL: so many rules matched that no more are remembered, or there is no room.
static struct session_match *match_get(struct session *s, const struct rule *rule) {
	struct session_match *match = match_find(s, rule->id);
	uint32_t size = s->matches_size;
	void *block = s->matches;

	if (match != NULL)
		return match;
	if (s->n_matches == MATCHES_PER_SESSION_MAX) {
		session_event(s, EVENT_too_many_matches);
		return NULL;
	}
	if (slab_grow(
		    session_slab(s),
		    &block,
		    &size,
		    (uint32_t)(s->n_matches + 1) * sizeof(*s->matches),
		    0
	    )
	    < 0) {
		session_event(s, EVENT_memory_full);
		return NULL;
	}
	s->matches = block;
	s->matches_size = (uint16_t)size;
	match = &s->matches[s->n_matches++];
	*match = (struct session_match){0};
	memcpy(match->rule, rule->id, sizeof(match->rule));
	return match;
}

void session_match_free(struct session *s) {
	for (int i = 0; i < s->n_matches; i++)
		values_free(s, &s->matches[i].values);
	slab_put(session_slab(s), s->matches, s->matches_size);
	s->matches = NULL;
	s->n_matches = 0;
}

// ---- Told to the models

// An entry of the pending activity for this rule with room for another value.
static struct activity_match *
activity_match_get(struct session *s, const struct rule *rule, uint64_t now_ns) {
	struct activity *a = session_activity(s, now_ns);

	for (int i = 0; i < a->n_matches; i++)
		if (strcmp(a->matches[i].rule, rule->id) == 0
		    && a->matches[i].n_values < ACTIVITY_VALUES_MAX)
			return &a->matches[i];
	if (a->n_matches == ACTIVITY_MATCHES_MAX) {
		session_activity_flush(s, now_ns);
		a = session_activity(s, now_ns);
	}
	memcpy(a->matches[a->n_matches].rule, rule->id, ACTIVITY_RULE_SIZE);
	return &a->matches[a->n_matches++];
}

static void activity_match_add(
	struct session *s,
	const struct rule *rule,
	const struct session_found *found,
	uint64_t now_ns
) {
	struct activity_match *match = activity_match_get(s, rule, now_ns);

	if (match->count == 0 && match->n_values == 0) {
		strcpy(match->field, rule_field_name(found->place.field));
		memcpy(match->part, found->place.part, sizeof(match->part));
		memcpy(match->excerpt, found->place.excerpt, sizeof(match->excerpt));
		match->offset = found->place.offset;
	}
	match->count += found->count;
	// Who counts different ones over many sessions needs them themselves.
	for (uint32_t i = 0; rule->scope == RULE_ACCOUNT && i < n_values(found->values); i++) {
		match = activity_match_get(s, rule, now_ns);
		match->values[match->n_values++] = found->values->hash[i];
	}
}

// ---- One rule

// Enough of it was found in its message or session.
static void
tell(struct session *s, const struct rule *rule, const struct session_found *found, uint64_t now_ns
) {
	struct session_match *match = match_get(s, rule);

	if (match != NULL) {
		if (!match->is_seen)
			match->place = found->place;
		match->is_seen = true;
		match->is_told = !rule->is_silent;
		match->count += found->count;
	}
	if (rule->is_silent)
		return;
	s->engine->stats.n_matches += found->count;
	activity_match_add(s, rule, found, now_ns);
}

// Counts in the session. What was found before it was enough is told together with what made it so.
static bool
session_enough(struct session *s, const struct rule *rule, struct session_found *found) {
	struct session_match *match = match_get(s, rule);
	struct found_values *values;

	if (match == NULL)
		return false;
	if (match->is_seen)
		return true;
	values = found->values != NULL ? values_get(s, &match->values) : NULL;
	for (uint32_t i = 0; values != NULL && i < found->values->n; i++)
		found_values_add(values, found->values->hash[i]);
	if (match->count == 0)
		match->place = found->place;
	if (!found_is_enough(
		    rule, (uint64_t)match->count + found->count, n_values(match->values)
	    )) {
		match->count += found->count;
		return false;
	}
	found->count += match->count;
	found->place = match->place;
	match->count = 0;
	return true;
}

static bool is_enough(struct session *s, const struct rule *rule, struct session_found *found) {
	switch (rule->scope) {
	case RULE_MESSAGE:
		return found_is_enough(rule, found->count, n_values(found->values));
	case RULE_SESSION:
		return session_enough(s, rule, found);
	default:
		return true; // counted where alerts are made
	}
}

// ---- Combinations

static const struct session_found *
found_find(const struct session_found *found, int n, uint32_t rule) {
	for (int i = 0; i < n; i++)
		if (found[i].rule == rule && found[i].count > 0)
			return &found[i];
	return NULL;
}

static bool member_is_seen(
	const struct session *s,
	const struct rules *rules,
	const struct rule *combination,
	uint32_t member,
	const struct session_found *found,
	int n
) {
	const struct session_match *match;

	if (found_find(found, n, member) != NULL)
		return true;
	if (combination->scope == RULE_MESSAGE)
		return false;
	match = match_find(s, rules->rules[member].id);
	return match != NULL && match->is_seen;
}

// What has come now is what made it whole; found: only what was enough.
static void combination_run(
	struct session *s,
	const struct rules *rules,
	const struct rule *rule,
	const struct session_found *found,
	int n,
	uint64_t now_ns
) {
	const struct session_match *before = match_find(s, rule->id);
	struct session_found sum = {.count = 1};
	uint32_t n_seen = 0, n_now = 0;

	if (rule->scope == RULE_SESSION && before != NULL && before->is_seen)
		return; // once a session
	for (uint32_t i = 0; i < rule->n_members; i++) {
		const struct session_found *now = found_find(found, n, rule->members[i]);

		n_seen += member_is_seen(s, rules, rule, rule->members[i], found, n);
		if (now != NULL && n_now++ == 0)
			sum.place = now->place;
	}
	if (n_now > 0 && (rule->kind == RULE_ANY || n_seen == rule->n_members))
		tell(s, rule, &sum, now_ns);
}

void session_found(
	struct session *s,
	const struct rules *rules,
	struct session_found *found,
	int n,
	uint64_t now_ns
) {
	bool has_member = false;

	for (int i = 0; i < n; i++) {
		const struct rule *rule = &rules->rules[found[i].rule];

		if (found[i].count > 0 && is_enough(s, rule, &found[i])) {
			tell(s, rule, &found[i], now_ns);
			has_member |= rule->is_member;
		} else {
			found[i].count = 0;
		}
	}
	for (uint32_t i = 0; has_member && i < rules->n; i++)
		if (rules->rules[i].n_members > 0)
			combination_run(s, rules, &rules->rules[i], found, n, now_ns);
	for (int i = 0; i < n; i++)
		values_free(s, &found[i].values);
}

// ---- Tokens

struct token {
	struct session *s;
	const struct rules *rules;
	enum rule_field field;
	int n;
	struct session_found found[MATCHES_PER_SESSION_MAX];
};

static bool on_match(void *ctx, const struct scan_hit *hit) {
	struct token *token = ctx;
	const struct rule *rule = &token->rules->rules[hit->rule];
	struct session_found *found;

	if (!session_match_wants(token->s, rule)
	    || found_find(token->found, token->n, hit->rule) != NULL)
		return true;
	if (token->n == MATCHES_PER_SESSION_MAX) {
		session_event(token->s, EVENT_too_many_matches);
		return false;
	}
	found = &token->found[token->n++];
	*found = (struct session_found){
		.rule = hit->rule,
		.count = 1,
		.place = {.field = (uint8_t)token->field, .offset = hit->offset},
	};
	found_excerpt(rule, hit, found->place.excerpt);
	if (rule->distinct > 0)
		session_found_value(token->s, rule, hit, found);
	return true;
}

void session_token(
	struct session *s,
	enum rule_field field,
	const void *data,
	size_t size,
	uint64_t now_ns
) {
	struct scanner *scanner = s->engine->config.scanner;
	struct token token;

	if (scanner == NULL || !scanner_wants(scanner, field))
		return;
	token.s = s;
	token.rules = database_rules(scanner_database(scanner));
	token.field = field;
	token.n = 0;
	scan_token(scanner, field, data, size, on_match, &token);
	if (token.n > 0)
		session_found(s, token.rules, token.found, token.n, now_ns);
}

bool session_token_wanted(const struct session *s, enum rule_field field) {
	const struct scanner *scanner = s->engine->config.scanner;

	return scanner != NULL && scanner_wants(scanner, field);
}

void session_events_match(struct session *s, uint64_t now_ns) {
	struct scanner *scanner = s->engine->config.scanner;
	uint64_t events = s->engine->events_new;

	s->engine->events_new = 0;
	if (events == 0 || s->proto == NULL)
		return;
	if (scanner == NULL || !scanner_wants(scanner, RULE_EVENT))
		return;
	for (; events != 0; events &= events - 1) {
		const char *name = session_event_name(__builtin_ctzll(events));

		session_token(s, RULE_EVENT, name, strlen(name), now_ns);
	}
}
