// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/failures_text.h"

#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	NAMES_SHOWN_MAX = 3,
};

#define CREDENTIAL_ACCESS "TA0006", "Credential Access", "T1110", "Brute Force"
#define INITIAL_ACCESS "TA0001", "Initial Access"

static const struct alert_technique SPRAYING
	= {CREDENTIAL_ACCESS, "T1110.003", "Password Spraying"};
static const struct alert_technique GUESSING
	= {CREDENTIAL_ACCESS, "T1110.001", "Password Guessing"};
static const struct alert_technique STUFFING
	= {CREDENTIAL_ACCESS, "T1110.004", "Credential Stuffing"};
static const struct alert_technique VALID = {INITIAL_ACCESS, "T1078", "Valid Accounts", NULL, NULL};

// Beyond the exact count the sketch hangs on the run's secret key for passwords: say no more than
// is the same in every replay.
static void say_passwords(struct text *text, const struct distinct *passwords) {
	if (passwords->more)
		say(text, "at least %d different passwords", DISTINCT_EXACT_MAX);
	else
		say(text, "%u password%s", passwords->n_exact, plural(passwords->n_exact));
}

// Beyond 20 an estimate: at least never more than there were attempts.
static uint32_t count_in(const struct facts *facts, const struct distinct *set) {
	uint32_t n = distinct_count(set);
	return n > facts->attempts && facts->attempts >= set->n_exact ? facts->attempts : n;
}

// "12", and from where it is an estimate "about 37".
static void say_count(struct text *text, const struct facts *facts, const struct distinct *set) {
	say(text, "%s%u", set->more ? "about " : "", count_in(facts, set));
}

static uint32_t most_tries(const struct facts *facts) {
	uint32_t most = 0;
	for (uint32_t i = 0; i < facts->accounts.n_exact; i++)
		most = facts->tries[i] > most ? facts->tries[i] : most;
	return most;
}

static const char *name_of(const struct failures *failures, uint64_t key) {
	const struct target *account = table_peek(&failures->accounts, key);
	return account ? account->name : NULL;
}

// Those that were entered come first: they are why somebody is called.
static void
list_users(const struct failures *failures, const struct facts *facts, struct alert *alert) {
	for (uint8_t i = 0; i < facts->n_got && i < ORIGIN_WINS_MAX; i++) {
		const char *name = name_of(failures, facts->got[i]);
		if (name)
			text_user(alert, name);
	}
	for (uint32_t i = 0; i < facts->accounts.n_exact; i++) {
		const char *name = name_of(failures, facts->accounts.key[i]);
		if (name)
			text_user(alert, name);
	}
	uint32_t total = count_in(facts, &facts->accounts);
	alert->users_total = total > alert->n_users ? total : alert->n_users;
}

static void list_ips(const struct facts *facts, struct alert *alert) {
	uint32_t n = facts->ips.n_exact;
	alert->n_ips = n < FACTS_IPS_MAX ? n : FACTS_IPS_MAX;
	memcpy(alert->ips, facts->ip, alert->n_ips * sizeof(struct ip));
	alert->ips_total = count_in(facts, &facts->ips);
}

// Everything but the words; what the episode says of itself stays.
static void
fill(const struct failures *failures,
     const struct facts *facts,
     const struct evidence *evidence,
     struct alert *alert) {
	struct alert fresh = {
		.episode = alert->episode,
		.start_ns = facts->since_ns,
		.end_ns = facts->last_ns,
		.category = "credential-access",
		.severity = ALERT_MEDIUM,
		.threshold = failures->threshold,
		.score = evidence ? evidence_nats(evidence) : 0,
	};
	*alert = fresh;
	if (alert->score < 0) // it has faded since
		alert->score = 0;
	list_users(failures, facts, alert);
	list_ips(facts, alert);
}

