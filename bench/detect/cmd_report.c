// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// detect_report FIT[,FIT...] QUIET[,QUIET...] ATTACKED...: the tables of one population. Thresholds are
// fitted on the runs FIT (seed set A, no attacks), false alerts are counted on QUIET (seed set B, no
// attacks), and what is found on the ATTACKED runs (seed set B); runs of several seeds are pooled. With
// --csv FILE the figures are added there as well.

#include "baseline.h"
#include "outcome.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 64, CAUSES_MAX = 32, ROW = 12 };

static const double budgets[] = {1, .1};

enum measure {
	MEASURE_RECALL,
	MEASURE_MEDIAN,
	MEASURE_GROUPS,
	MEASURE_GROUP_SIZE,
	MEASURE_GROUP_DAYS,
	MEASURE_GUESSING_DAYS,
};

static const struct target {
	const char *row;
	enum measure measure;
	double value, days;
} targets[] = {
#define TARGET(row, measure, value, days) {row, MEASURE_##measure, value, days},
#include "target.def"
#undef TARGET
};

struct runs {
	struct run *run[RUNS_MAX];
	size_t n;
};

struct report {
	struct runs fit, quiet, attacked;
	FILE *csv;
};

// One detector of one run, ready to be judged.
struct judged {
	struct detector_key key;
	const char *title; // in tables; its name, as a rule
	bool is_there; // in all runs
	double threshold;
	size_t n_false;
	double false_rate; // per 1,000 accounts and week
};

static double per_week(const struct runs *runs, double n) {
	double weeks = 0;

	for (size_t i = 0; i < runs->n; i++)
		weeks += run_weeks(runs->run[i]) * runs->run[i]->n_accounts / 1000;
	return n / weeks;
}

static void false_count(const struct report *r, struct judged *judged) {
	judged->n_false = 0;
	for (size_t i = 0; i < r->quiet.n; i++)
		judged->n_false += run_episodes(
			run_detector_find(r->quiet.run[i], &judged->key), judged->threshold, true
		);
	judged->false_rate = per_week(&r->quiet, (double)judged->n_false);
}

static struct judged judge(const struct report *r, const char *name, uint8_t view, double budget) {
	struct judged judged = {.key = {name, view, budget}, .title = name};
	const struct run_detector *fit = run_detector_find(r->fit.run[0], &judged.key);

	judged.is_there = fit && run_detector_find(r->quiet.run[0], &judged.key);
	if (!judged.is_there)
		return judged;
	judged.threshold = fit->fit == FIT_SCORE
		? run_threshold(r->fit.run, r->fit.n, &judged.key, budget)
		: -HUGE_VAL;
	if (!strcmp(name, "1,000 a day"))
		judged.threshold = 1000;
	false_count(r, &judged);
	return judged;
}

// The same detector at as many false alerts as another has on seed set B, or fewer: its threshold is taken
// from the very runs it is counted on, which flatters it.
static struct judged
judge_equal(const struct report *r, const char *name, const char *title, const struct judged *as) {
	struct judged judged = judge(r, name, as->key.view, as->key.budget);

	if (!judged.is_there)
		return judged;
	judged.title = title;
	judged.threshold = run_threshold(r->quiet.run, r->quiet.n, &judged.key, as->false_rate);
	false_count(r, &judged);
	return judged;
}

// 95 % interval of a Poisson count, by Byar's approximation.
static double count_low(double n) {
	return n > 0 ? n * pow(1 - 1 / (9 * n) - 1.96 / (3 * sqrt(n)), 3) : 0;
}

static double count_high(double n) {
	return (n + 1) * pow(1 - 1 / (9 * (n + 1)) + 1.96 / (3 * sqrt(n + 1)), 3);
}

static struct outcomes
judged_outcomes(const struct report *r, const struct judged *j, int scenario) {
	return outcomes_of(r->attacked.run, r->attacked.n, &j->key, j->threshold, scenario);
}

// Into a turning set of buffers, so that several stand in one printf.
static const char *number(double value, const char *format, const char *without) {
	static char texts[16][24];
	static int at;
	char *text = texts[at = (at + 1) % 16];

	if (value == HUGE_VAL)
		snprintf(text, sizeof(texts[0]), "%s", without);
	else
		snprintf(text, sizeof(texts[0]), format, value);
	return text;
}

static const char *days_text(double days) {
	return days < 1 ? number(days * 24, "%.1fh", "never") : number(days, "%.1fd", "never");
}

