// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Identities out of SASL exchanges: exact forms give a name, everything else gives none.

#include "limits.h"
#include "proto/proto.h"
#include "proto/sasl.h"
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The "hash" of a password in these tests: its first eight bytes, and its size.
static uint64_t hash(const void *ctx, const uint8_t *password, size_t size) {
	uint64_t value = size << 56;

	assert_ptr_equal(ctx, "key");
	for (size_t i = 0; i < size && i < 7; i++)
		value |= (uint64_t)password[i] << (8 * i);
	return value;
}

static const char *const key = "key";

static uint64_t password(const char *text) {
	return text == NULL ? 0 : hash(key, (const uint8_t *)text, strlen(text));
}

static size_t base64_write(const void *data, size_t size, char *out) {
	static const char alphabet[]
		= "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = data;
	char *start = out;

	for (size_t i = 0; i < size; i += 3) {
		uint32_t bits = in[i] << 16 | (i + 1 < size ? in[i + 1] << 8 : 0)
			| (i + 2 < size ? in[i + 2] : 0);
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = i + 1 < size ? alphabet[bits >> 6 & 63] : '=';
		*out++ = i + 2 < size ? alphabet[bits & 63] : '=';
	}
	return out - start;
}

// One message as on the wire, in a block of its exact size.
static int say(struct sasl *sasl, const void *data, size_t size) {
	char *line = malloc(size / 3 * 4 + 8);
	size_t line_size = base64_write(data, size, line);
	char *exact = malloc(line_size + 1);

	// malloc(0) has no last byte to guard: the block begins one byte early.
	memcpy(exact + 1, line, line_size);
	int ret = sasl_client(sasl, (uint8_t *)exact + 1, line_size, hash, key);
	free(line);
	free(exact);
	return ret;
}

static void assert_name(const struct sasl *sasl, const char *name, size_t size) {
	assert_int_equal(sasl->name_size, size);
	assert_memory_equal(sasl->name, name, size);
}

struct says {
	const char *data;
	size_t size;
};
#define SAYS(text)                                                                                 \
	{ text, sizeof(text) - 1 }

