// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "limits.h"
#include "lines.h"
#include "output/alert_json.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static FILE *lines;
static char *line; // a block of exactly ALERT_SIZE_MAX bytes

static const struct alert_technique remote_collection = {
	"TA0009",
	"Collection",
	"T1114",
	"Email Collection",
	"T1114.002",
	"Remote Email Collection",
};
static const struct alert_technique forwarding = {
	"TA0009",
	"Collection",
	"T1114",
	"Email Collection",
	"T1114.003",
	"Email Forwarding Rule",
};
static const struct alert_technique valid_accounts = {
	"TA0001",
	"Initial Access",
	"T1078",
	"Valid Accounts",
	NULL,
	NULL,
};

// An alert as an analyst gets it.
static struct alert *usual(void) {
	static struct alert alert;

	alert = (struct alert){
		.time_ns = 1772419267000000000,
		.start_ns = 1770861011000000000,
		.end_ns = 1772419198000000000,
		.rule_id = "slow-collection",
		.rule_name = "Mailbox read slowly by somebody else",
		.category = "account-takeover",
		.techniques = {&remote_collection, &valid_accounts, &forwarding},
		.severity = ALERT_HIGH,
		.message = "novakova@mzv.example: 212 old messages read on 9 nights.",
		.account = "novakova@mzv.example",
		.source = {.family = 4, .addr = {5, 101, 7, 9}},
		.asn = 65011,
		.n_ips = 1,
		.ips = {{.family = 6, .addr = {0x20, 1, 0xd, 0xb8}}},
		.ips_total = 1,
		.n_users = 2,
		.users = {"novakova@mzv.example", "dvorak@mzv.example"},
		.users_total = 2,
		.score = 11.8,
		.threshold = 9.25,
		.n_evidence = 1,
		.evidence = {{"hours", 3.8, "all reads 01-04 h", "1.00", "0.004"}},
		.episode = {.id = 0x0194f1, .sequence = 1, .since_ns = 1770861011000000000},
	};
	return &alert;
}

static json_t *written(const struct alert *alert, const char *observer) {
	json_error_t error;
	size_t size = alert_json_write(alert, observer, line, ALERT_SIZE_MAX);
	json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	assert_true(size <= ALERT_SIZE_MAX);
	assert_non_null(root);
	fwrite(line, 1, size, lines);
	fputc('\n', lines);
	return root;
}

static void assert_member(json_t *object, const char *key, const char *expected) {
	json_t *value = json_object_get(object, key);
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("absent");

	assert_string_equal(text, expected);
	free(text);
}

static void an_alert_is_told_field_by_field(void **state) {
	json_t *root = written(usual(), "sensor1");

	assert_member(root, "@timestamp", "\"2026-03-02T02:41:07.000000Z\"");
	assert_member(
		root, "message", "\"novakova@mzv.example: 212 old messages read on 9 nights.\""
	);
	assert_member(
		root,
		"event",
		"{\"kind\":\"alert\",\"module\":\"postern\",\"dataset\":\"postern.alert\","
		"\"category\":[\"intrusion_detection\",\"email\"],\"type\":[\"info\"],"
		"\"id\":\"e-00000000000194f1-1\",\"action\":\"open\",\"code\":\"slow-collection\","
		"\"sequence\":1,\"severity\":73,\"risk_score\":73.0,"
		"\"start\":\"2026-02-12T01:50:11.000000Z\","
		"\"end\":\"2026-03-02T02:39:58.000000Z\"}"
	);
	assert_member(
		root,
		"rule",
		"{\"id\":\"slow-collection\",\"name\":\"Mailbox read slowly by somebody else\","
		"\"category\":\"account-takeover\"}"
	);
	assert_member(
		root,
		"user",
		"{\"name\":\"novakova\",\"domain\":\"mzv.example\","
		"\"email\":\"novakova@mzv.example\",\"id\":\"novakova@mzv.example\"}"
	);
	assert_member(root, "source", "{\"ip\":\"5.101.7.9\",\"as\":{\"number\":65011}}");
	assert_member(
		root,
		"related",
		"{\"ip\":[\"2001:db8::\"],"
		"\"user\":[\"novakova@mzv.example\",\"dvorak@mzv.example\"]}"
	);
	assert_member(
		root,
		"postern",
		"{\"scope\":\"account\",\"score\":11.800000000000001,\"threshold\":9.25,"
		"\"episode\":{\"id\":\"e-00000000000194f1\",\"state\":\"open\","
		"\"since\":\"2026-02-12T01:50:11.000000Z\"},"
		"\"evidence\":[{\"channel\":\"hours\",\"nats\":3.7999999999999998,"
		"\"text\":\"all reads 01-04 h\",\"seen\":\"1.00\",\"usual\":\"0.004\"}]}"
	);
	json_decref(root);
}