static void
csv_put(const struct report *r,
	const char *table,
	const struct judged *j,
	const char *row,
	const char *column,
	double value) {
	if (r->csv)
		fprintf(r->csv,
			"%s,%s,%s,\"%s\",%g,\"%s\",%s,%g\n",
			table,
			r->quiet.run[0]->hard ? "hard" : "easy",
			j->key.view == VIEW_NETWORKS ? "networks" : "bare",
			j->title,
			j->key.budget,
			row,
			column,
			value);
}

// ---- Tables

static void postern_row(const struct report *r, const struct judged *j, int scenario) {
	struct outcomes o = judged_outcomes(r, j, scenario);
	const char *name = scenario < 0 ? "all but S15" : sim_scenario_name(scenario);
	double low, high;

	if (o.n > 0) {
		outcomes_interval(&o, 30, &low, &high);
		printf("  %-*s %5zu  %4.2f %4.2f %4.2f [%4.2f %4.2f]  %7s %7s  %6s %6s %5s",
		       ROW,
		       name,
		       o.n,
		       outcomes_recall(&o, 7),
		       outcomes_recall(&o, 14),
		       outcomes_recall(&o, 30),
		       low,
		       high,
		       days_text(outcomes_quantile(&o, MEASURE_DAYS, .5)),
		       days_text(outcomes_quantile(&o, MEASURE_DAYS, .9)),
		       number(outcomes_quantile(&o, MEASURE_OLD, .5), "%.0f", "-"),
		       number(outcomes_quantile(&o, MEASURE_BYTES, .5) / 1e6, "%.1f", "-"),
		       number(100 * outcomes_quantile(&o, MEASURE_LOST, .5), "%.1f", "-"));
		printf("  %4.2f %7s %4s %5s %5s\n",
		       outcomes_groups(&o, 1e9),
		       days_text(outcomes_group_median(&o, GROUP_DAYS)),
		       number(outcomes_group_median(&o, GROUP_ACCOUNTS), "%.0f", "-"),
		       number(outcomes_group_median(&o, GROUP_PURITY), "%.2f", "-"),
		       number(outcomes_group_median(&o, GROUP_COVERAGE), "%.2f", "-"));
		csv_put(r, "recall", j, name, "7", outcomes_recall(&o, 7));
		csv_put(r, "recall", j, name, "14", outcomes_recall(&o, 14));
		csv_put(r, "recall", j, name, "30", outcomes_recall(&o, 30));
		csv_put(r, "interval", j, name, "low", low);
		csv_put(r, "interval", j, name, "high", high);
		for (int d = 0; d <= 60; d++)
			csv_put(r, "curve", j, name, number(d, "%.0f", ""), outcomes_recall(&o, d));
	}
	outcomes_free(&o);
}

static void postern_table(const struct report *r, const struct judged *j) {
	printf("\nPostern at %g false alerts per 1,000 accounts and week\n"
	       "  %-*s accts  found in 7, 14, 30 d [95 %%]     median     p90  read before: groups"
	       "\n  %-*s                                                       old     MB   %%    "
	       "found  median  at  pure covers\n",
	       j->key.budget,
	       ROW,
	       "row",
	       ROW,
	       "");
	for (int i = 0; i < sim_scenarios(); i++)
		postern_row(r, j, i);
	postern_row(r, j, -1);
}

// Adds to n[cause]; as run_episodes() counts.
static void causes_count(const struct run_detector *d, double threshold, size_t n[CAUSES_MAX]) {
	uint32_t key = 0;
	uint64_t until_ns = 0;

	for (size_t i = 0; i < d->n_records; i++) {
		const struct run_record *a = &d->records[i];
		if (!a->counts || a->score < threshold || !a->is_false
		    || (a->key == key && a->time_ns < until_ns))
			continue;
		key = a->key;
		until_ns = a->time_ns + 14 * SIM_DAY_NS;
		n[a->cause < CAUSES_MAX ? a->cause : 0]++;
	}
}

static void causes_print(const struct report *r, const struct judged *j) {
	size_t n[CAUSES_MAX] = {0}, n_infrastructure = 0, n_learning = 0;

	for (size_t i = 0; i < r->quiet.n; i++) {
		const struct run_detector *d = run_detector_find(r->quiet.run[i], &j->key);
		causes_count(d, j->threshold, n);
		n_infrastructure += d->n_infrastructure;
		n_learning += d->n_learning;
	}
	printf("  false alerts %.2f [%.2f %.2f] (%zu)",
	       j->false_rate,
	       per_week(&r->quiet, count_low((double)j->n_false)),
	       per_week(&r->quiet, count_high((double)j->n_false)),
	       j->n_false);
	for (int i = 0; i < CAUSES_MAX; i++) {
		if (!n[i])
			continue;
		double rate = per_week(&r->quiet, (double)n[i]);
		printf("; %s %.2f", sim_cause_name(i), rate);
		csv_put(r, "cause", j, sim_cause_name(i), "rate", rate);
	}
	printf("\n  about the whole organisation %.2f; in the learning weeks %zu alerts\n",
	       per_week(&r->quiet, (double)n_infrastructure),
	       n_learning);
}