static const struct sasl_case {
	enum sasl_mechanism mechanism;
	struct says messages[3];
	const char *name; // NULL: none
	const char *password; // NULL: none
	bool is_bad;
} cases[] = {
	{SASL_PLAIN, {SAYS("\0u35@example.org\0secret")}, "u35@example.org", "secret", false},
	{SASL_PLAIN, {SAYS("boss\0u35\0secret")}, "u35", "secret", false},
	{SASL_PLAIN, {SAYS("u35\0\0secret")}, "u35", "secret", false},
	{SASL_PLAIN, {SAYS("\0nov\xc3\xa1kov\xc3\xa1\0s")}, "nov\xc3\xa1kov\xc3\xa1", "s", false},
	{SASL_PLAIN, {SAYS("\0a\"b\nc\0s")}, "a\"b\nc", "s", false}, // the writer of JSON escapes
	{SASL_PLAIN, {SAYS("u35")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u35")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u35\0")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0\0secret")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u35\0secret\0")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0\0\0")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u\xff\0secret")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u\xc0\x80\0secret")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u\xed\xa0\x80\0secret")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u\xe1\x80\0secret")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\xff\0u35\0secret")}, NULL, NULL, true},
	{SASL_PLAIN, {SAYS("\0u35\0secret"), SAYS("\0u36\0secret")}, NULL, NULL, true},

	{SASL_LOGIN, {SAYS("u35"), SAYS("secret")}, "u35", "secret", false},
	{SASL_LOGIN, {SAYS("u35")}, "u35", NULL, false},
	{SASL_LOGIN, {SAYS(""), SAYS("secret")}, NULL, NULL, true},
	{SASL_LOGIN, {SAYS("u\0x"), SAYS("secret")}, NULL, NULL, true},
	{SASL_LOGIN, {SAYS("u35"), SAYS("secret"), SAYS("more")}, NULL, NULL, true},

	{SASL_CRAM_MD5, {SAYS("tim b913a602c7eda7a495b4e6e7334d3890")}, "tim", NULL, false},
	{SASL_CRAM_MD5, {SAYS("t i m b913a602c7eda7a495b4e6e7334d3890")}, "t i m", NULL, false},
	{SASL_CRAM_MD5, {SAYS("tim b913a602c7eda7a495b4e6e7334d389")}, NULL, NULL, true},
	{SASL_CRAM_MD5, {SAYS("tim b913a602c7eda7a495b4e6e7334d389x")}, NULL, NULL, true},
	{SASL_CRAM_MD5, {SAYS(" b913a602c7eda7a495b4e6e7334d3890")}, NULL, NULL, true},
	{SASL_CRAM_MD5, {SAYS("b913a602c7eda7a495b4e6e7334d3890")}, NULL, NULL, true},

	{SASL_DIGEST_MD5,
	 {SAYS("charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"OA6\","
	       "nc=00000001,cnonce=\"OA6MHX\",digest-uri=\"imap/elwood\",response=d388,qop=auth"),
	  SAYS("")},
	 "chris",
	 NULL,
	 false},
	{SASL_DIGEST_MD5, {SAYS("username=\"a\\\"\\\\b\", realm=x")}, "a\"\\b", NULL, false},
	{SASL_DIGEST_MD5, {SAYS("realm=\"username=x\",username=\"y\"")}, "y", NULL, false},
	{SASL_DIGEST_MD5, {SAYS("username=a\\")}, NULL, NULL, true},
	{SASL_DIGEST_MD5, {SAYS("username=\"a\\")}, NULL, NULL, true},
	{SASL_DIGEST_MD5, {SAYS("username=\"a")}, NULL, NULL, true},
	{SASL_DIGEST_MD5, {SAYS("username=\"a\"b")}, NULL, NULL, true},
	{SASL_DIGEST_MD5, {SAYS("username=\"a\",username=\"b\"")}, NULL, NULL, true},
	{SASL_DIGEST_MD5, {SAYS("realm=\"a\"")}, NULL, NULL, true},
	{SASL_DIGEST_MD5, {SAYS("username")}, NULL, NULL, true},
	{SASL_DIGEST_MD5, {SAYS("username=")}, NULL, NULL, true},

	{SASL_SCRAM_SHA_256,
	 {SAYS("n,,n=user,r=fyko"), SAYS("c=biws,r=fyko3,p=v0X")},
	 "user",
	 NULL,
	 false},
	{SASL_SCRAM_SHA_256, {SAYS("y,a=admin,n=u=2Cs=3Der,r=fyko")}, "u,s=er", NULL, false},
	{SASL_SCRAM_SHA_256, {SAYS("p=tls-unique,,n=user,r=fyko,x=1")}, "user", NULL, false},
	{SASL_SCRAM_SHA_256, {SAYS("n,,m=x,n=user,r=fyko")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("n,,n=us=2cer,r=fyko")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("n,,n=user=,r=fyko")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("n,,n=,r=fyko")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("n,,n=user,r=")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("n,,n=user")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("n,n=user,r=fyko")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("x,,n=user,r=fyko")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("p=,,n=user,r=fyko")}, NULL, NULL, true},
	{SASL_SCRAM_SHA_256, {SAYS("r=fyko,s=QSXC,i=2147483647")}, NULL, NULL, true}, // a server's
	{SASL_SCRAM_SHA_256, {SAYS("n,,n=user,r=fyko"), SAYS("i=2147483647")}, NULL, NULL, true},

	{SASL_GSSAPI, {SAYS("\x60\x82\x02"), SAYS(""), SAYS("\x05\x04")}, NULL, NULL, false},
	{SASL_EXTERNAL, {SAYS("fred@example.com")}, "fred@example.com", NULL, false},
	{SASL_EXTERNAL, {SAYS("")}, NULL, NULL, false},
	{SASL_EXTERNAL, {SAYS("a\0b")}, NULL, NULL, true},
	{SASL_ANONYMOUS, {SAYS("sirhc")}, NULL, NULL, false},
	{SASL_OTHER, {SAYS("\0u\0p")}, NULL, NULL, false},

	{SASL_XOAUTH2,
	 {SAYS("user=u@g.com\1auth=Bearer ya29\1\1"), SAYS("")},
	 "u@g.com",
	 NULL,
	 false},
	{SASL_XOAUTH2, {SAYS("user=u@g.com\1user=v@g.com\1auth=Bearer x\1\1")}, NULL, NULL, true},
	{SASL_XOAUTH2, {SAYS("user=u@g.com\1auth=Bearer x\1user=v\1\1")}, NULL, NULL, true},
	{SASL_XOAUTH2, {SAYS("user=u@g.com auth=Bearer x")}, NULL, NULL, true},
	{SASL_XOAUTH2, {SAYS("user=\1auth=Bearer x\1\1")}, NULL, NULL, true},
	{SASL_XOAUTH2, {SAYS("user=u\1auth=\1\1")}, NULL, NULL, true},

	{SASL_OAUTHBEARER,
	 {SAYS("n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer vF9d\1\1"),
	  SAYS("\1")},
	 "user@example.com",
	 NULL,
	 false},
	{SASL_OAUTHBEARER, {SAYS("n,a=u=2Cv,\1auth=Bearer x\1\1")}, "u,v", NULL, false},
	{SASL_OAUTHBEARER, {SAYS("n,,\1auth=Bearer x\1\1")}, NULL, NULL, false},
	{SASL_OAUTHBEARER, {SAYS("n,a=u,\1auth=Bearer x\1auth=Bearer y\1\1")}, NULL, NULL, true},
	{SASL_OAUTHBEARER, {SAYS("n,a=u,a=v,\1auth=Bearer x\1\1")}, NULL, NULL, true},
	{SASL_OAUTHBEARER, {SAYS("n,a=u,\1host\1auth=Bearer x\1\1")}, NULL, NULL, true},
	{SASL_OAUTHBEARER, {SAYS("n,a=u,auth=Bearer x\1\1")}, NULL, NULL, true},
};

