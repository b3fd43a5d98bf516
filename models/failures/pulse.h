// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What all accounts together do: how often strangers are refused innocently, how common wrong passwords are,
// and whether everybody is being refused at home. Event time, in nanoseconds; what is late counts, and fades
// nothing.

#pragma once

#include "failures/series.h"

#include <stdbool.h>
#include <stdint.h>

// The share of an attacker's first contacts that is refused, as all tests here assume it.
#define PULSE_ATTACK_FAILS 0.95
// What the fleet may teach of innocent ones: whoever poisons it gains a factor of three.
#define PULSE_THETA_MIN 0.10
#define PULSE_THETA_MAX 0.30

// What all accounts together do; counts fade (28 days; ten minutes where accounts are at home).
struct pulse {
	double contact_ok, contact_failed;
	uint64_t contact_ns;
	double home_ok, home_failed;
	uint64_t home_ns;
	double password_new, password_again; // strangers' wrong passwords
	uint64_t password_ns;
	struct facts outage;
};

// A first contact of an address with an account was accepted, or refused.
void pulse_contact(struct pulse *pulse, uint64_t time_ns, bool ok);
// An account was let in, or refused, where it is at home.
void pulse_home(struct pulse *pulse, uint64_t time_ns, bool ok);
// A stranger's wrong password, with which n accounts have been refused, this one with them. Returns what one
// more account speaks for spraying, in nats: the internet tries a few thousand favourites on everybody, all
// the time.
double pulse_password(struct pulse *pulse, uint32_t n, uint64_t time_ns);
// The share of first contacts that is refused innocently, as believed now: PULSE_THETA_MIN … PULSE_THETA_MAX.
double pulse_theta(const struct pulse *pulse);
// Refusals at home prevail: an outage, or a mass change of passwords.
bool pulse_is_outage(const struct pulse *pulse);
