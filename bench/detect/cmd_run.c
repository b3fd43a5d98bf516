// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// detect_run: one population past all detectors at once. Postern's models get struct activity itself,
// once with and once without what a network database knows.

#include "baseline.h"
#include "models.h"
#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// One detector's place in the run, with the models where it is Postern.
struct seat {
	struct judge *judge;
	struct run_detector *detector;
	struct models *models; // NULL: a baseline
	size_t n_records_max, n_groups_max;
	float floor; // records below were dropped
};

// Who is judged.
enum cast {
	CAST_ALL,
	CAST_ABLATION, // Postern, whole and without each part
	CAST_ALONE, // Postern at the default setting
};

struct judge {
	struct sim_config config;
	struct sim *sim;
	struct run run;
	struct seat seat[RUN_DETECTORS_MAX];
	struct baselines *baselines[VIEWS];
	uint8_t baseline_seat[VIEWS][BASELINES];
	size_t n_reads_max;
	uint8_t view; // of what is being run
	bool failed;
};

static int float_order(const void *a, const void *b) {
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

// Drops the lower half; what is left is far more than any budget wants.
static void records_thin(struct seat *seat) {
	struct run_detector *d = seat->detector;
	float *scores = malloc(d->n_records * sizeof(*scores));
	size_t n = 0;

	if (!scores)
		return;
	for (size_t i = 0; i < d->n_records; i++)
		scores[i] = d->records[i].score;
	qsort(scores, d->n_records, sizeof(*scores), float_order);
	seat->floor = nextafterf(scores[d->n_records / 2], HUGE_VALF);
	free(scores);
	for (size_t i = 0; i < d->n_records; i++)
		if (d->records[i].score >= seat->floor)
			d->records[n++] = d->records[i];
	d->n_records = n;
}

static void *grown(void *list, size_t size, size_t n, size_t *n_max, bool *failed) {
	if (n < *n_max)
		return list;
	*n_max = *n_max ? 2 * *n_max : 256;
	void *more = realloc(list, size * *n_max);
	if (!more) {
		*failed = true;
		*n_max = n;
	}
	return more ? more : list;
}

static void record_add(struct seat *seat, const struct run_record *record) {
	struct run_detector *d = seat->detector;

	if (record->score < seat->floor)
		return;
	if (d->n_records == RUN_RECORDS_MAX)
		records_thin(seat);
	d->records
		= grown(d->records,
			sizeof(*d->records),
			d->n_records,
			&seat->n_records_max,
			&seat->judge->failed);
	if (d->n_records < seat->n_records_max)
		d->records[d->n_records++] = *record;
}

// ---- What is true at this time

// The attack that an alert about the account is right about.
static uint32_t attack_at(const struct judge *judge, uint32_t account, uint64_t time_ns) {
	uint32_t attack
		= account == SIM_NOBODY ? SIM_NO_ATTACK : sim_attack_of(judge->sim, account);
	const struct sim_attack *truth;

	if (attack == SIM_NO_ATTACK)
		return attack;
	truth = sim_attack(judge->sim, attack);
	return truth->first_ns && time_ns <= truth->last_ns + 30 * SIM_DAY_NS ? attack
									      : SIM_NO_ATTACK;
}

// The campaign that has guessed the account's password.
static uint32_t spray_at(const struct judge *judge, uint32_t account) {
	uint32_t spray = account == SIM_NOBODY ? SIM_NO_ATTACK : sim_spray_of(judge->sim, account);

	return spray != SIM_NO_ATTACK && sim_campaign(judge->sim, spray)->first_ns ? spray
										   : SIM_NO_ATTACK;
}

static struct run_record
record_of(const struct judge *judge, uint32_t account, uint64_t time_ns, double score) {
	struct run_record record = {
		.time_ns = time_ns,
		.key = account,
		.score = (float)score,
		.counts = true,
		.attack = attack_at(judge, account, time_ns),
	};

	record.campaign = record.attack != SIM_NO_ATTACK
		? sim_attack(judge->sim, record.attack)->campaign
		: spray_at(judge, account);
	record.is_false = record.campaign == SIM_NO_ATTACK;
	return record;
}

// ---- Baselines

static void
baseline_score(void *ctx, enum baseline which, uint32_t account, uint64_t time_ns, double score) {
	struct judge *judge = ctx;
	struct seat *seat = &judge->seat[judge->baseline_seat[judge->view][which]];
	struct run_detector *d = seat->detector;
	struct run_record record = record_of(judge, account, time_ns, score);

	if (score < seat->floor)
		return;
	// A higher score of the same minute takes the place of the last.
	if (d->n_records > 0 && d->records[d->n_records - 1].key == account
	    && time_ns - d->records[d->n_records - 1].time_ns < 300ull * 1000000000) {
		record.time_ns = d->records[d->n_records - 1].time_ns;
		d->n_records--;
	}
	record_add(seat, &record);
}

// ---- Postern

static void group_add(struct seat *seat, const struct alert *alert) {
	struct judge *judge = seat->judge;
	struct run_detector *d = seat->detector;
	struct run_group group = {
		.time_ns = alert->time_ns,
		.campaign = SIM_NO_ATTACK,
		.size = alert->users_total ? alert->users_total : alert->n_users,
		.n_listed = alert->n_users,
		.score = (float)(alert->score - alert->threshold),
	};

	for (int i = 0; i < alert->n_users; i++) {
		uint32_t attack = attack_at(
			judge, sim_account_of(judge->sim, alert->users[i]), alert->time_ns
		);
		uint32_t n = 0, campaign;
		if (attack == SIM_NO_ATTACK)
			continue;
		campaign = sim_attack(judge->sim, attack)->campaign;
		for (int k = 0; k < alert->n_users; k++) {
			uint32_t other = attack_at(
				judge, sim_account_of(judge->sim, alert->users[k]), alert->time_ns
			);
			n += other != SIM_NO_ATTACK
				&& sim_attack(judge->sim, other)->campaign == campaign;
		}
		if (n > group.n_right)
			group.n_right = n, group.campaign = campaign;
	}
	d->groups = grown(
		d->groups, sizeof(*d->groups), d->n_groups, &seat->n_groups_max, &judge->failed
	);
	if (d->n_groups < seat->n_groups_max)
		d->groups[d->n_groups++] = group;
}

// The campaign that an alert is about which names no attacked account in the first place.
static uint32_t campaign_about(const struct judge *judge, const struct alert *alert) {
	uint32_t campaign = SIM_NO_ATTACK;

	if (alert->source.family)
		campaign = sim_campaign_of_ip(judge->sim, &alert->source);
	for (int i = 0; i < alert->n_ips && campaign == SIM_NO_ATTACK; i++)
		campaign = sim_campaign_of_ip(judge->sim, &alert->ips[i]);
	for (int i = 0; i < alert->n_users && campaign == SIM_NO_ATTACK; i++)
		campaign = record_of(
				   judge,
				   sim_account_of(judge->sim, alert->users[i]),
				   alert->time_ns,
				   0
		)
				   .campaign;
	return campaign;
}

// For people who look for causes: DETECT_ALERTS=1 in the environment.
static void alert_print(const struct seat *seat, const struct alert *alert, const char *what) {
	fprintf(stderr,
		"%s %d %g day %.2f %s %s %.1f/%.1f [%s] %s\n",
		seat->detector->name,
		seat->detector->view,
		seat->detector->budget,
		(double)(alert->time_ns - SIM_MIDNIGHT_NS) / SIM_DAY_NS,
		alert->rule_id,
		alert->account,
		alert->score,
		alert->threshold,
		what,
		alert->message);
	for (int i = 0; i < alert->n_evidence; i++)
		fprintf(stderr,
			"    %s %.2f: %s\n",
			alert->evidence[i].channel,
			alert->evidence[i].nats,
			alert->evidence[i].text);
}

// Two campaigns may guess at the same time; an alert that lists addresses of both tells of both.
static void
campaigns_named(struct seat *seat, const struct alert *alert, const struct run_record *record) {
	uint32_t last = record->campaign;

	for (int i = 0; i < alert->n_ips; i++) {
		struct run_record named = *record;
		named.campaign = sim_campaign_of_ip(seat->judge->sim, &alert->ips[i]);
		named.attack = SIM_NO_ATTACK;
		named.counts = false;
		if (named.campaign == SIM_NO_ATTACK || named.campaign == last)
			continue;
		last = named.campaign;
		record_add(seat, &named);
	}
}

static void alert_take(void *ctx, const struct alert *alert) {
	struct seat *seat = ctx;
	struct judge *judge = seat->judge;
	double score = alert->score - alert->threshold;
	uint32_t account
		= alert->account[0] ? sim_account_of(judge->sim, alert->account) : SIM_NOBODY;
	struct run_record record = record_of(judge, account, alert->time_ns, score);

	if (alert->episode.state == ALERT_CLOSE)
		return;
	if (alert->time_ns < SIM_MIDNIGHT_NS + judge->config.learning_days * SIM_DAY_NS) {
		seat->detector->n_learning += alert->episode.state == ALERT_OPEN;
		return;
	}
	if (alert->scope == ALERT_INFRASTRUCTURE) {
		seat->detector->n_infrastructure += alert->episode.state == ALERT_OPEN;
		return;
	}
	if (alert->scope == ALERT_CAMPAIGN)
		group_add(seat, alert);
	record.counts = alert->episode.state == ALERT_OPEN;
	if (account == SIM_NOBODY)
		record.key
			= RUN_KEY_OTHER | (uint32_t)(alert->episode.id ^ alert->episode.id >> 32);
	if (record.campaign == SIM_NO_ATTACK)
		record.campaign = campaign_about(judge, alert);
	record.is_false = record.campaign == SIM_NO_ATTACK;
	record.cause = (uint8_t)sim_cause_of(
		judge->sim,
		account != SIM_NOBODY	 ? account
			: alert->n_users ? sim_account_of(judge->sim, alert->users[0])
					 : SIM_NOBODY,
		alert->time_ns
	);
	if (alert->episode.state == ALERT_OPEN && getenv("DETECT_ALERTS"))
		alert_print(seat, alert, record.is_false ? sim_cause_name(record.cause) : "right");
	record_add(seat, &record);
	campaigns_named(seat, alert, &record);
	// Whom it names is found as well; only what compromised accounts it names is kept.
	for (int i = 0; i < alert->n_users; i++) {
		uint32_t user = sim_account_of(judge->sim, alert->users[i]);
		struct run_record named = record_of(judge, user, alert->time_ns, score);
		named.counts = false;
		if (user != account && named.attack != SIM_NO_ATTACK)
			record_add(seat, &named);
	}
}

// ---- The run

static void read_note(struct judge *judge, const struct sim_seen *seen) {
	struct run *run = &judge->run;
	struct run_read read = {.time_ns = seen->activity->time_ns, .attack = seen->attack};

	for (int i = 0; i < seen->activity->n_mailboxes; i++) {
		read.n_old += seen->activity->mailboxes[i].old;
		read.bytes += (uint32_t)seen->activity->mailboxes[i].bytes;
	}
	run->reads = grown(
		run->reads, sizeof(*run->reads), run->n_reads, &judge->n_reads_max, &judge->failed
	);
	if (run->n_reads < judge->n_reads_max)
		run->reads[run->n_reads++] = read;
}

static void view_run(struct judge *judge, uint8_t view, const struct sim_seen *seen) {
	judge->view = view;
	if (judge->baselines[view] && seen->account != SIM_NOBODY)
		baselines_run(judge->baselines[view], seen->account, seen->activity);
	for (size_t i = 0; i < judge->run.n_detectors; i++)
		if (judge->seat[i].models && judge->seat[i].detector->view == view)
			models_run(judge->seat[i].models, seen->activity);
}

static void activity_take(void *ctx, const struct sim_seen *seen) {
	struct judge *judge = ctx;
	struct activity *activity = seen->activity;

	judge->run.n_activities++;
	if (seen->attack != SIM_NO_ATTACK)
		read_note(judge, seen);
	view_run(judge, VIEW_NETWORKS, seen);
	activity->source.asn = 0;
	activity->source.country[0] = '\0';
	activity->source.network = NETWORK_UNKNOWN;
	view_run(judge, VIEW_BARE, seen);
}

static struct seat *seat_add(struct judge *judge, const char *name, uint8_t view, uint8_t fit) {
	struct seat *seat = &judge->seat[judge->run.n_detectors];
	struct run_detector *d = &judge->run.detector[judge->run.n_detectors++];

	seat->judge = judge;
	seat->detector = d;
	seat->floor = -HUGE_VALF;
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->view = view;
	d->fit = fit;
	return seat;
}

static int baselines_add(struct judge *judge, uint8_t view) {
	struct baselines_config config = {
		.n_accounts = judge->config.n_accounts,
		.start_ns = SIM_MIDNIGHT_NS,
		.learning_days = judge->config.learning_days,
		.score = baseline_score,
		.ctx = judge,
	};

	judge->baselines[view] = baselines_open(&config);
	if (!judge->baselines[view])
		return -1;
	for (int i = 0; i < BASELINES; i++) {
		judge->baseline_seat[view][i] = (uint8_t)judge->run.n_detectors;
		seat_add(judge, baseline_names[i], view, FIT_SCORE);
	}
	return 0;
}

static int
postern_add(struct judge *judge, const char *name, uint8_t view, double budget, uint32_t without) {
	struct seat *seat = seat_add(judge, name, view, FIT_OWN);
	struct models_config config = {
		.n_accounts = judge->config.n_accounts + judge->config.n_accounts / 2,
		.hash_key = {0x0123456789abcdef, 0xfedcba9876543210},
		.budget = budget,
		.without = without,
		.alert = alert_take,
		.ctx = seat,
	};

	seat->detector->budget = budget;
	seat->models = models_open(&config);
	return seat->models ? 0 : -1;
}

// Postern as it is, and with one part left out after the other.
static int ablations_add(struct judge *judge) {
	static const struct {
		const char *name;
		uint8_t bit;
	} ablations[] = {
#define ABLATION(name, bit) {name, bit},
#include "ablation.def"
#undef ABLATION
	};
	int rc = postern_add(judge, "Postern", VIEW_NETWORKS, 1, 0);

	for (size_t i = 0; i < sizeof(ablations) / sizeof(ablations[0]) && rc == 0; i++)
		rc = postern_add(
			judge, ablations[i].name, VIEW_NETWORKS, 1, 1u << ablations[i].bit
		);
	return rc;
}

static int detectors_add(struct judge *judge, enum cast cast) {
	int rc = 0;

	if (cast == CAST_ABLATION)
		return ablations_add(judge);
	for (uint8_t view = 0; view < VIEWS && rc == 0; view++) {
		rc = postern_add(judge, "Postern", view, 1, 0);
		if (cast == CAST_ALONE)
			continue;
		rc = rc ? rc : postern_add(judge, "Postern", view, .1, 0);
		rc = rc ? rc : baselines_add(judge, view);
	}
	return rc;
}

static int truth_take(struct judge *judge) {
	struct run *run = &judge->run;

	while (sim_attack(judge->sim, run->n_attacks))
		run->n_attacks++;
	while (sim_campaign(judge->sim, run->n_campaigns))
		run->n_campaigns++;
	run->attack = calloc(run->n_attacks + 1, sizeof(*run->attack));
	run->campaign = calloc(run->n_campaigns + 1, sizeof(*run->campaign));
	if (!run->attack || !run->campaign)
		return -1;
	for (size_t i = 0; i < run->n_attacks; i++)
		run->attack[i] = *sim_attack(judge->sim, i);
	for (size_t i = 0; i < run->n_campaigns; i++)
		run->campaign[i] = *sim_campaign(judge->sim, i);
	return 0;
}

static void progress(const struct judge *judge, int day) {
	if (isatty(2))
		fprintf(stderr,
			"\r%s, seed %llu: day %d of %d ",
			judge->config.hard ? "hard" : "easy",
			(unsigned long long)judge->config.seed,
			day,
			judge->config.n_days);
}

static int judge_run(struct judge *judge, enum cast cast, const char *path) {
	int day = 0;

	judge->sim = sim_open(&judge->config);
	if (!judge->sim || detectors_add(judge, cast))
		return -ENOMEM;
	while (sim_day(judge->sim, activity_take, judge))
		progress(judge, ++day);
	if (judge->failed || day < judge->config.n_days || truth_take(judge))
		return -ENOMEM;
	judge->run.magic = RUN_MAGIC;
	judge->run.population = judge->config.population;
	judge->run.hard = judge->config.hard;
	judge->run.attacks = judge->config.attacks;
	judge->run.seed = judge->config.seed;
	judge->run.n_accounts = judge->config.n_accounts;
	judge->run.n_days = judge->config.n_days;
	judge->run.learning_days = judge->config.learning_days;
	return run_write(&judge->run, path);
}

static int usage(void) {
	fputs("usage: detect_run OUT population=NAME accounts=N weeks=N seed=N\n"
	      "    [learning=WEEKS] [hard=0] [attacks=1] [present=1] [part=K/N] [only=SCENARIO] "
	      "[campaigns=N,N,…] "
	      "[spray=PERMILLE]\n"
	      "    [ablation=1] [alone=1]\n",
	      stderr);
	return 2;
}

static void campaigns_set(struct sim_config *config, const char *value) {
	for (size_t i = 0; *value && i + 1 < sizeof(config->campaign_sizes) / sizeof(uint16_t);
	     i++) {
		char *end;
		config->campaign_sizes[i] = (uint16_t)strtoul(value, &end, 10);
		config->campaign_sizes[i + 1] = 0;
		value = *end ? end + 1 : end;
	}
}

static bool
setting(struct sim_config *config, const char *key, const char *value, enum cast *cast) {
	unsigned long n = strtoul(value, NULL, 10);

	if (!strcmp(key, "population")) {
		while (config->population < SIM_POPULATIONS
		       && strcmp(value, sim_population_names[config->population]))
			config->population++;
		return config->population < SIM_POPULATIONS;
	}
	if (!strcmp(key, "accounts"))
		config->n_accounts = (uint32_t)n;
	else if (!strcmp(key, "weeks"))
		config->n_days = (uint16_t)(7 * n);
	else if (!strcmp(key, "learning"))
		config->learning_days = (uint16_t)(7 * n);
	else if (!strcmp(key, "seed"))
		config->seed = n;
	else if (!strcmp(key, "hard"))
		config->hard = n;
	else if (!strcmp(key, "attacks"))
		config->attacks = n;
	else if (!strcmp(key, "present"))
		config->present = n;
	else if (!strcmp(key, "part"))
		return sscanf(value, "%hhu/%hhu", &config->part, &config->n_parts) == 2;
	else if (!strcmp(key, "only"))
		config->only = value;
	else if (!strcmp(key, "campaigns"))
		campaigns_set(config, value);
	else if (!strcmp(key, "spray"))
		config->spray_share = (uint16_t)n;
	else if (!strcmp(key, "ablation"))
		*cast = n ? CAST_ABLATION : *cast;
	else if (!strcmp(key, "alone"))
		*cast = n ? CAST_ALONE : *cast;
	else
		return false;
	return true;
}

int main(int argc, char **argv) {
	static struct judge judge;
	enum cast cast = CAST_ALL;
	int rc;

	judge.config = (struct sim_config){
		.seed = 1,
		.n_accounts = 1000,
		.n_days = 16 * 7,
		.learning_days = 8 * 7,
		.hard = true,
		.campaign_sizes = {5, 30},
		.spray_share = 40,
	};
	for (int i = 2; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		if (!value)
			return usage();
		*value = '\0';
		if (!setting(&judge.config, argv[i], value + 1, &cast))
			return usage();
	}
	if (argc < 2 || judge.config.n_accounts == 0
	    || judge.config.n_days <= judge.config.learning_days)
		return usage();
	rc = judge_run(&judge, cast, argv[1]);
	if (rc) {
		fprintf(stderr, "detect_run: %s: %s\n", argv[1], strerror(-rc));
		return 1;
	}
	fprintf(stderr,
		"%s%s, %s%s, seed %llu: %llu activities, %zu attacks, %.1f s of processor time\n",
		isatty(2) ? "\r" : "",
		sim_population_names[judge.config.population],
		judge.config.hard ? "hard" : "easy",
		judge.config.attacks ? ", attacked" : "",
		(unsigned long long)judge.config.seed,
		(unsigned long long)judge.run.n_activities,
		judge.run.n_attacks,
		(double)clock() / CLOCKS_PER_SEC);
	return 0;
}
