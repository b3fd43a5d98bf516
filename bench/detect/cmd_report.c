// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// detect_report FIT QUIET ATTACKED...: the tables of one population. Thresholds are fitted on the run
// FIT (seed set A, no attacks), false alerts are counted on QUIET (seed set B, no attacks), and what
// is found on the ATTACKED runs (seed set B). With --csv FILE the figures are added there as well.

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

struct report {
	struct run *fit, *quiet, *attacked[RUNS_MAX];
	size_t n_attacked;
	FILE *csv;
};

// One detector of one run, ready to be judged.
struct judged {
	struct detector_key key;
	const struct run_detector *quiet;
	double threshold;
	double false_rate; // per 1,000 accounts and week
};

static double per_week(const struct run *run, double n) {
	return n * 1000 / run->n_accounts / run_weeks(run);
}

static struct judged judge(const struct report *r, const char *name, uint8_t view, double budget) {
	struct judged judged = {.key = {name, view, budget}};
	const struct run_detector *fit = run_detector_find(r->fit, &judged.key);

	judged.quiet = run_detector_find(r->quiet, &judged.key);
	if (!fit || !judged.quiet)
		return judged;
	judged.threshold = fit->fit == FIT_SCORE ? run_threshold(r->fit, fit, budget) : -HUGE_VAL;
	if (!strcmp(name, "1,000 a day"))
		judged.threshold = 1000;
	judged.false_rate
		= per_week(r->quiet, (double)run_episodes(judged.quiet, judged.threshold, true));
	return judged;
}

static struct outcomes
judged_outcomes(const struct report *r, const struct judged *j, int scenario) {
	return outcomes_of(r->attacked, r->n_attacked, &j->key, j->threshold, scenario);
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
			r->quiet->hard ? "hard" : "easy",
			j->key.view == VIEW_NETWORKS ? "networks" : "bare",
			j->key.name,
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

static void causes_print(const struct report *r, const struct judged *j) {
	size_t n[CAUSES_MAX] = {0};
	uint32_t key = 0;
	uint64_t until_ns = 0;

	if (!j->quiet)
		return;
	for (size_t i = 0; i < j->quiet->n_records; i++) {
		const struct run_record *a = &j->quiet->records[i];
		if (!a->counts || a->score < j->threshold || !a->is_false
		    || (a->key == key && a->time_ns < until_ns))
			continue;
		key = a->key;
		until_ns = a->time_ns + 14 * SIM_DAY_NS;
		n[a->cause < CAUSES_MAX ? a->cause : 0]++;
	}
	printf("  false alerts %.2f", j->false_rate);
	for (int i = 0; i < CAUSES_MAX; i++) {
		if (!n[i])
			continue;
		double rate = per_week(r->quiet, (double)n[i]);
		printf("; %s %.2f", sim_cause_name(i), rate);
		csv_put(r, "cause", j, sim_cause_name(i), "rate", rate);
	}
	printf("\n  about the whole organisation %.2f; in the learning weeks %llu alerts\n",
	       per_week(r->quiet, (double)j->quiet->n_infrastructure),
	       (unsigned long long)j->quiet->n_learning);
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

static void target_print(const struct target *target, double seen) {
	static const char *const texts[] = {
		[MEASURE_RECALL] = "found within %g d",
		[MEASURE_MEDIAN] = "median days",
		[MEASURE_GROUPS] = "campaigns grouped in %g d",
		[MEASURE_GROUP_SIZE] = "accounts when grouped",
		[MEASURE_GROUP_DAYS] = "days until grouped",
		[MEASURE_GUESSING_DAYS] = "days until guessing is seen",
	};
	bool least = target->measure == MEASURE_RECALL || target->measure == MEASURE_GROUPS;
	char what[48];

	snprintf(what, sizeof(what), texts[target->measure], target->days);
	printf("  %-*s %-28s %s %6.2f   %6s   %s\n",
	       ROW,
	       target->row,
	       what,
	       least ? ">=" : "<=",
	       target->value,
	       number(seen, "%.2f", "never"),
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
				target_print(&targets[i], target_seen(&o, &targets[i]));
			outcomes_free(&o);
		}
	printf("  %-*s %-28s <= %6.2f   %6.2f   %s\n",
	       ROW,
	       "false alerts",
	       "per 1,000 and week",
	       1.0,
	       j->false_rate,
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
		printf(" %-10.10s", all[i].key.name);
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
	for (size_t i = 0; i < r->quiet->n_detectors; i++) {
		struct judged j = judge(r, r->quiet->detector[i].name, VIEW_NETWORKS, 1);
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
	const struct run *run = r->quiet;

	printf("\n==== %s of %u accounts, %u weeks (%u of them learning), %s population, %s a "
	       "network "
	       "database\n",
	       sim_population_names[run->population],
	       run->n_accounts,
	       run->n_days / 7,
	       run->learning_days / 7,
	       run->hard ? "hard" : "easy",
	       view == VIEW_NETWORKS ? "with" : "without");
	for (size_t b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
		struct judged all[1 + BASELINES];
		size_t n = 0;
		all[n++] = judge(r, "Postern", view, budgets[b]);
		if (!all[0].quiet)
			continue;
		for (int i = 0; i < BASELINES; i++) {
			all[n] = judge(r, baseline_names[i], view, budgets[b]);
			n += all[n].quiet && (view == VIEW_NETWORKS || !baseline_needs_networks[i]);
		}
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
	for (size_t k = 0; k < r->n_attacked; k++) {
		const struct run *run = r->attacked[k];
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

static void reports_print(const struct report *r) {
	if (is_ablation(r->quiet))
		ablation_table(r);
	for (uint8_t view = 0; view < VIEWS && !is_ablation(r->quiet); view++)
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
		fputs("usage: detect_report [--csv FILE|--cases ROW] FIT QUIET ATTACKED...\n",
		      stderr);
		return 2;
	}
	r.fit = run_open(argv[first]);
	r.quiet = run_open(argv[first + 1]);
	sim_catalogue(r.quiet->population);
	for (int i = first + 2; i < argc; i++)
		r.attacked[r.n_attacked++] = run_open(argv[i]);
	if (row)
		cases_print(&r, row);
	else
		reports_print(&r);
	run_free(r.fit);
	run_free(r.quiet);
	for (size_t i = 0; i < r.n_attacked; i++)
		run_free(r.attacked[i]);
	if (r.csv)
		fclose(r.csv);
	return 0;
}
