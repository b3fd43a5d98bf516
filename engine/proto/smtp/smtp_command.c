// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The client's lines: verbs, addresses, authentication. A line here is what the client asked for; whether
// it counts is the reply's to say (smtp_reply.c).

#include "proto/offer.h"
#include "proto/smtp/smtp_private.h"
#include "session_match.h"
#include "slab.h"

#include <string.h>
#include <strings.h>

// The rest of a line behind its verb.
struct argument {
	const uint8_t *data;
	size_t size;
};

static bool is_space(uint8_t c) {
	return c == ' ' || c == '\t';
}

static void argument_trim(struct argument *arg) {
	while (arg->size > 0 && is_space(arg->data[0])) {
		arg->data++;
		arg->size--;
	}
	while (arg->size > 0 && is_space(arg->data[arg->size - 1]))
		arg->size--;
}

// Takes word (any case) from the beginning of arg.
static bool argument_skip(struct argument *arg, const char *word) {
	size_t size = strlen(word);

	if (arg->size < size || strncasecmp((const char *)arg->data, word, size) != 0)
		return false;
	arg->data += size;
	arg->size -= size;
	return true;
}

// Takes what stands before the next space.
static struct argument argument_next(struct argument *arg) {
	struct argument word = {arg->data, 0};

	while (word.size < arg->size && !is_space(word.data[word.size]))
		word.size++;
	arg->data += word.size;
	arg->size -= word.size;
	argument_trim(arg);
	return word;
}

