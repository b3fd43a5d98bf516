// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "content.h"
#include "limits.h"
#include "match/fold.h"
#include "match/rules.h"
#include "match/technique.h"
#include "yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct said {
	char text[20000];
	size_t used;
	int n;
};

static void hear(void *ctx, const char *text) {
	struct said *said = ctx;

	said->n++;
	if (said->used < sizeof(said->text))
		said->used += (size_t
		)snprintf(said->text + said->used, sizeof(said->text) - said->used, "%s\n", text);
}

// Reads text from a block of its exact size; what was said was counted.
static struct rules *parse(const char *text, size_t size, struct said *said) {
	char *block = malloc(size > 0 ? size : 1);
	int n_bad = -1;
	struct rules *rules;

	memcpy(block, text, size);
	memset(said, 0, sizeof(*said));
	rules = rules_parse("f.yaml", block, size, hear, said, &n_bad);
	free(block);
	assert_non_null(rules);
	assert_int_equal(n_bad, said->n);
	return rules;
}

static void a_rule_says_everything_or_takes_defaults(void **state) {
	static const char text[] = "rules:\n"
				   "  - id: a\n"
				   "    pattern: x\n"
				   "  - id: b.2\n"
				   "    name: Second\n"
				   "    look: header\n"
				   "    direction: [sent, appended]\n"
				   "    pattern: 'y+'\n"
				   "    flags: [caseless, dotall]\n"
				   "    severity: critical\n"
				   "    category: exfiltration\n"
				   "    technique: T1114.003\n"
				   "    reference: https://example.org/\n"
				   "    test:\n"
				   "      match: [y, yy]\n"
				   "      no_match: z\n";
	struct said said;
	struct rules *rules = parse(text, sizeof(text) - 1, &said);
	const struct rule *a = &rules->rules[0], *b = &rules->rules[1];

	assert_string_equal(said.text, "");
	assert_int_equal(rules->n, 2);
	assert_string_equal(a->id, "a");
	assert_string_equal(a->name, "a");
	assert_int_equal(a->fields, 1 << RULE_HEADER | 1 << RULE_BODY | 1 << RULE_ATTACHMENT);
	assert_int_equal(
		a->directions, 1 << CONTENT_SENT | 1 << CONTENT_FETCHED | 1 << CONTENT_APPENDED
	);
	assert_int_equal(a->severity, ALERT_MEDIUM);
	assert_false(a->has_technique);
	assert_string_equal(b->name, "Second");
	assert_int_equal(b->fields, 1 << RULE_HEADER);
	assert_int_equal(b->directions, 1 << CONTENT_SENT | 1 << CONTENT_APPENDED);
	assert_int_equal(b->flags, RULE_CASELESS | RULE_DOTALL);
	assert_int_equal(b->severity, ALERT_CRITICAL);
	assert_string_equal(b->technique.sub_id, "T1114.003");
	assert_string_equal(b->technique.tactic_name, "Collection");
	assert_string_equal(b->reference, "https://example.org/");
	assert_string_equal(b->file, "f.yaml");
	assert_int_equal(b->line, 8);
	assert_int_equal(b->n_tests, 3);
	assert_true(b->tests[1].match);
	assert_false(b->tests[2].match);
	rules_close(rules);
}

