// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "account_page.h"

#include "channel/visitor.h"
#include "page_out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const meter_names[METERS] = {
	[METER_VISITOR] = "visitors",
	[METER_VOLUME] = "volume",
};

static const char *const meter_words[METERS] = {
	[METER_VISITOR] = "somebody who does not belong there reads",
	[METER_VOLUME] = "old mail is read by strangers, or more of it than usual",
};

// Mailboxes are known by hashes too: the usual ones can be told.
static const char *const mailbox_names[] = {
	"INBOX",
	"Sent",
	"Drafts",
	"Trash",
	"Junk",
	"Archive",
	"INBOX.Sent",
	"INBOX.Trash",
	"Spam",
	"Sent Items",
	"Sent Messages",
	"Deleted Items",
	"Archives",
	"Odeslan\xc3\xa9",
	"Ko\xc5\xa1",
};

// ---- Alerts

static size_t n_listed(const struct account_page *page) {
	return page->n_alerts < ACCOUNT_PAGE_ALERTS_MAX ? page->n_alerts : ACCOUNT_PAGE_ALERTS_MAX;
}

static void alerts_write(struct page_out *out, const struct account_page *page) {
	page_begin(out, "alerts", "Open alerts that name it");
	for (size_t i = 0; i < n_listed(page); i++) {
		const struct alert *alert = &page->alerts[i];
		page_item(out);
		page_say(
			out,
			"  %s, since %s\n    %s",
			alert->rule_id,
			page_minute_text(alert->episode.since_ns / MINUTE_NS),
			alert->message
		);
		uint32_t old = page->read[i].old, n = old + page->read[i].fresh;
		if (n)
			page_say(
				out,
				"\n    Of this account %u message%s of that, %u of them older than "
				"30 days.",
				n,
				page_s(n),
				old
			);
		page_number(out, "old", old);
		page_number(out, "new", page->read[i].fresh);
		page_text(out, "rule", alert->rule_id);
		page_text(out, "message", alert->message);
		page_double(out, "nats", alert->score);
		page_minute(out, "since", (uint32_t)(alert->episode.since_ns / MINUTE_NS));
		page_item_end(out);
	}
	if (page->n_alerts == 0)
		page_say(out, "  none\n");
	else if (page->n_alerts > n_listed(page))
		page_say(out, "  and %zu more\n", page->n_alerts - n_listed(page));
	page_end(out);
}

// ---- Evidence

static void evidence_write(struct page_out *out, const struct account_page *page) {
	const struct account *account = page->account;
	double weeks[METER_WEEKS], most = 0;

	page_begin(
		out,
		"evidence",
		"Evidence, in nats: the tests as they stand, and the highest score of a day in "
		"each "
		"of "
		"eight weeks, this one last"
	);
	for (int m = 0; m < METERS; m++)
		for (int w = 0; w < METER_WEEKS; w++)
			most = fmax(most, account->meters[m].week_max[w] * METER_UNIT);
	for (int m = 0; m < METERS; m++) {
		const struct meter *meter = &account->meters[m];
		double nats
			= meter_nats(meter, &page->watch->fleet->meters[m], account_weeks(account));
		for (int w = 0; w < METER_WEEKS; w++)
			weeks[w] = meter->week_max[METER_WEEKS - 1 - w] * METER_UNIT;
		page_item(out);
		page_say(
			out,
			"  %-18s %6.1f  %s %5.1f this week   %s",
			meter_names[m],
			nats > 0 ? nats : 0,
			page_plot(weeks, METER_WEEKS, most > 10 ? most : 10),
			weeks[METER_WEEKS - 1],
			meter_words[m]
		);
		page_text(out, "channel", meter_names[m]);
		page_double(out, "nats", nats > 0 ? nats : 0);
		page_values(out, "highest_by_week", weeks, METER_WEEKS, 2);
		page_item_end(out);
	}
	page_end(out);
}

// ---- Habits

static void hours_write(struct page_out *out, const struct account_page *page) {
	static const char *const names[] = {"weekdays", "weekends"};
	double hours[24];

	page_begin(out, "hours", "Hours at which its residents are seen, 0 to 23 UTC");
	for (int weekend = 0; weekend < 2; weekend++) {
		double most = 0;
		for (int h = 0; h < 24; h++) {
			hours[h] = page->account->hours[weekend][h];
			most = fmax(most, hours[h]);
		}
		page_item(out);
		page_say(out, "  %s %s", names[weekend], page_plot(hours, 24, most));
		page_text(out, "days", names[weekend]);
		page_values(out, "seen", hours, 24, 0);
		page_item_end(out);
	}
	page_end(out);
}

static const char *mailbox_text(uint32_t hash) {
	static char text[32];

	for (size_t i = 0; i < sizeof(mailbox_names) / sizeof(mailbox_names[0]); i++)
		if (mailbox_hash(mailbox_names[i], strlen(mailbox_names[i])) == hash)
			return mailbox_names[i];
	snprintf(text, sizeof(text), "mailbox #%08x", hash);
	return text;
}