static void say_got(const struct failures *failures, const struct facts *facts, struct text *text) {
	uint32_t shown = 0;
	for (uint8_t i = 0; i < facts->n_got && i < NAMES_SHOWN_MAX; i++) {
		const char *name = name_of(failures, facts->got[i]);
		if (!name)
			continue;
		say(text, "%s", shown++ ? ", " : "");
		say_name(text, name);
	}
	if (facts->n_got > shown)
		say(text, "%s%u more", shown ? " and " : "", facts->n_got - shown);
}

static void advise(const struct failures *failures, const struct facts *facts, struct text *text) {
	if (facts->n_got == 0) {
		say(text, "; it got into none so far. Block it if it is not yours.");
		return;
	}
	say(text, " and got into %s: ", facts->n_got == 1 ? "one" : "some");
	say_got(failures, facts, text);
	if (facts->n_got == 1) {
		say(text, ". Change ");
		say_got(failures, facts, text);
		say(text, "'s password and look at what it read.");
	} else {
		say(text, ". Change their passwords and look at what was read.");
	}
}

static void evidence_contacts(
	const struct failures *failures,
	const struct origin *origin,
	struct alert *alert
) {
	struct text text;
	struct alert_evidence *e = text_evidence(
		alert, "failures", fmax(evidence_nats(&origin->evidence), 0), &text
	);
	uint32_t n = count_in(
		series_of_origin(&failures->series, origin),
		&series_of_origin(&failures->series, origin)->accounts
	);
	double theta = pulse_theta(&failures->fleet);
	say(&text,
	    "%u accounts that do not usually log in from there were refused (%u attempts); "
	    "usually at most %.0f %% of first logins from an address are refused.",
	    n,
	    series_of_origin(&failures->series, origin)->attempts,
	    100 * theta);
	snprintf(e->seen, sizeof(e->seen), "%u accounts refused", n);
	snprintf(e->usual, sizeof(e->usual), "%.0f %% of first logins refused", 100 * theta);
}

static void
evidence_got(const struct failures *failures, const struct facts *facts, struct alert *alert) {
	if (facts->n_got == 0)
		return;
	struct text text;
	struct alert_evidence *e = text_evidence(alert, "success", 0, &text);
	say(&text, "Logged in, for the first time from there, to ");
	say_got(failures, facts, &text);
	say(&text, ".");
	snprintf(e->seen, sizeof(e->seen), "%u entered", facts->n_got);
	snprintf(e->usual, sizeof(e->usual), "0 entered");
}

void text_origin(
	const struct failures *failures,
	const struct origin *origin,
	bool network,
	struct alert *alert
) {
	const struct facts *facts = series_of_origin(&failures->series, origin);
	fill(failures, facts, &origin->evidence, alert);
	alert->rule_id = network ? "password-spraying-network" : "password-spraying";
	alert->rule_name = network ? "Password spraying from one network"
				   : "Password spraying from one address";
	alert->techniques[0] = &SPRAYING;
	// As many passwords as accounts is a stolen list rather than a favourite password.
	if (facts->passwords.n_exact > 2 && facts->passwords.n_exact * 2 >= facts->accounts.n_exact
	    && most_tries(facts) <= 2)
		alert->techniques[1] = &STUFFING;
	alert->severity = ALERT_MEDIUM;
	if (facts->n_got) {
		alert->severity = ALERT_CRITICAL;
		alert->techniques[alert->techniques[1] ? 2 : 1] = &VALID;
	}
	if (!network)
		alert->source = facts->ips.n_exact ? facts->ip[0] : origin->ip;

	char place[64];
	struct text text = {alert->message, sizeof(alert->message)};
	origin_print(&origin->ip, origin->prefix, sizeof(place), place);
	say(&text, "%s tried ", place);
	say_count(&text, facts, &facts->accounts);
	say(&text, " accounts");
	if (network) {
		say(&text, " from ");
		say_count(&text, facts, &facts->ips);
		say(&text, " of its addresses,");
	}
	say(&text, " with at most %u attempt%s each", most_tries(facts), plural(most_tries(facts)));
	if (facts->passwords.n_exact) {
		say(&text, " and ");
		say_passwords(&text, &facts->passwords);
		say(&text, " in all");
	}
	say(&text, " in ");
	say_span(&text, facts->since_ns, facts->last_ns);
	advise(failures, facts, &text);
	evidence_contacts(failures, origin, alert);
	evidence_got(failures, facts, alert);
}

