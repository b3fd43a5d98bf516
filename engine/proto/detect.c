// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Each direction's bytes are judged alone: by how they begin, then by any whole line that only one
// protocol has (a connection picked up midway). A server's greeting weighs more than a client's words.

#include "proto/detect.h"

#include "limits.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

// A piece of text that is not terminated.
struct text {
	const uint8_t *data;
	size_t size;
};

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

static bool is_alpha(uint8_t c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool starts(struct text text, const char *word) {
	size_t size = strlen(word);

	return text.size >= size && strncasecmp((const char *)text.data, word, size) == 0;
}

// Whether text begins with word as far as text goes, with something still to come.
static bool may_start(struct text text, const char *word) {
	return text.size < strlen(word)
		&& strncasecmp((const char *)text.data, word, text.size) == 0;
}

static bool contains(struct text text, const char *word) {
	size_t size = strlen(word);

	for (; text.size >= size; text.data++, text.size--)
		if (strncasecmp((const char *)text.data, word, size) == 0)
			return true;
	return false;
}

static struct text text_skip(struct text text, size_t size) {
	return (struct text){text.data + size, text.size - size};
}

// Takes the first line off *rest, without its end. false: no whole line is left.
static bool line_take(struct text *rest, struct text *line) {
	const uint8_t *lf = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;

	if (lf == NULL)
		return false;
	*line = (struct text){rest->data, lf - rest->data};
	*rest = text_skip(*rest, line->size + 1);
	if (line->size > 0 && line->data[line->size - 1] == '\r')
		line->size--;
	return true;
}

static size_t digits(struct text text) {
	size_t n = 0;

	while (n < text.size && is_digit(text.data[n]))
		n++;
	return n;
}

// The size of a tag and the space after it, 0 when the line begins with none. Programs put a digit in
// their tags, people's sentences rarely do.
static size_t tag_size(struct text line) {
	size_t n = 0, n_digits = 0;

	for (; n < line.size && n < IMAP_TAG_SIZE_MAX; n++) {
		if (is_digit(line.data[n]))
			n_digits++;
		else if (!is_alpha(line.data[n]) && memchr(".-_$#", line.data[n], 5) == NULL)
			break;
	}
	return n_digits > 0 && n < line.size && line.data[n] == ' ' ? n + 1 : 0;
}

static bool starts_any(struct text text, const char *const *words) {
	for (; *words != NULL; words++)
		if (starts(text, *words))
			return true;
	return false;
}

// ---- Lines that only one protocol has

static bool server_line_is_imap(struct text line) {
	static const char *const untagged[] = {
		"OK [",
		"FLAGS (",
		"LIST (",
		"LSUB (",
		"STATUS ",
		"SEARCH",
		"CAPABILITY IMAP4",
		"BYE ",
		"PREAUTH ",
		"OK Still here",
		"VANISHED ",
		"ESEARCH ",
		NULL,
	};
	static const char *const numbered[] = {" FETCH (", " EXISTS", " EXPUNGE", " RECENT", NULL};
	static const char *const results[] = {"OK ", "NO ", "BAD ", NULL};
	size_t n;

	if (starts(line, "* ")) {
		line = text_skip(line, 2);
		n = digits(line);
		return n > 0 ? starts_any(text_skip(line, n), numbered)
			     : starts_any(line, untagged);
	}
	n = tag_size(line);
	line = text_skip(line, n);
	return n > 0 && starts_any(line, results)
		&& (contains(line, "complet") || contains(line, " ["));
}

static bool client_line_is_imap(struct text line) {
	static const char *const commands[] = {
		"LOGIN ",	"AUTHENTICATE ", "CAPABILITY",
		"STARTTLS",	"NOOP",		 "ID (",
		"ID NIL",	"ENABLE ",	 "SELECT ",
		"EXAMINE ",	"CREATE ",	 "DELETE ",
		"RENAME ",	"SUBSCRIBE ",	 "LIST ",
		"LSUB ",	"XLIST ",	 "NAMESPACE",
		"STATUS ",	"APPEND ",	 "IDLE",
		"CHECK",	"CLOSE",	 "UNSELECT",
		"EXPUNGE",	"SEARCH ",	 "SORT ",
		"FETCH ",	"STORE ",	 "COPY ",
		"MOVE ",	"UID FETCH ",	 "UID SEARCH ",
		"UID STORE ",	"UID COPY ",	 "UID MOVE ",
		"UID EXPUNGE ", "UID SORT ",	 "COMPRESS DEFLATE",
		"LOGOUT",	"GETQUOTA",	 NULL,
	};
	size_t n = tag_size(line);

	return n > 0 && starts_any(text_skip(line, n), commands);
}

static bool server_line_is_smtp(struct text line) {
	struct text rest;

	// A reply with an enhanced status code (RFC 3463) of the same class: "250 2.1.0 Ok".
	if (digits(line) == 3 && line.size > 8 && memchr("245", line.data[0], 3) != NULL) {
		rest = text_skip(line, 4);
		if ((line.data[3] == ' ' || line.data[3] == '-') && rest.data[0] == line.data[0]
		    && rest.data[1] == '.' && is_digit(rest.data[2]))
			return true;
	}
	return starts(line, "354 ") && contains(line, "<CR><LF>");
}

static bool client_line_is_smtp(struct text line) {
	static const char *const commands[]
		= {"EHLO ", "HELO ", "LHLO ", "MAIL FROM:", "RCPT TO:", "XCLIENT ", NULL};

	return starts_any(line, commands);
}

// ---- One direction

// What cannot be mail, seen often where mail is looked for.
static bool is_foreign(struct text text) {
	static const char *const words[] = {
		"GET ",
		"POST ",
		"HEAD ",
		"PUT ",
		"OPTIONS ",
		"CONNECT ",
		"HTTP/",
		"SSH-",
		"RFB ",
		"PROXY ",
		"INFO {",
		"*1\r\n$",
		"*2\r\n$",
		"*3\r\n$",
		NULL,
	};

	return starts_any(text, words);
}

// Text of mail protocols has TAB, CR, LF, and ESC in ISO-2022 messages; other controls mean binary.
static bool is_binary(struct text text) {
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < 0x20 && memchr("\t\r\n\x1b", text.data[i], 4) == NULL)
			return true;
	return false;
}

