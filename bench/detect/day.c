// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One innocent day of one account: its devices fetch what has come, its owner reads, flags, files,
// looks up old mail, writes, and mistypes a password now and then.

#include "sim_private.h"

#include <string.h>

// What a device does on a day is built with this beside it.
struct use {
	struct sim *sim;
	struct person *person;
	struct rng rng;
	uint32_t before; // UIDNEXT before the day's mail
	uint32_t n_new;
	int device;
	struct client client;
	uint64_t session;
};

static struct event *use_event(struct use *use, double hour) {
	struct place place
		= place_of(use->sim, use->person, (uint8_t)use->device, use->sim->day, hour);
	struct event *e = sim_event(
		use->sim, use->person->number, sim_time(use->sim->day, hour), &place, &use->client
	);

	e->session = use->session;
	return e;
}

static void session_begin(struct use *use) {
	use->session = rng_next(&use->rng);
}

// The person's own acts on mail just read: what proves a legitimate reader.
static void commit(struct use *use, struct event *e) {
	uint32_t n = e->n_bodies < 20 ? e->n_bodies : 20;

	e->store = (uint8_t)rng_poisson(&use->rng, .6 * n);
	e->move = (uint8_t)rng_poisson(&use->rng, .08 * n);
	e->expunge = (uint8_t)rng_poisson(&use->rng, .1 * n);
}

// Bodies first … first + n - 1 of the inbox.
static void bodies(struct use *use, struct event *e, uint32_t first, uint32_t n) {
	e->first = first;
	e->last = first + n - 1;
	e->n_bodies = n;
	e->size = (uint32_t)rng_lognormal(&use->rng, 25000, 1);
	if (use->client.software != SOFTWARE_WEBMAIL)
		e->flags |= EVENT_PEEK;
}

// Old mail is looked up: by scrolling, or a search first.
static void refind(struct use *use, double hour) {
	struct event *e;
	uint32_t top = use->person->uidnext;

	if (top < 100)
		return;
	e = use_event(use, hour);
	if (rng_chance(&use->rng, .4))
		e->search_text = (uint8_t)(1 + rng_below(&use->rng, 2)), e->search_header = 1;
	bodies(use, e, 1, 1 + rng_below(&use->rng, 3));
	// Newer is likelier: the square of a uniform share, from the top.
	double depth = rng_unit(&use->rng);
	e->first = 1 + (uint32_t)((top - 20) * (1 - depth * depth) * .98);
	e->last = e->first + 12 < top ? e->first + 12 : top - 1;
	e->flags |= EVENT_SCATTERED;
	e->folder = rng_chance(&use->rng, .7) ? FOLDER_INBOX : FOLDER_ARCHIVE;
	if (rng_chance(&use->rng, .25))
		e->store = 1;
}

static void send(struct use *use, double hour) {
	struct event *e = use_event(use, hour);

	e->protocol = ACTIVITY_SMTP;
	e->session = rng_next(&use->rng);
	e->flags = EVENT_LOGIN | EVENT_END;
	e->n_sent = 1;
	e->n_recipients = (uint8_t)(1 + rng_poisson(&use->rng, .3));
	if (rng_chance(&use->rng, .01))
		e->n_recipients = (uint8_t)(5 + rng_below(&use->rng, 40));
	e->size = (uint32_t)rng_lognormal(&use->rng, 8000, 1.5);
	e->attachments = rng_chance(&use->rng, .2);
	// Fifty contacts, the first ones far more often, and one mail in eleven to somebody new.
	if (rng_chance(&use->rng, .093)) {
		e->sink = (uint32_t)rng_next(&use->rng);
		e->flags |= EVENT_NEW_RECIPIENT;
	} else {
		e->sink = (uint32_t)rng_hash(
			PURPOSE_CONTACTS,
			use->person->number,
			(uint64_t)rng_pareto(&use->rng, 1, .8, 50)
		);
	}
	// A copy goes to Sent.
	e = use_event(use, hour + .003);
	e->folder = FOLDER_SENT;
	e->append = 1;
}