static int lines(const char *text) {
	int n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

// Each case stands between two good rules, which must survive it.
static void each_mistake_is_shown_and_its_neighbours_live(void **state) {
	static const struct {
		const char *rule, *says;
	} cases[] = {
		{"  - id: x\n    pattrn: a\n",
		 "f.yaml:5:5: rule x: unknown key pattrn; write pattern"},
		{"  - ID: x\n    pattern: a\n",
		 "f.yaml:4:5: rule without id: unknown key ID; write id"},
		{"  - id: x\n    regex: a\n", "unknown key regex; known are id, name"},
		{"  - id: x\n    pattern: /a/i\n",
		 "f.yaml:5:14: rule x: pattern is written as /…/i"},
		{"  - id: x\n    pattern: a\n    count: 0\n", "write a whole number from 1 to 500"},
		{"  - id: x\n    pattern: a\n    distinct: 65\n",
		 "write a whole number from 1 to 64"},
		{"  - id: x\n    pattern: a\n    window: 1h\n",
		 "f.yaml:6:5: rule x: window is for within: account"},
		{"  - id: x\n    pattern: a\n    within: account\n    window: 2d\n",
		 "write a time such as 24h (s, m, h, d), at most 1d"},
		{"  - id: x\n    pattern: a\n    within: day\n", "write message, session, account"},
		{"  - id: x\n    pattern: a\n    validate: mod10\n",
		 "write luhn, iban, czech-birth-number"},
		{"  - id: x\n    pattern: a\n    protocol: pop\n",
		 "write imap, smtp, lmtp, pop3, sieve, tls"},
		{"  - id: x\n    look: helo\n    protocol: imap\n    pattern: a\n",
		 "f.yaml:6:5: rule x: protocol: none of these has a helo; write smtp, lmtp"},
		{"  - id: x\n    look: client-id\n    protocol: smtp\n    pattern: a\n",
		 "none of these has a client-id; write imap"},
		{"  - id: x\n    look: command\n    direction: sent\n    pattern: a\n",
		 "f.yaml:6:5: rule x: direction says nothing of what is no message"},
		{"  - id: x\n    look: header:NAME\n    pattern: a\n",
		 "write the name of a header field, such as header:X-Mailer"},
		{"  - id: x\n    pattern: a\n    excerpt: maybe\n", "write yes, no, true, false"},
		{"  - id: x\n    all: [first, missing]\n",
		 "f.yaml:5:10: rule x: missing is no rule of this set; write the id of one"},
		{"  - id: x\n    all: first\n", "all needs a list of the ids of other rules"},
		{"  - id: x\n    all: [first]\n    any: [last]\n",
		 "all and any together; write two"},
		{"  - id: x\n    any: [x]\n", "x is a combination itself; write its members"},
		{"  - id: x\n    any: [first]\n    count: 2\n",
		 "count is for rules with a pattern"},
		{"  - id: x\n    any: [first]\n    within: account\n",
		 "a combination is within message or session"},
		{"  - pattern: a\n", "f.yaml:4:5: rule without id: no id; write"},
		{"  - id: x\n", "f.yaml:4:5: rule x: no pattern; write"},
		{"  - id: x y\n    pattern: a\n", "id \"x y\"; letters, digits"},
		{"  - id: 0123456789012345678901234567890123456789012345678\n    pattern: a\n",
		 "id has 49 bytes; at most 47 fit"},
		{"  - id: first\n    pattern: a\n",
		 "rule first: the id is taken by f.yaml:3; choose another"},
		{"  - id: x\n    pattern: ''\n", "pattern is empty"},
		{"  - id: x\n    pattern:\n", "pattern is empty"},
		{"  - id: x\n    pattern: [a]\n", "pattern is a list; write one value"},
		{"  - id: x\n    pattern: a{1001}\n", "repeats something 1001 times; at most 1000"},
		{"  - id: x\n    pattern: a{1,99999999999999999999}\n", "at most 1000"},
		{"  - id: x\n    pattern: a\n    severity: awful\n",
		 "f.yaml:6:15: rule x: severity: \"awful\" is not known; write low, medium, high, "
		 "critical"},
		{"  - id: x\n    pattern: a\n    look: subjects\n",
		 "write message, body, attachment, markup, sieve, header, header:NAME, subject"},
		{"  - id: x\n    pattern: a\n    direction: [sent, lost]\n",
		 "write sent, fetched, appended"},
		{"  - id: x\n    pattern: a\n    direction: []\n", "direction is an empty list"},
		{"  - id: x\n    pattern: a\n    flags: utf8\n", "utf8 cannot be used"},
		{"  - id: x\n    pattern: a\n    flags: [greedy]\n",
		 "write caseless, dotall, multiline, fold"},
		{"  - id: x\n    pattern: '[á]'\n    flags: fold\n",
		 "fold: a letter with diacritics in [ ] at byte 1"},
		{"  - id: x\n    pattern: a\n    technique: T9999\n",
		 "technique \"T9999\" is not known; known are T1078"},
		{"  - id: x\n    pattern: a\n    test: a\n", "test needs match:"},
		{"  - id: x\n    pattern: a\n    test:\n      matches: a\n",
		 "test: unknown key matches"},
		{"  - id: x\n    pattern: a\n    id: y\n",
		 "f.yaml:6:5: id: this key is here twice"},
		{"  - id: x\n    pattern: \"a\\0b\"\n", "a NUL character"},
		{"  - id: x\n    pattern: *a\n", "an alias"},
		{"  - just text\n", "a value; a rule is lines of KEY: VALUE"},
		{"  - id: x\n    pattern: 'it's'\n", "write '' for a quote in it"},
		{"  - id: x\n    pattern: \"\\d\"\n", "for a backslash in"},
		{"  - id: x\n    name: a: b\n", "write a value that holds a colon in '"},
		{"  - id: x\n    pattern: [a-z]+b\n", "write a value that begins with [ or { in '"},
		{"  - id: x\n    pattern: \"a\n", "not YAML here"},
		{"  - id: x\n   pattern: a\n", "not YAML here"},
		{"  - id: x\n\tpattern: a\n", "indent with blanks"},
		{"  - id: [x\n", "not YAML here"},
		{"  - id: x\n    pattern: a\n    b: {c: [d, e: f}\n", "not YAML here"},
		{"  - id: x\n    name: [[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]\n    pattern: a\n",
		 "nested deeper"},
	};
	struct said said;
	char text[1000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(
			text,
			sizeof(text),
			"rules:\n  - id: first\n    pattern: a\n%s  - id: last\n    pattern: b\n",
			cases[i].rule
		);
		struct rules *rules = parse(text, strlen(text), &said);
		if (strstr(said.text, cases[i].says) == NULL || said.n == 0 || said.n > 2)
			fail_msg("%s: %s", cases[i].rule, said.text);
		// 3 lines, the case's, and the line of the last id.
		if (rules->n != 2 || strcmp(rules->rules[1].id, "last") != 0
		    || rules->rules[1].line != 3 + lines(cases[i].rule) + 2)
			fail_msg("%s: %u rules, %s", cases[i].rule, rules->n, said.text);
		rules_close(rules);
	}
}

static void what_is_no_rule_file_is_said(void **state) {
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"just words\n", "f.yaml:1:1: a value; a rule file begins with rules:"},
		{"- id: a\n", "a list; a rule file begins with"},
		{"ruls:\n  - id: a\n", "ruls: unknown key; known is rules"},
		{"rules:\n  id: a\n  pattern: b\n",
		 "f.yaml:1:1: rules: a map; a list is needed, each rule behind a dash"},
		{"rules: a\n", "rules: a value; a list is needed"},
		{"\x7f"
		 "ELF\x02\x80",
		 "is not text"},
		{"rules:\n  - id: a\n    pattern: b\xff\n", "f.yaml:3:15: byte 0xff is not text"},
		{"}", "not YAML here"},
	};
	struct said said;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rules *rules = parse(cases[i].text, strlen(cases[i].text), &said);
		if (strstr(said.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, said.text);
		assert_int_equal(rules->n, 0);
		rules_close(rules);
	}
	rules_close(parse("a\0b", 3, &said));
	assert_non_null(strstr(said.text, "f.yaml:1:2: byte 0x00 is not text"));
	rules_close(parse("", 0, &said));
	assert_int_equal(said.n, 0);
}