static void a_campaign_names_what_is_shared(void **state) {
	struct alert *alert = usual();
	json_t *root, *campaign;

	alert->scope = ALERT_CAMPAIGN;
	alert->campaign.id = 7;
	alert->campaign.size = 15;
	alert->campaign.n_networks = 2;
	alert->campaign.networks_total = 9;
	alert->campaign.networks[0] = (struct alert_network){{{5, 101, 7}, 4}, 24};
	alert->campaign.networks[1] = (struct alert_network){{{0x20, 1, 0xd, 0xb8, 0, 1}, 6}, 48};
	alert->campaign.n_grammars = alert->campaign.grammars_total = 1;
	alert->campaign.grammars[0] = 0x2ca51e00;
	root = written(alert, NULL);
	campaign = json_object_get(json_object_get(root, "postern"), "campaign");
	assert_member(
		json_object_get(campaign, "shared"),
		"network",
		"[\"5.101.7.0/24\",\"2001:db8:1::/48\"]"
	);
	assert_member(json_object_get(campaign, "shared"), "network_total", "9");
	assert_member(json_object_get(campaign, "shared"), "grammar", "[\"2ca51e00\"]");
	assert_member(json_object_get(campaign, "shared"), "grammar_total", "absent");
	json_decref(root);
}

static void tactics_and_techniques_stand_once(void **state) {
	json_t *root = written(usual(), NULL);

	assert_member(
		root,
		"threat",
		"{\"framework\":\"MITRE ATT&CK\","
		"\"tactic\":{\"id\":[\"TA0009\",\"TA0001\"],"
		"\"name\":[\"Collection\",\"Initial Access\"]},"
		"\"technique\":{\"id\":[\"T1114\",\"T1078\"],"
		"\"name\":[\"Email Collection\",\"Valid Accounts\"],"
		"\"subtechnique\":{\"id\":[\"T1114.002\",\"T1114.003\"],"
		"\"name\":[\"Remote Email Collection\",\"Email Forwarding Rule\"]}}}"
	);
	json_decref(root);
}

static void what_is_not_known_is_absent(void **state) {
	struct alert *alert = usual();
	json_t *root;

	memset(alert->techniques, 0, sizeof(alert->techniques));
	alert->account[0] = '\0';
	alert->source.family = 0;
	alert->n_ips = alert->n_users = 0;
	alert->ips_total = alert->users_total = 0;
	alert->scope = ALERT_INFRASTRUCTURE;
	root = written(alert, NULL);
	assert_member(root, "threat", "absent");
	assert_member(root, "user", "absent");
	assert_member(root, "source", "absent");
	assert_member(root, "related", "absent");
	json_decref(root);
}

static void whom_it_is_about_is_always_related(void **state) {
	struct alert *alert = usual();
	json_t *root;

	alert->n_ips = alert->n_users = 0;
	root = written(alert, NULL);
	assert_member(
		root, "related", "{\"ip\":[\"5.101.7.9\"],\"user\":[\"novakova@mzv.example\"]}"
	);
	json_decref(root);
}

static void every_severity_scope_and_state_is_valid(void **state) {
	static const enum alert_severity severities[]
		= {ALERT_LOW, ALERT_MEDIUM, ALERT_HIGH, ALERT_CRITICAL};

	for (int i = 0; i < 4 * 3 * 3; i++) {
		struct alert *alert = usual();

		alert->severity = severities[i % 4];
		alert->scope = (enum alert_scope)(i / 4 % 3);
		alert->episode.state = (enum alert_state)(i / 12);
		alert->episode.sequence = (uint32_t)i + 1;
		json_decref(written(alert, "sensor1"));
	}
}

static void fill(char *text, size_t size, char c) {
	memset(text, c, size - 1);
	text[size - 1] = '\0';
}

// As full as an alert can be, of one character: 'x' takes one byte in JSON, \x01 six, \xff three.
static struct alert *full(char c) {
	struct alert *alert = usual();

	fill(alert->message, sizeof(alert->message), c);
	fill(alert->account, sizeof(alert->account), c);
	alert->account[100] = '@';
	alert->n_ips = alert->n_users = ALERT_RELATED_MAX;
	alert->ips_total = 70000;
	alert->users_total = 1000000;
	for (int i = 0; i < ALERT_RELATED_MAX; i++) {
		fill(alert->users[i], sizeof(alert->users[i]), c);
		memset(&alert->ips[i], 0xff, sizeof(alert->ips[i]));
		alert->ips[i].family = 6;
	}
	alert->n_evidence = ALERT_EVIDENCE_MAX;
	for (int i = 0; i < ALERT_EVIDENCE_MAX; i++) {
		alert->evidence[i].channel = "a-channel-of-many-letters";
		alert->evidence[i].nats = -1e300;
		fill(alert->evidence[i].text, sizeof(alert->evidence[i].text), c);
		fill(alert->evidence[i].seen, sizeof(alert->evidence[i].seen), c);
		fill(alert->evidence[i].usual, sizeof(alert->evidence[i].usual), c);
	}
	alert->episode.id = UINT64_MAX;
	alert->episode.sequence = UINT32_MAX;
	alert->campaign.id = UINT64_MAX;
	alert->campaign.size = UINT32_MAX;
	alert->campaign.n_networks = alert->campaign.n_grammars = ALERT_SHARED_MAX;
	alert->campaign.networks_total = alert->campaign.grammars_total = UINT32_MAX;
	for (int i = 0; i < ALERT_SHARED_MAX; i++) {
		memset(&alert->campaign.networks[i], 0xff, sizeof(alert->campaign.networks[i]));
		alert->campaign.networks[i].ip.family = 6;
		alert->campaign.networks[i].bits = 128;
		alert->campaign.grammars[i] = UINT32_MAX;
	}
	return alert;
}