// TLS records begin with their type, 3 and a minor version (RFC 8446 5.1): 22 at the start, the
// others when the connection is picked up midway.
static enum detect tls_detect(struct text text) {
	if (text.size == 0 || text.data[0] < 0x14 || text.data[0] > 0x17)
		return DETECT_NONE;
	if (text.size < 3)
		return text.size == 2 && text.data[1] != 3 ? DETECT_NONE : DETECT_MORE;
	return text.data[1] == 3 && text.data[2] <= 4 ? DETECT_TLS : DETECT_NONE;
}

static enum detect midway_detect(struct text text, bool is_server) {
	struct text rest = text, line;

	while (line_take(&rest, &line)) {
		if (is_server ? server_line_is_imap(line) : client_line_is_imap(line))
			return DETECT_IMAP;
		if (is_server ? server_line_is_smtp(line) : client_line_is_smtp(line))
			return DETECT_SMTP;
	}
	if (is_foreign(text) || is_binary(text) || text.size >= DETECT_SIZE_MAX)
		return DETECT_NONE;
	return DETECT_MORE;
}

static bool is_smtp_port(uint16_t port) {
	static const uint16_t ports[] = {24, 25, 465, 587, 588, 2525};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (port == ports[i])
			return true;
	return false;
}

// "220 " and "421 " greet for SMTP and FTP alike: words decide, then the client, then the port.
static enum detect greeting_detect(struct text greeting, struct text client, uint16_t hint_port) {
	static const char *const ftp[]
		= {"USER ", "AUTH TLS", "AUTH SSL", "FEAT", "SYST", "HOST ", "OPTS ", NULL};
	struct text rest = greeting, line;

	if (client_line_is_smtp(client))
		return DETECT_SMTP;
	if (starts_any(client, ftp))
		return DETECT_NONE;
	if (!line_take(&rest, &line)) {
		if (greeting.size < DETECT_SIZE_MAX)
			return DETECT_MORE;
		line = greeting; // however long it will be (S11)
	}
	if (contains(line, "SMTP") || contains(line, "LMTP"))
		return DETECT_SMTP;
	if (is_smtp_port(hint_port) && !contains(line, "FTP"))
		return DETECT_SMTP;
	rest = client;
	return line_take(&rest, &line) || client.size >= DETECT_SIZE_MAX ? DETECT_NONE
									 : DETECT_MORE;
}

