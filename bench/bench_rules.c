// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// bench_rules false RULES [MESSAGES [SEED]]: innocent messages, made up: Czech and English text, order and tracking
// numbers, telephone numbers, dates, base64 noise as a body and as a file, quoted-printable, HTML. Prints how
// often each rule matched in them (as mail that is sent: all directions of the shipped rules).
// bench_rules read RULES: the same with messages on standard input, each behind a line with its size (innocent.py).
// bench_rules show RULES: and writes those in which something matched to standard error.

#include "content.h"
#include "engine.h"
#include "limits.h"
#include "match/ruleset.h"
#include "session_match.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void die(const char *what) {
	fprintf(stderr, "bench_rules: %s\n", what);
	exit(1);
}

static uint64_t random_state = 1;

static uint32_t rnd(uint32_t n) {
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

// ---- Words

static const char *const czech[] = {
	// Words of markings as people use them.
	"vyhrazené parkoviště",
	"tajné hlasování",
	"důvěrné sdělení",
	"přísně vzato",
	"tajné přání",
	"schůzka",
	"v",
	"pondělí",
	"zpráva",
	"o",
	"jednání",
	"prosím",
	"děkuji",
	"za",
	"přílohu",
	"smlouva",
	"na",
	"dodávku",
	"faktura",
	"číslo",
	"částka",
	"objednávka",
	"heslo",
	"dne",
	"je",
	"k",
	"dispozici",
	"posílám",
	"rozpočet",
	"ministerstvo",
	"ředitel",
	"dovolená",
	"oběd",
	"zítra",
	"ráno",
	"banka",
	"účet",
	"platba",
	"kartou",
	"telefon",
	"dobrý",
	"den",
};
static const char *const english[] = {
	"secret santa",
	"confidential talks",
	"restricted area",
	"NATO summit",
	"NATO secretary general",
	"EU secretariat",
	"meeting",
	"on",
	"the",
	"report",
	"please",
	"find",
	"attached",
	"invoice",
	"number",
	"order",
	"password",
	"reset",
	"was",
	"requested",
	"key",
	"account",
	"token",
	"ring",
	"your",
	"delivery",
	"tracking",
	"code",
	"regards",
	"payment",
	"card",
	"terms",
	"EU",
	"private",
	"public",
	"begin",
	"forward",
	"to",
	"all",
	"login",
	"page",
	"update",
	"and",
	"of",
	"for",
};

static void word(FILE *out, bool is_czech) {
	if (is_czech)
		fputs(czech[rnd(sizeof(czech) / sizeof(czech[0]))], out);
	else
		fputs(english[rnd(sizeof(english) / sizeof(english[0]))], out);
}

static void digits(FILE *out, int n) {
	while (n-- > 0)
		fputc('0' + (int)rnd(10), out);
}

static void noise(FILE *out, int n, const char *alphabet) {
	size_t size = strlen(alphabet);

	while (n-- > 0)
		fputc(alphabet[rnd((uint32_t)size)], out);
}

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define HEX "0123456789abcdef"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Digits or letters between what stands around them.
struct labelled {
	const char *before;
	int n;
	const char *alphabet, *behind;
};

static void labelled_write(FILE *out, const struct labelled *of) {
	fputs(of->before, out);
	if (of->alphabet)
		noise(out, of->n, of->alphabet);
	else
		digits(out, of->n);
	if (of->behind)
		fputs(of->behind, out);
}

// Digits or letters in groups of these sizes (0: no further one).
static void groups(FILE *out, const int sizes[5], char between, const char *alphabet) {
	for (int i = 0; i < 5 && sizes[i] > 0; i++) {
		if (i > 0)
			fputc(between, out);
		labelled_write(out, &(struct labelled){"", sizes[i], alphabet});
	}
}

static void date_and_time(FILE *out) {
	fprintf(out,
		"%u. %u. %u %02u:%02u",
		1 + rnd(28),
		1 + rnd(12),
		2020 + rnd(7),
		rnd(24),
		rnd(60));
}

static void reference(FILE *out) {
	fprintf(out, "MZV-%u/%u-%u/%u", 100000 + rnd(900000), 2020 + rnd(7), 1 + rnd(9), rnd(99));
}

// Numbers as offices and shops write them.
static void number(FILE *out) {
	enum { KINDS = 17 };
	static const struct labelled labelled[KINDS] = {
		[0] = {"č. ", 10},
		[3] = {"IČO ", 8},
		[6] = {"1Z", 16, CAPITALS},
		[7] = {"", 40, HEX}, // a commit
		[11] = {"", 10, NULL, "/0800"}, // an account in a signature
		[13]
		= {"zásilka ", 16}, // what could be a card by its digits, if it stood elsewhere
		[15] = {"VS ", 10},
		[16] = {"SN: ", 12, CAPITALS},
	};
	uint32_t kind = rnd(KINDS);

	switch (kind) {
	case 1:
		fprintf(out, "OBJ-%u-", 2020 + rnd(7));
		digits(out, 6);
		break;
	case 2:
		fputs("+420 ", out);
		groups(out, (const int[5]){3, 3, 3}, ' ', NULL);
		break;
	case 4:
		date_and_time(out);
		break;
	case 5: // tracking numbers of parcels
		noise(out, 2, "RLCEZD");
		digits(out, 9);
		fputs("CZ", out);
		break;
	case 8:
		fprintf(out, "%u %03u,%02u Kč", rnd(999), rnd(1000), rnd(100));
		break;
	case 9: // a letter's reference
		reference(out);
		break;
	case 10: // a GUID
		groups(out, (const int[5]){8, 4, 4, 4, 12}, '-', HEX);
		break;
	case 12: // an order of a shop
		groups(out, (const int[5]){3, 7, 7}, '-', NULL);
		break;
	case 14: // an office's reference, half of them a possible day of birth
		digits(out, 6);
		fprintf(out, "/%u", 1990 + rnd(37));
		break;
	default:
		labelled_write(out, &labelled[kind]);
	}
}

static void text(FILE *out, int n) {
	bool is_czech = rnd(3) > 0;

	for (int i = 0, column = 0; i < n; i++) {
		if (rnd(12) == 0) {
			number(out);
			column += 14;
		} else {
			word(out, is_czech);
			column += 7;
		}
		fputs(column > 65 ? "\r\n" : rnd(9) ? " " : ". ", out);
		column = column > 65 ? 0 : column;
	}
	fputs("\r\n", out);
}

static void base64(FILE *out, int lines) {
	while (lines-- > 0) {
		noise(out, 76, BASE64);
		fputs("\r\n", out);
	}
}

static void head(FILE *out, uint32_t i) {
	fprintf(out,
		"Received: from mx%u.example.org (192.0.2.%u) by mail.example.cz with ESMTPS id ",
		rnd(9),
		rnd(255));
	noise(out, 12, CAPITALS);
	fprintf(out, "; %u Jan 2026 10:00:00 +0100\r\nMessage-ID: <", 1 + rnd(28));
	noise(out, 24, HEX);
	fprintf(out,
		".%u@example.org>\r\nFrom: u%u@example.org\r\nTo: u%u@example.cz\r\nSubject: ",
		i,
		rnd(99),
		rnd(99));
	word(out, true);
	fputc(' ', out);
	number(out);
	fputs("\r\nDKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; bh=", out);
	noise(out, 43, BASE64);
	fputs("=; b=", out);
	noise(out, 170, BASE64);
	fputs("==\r\nMIME-Version: 1.0\r\n", out);
}

static void file(FILE *out) {
	static const char *const names[]
		= {"zpráva.pdf", "report.docx", "foto.jpg", "data.xlsx", "smlouva.v2.pdf"};

	fprintf(out,
		"--=_b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: "
		"attachment; filename=\"%s\"\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n",
		names[rnd(5)]);
	base64(out, 10 + (int)rnd(150));
}

static char *message(uint32_t i, size_t *size) {
	char *bytes;
	FILE *out = open_memstream(&bytes, size);

	head(out, i);
	switch (rnd(4)) {
	case 0:
		fputs("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		      "8bit\r\n\r\n",
		      out);
		text(out, 30 + (int)rnd(300));
		break;
	case 1: // noise that is shown: a signature, a pasted key of a public kind
		fputs("Content-Type: text/plain; charset=utf-8\r\n\r\n", out);
		text(out, 60);
		fputs("-----BEGIN PGP SIGNATURE-----\r\n\r\n", out);
		base64(out, 4 + (int)rnd(40));
		fputs("-----END PGP SIGNATURE-----\r\n", out);
		break;
	case 2:
		fputs("Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>", out);
		text(out, 100);
		fputs("</p><a href=\"https://www.example.org/login?id=", out);
		noise(out, 32, HEX);
		fputs("\">", out);
		text(out, 10);
		fputs("</a><img src=\"data:image/png;base64,", out);
		noise(out, 600, BASE64);
		fputs("\"></body></html>\r\n", out);
		break;
	case 3:
		fputs("Content-Type: multipart/mixed; "
		      "boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Type: text/plain; "
		      "charset=utf-8\r\n\r\n",
		      out);
		text(out, 80);
		file(out);
		fputs("--=_b--\r\n", out);
		break;
	}
	fclose(out);
	return bytes;
}

// ---- False alerts

struct bench {
	struct engine *engine;
	struct session session;
	uint64_t *counts; // messages by rule
	const struct rules *rules;
	struct activity *activity;
	bool shows;
};

static void drop_activity(void *, const struct activity *) {}

static void message_read(struct bench *bench, const char *bytes, size_t size) {
	struct session *s = &bench->session;
	struct content *content = content_open(s, CONTENT_SENT);

	if (!content)
		die("no room for a message");
	content_data(content, (const uint8_t *)bytes, size);
	content_close(content, 1);
	for (int i = 0; i < s->n_matches; i++) {
		const struct session_match *match = &s->matches[i];

		bench->counts[rules_find(bench->rules, match->rule)] += match->is_told;
		if (bench->shows && match->is_told)
			fprintf(stderr,
				"==== %s in %s at %llu\n%.*s\n",
				match->rule,
				rule_field_name(match->place.field),
				(unsigned long long)match->place.offset,
				(int)size,
				bytes);
	}
	session_match_free(s);
	s->matches_size = 0;
	memset(bench->activity, 0, sizeof(*bench->activity));
}

static void bench_open(struct bench *bench, struct ruleset *ruleset) {
	bench->rules = ruleset_rules(ruleset);
	bench->engine = engine_open(&(struct engine_config
	){.slab_size = 1 << 24,
	  .decode = true,
	  .scanner = ruleset_scanner(ruleset, 16),
	  .out.activity = drop_activity});
	bench->counts = calloc(bench->rules->n, sizeof(*bench->counts));
	if (!bench->engine || !bench->counts)
		die(strerror(errno));
	// A session that only content knows, and the activity it adds to.
	bench->session.engine = bench->engine;
	bench->activity = pending_take(&bench->engine->pending, &bench->session, 0);
	bench->session.pending = 1;
}

// What each rule matched, in all and of 10,000 messages.
static int bench_close(struct bench *bench, uint32_t n, uint64_t bytes) {
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bench->rules->n; i++) {
		sum += bench->counts[i];
		if (bench->counts[i])
			printf("  %s: %llu, %.2f per 10,000\n",
			       bench->rules->rules[i].id,
			       (unsigned long long)bench->counts[i],
			       (double)bench->counts[i] * 10000 / n);
	}
	printf("false matches: %llu in %u innocent messages (%llu MB), %.2f per 10,000; at most 1 "
	       "wanted\n",
	       (unsigned long long)sum,
	       n,
	       (unsigned long long)bytes / 1000000,
	       (double)sum * 10000 / n);
	free(bench->counts);
	engine_close(bench->engine);
	return sum * 10000 > n;
}