static void a3_a5_a7_identity_comes_from_exact_forms_only(void **) {
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sasl_case *c = &cases[i];
		struct sasl sasl;

		sasl_open(&sasl, c->mechanism);
		for (int m = 0; m < 3 && c->messages[m].data != NULL; m++)
			assert_int_equal(say(&sasl, c->messages[m].data, c->messages[m].size), 0);
		const char *name = c->name == NULL ? "" : c->name;
		if (sasl.name_size != strlen(name) || sasl.is_bad != c->is_bad)
			print_error("case %zu: %.*s\n", i, sasl.name_size, sasl.name);
		assert_name(&sasl, name, strlen(name));
		assert_true(sasl.password_hash == password(c->password));
		assert_int_equal(sasl.is_bad, c->is_bad);
	}
}

// ---- In sessions

static const struct dialect {
	const struct proto *proto;
	const char *greeting, *auth, *prompt, *message, *ok, *no; // auth, message: around a text
} dialects[] = {
	{&proto_smtp,
	 "220 hi\r\n",
	 "AUTH %s\r\n",
	 "334 \r\n",
	 "%s\r\n",
	 "235 ok\r\n",
	 "535 no\r\n"},
	{&proto_imap,
	 "* OK hi\r\n",
	 "a AUTHENTICATE %s\r\n",
	 "+ \r\n",
	 "%s\r\n",
	 "a OK\r\n",
	 "a NO no\r\n"},
	{&proto_pop3, "+OK hi\r\n", "AUTH %s\r\n", "+ \r\n", "%s\r\n", "+OK\r\n", "-ERR no\r\n"},
	{&proto_sieve,
	 "\"SIEVE\" \"\"\r\nOK\r\n",
	 "AUTHENTICATE \"%s\"\r\n",
	 "\"\"\r\n",
	 "\"%s\"\r\n",
	 "OK\r\n",
	 "NO\r\n"},
};
enum { DIALECTS = sizeof(dialects) / sizeof(dialects[0]) };

// What is said in one, so far.
struct scene {
	const struct dialect *in;
	struct play_part *parts;
	size_t n;
};

// Takes text.
static void scene_put(struct scene *scene, enum stream_dir dir, char *text, size_t size) {
	if ((scene->n & (scene->n - 1)) == 0)
		scene->parts = realloc(scene->parts, (2 * scene->n + 1) * sizeof(*scene->parts));
	scene->parts[scene->n++] = (struct play_part){PLAY_DATA, dir, text, size};
}

// Around what is no string where it has %s.
static void scene_say(
	struct scene *scene,
	enum stream_dir dir,
	const char *around,
	const char *data,
	size_t size
) {
	const char *at = strstr(around, "%s");
	size_t front = at ? (size_t)(at - around) : strlen(around),
	       behind = at ? strlen(at + 2) : 0;
	char *text = malloc(front + size + behind + 1);

	memcpy(text, around, front);
	if (at) {
		memcpy(text + front, data, size);
		memcpy(text + front + size, at + 2, behind);
	}
	scene_put(scene, dir, text, at ? front + size + behind : front);
}

static void scene_server(struct scene *scene, const char *text) {
	scene_say(scene, STREAM_SERVER, text, NULL, 0);
}

static struct scene scene_open(const struct dialect *in) {
	struct scene scene = {.in = in};

	scene_server(&scene, in->greeting);
	return scene;
}

static void scene_auth(struct scene *scene, enum sasl_mechanism mechanism) {
	const char *name = sasl_name((uint8_t)mechanism);

	scene_say(scene, STREAM_CLIENT, scene->in->auth, name, strlen(name));
}

// Asked for, and said as it stands.
static void scene_line(struct scene *scene, const char *line, size_t size) {
	scene_server(scene, scene->in->prompt);
	scene_say(scene, STREAM_CLIENT, scene->in->message, line, size);
}

// Said in base64.
static void scene_message(struct scene *scene, const void *data, size_t size) {
	char *line = malloc(size / 3 * 4 + 8);

	scene_line(scene, line, base64_write(data, size, line));
	free(line);
}