void text_password(
	const struct failures *failures,
	const struct password *password,
	struct alert *alert
) {
	const struct facts *facts = series_of_password(&failures->series, password);
	uint32_t n = count_in(facts, &facts->accounts), n_ips = count_in(facts, &facts->ips);
	fill(failures, facts, &password->evidence, alert);
	alert->rule_id = "password-spraying-distributed";
	alert->rule_name = "One password tried on many accounts";
	alert->techniques[0] = &SPRAYING;
	alert->scope = ALERT_CAMPAIGN;

	struct text text = {alert->message, sizeof(alert->message)};
	say(&text,
	    "The same wrong password was tried on %u accounts from %u address%s in ",
	    n,
	    n_ips,
	    n_ips == 1 ? "" : "es");
	say_span(&text, facts->since_ns, facts->last_ns);
	say(&text, ": somebody is looking for accounts that use it");
	if (facts->n_got) {
		alert->severity = ALERT_HIGH;
		alert->techniques[1] = &VALID;
		say(&text, ", and seems to have entered ");
		say_got(failures, facts, &text);
		say(&text, ". Change the password there and look at what was read.");
	} else {
		say(&text,
		    ". Watch for logins to them from new places; blocking single addresses will "
		    "not stop it.");
	}
	struct text words;
	struct alert_evidence *e = text_evidence(
		alert, "password", fmax(evidence_nats(&password->evidence), 0), &words
	);
	say(&words,
	    "%u accounts in %u networks were refused with one and the same password; people "
	    "mistype differently, at most 10 %% share a wrong password.",
	    n,
	    count_in(facts, &facts->nets));
	snprintf(e->seen, sizeof(e->seen), "%u accounts", n);
	snprintf(e->usual, sizeof(e->usual), "10 %% share a wrong one");
	evidence_got(failures, facts, alert);
}

void text_account(
	const struct failures *failures,
	const struct target *account,
	struct alert *alert
) {
	const struct facts *facts = series_of_target(&failures->series, account);
	uint32_t n_ips = count_in(facts, &facts->ips), n_nets = count_in(facts, &facts->nets);
	fill(failures, facts, &account->evidence, alert);
	alert->rule_id = "password-guessing";
	alert->rule_name = "Passwords guessed on one account";
	alert->techniques[0] = &GUESSING;
	if (facts->n_got) {
		alert->techniques[1] = &VALID;
		alert->severity = ALERT_HIGH;
	}
	strcpy(alert->account, account->name);
	if (n_ips == 1)
		alert->source = facts->ip[0];

	struct text text = {alert->message, sizeof(alert->message)};
	say(&text, "Somebody is guessing the password of ");
	say_name(&text, account->name);
	say(&text, ": %u attempts", facts->attempts);
	if (facts->passwords.n_exact) {
		say(&text, " with ");
		say_passwords(&text, &facts->passwords);
	}
	say(&text, " from %u address%s in ", n_ips, n_ips == 1 ? "" : "es");
	say_span(&text, facts->since_ns, facts->last_ns);
	if (facts->n_got)
		say(&text,
		    ", and a login followed that looks like the guesser's. Change its password and "
		    "look at what was read.");
	else
		say(&text,
		    ", none accepted so far. Make sure that its password is strong, and watch for "
		    "a "
		    "login from a new place.");
	struct text words;
	struct alert_evidence *e = text_evidence(
		alert, "guesses", fmax(evidence_nats(&account->evidence), 0), &words
	);
	say(&words, "%u wrong attempts from %u network%s, ", facts->attempts, n_nets, plural(n_nets)
	);
	say(&words,
	    "where the account is at home in %u; an owner tries one more password after a wrong "
	    "one "
	    "at most 60 %% of the time.",
	    account->n_homes);
	snprintf(e->seen, sizeof(e->seen), "%u attempts", facts->attempts);
	snprintf(e->usual, sizeof(e->usual), "2.5 attempts");
}