// A program that stays connected: it fetches what has come a few times an hour; here the fetches of a
// day are as many as there is mail, up to a dozen.
static void desktop(struct use *use, double from, double to) {
	uint32_t n = use->n_new, next = use->before, n_fetches = 1 + rng_poisson(&use->rng, 4);
	double hour = from;

	session_begin(use);
	// What had come since it was last on.
	for (uint32_t i = 0; i < n_fetches; i++) {
		uint32_t last = use->before + (uint32_t)((uint64_t)n * (i + 1) / n_fetches);
		struct event *e = use_event(use, hour);
		if (i == 0)
			e->flags |= EVENT_LOGIN;
		e->flags |= EVENT_IDLE;
		e->uidnext = last; // what has come by then
		e->n_headers = last - next;
		if (last > next)
			bodies(use, e, next, last - next);
		commit(use, e);
		if (i + 1 == n_fetches)
			e->flags |= EVENT_END;
		next = last;
		hour += (to - from) / n_fetches * rng_between(&use->rng, .7, 1.3);
		if (hour > to)
			hour = to;
	}
}

// A phone asks on its own at any hour; what its owner looks at has bodies and flags.
static void phone(struct use *use, double night_share) {
	uint32_t n = 2 + rng_poisson(&use->rng, 3);

	for (uint32_t i = 0; i < n; i++) {
		bool night = rng_chance(&use->rng, night_share);
		double hour
			= night ? rng_between(&use->rng, 0, 6) : rng_between(&use->rng, 6.5, 23);
		struct event *e;
		uint32_t of_day = use->before + (uint32_t)(use->n_new * hour / 24);

		session_begin(use);
		e = use_event(use, hour);
		e->flags |= EVENT_LOGIN | EVENT_END;
		e->n_headers = use->n_new / n;
		uint32_t n_read = rng_poisson(&use->rng, use->n_new * .3 / n);
		if (n_read > 0 && of_day > n_read) {
			bodies(use, e, of_day - n_read, n_read);
			commit(use, e);
		}
	}
	// In the night it asks without its owner, one night in four with mail to load.
	if (rng_chance(&use->rng, .25)) {
		session_begin(use);
		struct event *e = use_event(use, rng_between(&use->rng, 0, 5));
		e->flags |= EVENT_LOGIN | EVENT_END;
		e->n_headers = 1 + rng_below(&use->rng, 4);
	}
}

static void webmail(struct use *use, double from, double to, bool only) {
	uint32_t n = 1 + rng_poisson(&use->rng, only ? 1.5 : .3);

	for (uint32_t i = 0; i < n; i++) {
		double hour = rng_between(&use->rng, from, to);
		uint32_t since = use->person->uidnext - use->person->last_used;
		uint32_t n_read = rng_poisson(&use->rng, (since < 40 ? since : 40) * .3 / n);
		struct event *e;

		session_begin(use);
		e = use_event(use, hour);
		e->flags |= EVENT_LOGIN | EVENT_END;
		e->n_headers = 50;
		if (n_read > 0 && use->person->uidnext > n_read) {
			bodies(use, e, use->person->uidnext - n_read, n_read);
			commit(use, e);
		}
		if (rng_chance(&use->rng, only ? .35 : .2))
			refind(use, hour + .05);
	}
}

static void mistype(struct use *use, double hour) {
	uint32_t n = 1 + rng_below(&use->rng, 3);

	for (uint32_t i = 0; i < n; i++) {
		struct event *e = use_event(use, hour - .002 * (i + 1));
		e->failures = 1;
		e->password = rng_next(&use->rng) | 1;
		e->session = rng_next(&use->rng);
	}
}