// Who logs in behind it all is read.
static void scene_good(struct scene *scene) {
	scene_auth(scene, SASL_PLAIN);
	scene_message(scene, "\0good\0p", 7);
	scene_server(scene, scene->in->ok);
}
#define GOOD "login success PLAIN good 113\n"

static void scene_free(struct scene *scene) {
	for (size_t i = 0; i < scene->n; i++)
		free((void *)scene->parts[i].data);
	free(scene->parts);
}

// In all ways, with no more memory in use: all facts. Frees the scene.
static char *scene_facts(struct scene *scene, const char *name, size_t memory_max) {
	struct talk_reading reading = {.proto = scene->in->proto, .memory_max = memory_max};
	char *facts
		= play_check(&(struct play){name, &talk_reader, &reading, scene->parts, scene->n});

	assert_non_null(facts);
	if (strstr(facts, "too much memory"))
		fail_msg("%s %s: %s", scene->in->proto->name, name, facts);
	scene_free(scene);
	return facts;
}

static void a3_a5_a7_exchanges_are_read_however_they_come(void **) {
	for (size_t i = 0; i < DIALECTS * sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sasl_case *c = &cases[i / DIALECTS];
		struct scene scene = scene_open(&dialects[i % DIALECTS]);
		char wanted[100], *facts;

		scene_auth(&scene, c->mechanism);
		for (int m = 0; m < 3 && c->messages[m].data != NULL; m++)
			scene_message(&scene, c->messages[m].data, c->messages[m].size);
		scene_server(&scene, scene.in->ok);
		facts = scene_facts(&scene, sasl_name(c->mechanism), 100000);
		snprintf(
			wanted,
			sizeof(wanted),
			"login success %s %s ",
			sasl_name(c->mechanism),
			c->name == NULL ? "?" : c->name
		);
		if (strstr(facts, wanted) == NULL)
			fail_msg("case %zu: %s", i, facts);
		free(facts);
	}
}

static void another_identity_is_told_apart(void **) {
	static const struct {
		enum sasl_mechanism mechanism;
		struct says message;
		const char *name, *authzid;
	} table[] = {
		{SASL_PLAIN, SAYS("boss\0u35\0secret"), "u35", "boss"},
		{SASL_PLAIN, SAYS("u35\0u35\0secret"), "u35", ""},
		{SASL_PLAIN, SAYS("\0u35\0secret"), "u35", ""},
		{SASL_DIGEST_MD5, SAYS("username=\"a\",authzid=\"b\\\"c\""), "a", "b\"c"},
		{SASL_DIGEST_MD5, SAYS("username=\"a\",authzid=\"\""), "a", ""},
		{SASL_SCRAM_SHA_256, SAYS("n,a=b=2Cc,n=a,r=x"), "a", "b,c"},
		{SASL_SCRAM_SHA_1, SAYS("n,a=a,n=a,r=x"), "a", ""},
		{SASL_OAUTHBEARER, SAYS("n,a=b,\1auth=Bearer x\1\1"), "b", ""},
		{SASL_GS2_KRB5, SAYS("n,a=b@example.org,\x60\x82"), "b@example.org", ""},
		{SASL_GS2_KRB5_PLUS, SAYS("F,p=tls-unique,a=b,\x60\x82"), "b", ""},
		{SASL_GS2_KRB5, SAYS("n,,\x60\x82"), "", ""},
		// Wrapped for its integrity: layer 1, no buffer, the authzid; a checksum of 4, not rotated,
		// rotated by it, sealed, and with lengths that do not fit.
		{SASL_GSSAPI, SAYS("\5\4\4\xff\0\4\0\0........\1\0\0\0anna????"), "anna", ""},
		{SASL_GSSAPI, SAYS("\5\4\4\xff\0\4\0\4........????\1\0\0\0anna"), "anna", ""},
		{SASL_GSSAPI, SAYS("\5\4\6\xff\0\4\0\0........\1\0\0\0anna????"), "", ""},
		{SASL_GSSAPI, SAYS("\5\4\4\xff\xff\4\0\0........\1\0\0\0anna????"), "", ""},
		{SASL_GSSAPI, SAYS("\5\4\4\xff\0\4\xff\xff........\1\0\0\0????"), "", ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sasl sasl;
		sasl_open(&sasl, table[i].mechanism);
		say(&sasl, table[i].message.data, table[i].message.size);
		assert_false(sasl.is_bad);
		assert_name(&sasl, table[i].name, strlen(table[i].name));
		assert_int_equal(sasl.authzid_size, strlen(table[i].authzid));
		assert_memory_equal(sasl.authzid, table[i].authzid, sasl.authzid_size);
	}
}

// Cut anywhere, a message must not name anybody else than the whole one does, and mostly nobody.
static void a7_a_message_cut_short_names_nobody_else(void **) {
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sasl_case *c = &cases[i];
		bool has_end = c->mechanism == SASL_XOAUTH2 || c->mechanism == SASL_OAUTHBEARER;
		for (size_t size = 0; c->name != NULL && size < c->messages[0].size; size++) {
			struct sasl sasl;
			sasl_open(&sasl, c->mechanism);
			say(&sasl, c->messages[0].data, size);
			if (has_end)
				assert_int_equal(sasl.name_size, 0);
			else if (sasl.name_size == strlen(c->name))
				assert_name(&sasl, c->name, strlen(c->name));
		}
	}
}