static void no_alert_is_longer_than_shippers_take(void **state) {
	static char awkward_name[120], observer[300];
	static const char characters[] = {'x', '\x01', '\xff', '"'};

	fill(awkward_name, sizeof(awkward_name), '\x01');
	fill(observer, sizeof(observer), '\x01');
	for (size_t i = 0; i < sizeof(characters); i++) {
		struct alert *alert = full(characters[i]);
		json_t *root, *postern, *related;

		alert->rule_name = awkward_name;
		root = written(alert, observer);
		postern = json_object_get(root, "postern");
		related = json_object_get(root, "related");
		assert_member(postern, "related_ip_total", "70000");
		assert_member(postern, "related_user_total", "1000000");
		assert_true(json_array_size(json_object_get(related, "ip")) > 0);
		assert_true(json_array_size(json_object_get(related, "user")) > 0);
		assert_true(json_array_size(json_object_get(postern, "evidence")) > 0);
		json_decref(root);
	}
}

static void lists_give_way_before_texts(void **state) {
	struct alert *alert = full('x');
	json_t *root = written(alert, NULL), *postern = json_object_get(root, "postern");

	assert_int_equal(json_string_length(json_object_get(root, "message")), 599);
	assert_int_equal(json_array_size(json_object_get(postern, "evidence")), ALERT_EVIDENCE_MAX);
	assert_member(postern, "text_cut", "absent");
	json_decref(root);
}

static void a8_any_bytes_make_a_valid_line(void **state) {
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 300; round++) {
		struct alert *alert = usual();

		for (size_t i = 0; i + 1 < 150; i++) {
			alert->message[i] = (char)(rand() % 255 + 1);
			alert->account[i] = (char)(rand() % 255 + 1);
			alert->users[0][i] = (char)(rand() % 255 + 1);
			alert->evidence[0].text[i] = (char)(rand() % 255 + 1);
		}
		json_decref(written(alert, NULL));
	}
}

static void a_person_reads_when_how_bad_what_and_why(void **state) {
	struct alert *alert = usual();
	char text[2000];
	size_t size;

	alert->techniques[2] = NULL;
	size = alert_text_write(alert, text, sizeof(text));
	text[size] = '\0';
	assert_string_equal(
		text,
		"2026-03-02 02:41:07  HIGH      "
		"novakova@mzv.example: 212 old messages read on 9 nights.\n"
		"    slow-collection · T1114.002 Remote Email Collection · T1078 Valid Accounts"
		" · since 2026-02-12 01:50:11\n"
		"    hours        3.8  all reads 01-04 h (seen 1.00, usual 0.004)"
	);
}

static void nothing_in_the_text_acts_on_a_terminal(void **state) {
	struct alert *alert = usual();
	char text[2000];
	size_t size;

	strcpy(alert->message,
	       "a\x1b[2J\n\xc2\x9b"
	       "1m\xe2\x80\xae\xff\x7fz");
	size = alert_text_write(alert, text, sizeof(text));
	text[size] = '\0';
	assert_null(strchr(text, '\x1b'));
	assert_null(strchr(text, '\x7f'));
	assert_non_null(strstr(text, "a\ufffd[2J\ufffd\ufffd1m\ufffd\ufffd\ufffdz\n"));
}

static void no_size_of_buffer_is_overrun_by_the_text(void **state) {
	struct alert *alert = full('\xff');

	for (size_t size = 0; size < 6000; size += 7) {
		char *exact = malloc(size + !size);
		assert_true(alert_text_write(alert, exact, size) <= size);
		free(exact);
	}
}

static void all_lines_are_valid_by_schema_and_ecs(void **state) {
	assert_int_equal(lines_check(lines, *state, 1), 0);
}

int main(void) {
	static char path[64];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_is_told_field_by_field),
		cmocka_unit_test(a_campaign_names_what_is_shared),
		cmocka_unit_test(tactics_and_techniques_stand_once),
		cmocka_unit_test(what_is_not_known_is_absent),
		cmocka_unit_test(whom_it_is_about_is_always_related),
		cmocka_unit_test(every_severity_scope_and_state_is_valid),
		cmocka_unit_test(no_alert_is_longer_than_shippers_take),
		cmocka_unit_test(lists_give_way_before_texts),
		cmocka_unit_test(a8_any_bytes_make_a_valid_line),
		cmocka_unit_test(a_person_reads_when_how_bad_what_and_why),
		cmocka_unit_test(nothing_in_the_text_acts_on_a_terminal),
		cmocka_unit_test(no_size_of_buffer_is_overrun_by_the_text),
		cmocka_unit_test_prestate(all_lines_are_valid_by_schema_and_ecs, path),
	};
	int rc;

	lines = lines_open(path);
	line = malloc(ALERT_SIZE_MAX);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(line);
	return rc;
}