// DETECTION 1.3: true compromises per 1,000 accounts and week, as published or estimated.
static void precision_print(const struct report *r, const struct judged *j) {
	static const double rates[] = {.063, .58, 1.17};
	struct outcomes o = judged_outcomes(r, j, -1);
	double recall = outcomes_recall(&o, 30);

	printf("  share of alerts that are right, where so many accounts per 1,000 and week are "
	       "compromised:");
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		printf(" %g: %.0f %%%s",
		       rates[i],
		       100 * recall * rates[i] / (recall * rates[i] + j->false_rate + 1e-9),
		       i < 2 ? "," : "\n");
	outcomes_free(&o);
}

static double target_seen(const struct outcomes *o, const struct target *target) {
	switch (target->measure) {
	case MEASURE_RECALL:
		return outcomes_recall(o, target->days);
	case MEASURE_MEDIAN:
		return outcomes_quantile(o, MEASURE_DAYS, .5);
	case MEASURE_GROUPS:
		return outcomes_groups(o, target->days);
	case MEASURE_GROUP_SIZE:
		return outcomes_group_median(o, GROUP_ACCOUNTS);
	case MEASURE_GUESSING_DAYS:
		return outcomes_group_median(o, GROUP_GUESSING);
	default:
		return outcomes_group_median(o, GROUP_DAYS);
	}
}

static void target_print(const struct target *target, const struct outcomes *o, double seen) {
	static const char *const texts[] = {
		[MEASURE_RECALL] = "found within %g d",
		[MEASURE_MEDIAN] = "median days",
		[MEASURE_GROUPS] = "campaigns grouped in %g d",
		[MEASURE_GROUP_SIZE] = "accounts when grouped",
		[MEASURE_GROUP_DAYS] = "days until grouped",
		[MEASURE_GUESSING_DAYS] = "days until guessing is seen",
	};
	bool least = target->measure == MEASURE_RECALL || target->measure == MEASURE_GROUPS;
	char what[48], interval[24] = "";
	double low, high;

	if (target->measure == MEASURE_RECALL) {
		outcomes_interval(o, target->days, &low, &high);
		snprintf(interval, sizeof(interval), "[%.2f %.2f]", low, high);
	}
	snprintf(what, sizeof(what), texts[target->measure], target->days);
	printf("  %-*s %-28s %s %6.2f   %6s %-12s %s\n",
	       ROW,
	       target->row,
	       what,
	       least ? ">=" : "<=",
	       target->value,
	       number(seen, "%.2f", "never"),
	       interval,
	       (least ? seen >= target->value : seen <= target->value) ? "held" : "MISSED");
}

static void targets_table(const struct report *r, const struct judged *j) {
	printf("\nDETECTION 4.5, committed, against the table above\n");
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		for (int s = 0; s < sim_scenarios(); s++) {
			if (strcmp(sim_scenario_name(s), targets[i].row))
				continue;
			struct outcomes o = judged_outcomes(r, j, s);
			if (o.n > 0)
				target_print(&targets[i], &o, target_seen(&o, &targets[i]));
			outcomes_free(&o);
		}
	printf("  %-*s %-28s <= %6.2f   %6.2f %-12s %s\n",
	       ROW,
	       "false alerts",
	       "per 1,000 and week",
	       1.0,
	       j->false_rate,
	       "",
	       j->false_rate <= 1 ? "held" : "MISSED");
}

