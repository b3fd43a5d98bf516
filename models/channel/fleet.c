// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "channel/fleet.h"

#include <math.h>
#include <string.h>

enum {
	AGEING_MIN = 500, // active account-days before it can be said that nobody commits
	PEAKS_PRIOR = 2000, // fortnights that were as the theory says, before any was seen
};

#define AGEING_SHARE 0.02
#define LESSONS_LEAST 0.25f
#define LESSONS_SHARE 0.0012f
#define FADE 0.97555f // 2^(-1/28)
#define WEEK_FADE (6.0f / 7)
#define PEAK_UNIT 0.25

static void sketch_halve(struct sketch *sketch) {
	for (int row = 0; row < SKETCH_ROWS; row++)
		for (int i = 0; i < SKETCH_WIDTH; i++)
			sketch->count[row][i] -= sketch->count[row][i] / 2;
}

// What a week can teach of one kind of deed: a little more than the default budget has in it, so that
// what is common here is learned within a month, and what an intruder does to many accounts is not.
static float fleet_lessons(const struct fleet *fleet) {
	return LESSONS_LEAST + LESSONS_SHARE * fleet->n_accounts;
}

static void fade(struct fleet *fleet) {
	fleet->active_days *= FADE;
	fleet->committed_days *= FADE;
	fleet->adopted *= FADE;
	fleet->renumbered *= WEEK_FADE;
	fleet->account_days *= FADE;
	float lessons = fleet_lessons(fleet), most = fmaxf(lessons, 1);
	for (int i = 0; i < FLEET_DEEDS; i++) {
		fleet->deeds[i] *= FADE;
		fleet->lessons[i] = fminf(fleet->lessons[i] + lessons / 7, most);
	}
	for (int i = 0; i < FLEET_PEAKS; i++)
		fleet->peaks[i] *= FADE;
	fleet->fortnights *= FADE;
	fleet->account_days += fleet->n_accounts;
	for (int i = 0; i < METERS; i++)
		meter_fleet_day(&fleet->meters[i]);
}

bool fleet_unpack(void *, uint16_t version, const void *image, size_t size, void *blob) {
	enum {
		METERS_AT = offsetof(struct fleet, meters),
		DAYS_SIZE = METER_AGES * sizeof(struct meter_days)
	};
	struct fleet *fleet = blob;
	const uint8_t *at = image;
	if (version == 4 && size == offsetof(struct fleet, renumbered)) {
		memcpy(fleet, image, size);
		return true;
	}
	if (version != 3 || size != METERS_AT + METERS * DAYS_SIZE + sizeof(fleet->sketch))
		return false;
	memcpy(fleet, at, METERS_AT);
	at += METERS_AT;
	for (int i = 0; i < METERS; i++, at += DAYS_SIZE) {
		struct meter_days old[METER_AGES];
		memcpy(old, at, sizeof(old));
		meter_fleet_migrate(&fleet->meters[i], old);
	}
	memcpy(&fleet->sketch, at, sizeof(fleet->sketch));
	// Strangers' old mail was not ranked by itself then. Were it taken for never seen, the first weeks after an
	// upgrade were full of false alerts.
	meter_fleet_expect(&fleet->meters[METER_VOLUME], &fleet->meters[METER_VISITOR]);
	return true;
}

bool fleet_day(struct fleet *fleet, uint16_t day) {
	if (fleet->founded == 0)
		fleet->founded = fleet->day = day;
	if (day <= fleet->day)
		return false;
	// After a long silence there is nothing to average over; the habits of the fleet stay.
	for (int i = 0; fleet->day < day && i < 7; i++, fleet->day++) {
		fleet->n_active += (fleet->n_today - fleet->n_active) / 7;
		fleet->n_today = 0;
		fade(fleet);
		if ((fleet->day - fleet->founded) % FLEET_HALVED_DAYS == FLEET_HALVED_DAYS - 1)
			sketch_halve(&fleet->sketch);
	}
	fleet->day = day;
	return true;
}

bool fleet_is_young(const struct fleet *fleet) {
	return fleet->day < fleet->founded + FLEET_YOUNG;
}

bool fleet_is_ageing(const struct fleet *fleet) {
	return fleet->active_days >= AGEING_MIN
		&& fleet->committed_days < AGEING_SHARE * fleet->active_days;
}

// The key is a hash already; the rows take other bits and another multiplier each.
static uint32_t column(uint32_t key, int row) {
	static const uint32_t odd[SKETCH_ROWS] = {0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f};
	return ((key ^ key >> 15) * odd[row] >> 15) & (SKETCH_WIDTH - 1);
}

uint32_t fleet_adopters(const struct fleet *fleet, uint32_t key) {
	uint32_t least = UINT16_MAX;
	for (int row = 0; row < SKETCH_ROWS; row++) {
		uint32_t count = fleet->sketch.count[row][column(key, row)];
		least = count < least ? count : least;
	}
	return least;
}

void fleet_adopt(struct fleet *fleet, uint32_t key) {
	uint32_t count = fleet_adopters(fleet, key);
	if (count == UINT16_MAX)
		return;
	for (int row = 0; row < SKETCH_ROWS; row++) {
		uint16_t *at = &fleet->sketch.count[row][column(key, row)];
		if (*at == count)
			*at = count + 1;
	}
	fleet->adopted++;
}

// Clients as fetchers and as what commits, in the same sketch.
static uint32_t salted(uint32_t client, bool commits) {
	return client ^ (commits ? 0x636f6d6d : 0x66657463);
}

void fleet_fetch(struct fleet *fleet, uint32_t client, bool commits) {
	fleet_adopt(fleet, salted(client, commits));
}

bool fleet_is_fetcher(const struct fleet *fleet, uint32_t client) {
	uint32_t n = fleet_adopters(fleet, salted(client, false));
	return n >= FLEET_FETCHERS_FEW && 3 * n >= fleet_adopters(fleet, salted(client, true));
}

void fleet_share(struct fleet *fleet, uint32_t key) {
	fleet->shared[fleet->n_shared++ % FLEET_SHARED] = key;
}

double fleet_wave(const struct fleet *fleet) {
	return fmax(FLEET_WAVE_MIN, FLEET_WAVE_SHARE * fleet->n_active);
}

bool fleet_is_renumbering(const struct fleet *fleet) {
	return !fleet_is_young(fleet) && fleet->renumbered >= fleet_wave(fleet);
}

uint32_t fleet_renumber(struct fleet *fleet) {
	bool before = fleet_is_renumbering(fleet);
	fleet->renumbered++;
	return !before && fleet_is_renumbering(fleet) ? (uint32_t)fleet->renumbered : 0;
}

void fleet_peak(struct fleet *fleet, double nats) {
	double bin = nats / PEAK_UNIT;
	int i = bin > 0 ? (bin < FLEET_PEAKS - 1 ? (int)bin : FLEET_PEAKS - 1) : 0;
	fleet->peaks[i]++;
	fleet->fortnights++;
}

double fleet_threshold(const struct fleet *fleet, double budget, double nominal) {
	double share = budget * 2 / 1000, allowed = fleet->fortnights * share, above = 0;
	for (int i = FLEET_PEAKS - 1; i > 0; i--) {
		double nats = i * PEAK_UNIT;
		if (nats < nominal)
			break;
		above += fleet->peaks[i];
		// Beyond nats, by theory exp(nominal - nats) of what is beyond nominal.
		if (above > allowed
		    && above > allowed + PEAKS_PRIOR * share * -expm1(nominal - nats))
			return fmin(nats + PEAK_UNIT, nominal + FLEET_SLACK_UP);
	}
	return nominal;
}