void text_crowd(const struct failures *failures, enum episode_kind kind, struct alert *alert) {
	const struct facts *facts = &failures->crowd[kind];
	uint32_t n = count_in(facts, &facts->accounts), n_ips = count_in(facts, &facts->ips);
	fill(failures, facts, NULL, alert);
	alert->score = failures->threshold;
	alert->scope = ALERT_CAMPAIGN;
	alert->severity = ALERT_HIGH;
	bool guessing = kind == EPISODE_ACCOUNT;
	alert->rule_id = guessing ? "password-guessing-campaign" : "password-spraying-campaign";
	alert->rule_name = guessing ? "Passwords guessed on many accounts"
				    : "Password spraying from many addresses";
	alert->techniques[0] = guessing ? &GUESSING : &SPRAYING;
	struct text text = {alert->message, sizeof(alert->message)};
	say(&text,
	    "A wave of password %s: beside those told one by one, %u account%s from %u address%s "
	    "in ",
	    guessing ? "guessing" : "spraying",
	    n,
	    plural(n),
	    n_ips,
	    n_ips == 1 ? "" : "es");
	say_span(&text, facts->since_ns, facts->last_ns);
	say(&text, ". Further ones are counted here. Consider limiting logins from outside.");
	struct text words;
	struct alert_evidence *e = text_evidence(alert, "campaign", failures->threshold, &words);
	say(&words,
	    "%u account%s and %u address%s crossed the threshold of %.1f nats each: more than "
	    "are told one by one (%d at a time, fewer where it goes on all the time).",
	    n,
	    plural(n),
	    n_ips,
	    n_ips == 1 ? "" : "es",
	    failures->threshold,
	    EPISODES_OWN_MAX);
	snprintf(e->seen, sizeof(e->seen), "%u accounts, %u addresses", n, n_ips);
	snprintf(e->usual, sizeof(e->usual), "0");
}

void text_takeover(
	const struct failures *failures,
	const struct target *account,
	const struct attempt *attempt,
	const struct facts *series,
	const double nats[2],
	bool sure,
	struct alert *alert
) {
	fill(failures,
	     &(struct facts){.since_ns = attempt->time_ns, .last_ns = attempt->time_ns},
	     NULL,
	     alert);
	alert->rule_id = "login-after-guessing";
	alert->rule_name = "Login after password guessing";
	alert->category = "account-takeover";
	bool alone = series == series_of_target(&failures->series, account);
	alert->techniques[0] = &VALID;
	alert->techniques[1] = alone ? &GUESSING : &SPRAYING;
	alert->severity = sure ? ALERT_CRITICAL : ALERT_MEDIUM;
	alert->score = fmax(nats[0], 0) + fmax(nats[1], 0);
	alert->start_ns = series->since_ns;
	alert->source = *attempt->address;
	alert->ips[0] = *attempt->address;
	alert->n_ips = alert->ips_total = 1;
	alert->asn = attempt->asn;
	strcpy(alert->account, account->name);
	text_user(alert, account->name);
	alert->users_total = 1;

	char place[64];
	origin_print(
		attempt->address, attempt->address->family == 4 ? 32 : 128, sizeof(place), place
	);
	if (strchr(place, '/'))
		*strchr(place, '/') = '\0';
	struct text text = {alert->message, sizeof(alert->message)};
	if (sure)
		say(&text, "The password for ");
	say_name(&text, account->name);
	say(&text, sure ? " was found: " : " may have been entered by somebody else: ");
	say(&text,
	    "%s logged in after %u refused attempt%s ",
	    place,
	    series->attempts,
	    plural(series->attempts));
	if (alone)
		say(&text, "on it");
	else
		say(&text, "on %u accounts", count_in(series, &series->accounts));
	say(&text, " in ");
	say_span(&text, series->since_ns, attempt->time_ns);
	say(&text, ". Change its password, end its sessions and look at what was read.");

	struct text words;
	struct alert_evidence *e = text_evidence(alert, "series", fmax(nats[0], 0), &words);
	say(&words,
	    "%u attempts were refused before; %.1f nats speak for guessing.",
	    series->attempts,
	    nats[0]);
	snprintf(e->seen, sizeof(e->seen), "%u refused", series->attempts);
	snprintf(e->usual, sizeof(e->usual), "2.5 refused");
	e = text_evidence(alert, "novelty", fmax(nats[1], 0), &words);
	if (account->visits == 0)
		say(&words, "No login to the account was ever seen before.");
	else
		say(&words,
		    "The account never logged in from that network; %u of its %u visit%s (one "
		    "a day and place) were to a place seen once.",
		    account->n_once,
		    account->visits,
		    plural(account->visits));
	snprintf(e->seen, sizeof(e->seen), "new network");
	snprintf(e->usual, sizeof(e->usual), "%u of %u visits", account->n_once, account->visits);
}

