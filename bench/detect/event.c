// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "event.h"

#include "sim_private.h"

#include <stdio.h>
#include <string.h>

static const char *const folder_names[FOLDERS] = {"INBOX", "Sent", "Archive"};

static void uids_add(struct uid_ranges *ranges, uint32_t first, uint32_t last) {
	if (ranges->n > 0 && ranges->range[ranges->n - 1].last + 1 == first)
		ranges->range[ranges->n - 1].last = last;
	else if (ranges->n < ACTIVITY_RANGES_MAX)
		ranges->range[ranges->n++] = (struct uid_range){first, last};
}

// n different UIDs out of first … last in ascending order, by selection sampling (Knuth, TAOCP 2,
// 3.4.2 S) over strides: one in each n-th part.
static void
scatter(const struct event *event, struct uid_ranges *ranges, uint32_t *n_r, uint32_t *n_old_r) {
	struct rng rng = {event->session ^ event->time_ns};
	uint64_t span = (uint64_t)event->last - event->first + 1;
	uint32_t n = event->n_bodies, last = 0;

	*n_r = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t from = span * i / n, to = span * (i + 1) / n;
		uint32_t uid = event->first + (uint32_t)from
			+ rng_below(&rng, (uint32_t)(to > from ? to - from : 1));
		if (uid <= last)
			continue;
		uids_add(ranges, uid, uid);
		*n_old_r += uid < event->old;
		last = uid;
		++*n_r;
	}
}

static void mailbox_fill(
	const struct sim *sim,
	const struct event *e,
	struct activity *activity,
	uint32_t *n_old_r
) {
	struct activity_mailbox *m = &activity->mailboxes[0];

	memset(m, 0, sizeof(*m));
	activity->n_mailboxes = 1;
	if (e->flags & EVENT_CROSS) {
		char name[SIM_NAME_SIZE];
		sim_name(sim, e->other, name);
		snprintf(
			m->name, sizeof(m->name), "user/%.*s/INBOX", (int)strcspn(name, "@"), name
		);
	} else {
		strcpy(m->name, folder_names[e->folder]);
	}
	m->uidvalidity = e->uidvalidity + e->folder;
	m->uidnext = e->uidnext;
	m->examine = e->flags & EVENT_EXAMINE;
	if (e->n_bodies > 0 && e->flags & EVENT_SCATTERED) {
		scatter(e, &m->bodies, &m->n_bodies, n_old_r);
	} else if (e->n_bodies > 0) {
		uids_add(&m->bodies, e->first, e->first + e->n_bodies - 1);
		m->n_bodies = e->n_bodies;
		if (e->first < e->old)
			*n_old_r
				= e->old - e->first < e->n_bodies ? e->old - e->first : e->n_bodies;
	}
	if (sights[sim->config->population].dates) {
		m->dated = m->n_bodies;
		m->old = *n_old_r;
	}
	m->bytes = (uint64_t)m->n_bodies * e->size;
	m->peek = e->flags & EVENT_PEEK ? m->n_bodies : 0;
	if (e->n_headers > 0 && e->uidnext > 1) {
		uint32_t first = e->uidnext > e->n_headers ? e->uidnext - e->n_headers : 1;
		uids_add(&m->headers, first, e->uidnext - 1);
		m->n_headers = e->uidnext - first;
	}
	m->search.text = e->search_text;
	m->search.header = e->search_header;
	m->search.flag = e->search_flag;
	m->store = e->store, m->move = e->move, m->copy = e->copy;
	m->append = e->append, m->expunge = e->expunge;
}

static void sent_fill(const struct sim *sim, const struct event *e, struct activity *activity) {
	struct activity_sent *sent = &activity->sent[0];

	activity->n_sent = 1;
	memset(sent, 0, sizeof(*sent));
	sent->n_recipients = e->n_recipients;
	sent->n_to = 1;
	sent->bytes = e->size;
	sent->attachments = e->attachments;
	// Two in three write to colleagues.
	if (e->sink % 3 && !(e->flags & EVENT_NEW_RECIPIENT) && e->attack == SIM_NO_ATTACK)
		sim_name(sim, e->sink % sim->config->n_accounts, sent->to[0]);
	else
		snprintf(
			sent->to[0],
			sizeof(sent->to[0]),
			"p%u@partner%u.example",
			e->sink,
			e->sink % 997
		);
}

void event_activity(
	const struct sim *sim,
	const struct event *e,
	struct activity *activity,
	uint32_t *n_old_r
) {
	*n_old_r = 0;
	activity->time_ns = e->time_ns;
	memcpy(activity->session, &e->session, 8);
	memcpy(activity->session + 8, &e->account, 4);
	memcpy(activity->session + 12, &e->place.ip, 4);
	activity->protocol = e->protocol;
	if (e->flags & EVENT_NOBODY)
		snprintf(activity->account, ACCOUNT_SIZE, "x%u@%s", e->other, "nobody.example");
	else
		sim_name(sim, e->account, activity->account);
	world_source_fill(&sim->world, &e->place, activity);
	if (e->protocol == ACTIVITY_IMAP) {
		world_client_fill(&e->client, e->ja4, activity);
	} else {
		activity->client.id[0] = activity->client.ja4[0] = '\0';
		activity->client.grammar = 0; // which only IMAP tells
	}
	if (!sights[sim->config->population].grammar)
		activity->client.grammar = 0;
	activity->auth.success = (e->flags & EVENT_LOGIN) && !e->failures;
	activity->auth.failure = e->failures;
	strcpy(activity->auth.mechanism, activity->auth.success || e->failures ? "PLAIN" : "");
	activity->auth.password = sights[sim->config->population].passwords ? e->password : 0;
	activity->n_mailboxes = activity->n_sent = activity->n_forward = activity->n_acl = 0;
	if (e->protocol == ACTIVITY_IMAP && !e->failures && !(e->flags & EVENT_ACL))
		mailbox_fill(sim, e, activity, n_old_r);
	if (e->n_sent)
		sent_fill(sim, e, activity);
	if (e->flags & EVENT_FORWARD) {
		activity->n_forward = 1;
		snprintf(
			activity->forward[0],
			sizeof(activity->forward[0]),
			"drop%u@elsewhere.example",
			e->sink
		);
	}
	if (e->flags & EVENT_ACL) {
		activity->n_acl = 1;
		sim_name(sim, e->other, activity->acl[0]);
	}
	activity->idle = e->flags & EVENT_IDLE;
	activity->end = e->flags & EVENT_END;
	activity->seen = 1;
}