static const char *const no_base64[] = {
	"AHUzNQBzZWNyZXQ$",
	"AHUzNQBz ZWNyZXQ=",
	"AHUz=NQBzZWNyZXQ",
	"AHUzNQBzZWNyZXQ==",
	"A",
	"AHUzN",
	"====",
	"==",
	"AHUzNQBzZWNyZXQ=\r",
	"\xff\xfe",
	"AHUzNQBzZWNyZXQ-",
};
enum { NO_BASE64 = sizeof(no_base64) / sizeof(no_base64[0]) };

static void a1_what_is_not_base64_names_nobody(void **) {
	static const enum sasl_mechanism mechanisms[]
		= {SASL_PLAIN, SASL_LOGIN, SASL_EXTERNAL, SASL_ANONYMOUS, SASL_GSSAPI};

	for (size_t i = 0; i < 5 * NO_BASE64; i++) {
		const char *line = no_base64[i / 5];
		struct sasl sasl;
		sasl_open(&sasl, mechanisms[i % 5]);
		assert_int_equal(
			sasl_client(&sasl, (const uint8_t *)line, strlen(line), hash, key), 0
		);
		assert_true(sasl.is_bad);
		assert_int_equal(sasl.name_size, 0);
		assert_true(sasl.password_hash == 0);
	}
}

// On that connection alone: who logs in behind it is read, and who does beside it (play.h).
static void a1_what_is_not_base64_ends_only_its_exchange(void **) {
	for (size_t i = 0; i < DIALECTS * NO_BASE64; i++) {
		struct scene scene = scene_open(&dialects[i % DIALECTS]);
		const char *line = no_base64[i / DIALECTS];
		// In IMAP what is no word of printable bytes is a command, or none: nobody has tried anything.
		bool is_none = scene.in->proto == &proto_imap && strpbrk(line, " \r\xff");
		const char *wanted = is_none ? GOOD : "login failure PLAIN ? 0\n" GOOD;
		char *facts;

		scene_auth(&scene, SASL_PLAIN);
		scene_line(&scene, line, strlen(line));
		scene_server(&scene, scene.in->no);
		scene_good(&scene);
		facts = scene_facts(&scene, line, 100000);
		if (strncmp(facts, wanted, strlen(wanted)) != 0
		    || (strstr(facts, "event bad_base64") == NULL) != is_none)
			fail_msg("%s, %s: %s", dialects[i % DIALECTS].proto->name, line, facts);
		free(facts);
	}
}

// A4: the client gives it up, or the server does, at each point of it; disconnected it is by the player, anywhere.
static void a4_an_exchange_that_is_given_up_leaves_nothing(void **) {
	for (size_t i = 0; i < 2 * DIALECTS * sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sasl_case *c = &cases[i / 2 / DIALECTS];

		for (int n = 0; n < 3 && c->messages[n].data != NULL; n++) {
			struct scene scene = scene_open(&dialects[i / 2 % DIALECTS]);
			char *facts;

			scene_auth(&scene, c->mechanism);
			for (int m = 0; m < n; m++)
				scene_message(&scene, c->messages[m].data, c->messages[m].size);
			if (i % 2)
				scene_line(&scene, "*", 1);
			scene_server(&scene, scene.in->no);
			scene_good(&scene);
			facts = scene_facts(&scene, "given up", 100000);
			if (strstr(facts, GOOD) == NULL || (i % 2 && strstr(facts, "failure")))
				fail_msg("case %zu, %d messages: %s", i, n, facts);
			free(facts);
		}
	}
}

static void a4_star_cancels(void **) {
	struct sasl sasl;

	sasl_open(&sasl, SASL_LOGIN);
	assert_int_equal(say(&sasl, "u35", 3), 0);
	assert_int_equal(sasl_client(&sasl, (const uint8_t *)"*", 1, hash, key), -1);
}

static void an_equals_sign_is_the_empty_message(void **) {
	struct sasl sasl;

	sasl_open(&sasl, SASL_EXTERNAL);
	assert_int_equal(sasl_client(&sasl, (const uint8_t *)"=", 1, hash, key), 0);
	assert_false(sasl.is_bad);
	assert_int_equal(sasl.n_messages, 1);
}