static void mailboxes_write(struct page_out *out, const struct account_page *page) {
	double read[32];

	page_begin(
		out,
		"mailboxes",
		"Mailboxes, and in which of 256 stretches of its old mail visitors have read "
		"(oldest first)"
	);
	for (int i = 0; i < ACCOUNT_MAILBOXES; i++) {
		const struct mailbox *mailbox = &page->account->mailboxes[i];
		if (!mailbox->name)
			continue;
		for (int b = 0; b < 32; b++)
			read[b] = __builtin_popcount(mailbox->read[b]);
		page_item(out);
		page_say(
			out,
			"  %-14s %s in %.0f %%, ",
			mailbox_text(mailbox->name),
			page_plot(read, 32, 8),
			mailbox->n_read / 2.56
		);
		page_say(
			out,
			mailbox->uidnext ? "next UID %u" : "how many are in it was never seen",
			mailbox->uidnext
		);
		page_text(out, "mailbox", mailbox_text(mailbox->name));
		page_double(out, "read_share", mailbox->n_read / 256.0);
		page_number(out, "uidnext", mailbox->uidnext);
		page_item_end(out);
	}
	page_end(out);
}

static void
guessing_write(struct page_out *out, const struct target *target, const struct facts *refused) {
	uint32_t n = refused ? refused->attempts : 0,
		 n_ips = refused ? distinct_count(&refused->ips) : 0;
	double nats = evidence_nats(&target->evidence);

	page_begin(out, "guessing", "Refused logins");
	page_item(out);
	if (n)
		page_say(
			out,
			"  %u in the present series, from %u address%s; evidence of guessing %.1f "
			"nats",
			n,
			n_ips,
			n_ips == 1 ? "" : "es",
			nats > 0 ? nats : 0
		);
	else
		page_say(out, "  none that matter");
	page_number(out, "attempts", n);
	page_number(out, "addresses", n_ips);
	page_double(out, "nats", nats > 0 ? nats : 0);
	page_item_end(out);
	page_end(out);
}

// ---- The page

static void head_write(struct page_out *out, const struct account_page *page) {
	const struct account *account = page->account;
	enum meter_id most;
	double threshold = watch_threshold(page->watch);
	double nats = account ? watch_nats(page->watch, account, &most) : 0;
	bool is_alarmed = page->n_alerts > 0 || (account && account->flags & ACCOUNT_ALARMED);

	nats = nats > 0 ? nats : 0;
	page_say(out, "%s, as of %s UTC\n", page->name, page_minute_text(page->now_ns / MINUTE_NS));
	page_text(out, "account", page->name);
	if (!out->text)
		json_put_time(&out->json, "time", page->now_ns);
	if (!account) {
		page_say(out, "Nobody was ever seen logged in to it.\n");
		return;
	}
	// An alert of many accounts needs less of each: why it is one says the alert.
	page_say(
		out,
		is_alarmed			? "ALARM: see its alerts below"
			: nats >= threshold / 2 ? "Watch it"
						: "Quiet"
	);
	page_say(
		out,
		". Evidence in this account alone that somebody else reads it: %.1f nats; %.1f "
		"raise "
		"an "
		"alert%s%s.\n",
		nats,
		threshold,
		nats > 1 ? ". Most of it: " : "",
		nats > 1 ? meter_words[most] : ""
	);
	page_say(
		out,
		"Known since %s, active on %u day%s, last seen %s. Its owner committed something "
		"(flags, moves, sends) on %u day%s.\n",
		page_day_text(account->founded),
		account->active_days,
		page_s(account->active_days),
		page_minute_text(account->last_min),
		account->committed_days,
		page_s(account->committed_days)
	);
	page_say(
		out,
		"Usually %.1f old messages are read and %.1f sent a day.\n",
		(double)account->usual_old,
		(double)account->usual_sent
	);
	page_double(out, "nats", nats);
	page_double(out, "threshold", threshold);
	page_bool(out, "alarm", is_alarmed);
	page_day(out, "since", account->founded);
	page_minute(out, "seen", account->last_min);
	page_number(out, "active_days", account->active_days);
	page_number(out, "committed_days", account->committed_days);
	page_double(out, "usual_old", (double)account->usual_old);
	page_double(out, "usual_sent", (double)account->usual_sent);
}

static void page_write(struct page_out *out, const struct account_page *page) {
	static void (*const sections[])(struct page_out *, const struct account_page *) = {
		evidence_write,
		page_visitors,
		page_places,
		page_clients,
		hours_write,
		mailboxes_write,
	};

	head_write(out, page);
	alerts_write(out, page);
	for (size_t i = 0; page->account && i < sizeof(sections) / sizeof(sections[0]); i++)
		sections[i](out, page);
	if (page->target)
		guessing_write(out, page->target, page->refused);
}

void account_page_text(const struct account_page *page, FILE *file) {
	struct page_out *out = calloc(1, sizeof(*out));

	if (!out)
		return;
	out->text = file;
	page_write(out, page);
	free(out);
}

void account_page_json(const struct account_page *page, FILE *file) {
	struct page_out *out = calloc(1, sizeof(*out));

	if (!out)
		return;
	json_open(&out->json, out->line, sizeof(out->line));
	json_begin_object(&out->json, NULL);
	page_write(out, page);
	json_end_object(&out->json);
	fprintf(file, "%.*s\n", (int)out->json.used, out->line);
	free(out);
}
