// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "failures/failures.h"

#include "channel/visit.h"
#include "failures/failures_tell.h"
#include "failures/failures_text.h"
#include "failures/older.h"
#include "hash.h"
#include "store/alert_pack.h"

#include <math.h>
#include <string.h>

#define NS 1000000000ull
#define DISORDER_NS (3600 * NS)
#define OUTAGE_SILENCE_NS (3 * 86400 * NS) // a storm of old passwords lasts for days

enum {
	OWNER_TRIES_MAX = 10, // wrong ones in a row by somebody who has the password
	SERIES_MIN = 4096, // 5 MB
	NAT_MIN = 5, // accounts at home that make an address a shared one
};

#define THETA_PROVIDER 0.50
#define NATS_PASSWORD_HOME 1.15
#define NATS_GUESS 0.51
#define NATS_GUESS_HOME 0.22
#define NATS_GUESS_NETWORK 1.50
#define TIDE_LESS 3.65 // ln(28000 / 730): nats less than for each of many subjects
#define TIDE_NATS_MIN 4.0
#define NATS_NOVEL                                                                                 \
	2.3 // one in ten: strangeness of a login that is not explained by the account's habits

static size_t n_of(size_t n_accounts, size_t share) {
	size_t n = n_accounts / share;
	return n < 16 ? 16 : n;
}

// Few are under suspicion of very many; a small fleet is attacked from as many addresses as a large one.
static size_t n_series(size_t n_accounts) {
	size_t n = n_accounts / 4;
	return n < SERIES_MIN ? SERIES_MIN : n;
}

size_t failures_memsize(size_t n_accounts) {
	return table_memsize(n_of(n_accounts, 1), sizeof(struct target))
		+ table_memsize(n_of(n_accounts, 1), sizeof(struct origin))
		+ table_memsize(n_of(n_accounts, 4), sizeof(struct origin))
		+ table_memsize(n_of(n_accounts, 4), sizeof(struct password))
		+ table_memsize(n_series(n_accounts), sizeof(struct series)) + episodes_memsize();
}

void failures_init(
	struct failures *failures,
	size_t n_accounts,
	const uint64_t hash_key[2],
	double threshold,
	void *memory
) {
	struct {
		struct table *table;
		size_t n, entry_size;
	} tables[] = {
		{&failures->accounts, n_of(n_accounts, 1), sizeof(struct target)},
		{&failures->origins, n_of(n_accounts, 1), sizeof(struct origin)},
		{&failures->networks, n_of(n_accounts, 4), sizeof(struct origin)},
		{&failures->passwords, n_of(n_accounts, 4), sizeof(struct password)},
		{&failures->series, n_series(n_accounts), sizeof(struct series)},
	};
	uint8_t *at = memory;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		table_init(tables[i].table, hash_key, tables[i].n, tables[i].entry_size, at);
		at += table_memsize(tables[i].n, tables[i].entry_size);
	}
	episodes_init(&failures->episodes, hash_key, at);
	failures->episodes.word = failures_tell_word;
	failures->episodes.word_ctx = failures;
	failures->threshold = threshold;
}

size_t failures_parts(struct failures *failures, struct store_part *parts) {
	size_t n = 0;
	parts[n++] = STORE_PART_BLOB("event time", KEPT_NOW, 1, &failures->now_ns);
	parts[n] = STORE_PART_TABLE("targets", KEPT_TARGETS, 2, &failures->accounts);
	parts[n++].unpack = older_target;
	parts[n] = STORE_PART_TABLE("origins", KEPT_ORIGINS, 2, &failures->origins);
	parts[n++].unpack = older_origin;
	parts[n] = STORE_PART_TABLE("networks", KEPT_NETWORKS, 2, &failures->networks);
	parts[n++].unpack = older_origin;
	// Hashes under a key that ends with the run; within it they go on meaning something.
	parts[n] = STORE_PART_TABLE("passwords", KEPT_PASSWORDS, 2, &failures->passwords);
	parts[n++].unpack = older_password;
	parts[n++] = STORE_PART_TABLE("series", KEPT_SERIES, 1, &failures->series);
	parts[n++] = STORE_PART_BLOB("tide", KEPT_TIDE, 1, &failures->tide);
	parts[n++] = STORE_PART_BLOB("noise", KEPT_NOISE, 1, &failures->noise);
	parts[n++] = STORE_PART_BLOB("pulse", KEPT_PULSE, 2, &failures->fleet);
	parts[n++] = STORE_PART_BLOB("crowd", KEPT_CROWD, 1, &failures->crowd);
	parts[n] = STORE_PART_TABLE(
		"episodes", KEPT_EPISODES, EPISODE_LAYOUT, &failures->episodes.table
	);
	parts[n].image_size = EPISODE_PACKED_MAX;
	parts[n].pack = episode_pack;
	parts[n].unpack = episode_unpack;
	parts[n].restored = episodes_restored;
	parts[n++].ctx = &failures->episodes;
	return n;
}