static void padding_may_be_missing(void **) {
	uint8_t out[8];

	assert_int_equal(sasl_base64((const uint8_t *)"YWI", 3, out, 2), 2);
	assert_memory_equal(out, "ab", 2);
	assert_int_equal(sasl_base64((const uint8_t *)"YWI=", 4, out, 2), 2);
	assert_int_equal(sasl_base64((const uint8_t *)"YQ", 2, out, 1), 1);
	assert_int_equal(sasl_base64((const uint8_t *)"YQ==", 4, out, 1), 1);
	assert_int_equal(sasl_base64((const uint8_t *)"YQ=", 3, out, 1), -1);
	assert_int_equal(sasl_base64((const uint8_t *)"YWI=", 4, out, 1), -1);
	assert_int_equal(sasl_base64((const uint8_t *)"", 0, out, 0), 0);
}

static void base64_gives_back_every_size(void **) {
	uint8_t in[64];
	char line[96];

	for (size_t size = 0; size <= sizeof(in); size++) {
		for (size_t i = 0; i < size; i++)
			in[i] = i * 37 + size;
		size_t line_size = base64_write(in, size, line);
		uint8_t *out = malloc(size + 1);
		assert_int_equal(sasl_base64((uint8_t *)line, line_size, out + 1, size), (int)size);
		assert_memory_equal(out + 1, in, size);
		free(out);
	}
}

static void a2_a_message_of_the_largest_size_is_read_and_a_larger_one_is_not(void **) {
	for (int more = -1; more <= 1; more++) {
		size_t size = SASL_MESSAGE_SIZE_MAX + more;
		uint8_t *message = malloc(size);
		struct sasl sasl;

		memset(message, 'p', size);
		memcpy(message, "\0u35\0", 5);
		sasl_open(&sasl, SASL_PLAIN);
		assert_int_equal(say(&sasl, message, size), 0);
		assert_int_equal(sasl.is_bad, more > 0);
		assert_int_equal(sasl.name_size, more > 0 ? 0 : 3);
		free(message);
	}
}

static void a2_a_name_of_the_largest_size_is_kept_and_a_longer_one_is_not(void **) {
	for (int more = -1; more <= 1; more++) {
		size_t size = SASL_NAME_SIZE_MAX + more;
		uint8_t message[SASL_NAME_SIZE_MAX + 16] = {0};
		struct sasl sasl;

		memset(message + 1, 'u', size);
		message[1 + size + 1] = 'p';
		sasl_open(&sasl, SASL_PLAIN);
		say(&sasl, message, size + 3);
		assert_int_equal(sasl.name_size, more > 0 ? 0 : size);
		assert_int_equal(sasl.is_bad, more > 0);
	}
}

static void a2_a_thousand_rounds_are_counted_and_let_go(void **) {
	struct sasl sasl;

	sasl_open(&sasl, SASL_GSSAPI);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(say(&sasl, "token", 5), 0);
	assert_int_equal(sasl.n_messages, UINT8_MAX);
	assert_false(sasl.is_bad);
}

// The same in sessions, and the next login is read. Responses of ten megabytes come in no other ways than in
// packets' pieces, from both sides and from one, beside others.
static void a2_responses_of_any_size_take_the_same_memory(void **) {
	static const size_t sizes[] = {
		SASL_MESSAGE_SIZE_MAX / 4 * 3 - 8, // its base64 has not quite as many as a line
		SASL_MESSAGE_SIZE_MAX,
		2 * SASL_MESSAGE_SIZE_MAX,
		10 << 20,
	};
	enum { MEMORY_MAX = 100000 };

	for (size_t i = 0; i < DIALECTS * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct scene scene = scene_open(&dialects[i % DIALECTS]);
		struct talk_reading reading = {.proto = scene.in->proto, .memory_max = MEMORY_MAX};
		size_t size = sizes[i / DIALECTS];
		uint8_t *message = malloc(size);
		char *facts;

		memset(message, 5, size
		); // in base64 right up to any character, but for one of four
		memcpy(message, "\0u35\0", 5);
		scene_auth(&scene, SASL_PLAIN);
		scene_message(&scene, message, size);
		scene_server(&scene, scene.in->no);
		scene_good(&scene);
		if (size < 1 << 20) {
			facts = scene_facts(&scene, "response", MEMORY_MAX);
		} else {
			struct play about = {"10 MB", &talk_reader, &reading, scene.parts, scene.n};
			for (int heard = PLAY_CLIENT; heard <= PLAY_SERVER; heard++) {
				facts
					= play(&about,
					       &(struct play_way){.piece = 1448, .heard = heard});
				assert_null(strstr(facts, "leaked"));
				assert_null(strstr(facts, "too much memory"));
				free(facts);
			}
			assert_true(
				play_beside("10 MB", talk_reader.as(&reading), scene.parts, scene.n)
			);
			facts = play(&about, &(struct play_way){.piece = 1448});
			scene_free(&scene);
		}
		if (strstr(facts, GOOD) == NULL || strstr(facts, "too much memory")
		    || (strstr(facts, "login failure PLAIN u35 ") != NULL) != (i < DIALECTS)
		    || (strstr(facts, "event line_too_long") != NULL) != (i >= DIALECTS))
			fail_msg("%s, %zu: %s", dialects[i % DIALECTS].proto->name, size, facts);
		free(message);
		free(facts);
	}
}