// The size of a well-formed UTF-8 character beyond ASCII (RFC 6531) at data, or 0.
static size_t utf8_size(const uint8_t *data, size_t size) {
	size_t n = data[0] >= 0xc2 && data[0] < 0xe0 ? 2
		: data[0] >= 0xe0 && data[0] < 0xf0  ? 3
		: data[0] >= 0xf0 && data[0] < 0xf5  ? 4
						     : 0;
	if (n == 0 || n > size)
		return 0;
	if ((data[0] == 0xe0 && data[1] < 0xa0) || (data[0] == 0xed && data[1] > 0x9f)
	    || (data[0] == 0xf0 && data[1] < 0x90) || (data[0] == 0xf4 && data[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((data[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static bool is_alnum(uint8_t c) {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// How many bytes from data are of one class: letters, digits, UTF-8 and what stands in extra.
static size_t span(const uint8_t *data, size_t size, const char *extra) {
	size_t used = 0;

	while (used < size) {
		size_t n = is_alnum(data[used]) || (data[used] != 0 && strchr(extra, data[used]))
			? 1
			: data[used] < 0x80 ? 0
					    : utf8_size(data + used, size - used);
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

// Quoted-string = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE. Returns its size, 0 when it is none.
static size_t quoted_size(const uint8_t *data, size_t size) {
	for (size_t used = 1; used < size;) {
		uint8_t c = data[used];
		if (c == '"')
			return used + 1;
		if (c == '\\' && ++used == size)
			return 0;
		size_t n = data[used] >= 0x20 && data[used] < 0x7f
			? 1
			: utf8_size(data + used, size - used);
		if (n == 0)
			return 0;
		used += n;
	}
	return 0;
}

// Local-part: a quoted string, or atoms and dots. Dots may stand where RFC 5321 has none: such
// mailboxes exist, and no reading of them differs.
static size_t local_part_size(const uint8_t *data, size_t size) {
	if (size > 0 && data[0] == '"')
		return quoted_size(data, size);
	return span(data, size, ".!#$%&'*+-/=?^_`{|}~");
}

static size_t domain_size(const uint8_t *data, size_t size) {
	if (size == 0 || data[0] != '[')
		return span(data, size, ".-_");
	size_t used = 1 + span(data + 1, size - 1, ".:-");
	return used > 1 && used < size && data[used] == ']' ? used + 1 : 0;
}

// Mailbox = Local-part [ "@" ( Domain / address-literal ) ]; without a domain it is a local one (Postmaster).
static size_t mailbox_size(const uint8_t *data, size_t size) {
	size_t local = local_part_size(data, size);

	if (local == 0 || local == size || data[local] != '@')
		return local;
	size_t domain = domain_size(data + local + 1, size - local - 1);
	return domain == 0 ? 0 : local + 1 + domain;
}

// A-d-l = "@" Domain *( "," "@" Domain ) ":". Returns its size, 0 when there is none.
static size_t route_size(const uint8_t *data, size_t size) {
	size_t used = 0;

	while (used < size && data[used] == '@') {
		size_t domain = domain_size(data + used + 1, size - used - 1);
		used += 1 + domain;
		if (domain == 0 || used == size)
			return 0;
		if (data[used] == ':')
			return used + 1;
		if (data[used++] != ',')
			return 0;
	}
	return 0;
}

// Path = "<" [ A-d-l ] Mailbox ">", and as many clients write it: without the brackets, or with a
// space before. Behind it only parameters may come.
int smtp_address(const uint8_t *arg, size_t arg_size, const uint8_t **address_r, size_t *size_r) {
	struct argument a = {arg, arg_size};

	argument_trim(&a);
	bool is_bracketed = a.size > 0 && a.data[0] == '<';
	a.data += is_bracketed;
	a.size -= is_bracketed;
	size_t route = is_bracketed ? route_size(a.data, a.size) : 0;
	a.data += route;
	a.size -= route;
	*address_r = a.data;
	*size_r = mailbox_size(a.data, a.size);
	a.data += *size_r;
	a.size -= *size_r;
	if (*size_r > SMTP_ADDRESS_SIZE_MAX || (*size_r == 0 && (!is_bracketed || route > 0)))
		return -1;
	if (is_bracketed && !argument_skip(&a, ">"))
		return -1;
	return a.size == 0 || is_space(a.data[0]) ? 1 : -1;
}

// RFC 3030: decimal octets, nothing else. 1, or -1 when it is no number or too large for one.
static int chunk_size(struct argument word, uint64_t *size_r) {
	uint64_t size = 0;

	for (size_t i = 0; i < word.size; i++) {
		uint8_t digit = word.data[i] - '0';
		if (digit > 9 || size > (UINT64_MAX - digit) / 10)
			return -1;
		size = size * 10 + digit;
	}
	*size_r = size;
	return word.size > 0 ? 1 : -1;
}

static void hello_command(struct smtp_parser *p, struct smtp_pending *c, struct argument arg) {
	session_token(p->session, RULE_HELO, arg.data, arg.size, p->now_ns);
	if (arg.size > SMTP_HELO_SIZE_MAX)
		arg.size = SMTP_HELO_SIZE_MAX;
	smtp_text_free(p, &p->facts.helo);
	p->facts.helo = smtp_text_copy(p, arg.data, arg.size);
	smtp_pending_add(p, c);
}

// MAIL FROM: and RCPT TO:. What is not exactly an address is offered as none.
static void path_command(
	struct smtp_parser *p,
	struct smtp_pending *c,
	struct argument arg,
	const struct line_slice *line
) {
	const uint8_t *address;
	size_t size;

	bool is_path = argument_skip(&arg, c->verb == SMTP_MAIL ? "FROM" : "TO");
	argument_trim(&arg);
	is_path = is_path && argument_skip(&arg, ":");
	if (is_path && !line->is_cut && smtp_address(arg.data, arg.size, &address, &size) > 0)
		c->text = smtp_text_copy(p, address, size);
	else
		session_event(p->session, EVENT_bad_syntax);
	smtp_pending_add(p, c);
}

static void bdat_command(struct smtp_parser *p, struct smtp_pending *c, struct argument arg) {
	struct argument size = argument_next(&arg);

	c->is_last = arg.size == 4 && strncasecmp((const char *)arg.data, "LAST", 4) == 0;
	if (chunk_size(size, &c->size) < 0 || (arg.size > 0 && !c->is_last)) {
		// Servers refuse it and read on with commands (S3).
		session_event(p->session, EVENT_bad_bdat);
		c->verb = SMTP_UNKNOWN;
		smtp_pending_add(p, c);
		return;
	}
	smtp_pending_add(p, c);
	smtp_chunk_begin(p, c->size, c->is_last);
}

// RFC 4468: BURL imap-url [LAST]. A chunk that the server fetches itself: nobody sees its octets here.
static void burl_command(struct smtp_parser *p, struct smtp_pending *c, struct argument arg) {
	argument_next(&arg);
	c->verb = SMTP_BDAT;
	c->is_last = arg.size == 4 && strncasecmp((const char *)arg.data, "LAST", 4) == 0;
	c->is_holed = true;
	smtp_pending_add(p, c);
	smtp_chunk_begin(p, 0, c->is_last);
}

static uint64_t password_hash(const void *ctx, const uint8_t *password, size_t size) {
	return session_password_hash(ctx, password, size);
}

// One message of the exchange; the reply then says how it goes on.
static void auth_message(struct smtp_parser *p, const uint8_t *data, size_t size, bool is_cut) {
	if (p->sasl != NULL) {
		if (is_cut)
			sasl_client_cut(p->sasl);
		else if (sasl_client(p->sasl, data, size, password_hash, p->session) < 0)
			p->sasl_is_cancelled = true;
		if (p->sasl->is_bad_base64)
			session_event(p->session, EVENT_bad_base64);
	}
	smtp_wait(p, SMTP_AUTH);
}

// RFC 4954: AUTH mechanism [initial-response]. It must end a group of pipelined commands.
static void auth_command(struct smtp_parser *p, struct argument arg, bool is_cut) {
	struct argument mechanism = argument_next(&arg);

	if (p->sasl == NULL)
		p->sasl = slab_get(session_slab(p->session), sizeof(*p->sasl));
	if (p->sasl == NULL)
		session_event(p->session, EVENT_memory_full);
	else
		sasl_open(p->sasl, sasl_find(mechanism.data, mechanism.size));
	p->sasl_is_cancelled = false;
	if (arg.size > 0)
		auth_message(p, arg.data, arg.size, is_cut);
	else
		smtp_wait(p, SMTP_AUTH);
}

enum argument_rule {
	ARGUMENT_ANY,
	ARGUMENT_NONE,
	ARGUMENT_SOME,
};

// argument: what a sure command line has behind the verb.
static const struct verb {
	const char *name;
	uint8_t verb;
	uint8_t argument; // enum argument_rule
} verbs[] = {
	{"EHLO", SMTP_HELLO, ARGUMENT_SOME},	  {"HELO", SMTP_HELLO, ARGUMENT_SOME},
	{"LHLO", SMTP_HELLO, ARGUMENT_SOME},	  {"MAIL", SMTP_MAIL, ARGUMENT_SOME},
	{"RCPT", SMTP_RCPT, ARGUMENT_SOME},	  {"DATA", SMTP_DATA, ARGUMENT_NONE},
	{"BDAT", SMTP_BDAT, ARGUMENT_SOME},	  {"RSET", SMTP_RSET, ARGUMENT_NONE},
	{"AUTH", SMTP_AUTH, ARGUMENT_SOME},	  {"STARTTLS", SMTP_STARTTLS, ARGUMENT_NONE},
	{"QUIT", SMTP_QUIT, ARGUMENT_NONE},	  {"NOOP", SMTP_OTHER, ARGUMENT_ANY},
	{"VRFY", SMTP_OTHER, ARGUMENT_SOME},	  {"EXPN", SMTP_OTHER, ARGUMENT_SOME},
	{"HELP", SMTP_OTHER, ARGUMENT_ANY},	  {"ETRN", SMTP_ETRN, ARGUMENT_SOME},
	{"XCLIENT", SMTP_XCLIENT, ARGUMENT_SOME}, {"XFORWARD", SMTP_XFORWARD, ARGUMENT_SOME},
	{"TURN", SMTP_OTHER, ARGUMENT_NONE},	  {"ATRN", SMTP_OTHER, ARGUMENT_ANY},
	{"BURL", SMTP_BURL, ARGUMENT_SOME},	  {"SEND", SMTP_OTHER, ARGUMENT_SOME},
	{"SOML", SMTP_OTHER, ARGUMENT_SOME},	  {"SAML", SMTP_OTHER, ARGUMENT_SOME},
};

static const struct verb *verb_find(struct argument word) {
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strlen(verbs[i].name) == word.size
		    && strncasecmp((const char *)word.data, verbs[i].name, word.size) == 0)
			return &verbs[i];
	return NULL;
}

// In a message's text a line may begin with HELP or DATA: after a hole only a line that is a command
// from its beginning to its end is one.
static bool is_sure(const struct verb *verb, struct argument arg) {
	const uint8_t *address;
	size_t size;

	switch (verb->verb) {
	case SMTP_MAIL:
		return argument_skip(&arg, "FROM:")
			&& smtp_address(arg.data, arg.size, &address, &size) > 0;
	case SMTP_RCPT:
		return argument_skip(&arg, "TO:")
			&& smtp_address(arg.data, arg.size, &address, &size) > 0;
	case SMTP_BDAT: {
		uint64_t n;
		return chunk_size(argument_next(&arg), &n) > 0
			&& (arg.size == 0 || argument_skip(&arg, "LAST"));
	}
	case SMTP_HELLO: {
		argument_next(&arg);
		return arg.size == 0;
	}
	case SMTP_AUTH: {
		struct argument name = argument_next(&arg);
		return sasl_find(name.data, name.size) < SASL_OTHER
			&& memchr(arg.data, ' ', arg.size) == NULL;
	}
	case SMTP_XCLIENT:
	case SMTP_XFORWARD:
	case SMTP_ETRN:
	case SMTP_BURL:
	case SMTP_OTHER:
		return false;
	}
	return (verb->argument == ARGUMENT_NONE) == (arg.size == 0);
}

bool smtp_command_is_sure(const uint8_t *data, size_t size) {
	const uint8_t *end = memchr(data, '\n', size);
	struct argument arg = {data, end == NULL ? 0 : end - data};

	if (arg.size > 0 && arg.data[arg.size - 1] == '\r')
		arg.size--;
	struct argument word = argument_next(&arg);
	const struct verb *verb = verb_find(word);
	return verb != NULL && is_sure(verb, arg);
}

// What rules see of it. A word that is no command may be part of a refused AUTH.
static void tokens(struct smtp_parser *p, const struct verb *verb, struct argument arg) {
	const char *name = verb != NULL ? verb->name : "OTHER";

	session_token(p->session, RULE_COMMAND, name, strlen(name), p->now_ns);
	if (verb != NULL && verb->verb != SMTP_AUTH)
		session_token(p->session, RULE_ARGUMENT, arg.data, arg.size, p->now_ns);
}

static void command(struct smtp_parser *p, const struct line_slice *line) {
	struct argument arg = {line->data, line->size};
	struct smtp_pending c = {.verb = SMTP_UNKNOWN};

	argument_trim(&arg);
	struct argument word = argument_next(&arg);
	const struct verb *verb = verb_find(word);
	if (p->client == SMTP_CLIENT_LOST) {
		if (verb == NULL || !is_sure(verb, arg)) {
			session_unparsed(p->session, line->size);
			return;
		}
		p->client = SMTP_CLIENT_COMMAND;
	}
	p->facts.n_commands++;
	tokens(p, verb, arg);
	if (verb == NULL)
		session_event(p->session, EVENT_bad_syntax);
	if (verb == NULL && offer_word(word.data, word.size) == OFFER_GARBLED)
		session_event(p->session, EVENT_capability_stripped);
	if (verb != NULL)
		c.verb = verb->verb;
	if (p->is_refused_tls && c.verb != SMTP_QUIT && c.verb != SMTP_STARTTLS)
		session_event(p->session, EVENT_plaintext_after_starttls);
	// What the server said unasked can be taken for this one's answer.
	if (p->is_given_up && c.verb != SMTP_QUIT)
		session_event(p->session, EVENT_server_response_as_attack);
	p->is_given_up = false;

	switch (c.verb) {
	case SMTP_HELLO:
		smtp_content_close(p);
		c.is_lhlo = (word.data[0] | 0x20) == 'l';
		c.is_ehlo = (word.data[0] | 0x20) == 'e';
		hello_command(p, &c, arg);
		break;
	case SMTP_MAIL:
		smtp_content_close(p);
		path_command(p, &c, arg, line);
		break;
	case SMTP_RCPT:
		path_command(p, &c, arg, line);
		break;
	case SMTP_RSET:
		smtp_content_close(p);
		smtp_pending_add(p, &c);
		break;
	case SMTP_BDAT:
		bdat_command(p, &c, arg);
		break;
	case SMTP_BURL:
		burl_command(p, &c, arg);
		break;
	case SMTP_AUTH:
		auth_command(p, arg, line->is_cut);
		break;
	case SMTP_DATA:
	case SMTP_STARTTLS:
		smtp_wait(p, c.verb);
		break;
	case SMTP_XCLIENT:
	case SMTP_XFORWARD:
		if (arg.size > XCLIENT_SIZE_MAX || line->is_cut)
			session_event(p->session, EVENT_line_too_long);
		else
			c.text = smtp_text_copy(p, arg.data, arg.size);
		smtp_pending_add(p, &c);
		break;
	case SMTP_QUIT:
		p->facts.is_quit = true;
		smtp_pending_add(p, &c);
		break;
	default:
		smtp_pending_add(p, &c);
	}
}

// No message of an exchange is a whole AUTH command: the client begins anew, and nobody has judged what it
// gave up.
static bool auth_anew(struct smtp_parser *p, const struct line_slice *line) {
	struct argument arg = {line->data, line->size};
	struct argument word = argument_next(&arg);
	const struct verb *verb = verb_find(word);

	if (verb == NULL || verb->verb != SMTP_AUTH || arg.size == 0 || !is_sure(verb, arg))
		return false;
	smtp_auth_unanswered(p);
	return true;
}

void smtp_command_line(struct smtp_parser *p, const struct line_slice *line) {
	if (p->client == SMTP_CLIENT_AUTH && !auth_anew(p, line))
		auth_message(p, line->data, line->size, line->is_cut);
	else
		command(p, line);
	// Nobody will answer: each command counts as accepted at once, a chunk when it has come.
	while (p->is_assumed && p->client != SMTP_CLIENT_CHUNK
	       && (p->n_pending > 0 || p->client == SMTP_CLIENT_WAIT))
		smtp_assume(p);
}