// ---- the fleet

static void outage_tell(struct failures *failures, const struct attempt *attempt) {
	struct pulse *fleet = &failures->fleet;
	struct episode *episode = episodes_find(&failures->episodes, EPISODE_OUTAGE, 0);
	if (!pulse_is_outage(fleet))
		return;
	if (!episode)
		fleet->outage = (struct facts){0};
	facts_add(&fleet->outage, attempt);
	if (!episode) {
		episode = episodes_open(
			&failures->episodes,
			EPISODE_OUTAGE,
			0,
			0,
			attempt->time_ns,
			failures->now_ns
		);
		episode->silence_ns = OUTAGE_SILENCE_NS;
	}
	text_outage(failures, &episode->alert);
	uint32_t size = distinct_count(&fleet->outage.accounts);
	episode_tell(&failures->episodes, episode, size, false, failures->now_ns);
}

// An account's login where it is at home. Each account has one voice a minute.
static void fleet_home(
	struct failures *failures,
	struct target *account,
	const struct attempt *attempt,
	bool ok
) {
	if (attempt->time_ns < account->outcome_ns + 60 * NS)
		return;
	account->outcome_ns = attempt->time_ns;
	pulse_home(&failures->fleet, attempt->time_ns, ok);
	if (!ok)
		outage_tell(failures, attempt);
}

// ---- telling

static bool over(const struct failures *failures, const struct evidence *evidence) {
	return evidence_nats(evidence) >= failures->threshold;
}

static bool
is_open(const struct failures *failures, enum episode_kind kind, uint64_t subject, bool alarmed) {
	const struct episodes *episodes = &failures->episodes;
	return alarmed
		&& (episodes_find(episodes, kind, subject) || episodes_find(episodes, kind, 0));
}

// A suspicion that has faded, or whose episode has closed, starts afresh. True when it does.
static bool
is_over(const struct failures *failures,
	enum episode_kind kind,
	uint64_t subject,
	uint64_t time_ns,
	struct evidence *evidence,
	bool *alarmed) {
	// What is low stays so: it fades when something is added to it.
	if (!evidence_is_low(evidence))
		evidence_decay(evidence, time_ns);
	bool faded = evidence_is_low(evidence);
	bool open = !faded && is_open(failures, kind, subject, *alarmed);
	if (open || (!*alarmed && !faded))
		return false;
	if (*alarmed)
		evidence->m_log1p = 0;
	*alarmed = false;
	return true;
}

// Accounts that were entered from here for the first time during the series, before it was one.
// At an address that many people share, only those that were also refused. True when there are such.
static bool look_back(struct failures *failures, struct origin *origin, const struct attempt *now) {
	bool got_in = false;
	for (uint8_t i = 0; i < ORIGIN_WINS_MAX && i < origin->n_wins; i++) {
		struct target *account = table_peek(&failures->accounts, origin->win[i].account);
		if (!account
		    || origin->win[i].time_ns + DISORDER_NS
			    < series_of_origin(&failures->series, origin)->since_ns)
			continue;
		if (origin->n_ok >= NAT_MIN
		    && !distinct_has(
			    &series_of_origin(&failures->series, origin)->accounts,
			    account->node.key
		    ))
			continue;
		if (!facts_got(series_note_origin(&failures->series, origin), account->node.key))
			continue;
		struct attempt then = *now;
		then.time_ns = origin->win[i].time_ns;
		then.account = account->node.key;
		double nats = evidence_nats(&origin->evidence);
		failures_tell_takeover(
			failures,
			account,
			&then,
			series_of_origin(&failures->series, origin),
			nats,
			true
		);
		got_in = true;
	}
	return got_in;
}

// ---- judging