// Recall in 30 days and the median, all detectors side by side.
static void peers_table(const struct report *r, const struct judged *all, size_t n) {
	printf("\nFound in 30 d, and median days, at %g false alerts per 1,000 accounts and week "
	       "on "
	       "seed set A\n  %-*s",
	       all[0].key.budget,
	       ROW,
	       "row");
	for (size_t i = 0; i < n; i++)
		printf(" %-10.10s", all[i].title);
	printf("\n");
	for (int s = -1; s < sim_scenarios(); s++) {
		struct outcomes first = judged_outcomes(r, &all[0], s);
		size_t n_accounts = first.n;
		outcomes_free(&first);
		if (n_accounts == 0)
			continue;
		printf("  %-*s", ROW, s < 0 ? "all but S15" : sim_scenario_name(s));
		for (size_t i = 0; i < n; i++) {
			struct outcomes o = judged_outcomes(r, &all[i], s);
			double recall = outcomes_recall(&o, 30);
			printf(" %4.2f %-5s",
			       recall,
			       number(outcomes_quantile(&o, MEASURE_DAYS, .5), "%.1f", "-"));
			csv_put(r,
				"peer",
				&all[i],
				s < 0 ? "all" : sim_scenario_name(s),
				"30",
				recall);
			csv_put(r,
				"delay",
				&all[i],
				s < 0 ? "all" : sim_scenario_name(s),
				"median",
				outcomes_quantile(&o, MEASURE_DAYS, .5));
			outcomes_free(&o);
		}
		printf("\n");
	}
	printf("  %-*s", ROW, "false alerts");
	for (size_t i = 0; i < n; i++) {
		printf(" %-10.2f", all[i].false_rate);
		csv_put(r, "false", &all[i], "all", "rate", all[i].false_rate);
	}
	printf("\n");
}

// Each part of the models left out, at the same setting: what is found without it, and which alerts
// were false.
static void ablation_table(const struct report *r) {
	static const char *const rows[]
		= {"S1-isp",
		   "S2-2",
		   "S2-10",
		   "S2-CZ",
		   "S3-10",
		   "S4c",
		   "S5",
		   "S6b",
		   "S8-smtp",
		   "S10",
		   "S12"};
	size_t n_rows = sizeof(rows) / sizeof(rows[0]);

	printf("\nFound in 30 d without one part, hard or easy as above, with a network database\n "
	       " %-*s",
	       ROW,
	       "without");
	for (size_t i = 0; i < n_rows; i++)
		printf(" %7s", rows[i]);
	printf("     all   days  false\n");
	const struct run *quiet = r->quiet.run[0];
	for (size_t i = 0; i < quiet->n_detectors; i++) {
		struct judged j = judge(r, quiet->detector[i].name, VIEW_NETWORKS, 1);
		bool whole = !strcmp(j.key.name, "Postern");
		printf("  %-*s", ROW, whole ? "nothing" : j.key.name);
		for (size_t k = 0; k < n_rows; k++)
			for (int s = 0; s < sim_scenarios(); s++)
				if (!strcmp(sim_scenario_name(s), rows[k])) {
					struct outcomes o = judged_outcomes(r, &j, s);
					printf(" %7.2f", outcomes_recall(&o, 30));
					outcomes_free(&o);
				}
		struct outcomes o = judged_outcomes(r, &j, -1);
		printf(" %7.2f %6s %6.2f\n",
		       outcomes_recall(&o, 30),
		       number(outcomes_quantile(&o, MEASURE_DAYS, .5), "%.1f", "-"),
		       j.false_rate);
		csv_put(r, "ablation", &j, "all", "30", outcomes_recall(&o, 30));
		outcomes_free(&o);
	}
}

static bool is_ablation(const struct run *run) {
	for (size_t i = 0; i < run->n_detectors; i++)
		if (strcmp(run->detector[i].name, "Postern") && run->detector[i].fit == FIT_OWN)
			return true;
	return false;
}

static void view_report(const struct report *r, uint8_t view) {
	const struct run *run = r->quiet.run[0];

	printf("\n==== %s of %u accounts, %u weeks (%u of them learning), %s population, %s a "
	       "network "
	       "database; %zu quiet runs\n",
	       sim_population_names[run->population],
	       run->n_accounts,
	       run->n_days / 7,
	       run->learning_days / 7,
	       run->hard ? "hard" : "easy",
	       view == VIEW_NETWORKS ? "with" : "without",
	       r->quiet.n);
	for (size_t b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
		struct judged all[3 + BASELINES];
		size_t n = 0;
		all[n++] = judge(r, "Postern", view, budgets[b]);
		if (!all[0].is_there)
			continue;
		for (int i = 0; i < BASELINES; i++) {
			all[n] = judge(r, baseline_names[i], view, budgets[b]);
			n += all[n].is_there
				&& (view == VIEW_NETWORKS || !baseline_needs_networks[i]);
		}
		all[n] = judge_equal(r, baseline_names[BASELINE_EWMA], "EWMA equal", &all[0]);
		n += all[n].is_there;
		all[n] = judge_equal(r, baseline_names[BASELINE_CUSUM], "CUSUM equal", &all[0]);
		n += all[n].is_there;
		postern_table(r, &all[0]);
		causes_print(r, &all[0]);
		precision_print(r, &all[0]);
		if (budgets[b] == 1)
			targets_table(r, &all[0]);
		if (n > 1)
			peers_table(r, all, n);
	}
}

