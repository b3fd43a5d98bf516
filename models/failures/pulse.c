// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/pulse.h"

#include <math.h>

#define NS 1000000000ull
#define CONTACT_MEMORY_NS (28 * 86400 * NS)
#define HOME_MEMORY_NS (600 * NS)

enum {
	OUTAGE_MIN = 20, // accounts refused at home within some ten minutes
	OUTAGE_RATIO = 4, // … for each one let in
	PASSWORD_LESSONS = 3, // accounts of one password that teach how common passwords are
};

#define THETA_PASSWORD_MAX 0.90

static double fade(double count, uint64_t *last_ns, uint64_t now_ns, uint64_t memory_ns) {
	return now_ns > *last_ns ? count * exp(-(double)(now_ns - *last_ns) / memory_ns) : count;
}

// One more of the two, that fade together.
static void
count(double *more, double *other, uint64_t *last_ns, uint64_t time_ns, uint64_t memory_ns) {
	double kept = fade(1, last_ns, time_ns, memory_ns);
	*more = *more * kept + 1;
	*other *= kept;
	if (time_ns > *last_ns)
		*last_ns = time_ns;
}

void pulse_contact(struct pulse *pulse, uint64_t time_ns, bool ok) {
	double *more = ok ? &pulse->contact_ok : &pulse->contact_failed;
	double *other = ok ? &pulse->contact_failed : &pulse->contact_ok;
	count(more, other, &pulse->contact_ns, time_ns, CONTACT_MEMORY_NS);
}

void pulse_home(struct pulse *pulse, uint64_t time_ns, bool ok) {
	double *more = ok ? &pulse->home_ok : &pulse->home_failed;
	double *other = ok ? &pulse->home_failed : &pulse->home_ok;
	count(more, other, &pulse->home_ns, time_ns, HOME_MEMORY_NS);
}

double pulse_password(struct pulse *pulse, uint32_t n, uint64_t time_ns) {
	pulse->password_new
		= fade(pulse->password_new, &pulse->password_ns, time_ns, CONTACT_MEMORY_NS);
	pulse->password_again
		= fade(pulse->password_again, &pulse->password_ns, time_ns, CONTACT_MEMORY_NS);
	if (time_ns > pulse->password_ns)
		pulse->password_ns = time_ns;
	if (n <= PASSWORD_LESSONS)
		*(n <= 1 ? &pulse->password_new : &pulse->password_again) += 1;
	double all = pulse->password_new + pulse->password_again;
	double theta = (pulse->password_again + 2) / (all + 20);
	return log(PULSE_ATTACK_FAILS / fmin(fmax(theta, PULSE_THETA_MIN), THETA_PASSWORD_MAX));
}

// Mean of a Beta(2, 18) prior and what was seen.
double pulse_theta(const struct pulse *pulse) {
	double n = pulse->contact_ok + pulse->contact_failed;
	return fmin(fmax((pulse->contact_failed + 2) / (n + 20), PULSE_THETA_MIN), PULSE_THETA_MAX);
}

bool pulse_is_outage(const struct pulse *pulse) {
	return pulse->home_failed >= OUTAGE_MIN
		&& pulse->home_failed >= OUTAGE_RATIO * pulse->home_ok;
}