static void
judge_origin(struct failures *failures, struct origin *origin, const struct attempt *at) {
	if (!over(failures, &origin->evidence) && !origin->alarmed)
		return;
	const struct password *password
		= at->password ? table_peek(&failures->passwords, at->password) : NULL;
	// One password from many addresses is told already; this address is one of them.
	if (!origin->alarmed && password && password->alarmed
	    && distinct_count(&series_of_password(&failures->series, password)->nets) >= 3
	    && distinct_count(&series_of_origin(&failures->series, origin)->passwords) < 2)
		return;
	bool got_in = !origin->alarmed && look_back(failures, origin, at);
	origin->alarmed = true;
	failures_tell_origin(failures, origin, false, at, got_in);
}

// A network speaks when at least three of its addresses took part and none is told for itself.
static void judge_network(
	struct failures *failures,
	struct origin *network,
	const struct origin *origin,
	const struct attempt *at
) {
	if (!over(failures, &network->evidence) && !network->alarmed)
		return;
	if (!network->alarmed
	    && (is_open(failures, EPISODE_SOURCE, origin->node.key, origin->alarmed)
		|| distinct_count(&series_of_origin(&failures->series, network)->ips) < 3))
		return;
	network->alarmed = true;
	failures_tell_origin(failures, network, true, at, false);
}

static void judge_password(
	struct failures *failures,
	struct password *password,
	const struct origin *origin,
	const struct attempt *at
) {
	if (!over(failures, &password->evidence) && !password->alarmed)
		return;
	// From one place it is that address's spraying, and its own test tells; unless so many people are
	// at home there that it cannot.
	if (!password->alarmed
	    && distinct_count(&series_of_password(&failures->series, password)->nets) < 2
	    && origin->n_ok < NAT_MIN)
		return;
	// From two, those addresses' spraying may be told already.
	if (!password->alarmed
	    && distinct_count(&series_of_password(&failures->series, password)->nets) < 3
	    && origin->alarmed)
		return;
	password->alarmed = true;
	failures_tell_password(failures, password, at, false);
}

static void judge_account(
	struct failures *failures,
	struct target *account,
	const struct origin *origin,
	const struct attempt *at
) {
	if (!over(failures, &account->evidence) && !account->alarmed)
		return;
	if (!account->alarmed && origin->alarmed
	    && distinct_count(&series_of_target(&failures->series, account)->ips) <= 2)
		return;
	account->alarmed = true;
	failures_tell_account(failures, account, at, false);
}

// ---- observing

struct party {
	struct target *account;
	struct origin *origin, *network;
	struct password *password; // NULL: unknown
	enum familiarity familiarity;
};

// While everybody is refused, only a password that others were refused with speaks for spraying:
// old passwords are each their owner's.
static bool believed_innocent(const struct failures *failures, const struct password *password) {
	return pulse_is_outage(&failures->fleet)
		&& (!password
		    || distinct_count(&series_of_password(&failures->series, password)->accounts)
			    < 2);
}

static void observe_origin(
	struct failures *failures,
	const struct party *party,
	bool network,
	const struct attempt *attempt
) {
	struct origin *origin = network ? party->network : party->origin;
	if (!facts_add(series_note_origin(&failures->series, origin), attempt)
	    || believed_innocent(failures, party->password))
		return;
	double theta = pulse_theta(&failures->fleet);
	if (party->familiarity == SAME_PROVIDER)
		theta = THETA_PROVIDER;
	evidence_decay(&origin->evidence, attempt->time_ns);
	evidence_add(&origin->evidence, log(PULSE_ATTACK_FAILS / theta));
	// What one origin can teach the fleet is little.
	if (!network && series_of_origin(&failures->series, origin)->accounts.n_exact <= 2)
		pulse_contact(&failures->fleet, attempt->time_ns, false);
}

static void observe_password(
	struct failures *failures,
	struct password *password,
	bool at_home,
	const struct attempt *attempt
) {
	struct facts *facts = series_note_password(&failures->series, password);
	bool known = facts->accounts.n_exact > 0;
	if (!facts_add(facts, attempt))
		return;
	uint32_t n = facts->accounts.n_exact;
	double nats = at_home ? NATS_PASSWORD_HOME
			      : pulse_password(&failures->fleet, n, attempt->time_ns);
	evidence_decay(&password->evidence, attempt->time_ns);
	evidence_add(&password->evidence, known ? nats : 0);
}

static void observe_account(
	struct failures *failures,
	struct target *account,
	enum familiarity familiarity,
	const struct attempt *attempt
) {
	struct facts *facts = series_note_target(&failures->series, account);
	uint32_t n_nets = distinct_count(&facts->nets);
	facts_add(facts, attempt);
	double nats = familiarity == AT_HOME ? NATS_GUESS_HOME : NATS_GUESS;
	if (familiarity == STRANGE && n_nets > 0 && distinct_count(&facts->nets) > n_nets)
		nats += NATS_GUESS_NETWORK;
	evidence_decay(&account->evidence, attempt->time_ns);
	evidence_add(&account->evidence, nats);
}