static void a2_a_thousand_rounds_in_a_session_leave_it_as_it_was(void **) {
	for (size_t i = 0; i < DIALECTS; i++) {
		struct scene scene = scene_open(&dialects[i]);
		char *facts;

		scene_auth(&scene, SASL_GSSAPI);
		for (int round = 0; round < 1000; round++)
			scene_message(&scene, "token", 5);
		scene_server(&scene, scene.in->no);
		scene_good(&scene);
		facts = scene_facts(&scene, "rounds", 10000);
		assert_non_null(strstr(facts, GOOD));
		assert_null(strstr(facts, "event"));
		free(facts);
	}
}

static void put16(uint8_t *p, uint32_t value) {
	p[0] = value;
	p[1] = value >> 8;
}

static void field_put(uint8_t *field, uint32_t size, uint32_t offset) {
	put16(field, size);
	put16(field + 2, size);
	put16(field + 4, offset);
	put16(field + 6, offset >> 16);
}

// A type 3 message: domain "D" and user in UTF-16 or OEM behind a header of header_size bytes.
static size_t
ntlm_put(uint8_t *m, size_t header_size, bool is_unicode, const void *user, size_t size) {
	memset(m, 0, header_size);
	memcpy(m, "NTLMSSP", 8);
	m[8] = 3;
	field_put(m + 12, 24, header_size);
	memset(m + header_size, 0xaa, 24);
	field_put(m + 36, size, header_size + 24);
	memcpy(m + header_size + 24, user, size);
	if (header_size >= 64)
		m[60] = is_unicode;
	return header_size + 24 + size;
}

static void ntlm_names_the_user_of_its_third_message(void **) {
	static const struct {
		size_t header_size;
		bool is_unicode;
		struct says user;
		const char *name;
		bool is_bad;
	} table[] = {
		{64, true, SAYS("u\0003\0005\0"), "u35", false},
		{72,
		 true,
		 SAYS("\xe1\0\x0d\x01\x3d\xd8\x00\xde"),
		 "\xc3\xa1\xc4\x8d\xf0\x9f\x98\x80",
		 false},
		{64, false, SAYS("u35"), "u35", false},
		{52, true, SAYS("u\0003\0005\0"), "u35", false},
		{64, true, SAYS(""), "", false},
		{64, true, SAYS("u\0003"), "", true},
		{64, true, SAYS("\x3d\xd8"), "", true},
		{64, true, SAYS("\x3d\xd8\x41\0"), "", true},
		{64, true, SAYS("\x00\xde"), "", true},
		{64, true, SAYS("u\0\0\0"), "", true},
		{64, false, SAYS("u\xe9"), "", true}, // which code page is not said
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t message[200];
		size_t size = ntlm_put(
			message,
			table[i].header_size,
			table[i].is_unicode,
			table[i].user.data,
			table[i].user.size
		);
		struct sasl sasl;
		sasl_open(&sasl, SASL_NTLM);
		say(&sasl, "NTLMSSP\0\1\0\0\0\7\x82\x08", 16);
		assert_false(sasl.is_bad);
		say(&sasl, message, size);
		assert_int_equal(sasl.is_bad, table[i].is_bad);
		assert_name(&sasl, table[i].name, strlen(table[i].name));
	}
}

// The third message of an exchange; name NULL: nobody's. In all ways, and who logs in behind it is read.
static void ntlm_in_session(const uint8_t *message, size_t size, const char *name) {
	struct scene scene = scene_open(&dialects[size % DIALECTS]);
	char wanted[100], *facts;

	scene_auth(&scene, SASL_NTLM);
	scene_message(&scene, "NTLMSSP\0\1\0\0\0\7\x82\x08", 16);
	scene_message(&scene, message, size);
	scene_server(&scene, scene.in->no);
	scene_good(&scene);
	facts = scene_facts(&scene, "NTLM", 100000);
	snprintf(wanted, sizeof(wanted), "login failure NTLM %s 0\n" GOOD, name ? name : "?");
	if (strncmp(facts, wanted, strlen(wanted)) != 0)
		fail_msg("%s", facts);
	free(facts);
}