// After a new password each device goes on with the old one at its own pace until it is told.
static void storm(struct use *use, uint16_t changed) {
	uint64_t until
		= rng_hash(use->sim->config->seed, use->person->number, changed + use->device);
	double hours = (double)(until % 1000) / 1000 * 20, rate = 1 + (double)(until >> 20 & 1);

	double begins = 8 + (double)(until >> 40 & 1023) / 512;

	if (use->sim->day > changed) // one device in four keeps trying into the next days
		hours = until >> 30 & 3 ? 0 : 24;
	if (use->client.software == SOFTWARE_WEBMAIL)
		return;
	for (double hour = begins; hour < begins + hours && hour < 24; hour += 1 / rate) {
		struct event *e = use_event(use, hour);
		e->failures = 1;
		e->password = rng_hash(use->person->number, changed, 9);
		e->session = rng_next(&use->rng);
	}
}

// ---- The day

static bool changed_password(const struct sim *sim, const struct person *p, uint16_t *day_r) {
	uint16_t day = sim->day, of_org = sim->org[p->org].password_day;

	if (of_org && day >= of_org && day < of_org + 3) {
		*day_r = of_org;
		return true;
	}
	for (int i = 0; i < p->n_changes; i++)
		if (day >= p->change[i] && day < p->change[i] + 3) {
			*day_r = p->change[i];
			return true;
		}
	return false;
}

// Whether the device is used on this day, and from when to when.
static bool device_hours(struct use *use, bool free_day, bool away, double *from_r, double *to_r) {
	const struct person *p = use->person;
	const struct device *device = &p->device[use->device];

	*from_r = p->start_hour + rng_normal(&use->rng, 0, .4);
	*to_r = p->end_hour + rng_normal(&use->rng, 0, .7);
	switch (device->kind) {
	case DEVICE_OFFICE:
		return !away && !(free_day && !rng_chance(&use->rng, p->weekend));
	case DEVICE_HOME:
		*from_r = 18 + rng_unit(&use->rng), *to_r = *from_r + 1 + 2 * rng_unit(&use->rng);
		if (use->device == 0)
			*from_r = 9 + 3 * rng_unit(&use->rng), *to_r = 20 + 2 * rng_unit(&use->rng);
		return !away && rng_chance(&use->rng, use->device == 0 ? .8 : .35);
	case DEVICE_LAPTOP:
		return away ? rng_chance(&use->rng, .7) : rng_chance(&use->rng, .3);
	case DEVICE_WEBMAIL:
		if (use->device == 0)
			return !free_day || rng_chance(&use->rng, p->weekend);
		return rng_chance(&use->rng, away ? .3 : .08);
	default:
		return true;
	}
}

static void device_day(struct use *use, bool free_day, bool away) {
	struct person *p = use->person;
	const struct device *device = &p->device[use->device];
	uint16_t day = use->sim->day, changed;
	double from, to;

	use->rng = rng_of(
		use->sim->config->seed, PURPOSE_DEVICE, p->number, day * 16u + (uint32_t)use->device
	);
	if (!device_hours(use, free_day, away, &from, &to))
		return;
	use->client = client_of(use->sim, p, use->device, day);
	if (changed_password(use->sim, p, &changed)) {
		storm(use, changed);
		sim_cause(use->sim, p->number, CAUSE_PASSWORD, changed, (uint16_t)(changed + 3));
	}
	if (rng_chance(&use->rng, p->typo))
		mistype(use, from);
	if (device->from == day && device->resync && day > 0) {
		session_begin(use);
		struct event *e = use_event(use, from + .2);
		struct event like = *e;
		like.flags |= EVENT_PEEK;
		e->flags |= EVENT_LOGIN;
		if (device->headers_only)
			e->n_headers
				= device->resync < p->uidnext ? device->resync : p->uidnext - 1;
		else
			day_sync(use->sim, p, like.time_ns, &like, device->resync);
		sim_cause(use->sim, p->number, CAUSE_NEW_DEVICE, day, (uint16_t)(day + 3));
	}
	if (device->kind == DEVICE_PHONE)
		phone(use, p->night_share);
	else if (device->kind == DEVICE_WEBMAIL)
		webmail(use, from, to, use->device == 0);
	else
		desktop(use, from, to);
	uint32_t n_sent = use->device == device_main(p, day) || rng_chance(&use->rng, .2)
		? rng_nb(&use->rng, p->sent * (free_day ? p->weekend : 1), p->sent_k)
		: 0;
	for (uint32_t i = 0; i < n_sent && i < 30; i++)
		send(use, rng_between(&use->rng, from, to));
	if (device->headers_only || rng_chance(&use->rng, .2))
		for (uint32_t n = rng_poisson(&use->rng, p->refind / 2); n > 0; n--)
			refind(use, rng_between(&use->rng, from, to));
}