double failures_tide_threshold(const struct failures *failures) {
	return fmax(failures->threshold - TIDE_LESS, TIDE_NATS_MIN);
}

// Each account once a day, and nothing that is told for itself.
static void
observe_tide(struct failures *failures, const struct party *party, const struct attempt *attempt) {
	struct tide *tide = &failures->tide;
	struct facts *facts = &failures->crowd[EPISODE_OUTAGE];
	tide_reach(tide, attempt->time_ns / (86400 * NS));
	if (party->familiarity != STRANGE || pulse_is_outage(&failures->fleet)
	    || party->origin->alarmed || party->network->alarmed || party->account->alarmed
	    || (party->password && party->password->alarmed) || !tide_add(tide, attempt->account))
		return;
	if (tide->today == 1 && tide->m_log1p < M_LN2)
		*facts = (struct facts){0};
	facts_add(facts, attempt);
	if (tide_today(tide) < TIDE_LEAST || tide_nats(tide) < failures_tide_threshold(failures))
		return;
	tide->told = true;
	failures_tell_tide(failures, attempt);
}

static void
refused(struct failures *failures, const struct party *party, const struct attempt *attempt) {
	bool at_home = party->familiarity == AT_HOME;
	enum wrong_password wrong = target_refused(party->account, attempt, party->familiarity);
	if (at_home)
		fleet_home(failures, party->account, attempt, false);
	if (wrong == WRONG_AT_HOME) {
		// An old password in a device, or mistyped once more.
		if (party->origin->alarmed)
			facts_add(series_note_origin(&failures->series, party->origin), attempt);
		return;
	}
	if (party->password)
		observe_password(failures, party->password, at_home, attempt);
	if (!at_home) {
		observe_origin(failures, party, false, attempt);
		observe_origin(failures, party, true, attempt);
	} else {
		if (party->origin->alarmed)
			facts_add(series_note_origin(&failures->series, party->origin), attempt);
	}
	if (wrong == WRONG_NEW)
		observe_account(failures, party->account, party->familiarity, attempt);
	else if (party->account->alarmed)
		facts_add(series_note_target(&failures->series, party->account), attempt);

	judge_origin(failures, party->origin, attempt);
	judge_network(failures, party->network, party->origin, attempt);
	if (party->password)
		judge_password(failures, party->password, party->origin, attempt);
	judge_account(failures, party->account, party->origin, attempt);
	observe_tide(failures, party, attempt);
}

// A password that is being tried on many accounts was tried on this one.
static struct password *sprayed_with(struct failures *failures, const struct target *account) {
	for (uint8_t i = 0; i < account->n_wrong; i++) {
		struct password *password = NULL;
		if (!account->wrong[i].home)
			password = table_peek(&failures->passwords, account->wrong[i].password);
		if (password
		    && is_open(failures, EPISODE_PASSWORD, password->node.key, password->alarmed))
			return password;
	}
	return NULL;
}

// The login came from an address, or a network, that is told: both are.
static enum verdict entered_from(
	struct failures *failures,
	struct target *account,
	struct origin *origin,
	bool is_network,
	const struct attempt *attempt
) {
	bool news = facts_got(series_note_origin(&failures->series, origin), attempt->account);
	failures_tell_takeover(
		failures,
		account,
		attempt,
		series_of_origin(&failures->series, origin),
		evidence_nats(&origin->evidence),
		true
	);
	failures_tell_origin(failures, origin, is_network, attempt, news);
	return VERDICT_STOLEN;
}

