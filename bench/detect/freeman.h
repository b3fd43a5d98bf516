// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The risk of a login by Freeman, Jain, Dürmuth, Biggio, Giacinto: Who Are You? (NDSS 2016), equation 7
// without data on attackers, in the reading of Wiefling, Jørgensen, Thunem, Lo Iacono (TOPS 2022):
// for each feature the likelihood over all users by that of this user, each a weighted sum over a
// hierarchy (address, provider, country), and at last how rarely the user logs in.

#pragma once

enum { FREEMAN_LEVELS_MAX = 4 };

struct freeman_feature {
	int n_levels; // the first is the value itself, then ever coarser ones
	struct {
		double weight;
		double own; // how often this value was there in the user's logins
		double fleet; // … in everybody's
	} level[FREEMAN_LEVELS_MAX];
	double ever; // how often the first level's value is there in all data there is
	double kinds_with; // different values of the coarser levels together with this one
	double kinds; // … in everybody's logins
};

// ln of the risk. n_own, n_fleet: logins so far, both at least 1; n_users: who have logged in.
double freeman_log_risk(
	const struct freeman_feature *features,
	int n_features,
	double n_own,
	double n_fleet,
	double n_users
);