// The file says what is said of it, and cannot write to the terminal by that.
static void mistakes_carry_no_control_characters(void **state) {
	static const char text[] = "rules:\n  - id: \"a\\e[31m\\r\\n\"\n    pattern: a\n";
	struct said said;

	rules_close(parse(text, sizeof(text) - 1, &said));
	assert_int_equal(said.n, 1);
	for (const char *p = said.text; p[1] != '\0'; p++)
		assert_true((unsigned char)*p >= 0x20);
}

// An alias costs nothing, however often it stands in another.
static void a_yaml_bomb_does_not_go_off(void **state) {
	char text[4000];
	size_t used = (size_t)snprintf(text, sizeof(text), "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
	struct said said;

	for (int i = 1; i < 15; i++)
		used += (size_t)snprintf(
			text + used,
			sizeof(text) - used,
			"a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n",
			i,
			i,
			i - 1,
			i - 1,
			i - 1,
			i - 1,
			i - 1,
			i - 1,
			i - 1,
			i - 1,
			i - 1
		);
	struct rules *rules = parse(text, used, &said);
	assert_int_equal(rules->n, 0);
	assert_non_null(strstr(said.text, "an alias"));
	rules_close(rules);
}

static void so_many_rules_and_no_more(void **state) {
	char *text = NULL;
	size_t size;
	struct said said;

	for (int more = 0; more < 2; more++) {
		FILE *file = open_memstream(&text, &size);

		fprintf(file, "rules:\n");
		for (int i = 0; i < RULES_MAX + more; i++)
			fprintf(file, "- {id: r%d, pattern: a}\n", i);
		fclose(file);
		struct rules *rules = parse(text, size, &said);
		assert_int_equal(rules->n, RULES_MAX);
		assert_int_equal(said.n, more);
		rules_close(rules);
		free(text);
	}
}

static void a_folder_is_read_in_the_order_of_names(void **state) {
	char folder[] = "/tmp/postern-rules-XXXXXX", path[100];
	static const char *const names[] = {"b.yaml", "a.yaml", "c.txt", ".d.yaml"};
	struct said said = {0};
	int n_bad = -1;

	assert_non_null(mkdtemp(folder));
	assert_null(rules_open(folder, hear, &said, &n_bad));
	assert_int_equal(n_bad, 1);
	assert_non_null(strstr(said.text, "no *.yaml in this folder"));
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		FILE *file = fopen(path, "w");
		fprintf(file, "rules:\n- {id: %c, pattern: a}\n", names[i][0]);
		fclose(file);
	}
	struct rules *rules = rules_open(folder, hear, &said, &n_bad);
	assert_int_equal(n_bad, 0);
	assert_int_equal(rules->n, 2);
	assert_string_equal(rules->rules[0].id, "a");
	assert_string_equal(rules->rules[1].id, "b");
	rules_close(rules);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	assert_null(rules_open("/no/such/file.yaml", hear, &said, &n_bad));
	assert_non_null(strstr(said.text, "/no/such/file.yaml: No such file"));
}