// Was this login the fruit of a series?
static enum verdict
entered(struct failures *failures, const struct party *party, const struct attempt *attempt) {
	struct target *account = party->account;
	struct origin *origin = party->origin;
	bool guessed_here = distinct_has(
		&series_of_origin(&failures->series, origin)->accounts, attempt->account
	);
	if (origin->alarmed && (origin->n_ok < NAT_MIN || guessed_here))
		return entered_from(failures, account, origin, false, attempt);
	if (party->network->alarmed
	    && series_of_origin(&failures->series, origin)->accounts.n_exact > 0)
		return entered_from(failures, account, party->network, true, attempt);
	struct password *password = sprayed_with(failures, account);
	bool nobodys = party->familiarity == STRANGE && party->network->n_ok == 0;
	// The owner may log in from a new place while others guess; those who are always at home do
	// not, and a place where nobody is at home is not an office.
	bool strange = nobodys && (account->n_homes == 0 || target_novelty(account) >= NATS_NOVEL);
	if (!account->alarmed && !password)
		return failures->tide.told && tide_tried(&failures->tide, attempt->account)
				&& strange
			? VERDICT_DOUBTFUL
			: VERDICT_INNOCENT;
	const struct facts *series = account->alarmed
		? series_of_target(&failures->series, account)
		: series_of_password(&failures->series, password);
	const struct evidence *evidence
		= account->alarmed ? &account->evidence : &password->evidence;
	// An owner's own slip is no guess: where others are at home or the provider is known it takes
	// more, and in a spray it is the password that tells.
	uint32_t tries = facts_tries(series_of_origin(&failures->series, origin), attempt->account);
	bool sure = tries >= (nobodys ? 1 : OWNER_TRIES_MAX);
	if (!account->alarmed)
		sure = distinct_has(
			&series_of_origin(&failures->series, origin)->passwords, password->node.key
		);
	if (!sure && !strange)
		return VERDICT_INNOCENT;
	// Nothing but the place speaks against it: that the account is watched more closely has to do, for
	// owners in hotels would else be told by the dozen while a spray lasts.
	if (!sure)
		return VERDICT_DOUBTFUL;
	failures_tell_takeover(failures, account, attempt, series, evidence_nats(evidence), sure);
	if (account->alarmed
	    && facts_got(series_note_target(&failures->series, account), attempt->account))
		failures_tell_account(failures, account, attempt, true);
	if (!account->alarmed
	    && facts_got(series_note_password(&failures->series, password), attempt->account))
		failures_tell_password(failures, password, attempt, true);
	return VERDICT_STOLEN;
}

// The refused first contact turns out to have been its owner's slip.
static void
excuse(struct failures *failures, struct origin *origin, const struct attempt *attempt) {
	if (!origin->alarmed
	    && distinct_has(
		    &series_of_origin(&failures->series, origin)->accounts, attempt->account
	    )) {
		evidence_decay(&origin->evidence, attempt->time_ns);
		evidence_retract(&origin->evidence, log(PULSE_ATTACK_FAILS / PULSE_THETA_MIN));
	}
}

static void speak_for(struct failures *failures, struct origin *origin, uint64_t time_ns) {
	// An alarmed address earns nothing back, unless many people are at home there.
	bool may = !origin->alarmed || origin->n_ok >= NAT_MIN;
	if (!may || evidence_is_spent(&origin->evidence))
		return;
	double theta = pulse_theta(&failures->fleet);
	evidence_decay(&origin->evidence, time_ns);
	if (!evidence_is_spent(&origin->evidence))
		evidence_add(&origin->evidence, log((1 - PULSE_ATTACK_FAILS) / (1 - theta)));
}

static enum verdict
accepted(struct failures *failures, const struct party *party, const struct attempt *attempt) {
	struct target *account = party->account;
	bool at_home = party->familiarity == AT_HOME;
	if (at_home) {
		fleet_home(failures, account, attempt, true);
	} else {
		enum verdict verdict = entered(failures, party, attempt);
		if (verdict != VERDICT_INNOCENT)
			return verdict;
		excuse(failures, party->origin, attempt);
		excuse(failures, party->network, attempt);
		origin_won(party->origin, attempt);
		pulse_contact(&failures->fleet, attempt->time_ns, true);
		party->origin->n_ok++;
		party->network->n_ok++;
	}
	if (!account->alarmed
	    && distinct_has(&series_of_target(&failures->series, account)->ips, attempt->ip)) {
		series_end_target(&failures->series, account);
		account->evidence.m_log1p = 0;
	}
	if (target_login(account, attempt)) {
		speak_for(failures, party->origin, attempt->time_ns);
		speak_for(failures, party->network, attempt->time_ns);
	}
	table_prove(&failures->accounts, account);
	table_prove(&failures->origins, party->origin);
	table_prove(&failures->networks, party->network);
	return VERDICT_INNOCENT;
}

// ---- the door's side

static struct target *
get_account(struct failures *failures, const struct activity *activity, uint64_t key) {
	struct target *account = table_find(&failures->accounts, key);
	if (!account) {
		account = table_add(&failures->accounts, key);
		memcpy(account->name, activity->account, sizeof(account->name));
		account->name[sizeof(account->name) - 1] = '\0';
	}
	return account;
}