static void a6_ntlm_pairs_beyond_the_message_name_nobody(void **) {
	static const struct {
		uint32_t size, offset;
	} pairs[] = {
		{1, 94},
		{6, 89},
		{0xffff, 64},
		{6, 0xffffffff},
		{6, 0xfffffffa},
		{0xffff, 0xffffffff},
		{6, 0},
		{6, 51},
		{6, 0x80000000},
	};
	for (int field = 12; field <= 52; field += 8)
		for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
			uint8_t message[200];
			size_t size = ntlm_put(message, 64, true, "u\0003\0005\0", 6);
			struct sasl sasl;

			assert_int_equal(size, 94);
			field_put(message + field, pairs[i].size, pairs[i].offset);
			sasl_open(&sasl, SASL_NTLM);
			say(&sasl, message, size);
			assert_true(sasl.is_bad);
			assert_int_equal(sasl.name_size, 0);
			ntlm_in_session(message, size, NULL);
		}
}

static void a6_ntlm_messages_cut_short_are_bounded(void **) {
	uint8_t message[200];
	size_t whole = ntlm_put(message, 64, true, "u\0003\0005\0", 6);

	for (size_t size = 1; size < whole; size++) {
		struct sasl sasl;
		sasl_open(&sasl, SASL_NTLM);
		say(&sasl, message, size);
		assert_true(sasl.is_bad);
		ntlm_in_session(message, size, NULL);
	}
	ntlm_in_session(message, whole, "u35");
}

static void mechanisms_are_found_by_their_whole_name(void **) {
	static const struct {
		const char *name;
		enum sasl_mechanism mechanism;
	} table[] = {
		{"PLAIN", SASL_PLAIN},
		{"plain", SASL_PLAIN},
		{"PLAINX", SASL_OTHER},
		{"PLAI", SASL_OTHER},
		{"login", SASL_LOGIN},
		{"Cram-Md5", SASL_CRAM_MD5},
		{"DIGEST-MD5", SASL_DIGEST_MD5},
		{"SCRAM-SHA-1", SASL_SCRAM_SHA_1},
		{"scram-sha-256-plus", SASL_SCRAM_SHA_256_PLUS},
		{"SCRAM-X", SASL_SCRAM},
		{"GSS-SPNEGO", SASL_GSS_SPNEGO},
		{"SCRAM-", SASL_OTHER},
		{"NTLM", SASL_NTLM},
		{"GSSAPI", SASL_GSSAPI},
		{"EXTERNAL", SASL_EXTERNAL},
		{"XOAUTH2", SASL_XOAUTH2},
		{"OAUTHBEARER", SASL_OAUTHBEARER},
		{"ANONYMOUS", SASL_ANONYMOUS},
		{"X", SASL_OTHER},
		{"", SASL_NONE},
		{"none", SASL_OTHER},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(
			sasl_find((const uint8_t *)table[i].name, strlen(table[i].name)),
			table[i].mechanism
		);
	assert_string_equal(sasl_name(SASL_LOGIN_COMMAND), "LOGIN");
	assert_string_equal(sasl_name(SASL_SCRAM), "SCRAM");
	assert_string_equal(sasl_name(200), "other");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a3_a5_a7_identity_comes_from_exact_forms_only),
		cmocka_unit_test(a3_a5_a7_exchanges_are_read_however_they_come),
		cmocka_unit_test(another_identity_is_told_apart),
		cmocka_unit_test(a7_a_message_cut_short_names_nobody_else),
		cmocka_unit_test(a1_what_is_not_base64_names_nobody),
		cmocka_unit_test(a1_what_is_not_base64_ends_only_its_exchange),
		cmocka_unit_test(a4_star_cancels),
		cmocka_unit_test(a4_an_exchange_that_is_given_up_leaves_nothing),
		cmocka_unit_test(an_equals_sign_is_the_empty_message),
		cmocka_unit_test(padding_may_be_missing),
		cmocka_unit_test(base64_gives_back_every_size),
		cmocka_unit_test(a2_a_message_of_the_largest_size_is_read_and_a_larger_one_is_not),
		cmocka_unit_test(a2_a_name_of_the_largest_size_is_kept_and_a_longer_one_is_not),
		cmocka_unit_test(a2_a_thousand_rounds_are_counted_and_let_go),
		cmocka_unit_test(a2_responses_of_any_size_take_the_same_memory),
		cmocka_unit_test(a2_a_thousand_rounds_in_a_session_leave_it_as_it_was),
		cmocka_unit_test(ntlm_names_the_user_of_its_third_message),
		cmocka_unit_test(a6_ntlm_pairs_beyond_the_message_name_nobody),
		cmocka_unit_test(a6_ntlm_messages_cut_short_are_bounded),
		cmocka_unit_test(mechanisms_are_found_by_their_whole_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