static void folding_writes_each_form_of_a_letter(void **state) {
	int at;
	char *folded = fold_pattern("aÉ\\[š", &at);

	assert_string_equal(
		folded,
		"a(?:E|E\\xcc\\x81|\\xc9|\\xc9|\\xc3\\x89)\\[(?:S|S\\xcc\\x8c|\\xa9|\\x8a|"
		"\\xc5\\xa0|s|s\\xcc\\x8c|\\xb9|\\x9a|"
		"\\xc5\\xa1)"
	);
	free(folded);
	folded = fold_pattern("", &at);
	assert_string_equal(folded, "");
	free(folded);
	folded = fold_pattern("žžžžž", &at);
	assert_non_null(folded);
	free(folded);
	assert_null(fold_pattern("x[ž]", &at));
	assert_int_equal(at, 2);
}

// It could only be told by a combination. It is no harm, so it stays.
static void a_rule_that_is_never_told_is_said(void **state) {
	static const char alone[] = "rules:\n- {id: a, pattern: b, alert: no}\n",
			  asked[]
		= "rules:\n- {id: a, pattern: b, alert: no}\n- {id: c, any: [a]}\n";
	struct said said;

	struct rules *rules = parse(alone, sizeof(alone) - 1, &said);
	assert_int_equal(said.n, 1);
	assert_non_null(strstr(said.text, "f.yaml:2:20: rule a: alert: no, and no all or any asks")
	);
	assert_int_equal(rules->n, 1);
	rules_close(rules);
	rules_close(parse(asked, sizeof(asked) - 1, &said));
	assert_int_equal(said.n, 0);
}