static struct origin *
get_origin(struct table *table, const struct ip *ip, bool network, uint64_t key) {
	struct origin *origin = table_find(table, key);
	if (!origin) {
		origin = table_add(table, key);
		origin_prefix(ip, network, &origin->ip, &origin->prefix);
	}
	return origin;
}

// The same addresses come again and again, and a keyed hash is dear. Who fills the wrong slots on purpose
// makes it as dear as it would be without.
static void name_origin(struct origin_names *names, const struct ip *ip, struct attempt *attempt) {
	uint64_t words[2];
	memcpy(words, ip->addr, sizeof(words));
	uint64_t mixed = (words[0] ^ words[1] * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;
	size_t slot = mixed >> 52;
	static_assert(FAILURES_NAMES == 1 << 12);
	if (memcmp(&names->of[slot].ip, ip, sizeof(*ip)) != 0) {
		struct ip prefix;
		uint8_t bits;
		origin_prefix(ip, false, &prefix, &bits);
		names->of[slot].ip_key = origin_key(&prefix, bits);
		origin_prefix(ip, true, &prefix, &bits);
		names->of[slot].net_key = origin_key(&prefix, bits);
		names->of[slot].ip = *ip;
	}
	attempt->ip = names->of[slot].ip_key;
	attempt->net = names->of[slot].net_key;
}

static struct password *get_password(struct failures *failures, uint64_t key) {
	struct password *password = key ? table_find(&failures->passwords, key) : NULL;
	return password || !key ? password : table_add(&failures->passwords, key);
}

// Nothing is suspected and nothing noted: as nearly always, there is nothing to settle.
static bool is_calm(const struct evidence *evidence, bool alarmed, bool noted) {
	return !alarmed && !noted && evidence_is_low(evidence);
}

static void
settle_origin(struct failures *failures, struct origin *origin, bool network, uint64_t time_ns) {
	enum episode_kind kind = network ? EPISODE_NETWORK : EPISODE_SOURCE;
	series_holds_origin(&failures->series, origin);
	if (is_over(failures, kind, origin->node.key, time_ns, &origin->evidence, &origin->alarmed))
		series_end_origin(&failures->series, origin);
}

static void settle_all(struct failures *failures, const struct party *party, uint64_t time_ns) {
	struct table *series = &failures->series;
	struct password *password = party->password;
	struct target *account = party->account;
	if (!is_calm(&party->origin->evidence, party->origin->alarmed, party->origin->noted))
		settle_origin(failures, party->origin, false, time_ns);
	if (!is_calm(&party->network->evidence, party->network->alarmed, party->network->noted))
		settle_origin(failures, party->network, true, time_ns);
	if (password)
		series_holds_password(series, password);
	if (password
	    && is_over(
		    failures,
		    EPISODE_PASSWORD,
		    password->node.key,
		    time_ns,
		    &password->evidence,
		    &password->alarmed
	    ))
		series_end_password(series, password);
	if (is_calm(&account->evidence, account->alarmed, account->noted))
		return;
	series_holds_target(series, account);
	if (is_over(failures,
		    EPISODE_ACCOUNT,
		    account->node.key,
		    time_ns,
		    &account->evidence,
		    &account->alarmed))
		series_end_target(series, account);
}

enum verdict failures_run(
	struct failures *failures,
	const struct activity *activity,
	uint64_t key,
	uint64_t time_ns
) {
	uint32_t n_failed = activity->auth.failure, n_ok = activity->auth.success;
	if ((!n_failed && !n_ok) || !activity->account[0] || !activity->source.ip.family)
		return VERDICT_INNOCENT;
	struct attempt attempt = {
		.time_ns = time_ns,
		.account = key,
		.password = n_failed ? activity->auth.password : 0,
		.asn = activity->source.asn,
		.provider = visit_provider(activity),
		.count = n_failed,
		.address = &activity->source.ip,
	};
	name_origin(&failures->names, &activity->source.ip, &attempt);
	struct party party = {
		.account = get_account(failures, activity, attempt.account),
		.origin = get_origin(&failures->origins, attempt.address, false, attempt.ip),
		.network = get_origin(&failures->networks, attempt.address, true, attempt.net),
		.password = get_password(failures, attempt.password),
	};
	party.familiarity = target_familiarity(party.account, &attempt);
	settle_all(failures, &party, attempt.time_ns);
	if (n_failed)
		refused(failures, &party, &attempt);
	attempt.count = 0;
	return n_ok ? accepted(failures, &party, &attempt) : VERDICT_INNOCENT;
}