void text_tide(const struct failures *failures, struct alert *alert) {
	const struct facts *facts = &failures->crowd[EPISODE_OUTAGE];
	double most = tide_most(&failures->tide), usual = tide_usual(&failures->tide);
	fill(failures, facts, NULL, alert);
	alert->threshold = failures_tide_threshold(failures);
	alert->score = tide_nats(&failures->tide);
	alert->scope = ALERT_CAMPAIGN;
	alert->rule_id = "password-guessing-slow";
	alert->rule_name = "Passwords tried slowly on many accounts";
	alert->techniques[0] = &STUFFING;
	struct text text = {alert->message, sizeof(alert->message)};
	say(&text,
	    "Up to %.0f accounts a day are refused from places where they are not at home, on a "
	    "usual day %.0f: somebody tries passwords on many accounts, a few times each, from ",
	    most,
	    usual);
	say_count(&text, facts, &facts->ips);
	say(&text,
	    " addresses so far. Blocking single addresses will not help; watch for logins from new "
	    "places, and consider limiting logins from outside.");
	struct text words;
	struct alert_evidence *e = text_evidence(alert, "tide", alert->score, &words);
	say(&words,
	    "%.0f accounts on the highest day against %.1f a day in the weeks before; no address, "
	    "network or password "
	    "stands out among them.",
	    most,
	    usual);
	snprintf(e->seen, sizeof(e->seen), "%.0f accounts a day", most);
	snprintf(e->usual, sizeof(e->usual), "%.1f accounts a day", usual);
}

void text_outage(const struct failures *failures, struct alert *alert) {
	const struct facts *facts = &failures->fleet.outage;
	uint32_t n = count_in(facts, &facts->accounts);
	double failed = failures->fleet.home_failed, ok = failures->fleet.home_ok;
	double share = 100 * failed / (failed + ok);
	// The list begins when it was recognised, the counters before.
	if (n < failed)
		n = lround(failed);
	fill(failures, facts, NULL, alert);
	alert->rule_id = "logins-refused-everywhere";
	alert->rule_name = "Logins refused everywhere";
	alert->category = "infrastructure";
	alert->scope = ALERT_INFRASTRUCTURE;
	alert->severity = ALERT_LOW;
	alert->score = alert->threshold;
	struct text text = {alert->message, sizeof(alert->message)};
	say(&text,
	    "%.0f %% of logins from places where the accounts are at home are refused, so far of "
	    "%u "
	    "accounts: the login service may be down, or passwords were changed for many. Look at "
	    "the mail server.",
	    share,
	    n);
	struct text words;
	struct alert_evidence *e = text_evidence(alert, "fleet", alert->score, &words);
	say(&words, "%.0f refused and %.0f accepted at home within ten minutes.", failed, ok);
	snprintf(e->seen, sizeof(e->seen), "%.0f %% refused", share);
	snprintf(e->usual, sizeof(e->usual), "at most 80 %% refused");
}