static void techniques_are_found_by_their_full_id(void **state) {
	assert_string_equal(technique_find("T1114")->name, "Email Collection");
	assert_null(technique_find("T1114")->sub_id);
	assert_string_equal(technique_find("T1552.004")->sub_name, "Private Keys");
	assert_null(technique_find("T1114.9"));
	assert_null(technique_find(""));
}

// Every prefix of a good file: no crash, and each rule is there or not, never half of one.
static void any_cut_of_a_file_gives_whole_rules(void **state) {
	static const char text[]
		= "rules:\n  - id: aa\n    pattern: 'abc'\n    severity: high\n"
		  "  - id: bb\n    pattern: \"def\"\n    test:\n      match: [def]\n"
		  "  - id: cc\n    pattern: ghi\n    flags: [caseless]\n";
	struct said said;

	for (size_t size = 0; size < sizeof(text); size++) {
		struct rules *rules = parse(text, size, &said);
		for (uint32_t i = 0; i + 1 < rules->n; i++)
			assert_int_equal(strlen(rules->rules[i].pattern), 3);
		assert_true(rules->n <= 3);
		rules_close(rules);
	}
}

static char *manual_read(void) {
	static char text[1 << 16];
	FILE *file = fopen("rules/README.md", "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

// What the loader knows, by its own words, stands in the manual; and the manual's example is right.
static void the_manual_names_every_word(void **state) {
	static const char *const asks[][2] = {
		{"nothing: a", "known are "},
		{"look: nothing", "write message, "},
		{"direction: nothing", "write "},
		{"protocol: nothing", "write "},
		{"flags: nothing", "write "},
		{"validate: nothing", "write "},
		{"within: nothing", "write "},
		{"severity: nothing", "write "},
	};
	char *manual = manual_read(), text[200], quoted[64], *save;
	struct said said;

	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		snprintf(text, sizeof(text), "rules:\n- id: a\n  pattern: b\n  %s\n", asks[i][0]);
		rules_close(parse(text, strlen(text), &said));
		char *words = strstr(said.text, asks[i][1]);
		assert_non_null(words);
		int n = 0;
		for (char *word = strtok_r(words + strlen(asks[i][1]), ", \n", &save); word != NULL;
		     word = strtok_r(NULL, ", \n", &save), n++) {
			snprintf(quoted, sizeof(quoted), "`%s`", word);
			if (strstr(manual, quoted) == NULL)
				fail_msg("rules/README.md does not name %s", quoted);
		}
		assert_true(n >= 3);
	}
	char *example = strstr(manual, "```yaml\n");
	assert_non_null(example);
	example += strlen("```yaml\n");
	struct rules *rules = parse(example, (size_t)(strstr(example, "```") - example), &said);
	assert_string_equal(said.text, "");
	assert_int_equal(rules->n, 1);
	rules_close(rules);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_says_everything_or_takes_defaults),
		cmocka_unit_test(each_mistake_is_shown_and_its_neighbours_live),
		cmocka_unit_test(what_is_no_rule_file_is_said),
		cmocka_unit_test(mistakes_carry_no_control_characters),
		cmocka_unit_test(a_yaml_bomb_does_not_go_off),
		cmocka_unit_test(so_many_rules_and_no_more),
		cmocka_unit_test(a_folder_is_read_in_the_order_of_names),
		cmocka_unit_test(folding_writes_each_form_of_a_letter),
		cmocka_unit_test(a_rule_that_is_never_told_is_said),
		cmocka_unit_test(techniques_are_found_by_their_full_id),
		cmocka_unit_test(the_manual_names_every_word),
		cmocka_unit_test(any_cut_of_a_file_gives_whole_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