// ---- One by one

// Every compromised account of a row: when it was entered and when it was named, for people who look
// for causes. The names are those of the simulator without --surnames.
static void case_print(
	const struct run *run,
	const struct run_detector *d,
	const struct sim_attack *attack,
	uint32_t index
) {
	uint64_t named_ns = UINT64_MAX;

	for (size_t i = 0; i < d->n_records; i++) {
		const struct run_record *r = &d->records[i];
		if (r->attack == index && r->time_ns >= attack->first_ns && r->time_ns < named_ns)
			named_ns = r->time_ns;
	}
	printf("  %-10s u%-6u campaign %2u of %3u  from day %6.2f to %6.2f  %6llu old  ",
	       sim_scenario_name(attack->scenario),
	       attack->account,
	       attack->campaign,
	       run->campaign[attack->campaign].size,
	       (double)(attack->first_ns - SIM_MIDNIGHT_NS) / SIM_DAY_NS,
	       (double)(attack->last_ns - SIM_MIDNIGHT_NS) / SIM_DAY_NS,
	       (unsigned long long)attack->n_old);
	if (named_ns == UINT64_MAX)
		printf("never named\n");
	else
		printf("named after %6.2f days\n",
		       (double)(named_ns - attack->first_ns) / SIM_DAY_NS);
}

static void cases_print(const struct report *r, const char *row) {
	for (size_t k = 0; k < r->attacked.n; k++) {
		const struct run *run = r->attacked.run[k];
		for (size_t i = 0; i < run->n_detectors; i++) {
			const struct run_detector *d = &run->detector[i];
			if (strcmp(d->name, "Postern") || d->budget != 1)
				continue;
			printf("seed %llu, %s a network database\n",
			       (unsigned long long)run->seed,
			       d->view == VIEW_NETWORKS ? "with" : "without");
			for (uint32_t a = 0; a < run->n_attacks; a++)
				if (run->attack[a].first_ns
				    && !strcmp(sim_scenario_name(run->attack[a].scenario), row))
					case_print(run, d, &run->attack[a], a);
		}
	}
}

// ----

static struct run *run_open(const char *path) {
	struct run *run = run_read(path);

	if (!run) {
		fprintf(stderr, "detect_report: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	for (size_t i = 0; i < run->n_detectors; i++)
		run_sort(&run->detector[i]);
	return run;
}

// path is a list with commas; it is cut up.
static void runs_open(struct runs *runs, char *path) {
	for (char *rest = path; rest && runs->n < RUNS_MAX;) {
		char *one = strsep(&rest, ",");
		runs->run[runs->n++] = run_open(one);
	}
}

static void runs_free(struct runs *runs) {
	for (size_t i = 0; i < runs->n; i++)
		run_free(runs->run[i]);
}

static void reports_print(const struct report *r) {
	if (is_ablation(r->quiet.run[0]))
		ablation_table(r);
	for (uint8_t view = 0; view < VIEWS && !is_ablation(r->quiet.run[0]); view++)
		view_report(r, view);
}

int main(int argc, char **argv) {
	struct report r = {0};
	const char *row = NULL;
	int first = 1;

	if (argc > 2 && !strcmp(argv[1], "--csv")) {
		r.csv = fopen(argv[2], "a");
		first = 3;
	} else if (argc > 2 && !strcmp(argv[1], "--cases")) {
		row = argv[2];
		first = 3;
	}
	if (argc - first < 3 || argc - first - 2 > RUNS_MAX) {
		fputs("usage: detect_report [--csv FILE|--cases ROW] FIT[,FIT...] QUIET[,QUIET...] "
		      "ATTACKED...\n",
		      stderr);
		return 2;
	}
	runs_open(&r.fit, argv[first]);
	runs_open(&r.quiet, argv[first + 1]);
	sim_catalogue(r.quiet.run[0]->population);
	for (int i = first + 2; i < argc; i++)
		r.attacked.run[r.attacked.n++] = run_open(argv[i]);
	if (row)
		cases_print(&r, row);
	else
		reports_print(&r);
	runs_free(&r.fit);
	runs_free(&r.quiet);
	runs_free(&r.attacked);
	if (r.csv)
		fclose(r.csv);
	return 0;
}
