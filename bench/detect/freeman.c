// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "freeman.h"

#include <math.h>

// Weighted shares of the user's own logins; the first level is as the others here.
static double own_likelihood(const struct freeman_feature *f, double n_own) {
	double sum = 0;

	for (int i = 0; i < f->n_levels; i++)
		sum += f->level[i].weight * f->level[i].own / n_own;
	return sum;
}

// Over everybody, the first level leaves room for values that were never there.
static double fleet_likelihood(const struct freeman_feature *f, double n_fleet) {
	double unseen_with = f->kinds_with + 1, unseen = f->kinds + 1;
	double first = f->level[0].fleet > 1 ? f->level[0].fleet : 1;
	double sum = f->level[0].weight * f->ever / (f->ever + unseen_with) * first
		/ (n_fleet + unseen);

	for (int i = 1; i < f->n_levels; i++)
		sum += f->level[i].weight * f->level[i].fleet / n_fleet;
	return sum;
}

double freeman_log_risk(
	const struct freeman_feature *features,
	int n_features,
	double n_own,
	double n_fleet,
	double n_users
) {
	double risk = log(n_fleet) - log(n_users) - log(n_own);

	for (int i = 0; i < n_features; i++) {
		double own = own_likelihood(&features[i], n_own);
		double fleet = fleet_likelihood(&features[i], n_fleet);
		// What the user never had is a quarter as likely for him as for anybody.
		risk += own > 0 ? log(fleet / own) : log(4);
	}
	return risk;
}