// POP3's server speaks first; Redis answers with the same words, after its client has spoken.
static enum detect pop3_detect(struct text client) {
	static const char *const commands[] = {
		"CAPA",
		"USER ",
		"APOP ",
		"STLS",
		"QUIT",
		"AUTH\r\n",
		"AUTH PLAIN",
		"AUTH LOGIN",
		"AUTH CRAM-MD5",
		"AUTH DIGEST-MD5",
		"AUTH NTLM",
		"AUTH SCRAM-",
		"AUTH XOAUTH2",
		"AUTH OAUTHBEARER",
		NULL,
	};
	struct text rest = client, line;

	if (client.size == 0 || starts_any(client, commands))
		return DETECT_POP3;
	return line_take(&rest, &line) ? DETECT_NONE : DETECT_MORE;
}

static enum detect server_detect(struct text server, struct text client, uint16_t hint_port) {
	static const char *const imap[] = {"* OK", "* PREAUTH", "* BYE", "* NO ", "* BAD ", NULL};
	static const char *const smtp[] = {"220 ", "220-", "421 ", "421-", "554 ", "554-", NULL};
	static const char *const pop3[] = {"+OK", "-ERR", NULL};
	// Capabilities come as the greeting, in any order (RFC 5804 section 1.7).
	static const char *const sieve[] = {
		"\"IMPLEMENTATION\" ",
		"\"SIEVE\" ",
		"\"SASL\" ",
		"\"NOTIFY\" ",
		"\"MAXREDIRECTS\" ",
		"\"STARTTLS\"\r\n",
		"\"VERSION\" ",
		NULL,
	};
	const char *const *const all[] = {imap, smtp, pop3, sieve};
	enum detect verdict = tls_detect(server);

	if (verdict != DETECT_NONE)
		return verdict;
	if (starts_any(server, imap))
		return DETECT_IMAP;
	if (starts_any(server, sieve))
		return DETECT_SIEVE;
	if (starts_any(server, pop3))
		return pop3_detect(client);
	verdict = midway_detect(server, true);
	if (verdict != DETECT_SMTP && starts_any(server, smtp))
		return greeting_detect(server, client, hint_port);
	if (verdict == DETECT_NONE)
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
			for (const char *const *word = all[i]; *word != NULL; word++)
				if (may_start(server, *word))
					return DETECT_MORE;
	return verdict;
}

// A first line that SMTP shares with other protocols, whole.
static bool is_shared_command(struct text line) {
	static const char *const commands[] = {"QUIT", "NOOP", "RSET", "HELP", "STARTTLS", NULL};

	for (const char *const *command = commands; *command != NULL; command++)
		if (line.size == strlen(*command) && starts(line, *command))
			return true;
	return false;
}

static enum detect client_detect(struct text client, uint16_t hint_port) {
	enum detect verdict = tls_detect(client);
	struct text rest = client, line;

	if (verdict != DETECT_NONE)
		return verdict;
	// Redis clients begin with a password; no mail client does before it was greeted.
	if (starts(client, "AUTH ") && line_take(&rest, &line)
	    && pop3_detect(client) == DETECT_NONE)
		return DETECT_NONE;
	rest = client;
	if (is_smtp_port(hint_port) && line_take(&rest, &line) && is_shared_command(line))
		return DETECT_SMTP;
	return midway_detect(client, false);
}

enum detect
detect(const uint8_t *client,
       size_t client_size,
       const uint8_t *server,
       size_t server_size,
       uint16_t hint_port) {
	struct text from_client = {client, client_size};
	struct text from_server = {server, server_size};
	enum detect by_server = server_detect(from_server, from_client, hint_port);
	enum detect by_client;

	if (by_server != DETECT_MORE && by_server != DETECT_NONE)
		return by_server;
	by_client = client_detect(from_client, hint_port);
	if (by_client != DETECT_MORE && by_client != DETECT_NONE)
		return by_client;
	// A silent direction says nothing; one that has spoken nonsense speaks for both. But where a mail
	// server should be, it is waited for: nonsense sent to one is an SMTP session, too.
	if (server_size > 0 && by_server == DETECT_NONE)
		return DETECT_NONE;
	if (client_size > 0 && by_client == DETECT_NONE && !is_smtp_port(hint_port))
		return DETECT_NONE;
	return DETECT_MORE;
}
