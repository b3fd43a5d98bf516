// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A benign mail population with everything that has fooled detectors of guessing: typing errors in
// passwords and names, old passwords in devices, forgotten passwords, offices behind one address, a
// webmail proxy, carrier networks, travel, an outage, and a day on which everybody changes the
// password. Parameters are assumptions in the range of published ones.

#pragma once

#include "desk.h"

struct population {
	uint64_t random;
	uint32_t n_users;
	uint32_t days;
	bool outage, mass_change;
	struct logins logins;
	uint64_t next_password;
};

enum { WEBMAIL = IP(10, 1, 1, 1), CARRIER_ASN = 64510 };

static inline uint32_t home_ip(uint32_t user) {
	return IP(80, 1, 0, 0) + user * 7; // some 36 customers in a /24
}

static inline uint32_t office_ip(uint32_t user) {
	return IP(90, 1, user % 8, 1); // 8 offices
}

static inline uint32_t mobile_ip(struct population *p) {
	return IP(100, 64, random_below(&p->random, 64), random_below(&p->random, 32));
}

static inline uint64_t any_password(struct population *p) {
	return 1000000 + p->next_password++;
}

static inline uint64_t within(struct population *p, uint64_t at, uint64_t span) {
	return at + random_next(&p->random) % span;
}

static inline void person_tries(
	struct population *p,
	uint64_t at,
	uint32_t user,
	uint32_t ip,
	uint32_t asn,
	int n_wrong
) {
	for (int i = 0; i < n_wrong; i++, at += 5 * SECOND + random_below(&p->random, 20) * SECOND)
		logins_add(&p->logins, (struct login){at, user, ip, asn, false, any_password(p)});
	logins_add(&p->logins, (struct login){at, user, ip, asn, true, 0});
}

// Where a person logs in by hand, and with how many slips.
static inline void person_day(struct population *p, uint64_t day, uint32_t user) {
	uint32_t n = 1 + random_below(&p->random, 4);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = within(p, day + 7 * HOUR, 14 * HOUR);
		uint32_t place = random_below(&p->random, 10), ip = home_ip(user), asn = 64501;
		if (place < 3)
			ip = WEBMAIL, asn = 64500;
		else if (place < 6)
			ip = office_ip(user), asn = 64500;
		else if (place < 7)
			ip = mobile_ip(p), asn = CARRIER_ASN;
		else if (random_chance(&p->random, 0.02)) // travelling: a hotel, a café
			ip = IP(150, random_below(&p->random, 200), random_below(&p->random, 250), 1
			),
			asn = 64600 + random_below(&p->random, 50);
		int n_wrong = 0;
		if (random_chance(&p->random, 0.03))
			n_wrong = 1 + random_below(&p->random, 3);
		if (random_chance(&p->random, 0.002))
			n_wrong = 5 + random_below(&p->random, 10); // forgotten
		if (random_chance(&p->random, 0.003)) // a slip in the name
			logins_add(
				&p->logins,
				(struct login){
					at - 30 * SECOND,
					1000000 + random_below(&p->random, 100000),
					ip,
					asn,
					false,
					any_password(p),
				}
			);
		person_tries(p, at, user, ip, asn, n_wrong);
	}
}

// A phone that asks every hour or so, at home, at work and on the road.
static inline void
phone(struct population *p, uint64_t from, uint64_t to, uint32_t user, uint64_t old_password) {
	uint64_t step = old_password ? 30 * MINUTE : 3 * HOUR;
	for (uint64_t at = within(p, from, step); at < to;
	     at += step + random_below(&p->random, 600) * SECOND) {
		uint32_t ip = mobile_ip(p), asn = CARRIER_ASN;
		uint32_t place = random_below(&p->random, 3);
		if (place == 0)
			ip = home_ip(user), asn = 64501;
		else if (place == 1)
			ip = office_ip(user), asn = 64500;
		logins_add(
			&p->logins, (struct login){at, user, ip, asn, !old_password, old_password}
		);
	}
}

static inline void population_make(struct population *p) {
	for (uint32_t user = 0; user < p->n_users; user++) {
		uint32_t n_changed = p->mass_change ? p->days - 5 : UINT32_MAX;
		for (uint32_t d = 0; d < p->days; d++) {
			uint64_t day = START + d * DAY;
			person_day(p, day, user);
			bool changes = d == n_changed || random_chance(&p->random, 1.0 / 90);
			uint64_t until = day;
			if (changes) {
				until = within(
					p, day + HOUR, d == n_changed ? 8 * HOUR : 47 * HOUR
				);
				phone(p, day, until, user, any_password(p));
			}
			if (until < day + DAY)
				phone(p, until, day + DAY, user, 0);
		}
	}
	for (size_t i = 0; p->outage && i < p->logins.n; i++) {
		struct login *login = &p->logins.login[i];
		uint64_t down = START + (p->days / 2) * DAY + 10 * HOUR;
		if (login->time_ns >= down && login->time_ns < down + 15 * MINUTE && login->ok)
			login->ok = false, login->password = 500000000 + login->user;
	}
}