// Others read along in the account: colleagues in a shared mailbox, an assistant. They come from
// where they are, with what they use.
static void others_day(struct sim *sim, struct person *p, uint32_t before, uint32_t n_new) {
	for (int i = 0; i < p->n_others; i++) {
		const struct person *other = &sim->person[p->others[i]];
		int index = device_main(other, sim->day);
		struct use use = {.sim = sim, .person = p, .before = before, .n_new = n_new};

		use.rng = rng_of(
			sim->config->seed,
			PURPOSE_DEVICE,
			p->number,
			sim->day * 16u + 8 + (uint32_t)i
		);
		if (day_is_weekend(sim->day) || person_span(other, sim->day)
		    || rng_chance(&use.rng, .2))
			continue;
		double hour = other->start_hour + rng_between(&use.rng, .2, 7);
		struct place place = place_of(sim, other, (uint8_t)index, sim->day, hour);
		struct client client = client_of(sim, other, index, sim->day);
		struct event *e
			= sim_event(sim, p->number, sim_time(sim->day, hour), &place, &client);
		e->session = rng_next(&use.rng);
		e->flags = EVENT_LOGIN | EVENT_END;
		e->n_headers = n_new;
		use.client = client;
		if (n_new > 0)
			bodies(&use, e, before, n_new);
		commit(&use, e);
	}
}

static bool is_away(const struct sim *sim, const struct person *p, bool *gone_r) {
	const struct span *span = person_span(p, sim->day);

	*gone_r = span && span->kind == SPAN_VACATION;
	if (span && span->kind == SPAN_TRIP)
		sim_cause(
			(struct sim *)sim,
			p->number,
			CAUSE_TRAVEL,
			span->from,
			(uint16_t)(span->to + 1)
		);
	return span && span->kind == SPAN_TRIP;
}

void day_person(struct sim *sim, struct person *p, uint32_t n_new) {
	struct rng rng = rng_of(sim->config->seed, PURPOSE_DAY, p->number, sim->day);
	bool free_day = day_is_weekend(sim->day) || day_is_holiday(sim->day), gone;
	bool away = is_away(sim, p, &gone), used = !(p->traits & TRAIT_SPARSE);
	uint32_t before = p->uidnext - n_new;

	if (sim->day < p->begins)
		return;
	if (!used)
		used = rng_chance(&rng, p->activity);
	// On vacation the computer is off, and the phone mostly.
	if (used && gone)
		used = rng_chance(&rng, .25);
	if (used && !gone && !free_day)
		used = rng_chance(&rng, .96);
	for (int i = 0; used && i < p->n_devices; i++) {
		const struct device *device = &p->device[i];
		struct use use = {
			.sim = sim,
			.person = p,
			.before = before,
			.n_new = n_new,
			.device = i,
		};
		if (sim->day < device->from || sim->day >= device->to
		    || (gone && device->kind != DEVICE_PHONE))
			continue;
		device_day(&use, free_day, away);
	}
	if (used)
		p->last_used = p->uidnext;
	others_day(sim, p, before, n_new);
}