static int count_false(struct ruleset *ruleset, uint32_t n) {
	struct bench bench = {0};
	uint64_t bytes = 0;

	bench_open(&bench, ruleset);
	for (uint32_t i = 0; i < n; i++) {
		size_t size;
		char *text = message(i, &size);

		message_read(&bench, text, size);
		bytes += size;
		free(text);
	}
	return bench_close(&bench, n, bytes);
}

static int count_read(struct ruleset *ruleset, bool shows) {
	struct bench bench = {0};
	uint64_t bytes = 0;
	uint32_t n = 0;
	size_t size;

	bench_open(&bench, ruleset);
	bench.shows = shows;
	for (; scanf("%zu", &size) == 1 && getchar() == '\n'; n++) {
		char *text = malloc(size + 1);

		if (!text || fread(text, 1, size, stdin) != size)
			die("standard input ends within a message");
		message_read(&bench, text, size);
		bytes += size;
		free(text);
	}
	if (n == 0)
		die("no messages on standard input");
	return bench_close(&bench, n, bytes);
}

int main(int argc, char **argv) {
	struct ruleset *ruleset = argc > 2 ? ruleset_open(argv[2], NULL, NULL, stderr) : NULL;
	int rc;

	if (!ruleset)
		die("usage: bench_rules false|read|show RULES [MESSAGES [SEED]]");
	// Rules that are not used match nothing: that would look like a good figure.
	if (ruleset_n_bad(ruleset) > 0)
		die("mistakes in the rules");
	if (strcmp(argv[1], "false") != 0) {
		rc = count_read(ruleset, strcmp(argv[1], "show") == 0);
		ruleset_close(ruleset);
		return rc;
	}
	random_state = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
	rc = count_false(ruleset, argc > 3 ? (uint32_t)atoi(argv[3]) : 100000);
	ruleset_close(ruleset);
	return rc;
}
