// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Handshakes of SOCKS are short: each call walks them from their beginning. HTTP's heads are long and a
// refused request is made again with credentials: how far they were read is remembered.

#include "proto/connect.h"

#include "limits.h"
#include "proto/sasl.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum {
	SOCKS4 = 4,
	SOCKS5 = 5,
	SOCKS_CONNECT = 1, // the command, in both
	SOCKS4_GRANTED = 0x5a,
	SOCKS4_REFUSED_LAST = 0x5d,
	METHOD_NONE = 0,
	METHOD_PASSWORD = 2,
	METHOD_REFUSED = 0xff,
	ADDRESS_IPV4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_IPV6 = 4,
};

static const char method[] = "CONNECT ";
static const char version[] = "HTTP/1.";

// One direction.
struct cursor {
	const uint8_t *data;
	size_t size, at;
};

// The next bytes, or NULL: they are not all there.
static const uint8_t *take(struct cursor *in, size_t size) {
	if (in->size - in->at < size)
		return NULL;
	in->at += size;
	return in->data + in->at - size;
}

// Whether what is there of it begins with word.
static bool may_start(const struct cursor *in, const char *word) {
	size_t left = in->size - in->at, size = strlen(word);

	return left == 0 || memcmp(in->data + in->at, word, left < size ? left : size) == 0;
}

static enum connect_result open_at(struct connect *connect, const struct cursor in[2]) {
	connect->at[STREAM_CLIENT] = (uint32_t)in[STREAM_CLIENT].at;
	connect->at[STREAM_SERVER] = (uint32_t)in[STREAM_SERVER].at;
	return CONNECT_OPEN;
}

// ---- What was asked for

static void user_set(struct connect *connect, const uint8_t *user, size_t size) {
	connect->user_size = (uint8_t)(size < CONNECT_TEXT_SIZE_MAX ? size : CONNECT_TEXT_SIZE_MAX);
	if (size > 0)
		memcpy(connect->user, user, connect->user_size);
}

static void ip_set(struct connect *connect, const uint8_t *addr, uint8_t family) {
	memset(&connect->ip, 0, sizeof(connect->ip));
	connect->ip.family = family;
	memcpy(connect->ip.addr, addr, family == 4 ? 4 : 16);
	connect->host_size = 0;
}

// A name, which may be an address in words. false: no name has such a size.
static bool host_set(struct connect *connect, const uint8_t *host, size_t size) {
	char text[CONNECT_TEXT_SIZE_MAX + 1];
	uint8_t addr[16];

	if (size == 0 || size > CONNECT_TEXT_SIZE_MAX)
		return false;
	memcpy(text, host, size);
	text[size] = '\0';
	if (inet_pton(AF_INET, text, addr) == 1)
		ip_set(connect, addr, 4);
	else if (inet_pton(AF_INET6, text, addr) == 1)
		ip_set(connect, addr, 6);
	else {
		connect->ip.family = 0;
		connect->host_size = (uint8_t)size;
		memcpy(connect->host, host, size);
	}
	return true;
}

static uint16_t port_read(const uint8_t *p) {
	return (uint16_t)(p[0] << 8 | p[1]);
}

// ---- SOCKS4: version, command, port, address, user NUL; of 4a the address is 0.0.0.x, and a name NUL follows

// A text up to its NUL. CONNECT_OPEN: it is whole.
static enum connect_result text_take(struct cursor *in, const uint8_t **text_r, size_t *size_r) {
	const uint8_t *text = in->data + in->at, *nul;
	size_t left = in->size - in->at;

	if (left > CONNECT_TEXT_SIZE_MAX + 1)
		left = CONNECT_TEXT_SIZE_MAX + 1;
	nul = left > 0 ? memchr(text, '\0', left) : NULL;
	if (!nul)
		return left > CONNECT_TEXT_SIZE_MAX ? CONNECT_NONE : CONNECT_MORE;
	*text_r = text;
	*size_r = (size_t)(nul - text);
	in->at += *size_r + 1;
	return CONNECT_OPEN;
}

static enum connect_result socks4_request(struct connect *connect, struct cursor *client) {
	const uint8_t *head = take(client, 8), *text;
	enum connect_result result;
	size_t size;

	if (!head)
		return CONNECT_MORE;
	connect->port = port_read(head + 2);
	result = text_take(client, &text, &size);
	if (result != CONNECT_OPEN)
		return result;
	user_set(connect, text, size);
	connect->how = CONNECT_SOCKS4;
	ip_set(connect, head + 4, 4);
	if (head[4] || head[5] || head[6] || !head[7])
		return CONNECT_OPEN;
	connect->how = CONNECT_SOCKS4A;
	result = text_take(client, &text, &size);
	if (result == CONNECT_OPEN && !host_set(connect, text, size))
		return CONNECT_NONE;
	return result;
}

static enum connect_result socks4_read(struct connect *connect, struct cursor in[2]) {
	struct cursor *client = &in[STREAM_CLIENT], *server = &in[STREAM_SERVER];
	enum connect_result result;
	const uint8_t *reply;

	if (client->size > 1 && client->data[1] != SOCKS_CONNECT)
		return CONNECT_NONE;
	if (server->size > 0 && server->data[0] != 0)
		return CONNECT_NONE;
	result = socks4_request(connect, client);
	if (result != CONNECT_OPEN)
		return result;
	reply = take(server, 8);
	if (!reply)
		return CONNECT_MORE;
	if (reply[1] > SOCKS4_GRANTED && reply[1] <= SOCKS4_REFUSED_LAST)
		return CONNECT_REFUSED;
	return reply[1] == SOCKS4_GRANTED ? open_at(connect, in) : CONNECT_NONE;
}

// ---- SOCKS5: a list of methods and the one that is taken, perhaps a password, request and reply

static enum connect_result socks5_password(struct connect *connect, struct cursor in[2]) {
	const uint8_t *head = take(&in[STREAM_CLIENT], 2), *user, *size, *reply;

	if (!head)
		return CONNECT_MORE;
	if (head[0] != 1)
		return CONNECT_NONE;
	user = take(&in[STREAM_CLIENT], head[1]);
	size = user ? take(&in[STREAM_CLIENT], 1) : NULL;
	if (!size || !take(&in[STREAM_CLIENT], *size))
		return CONNECT_MORE;
	user_set(connect, user, head[1]);
	reply = take(&in[STREAM_SERVER], 2);
	if (!reply)
		return CONNECT_MORE;
	return reply[1] == 0 ? CONNECT_OPEN : CONNECT_REFUSED;
}

// What a request and a reply have in common: three bytes, an address, a port. Of a request address and port
// are taken over. CONNECT_OPEN: it is whole.
static enum connect_result
socks5_message(struct connect *connect, struct cursor *in, bool is_request) {
	const uint8_t *head = take(in, 4), *address, *port;
	size_t size;
	bool is_good = true;

	if (!head)
		return CONNECT_MORE;
	if (head[0] != SOCKS5 || (is_request && head[1] != SOCKS_CONNECT))
		return CONNECT_NONE;
	if (!is_request && head[1] != 0)
		return CONNECT_REFUSED;
	if (head[3] != ADDRESS_IPV4 && head[3] != ADDRESS_IPV6 && head[3] != ADDRESS_NAME)
		return CONNECT_NONE;
	size = head[3] == ADDRESS_IPV4 ? 4 : 16;
	if (head[3] == ADDRESS_NAME) {
		const uint8_t *n = take(in, 1);
		if (!n)
			return CONNECT_MORE;
		size = *n;
	}
	address = take(in, size);
	port = address ? take(in, 2) : NULL;
	if (!port)
		return CONNECT_MORE;
	if (!is_request)
		return CONNECT_OPEN;
	connect->port = port_read(port);
	if (head[3] == ADDRESS_NAME)
		is_good = host_set(connect, address, size);
	else
		ip_set(connect, address, head[3] == ADDRESS_IPV4 ? 4 : 6);
	return is_good ? CONNECT_OPEN : CONNECT_NONE;
}

static enum connect_result socks5_read(struct connect *connect, struct cursor in[2]) {
	struct cursor *client = &in[STREAM_CLIENT], *server = &in[STREAM_SERVER];
	enum connect_result result = CONNECT_OPEN;
	const uint8_t *head, *methods, *chosen;

	connect->how = CONNECT_SOCKS5;
	if (server->size > 0 && server->data[0] != SOCKS5)
		return CONNECT_NONE;
	head = take(client, 2);
	if (head && head[1] == 0)
		return CONNECT_NONE;
	methods = head ? take(client, head[1]) : NULL;
	chosen = methods ? take(server, 2) : NULL;
	if (!chosen)
		return CONNECT_MORE;
	if (chosen[1] == METHOD_REFUSED)
		return CONNECT_REFUSED;
	if (!memchr(methods, chosen[1], head[1]))
		return CONNECT_NONE;
	if (chosen[1] != METHOD_NONE && chosen[1] != METHOD_PASSWORD)
		return CONNECT_REFUSED;
	if (chosen[1] == METHOD_PASSWORD)
		result = socks5_password(connect, in);
	if (result == CONNECT_OPEN)
		result = socks5_message(connect, client, true);
	if (result == CONNECT_OPEN)
		result = socks5_message(connect, server, false);
	return result == CONNECT_OPEN ? open_at(connect, in) : result;
}

// ---- HTTP: heads, and a body behind a refusal

struct text {
	const char *data;
	size_t size;
};

// The size of the head that begins here, its empty line included; 0: it has not ended yet.
static size_t head_size(struct connect *connect, enum stream_dir dir, const struct cursor *in) {
	uint32_t *scanned = &connect->scanned[dir];
	const uint8_t *lf;
	size_t next;

	if (*scanned < in->at)
		*scanned = (uint32_t)in->at;
	while (*scanned < in->size
	       && (lf = memchr(in->data + *scanned, '\n', in->size - *scanned)) != NULL) {
		*scanned = (uint32_t)(lf - in->data);
		next = *scanned + 1u;
		if (next < in->size && in->data[next] == '\r')
			next++;
		if (next >= in->size)
			return 0;
		if (in->data[next] == '\n')
			return next + 1 - in->at;
		++*scanned;
	}
	*scanned = (uint32_t)in->size;
	return 0;
}

// The value of the first field of that name (with its colon, in small letters). Returns how many there are.
static int field_find(struct text head, const char *name, struct text *value_r) {
	const char *at = head.data, *end = head.data + head.size, *lf, *first;
	size_t size = strlen(name);
	int n = 0;

	for (; at < end && (lf = memchr(at, '\n', (size_t)(end - at))) != NULL; at = lf + 1) {
		if ((size_t)(lf - at) < size || strncasecmp(at, name, size) != 0 || n++ > 0)
			continue;
		first = at + size;
		while (first < lf && (*first == ' ' || *first == '\t'))
			first++;
		*value_r = (struct text){first, (size_t)(lf - first)};
		while (value_r->size > 0 && strchr(" \t\r", first[value_r->size - 1]))
			value_r->size--;
	}
	return n;
}

// Up to five digits. -1: it is no such number.
static int number_read(struct text text) {
	int value = 0;

	if (text.size == 0 || text.size > 5)
		return -1;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		value = value * 10 + text.data[i] - '0';
	}
	return value;
}

// "CONNECT" SP host ":" port SP version; an IPv6 address stands in brackets.
static bool target_read(struct connect *connect, struct text head) {
	const char *host = head.data + strlen(method), *space, *colon;
	int port;

	space = memchr(host, ' ', head.size - strlen(method));
	colon = space ? memrchr(host, ':', (size_t)(space - host)) : NULL;
	if (!colon || memchr(host, '\n', (size_t)(space - host)))
		return false;
	port = number_read((struct text){colon + 1, (size_t)(space - colon - 1)});
	if (port < 0 || port > UINT16_MAX)
		return false;
	connect->port = (uint16_t)port;
	if (colon - host > 2 && host[0] == '[' && colon[-1] == ']')
		return host_set(connect, (const uint8_t *)host + 1, (size_t)(colon - host - 2));
	return host_set(connect, (const uint8_t *)host, (size_t)(colon - host));
}

// Basic is base64 of "user:password" (RFC 7617).
static void basic_read(struct connect *connect, struct text head) {
	uint8_t pair[2 * CONNECT_TEXT_SIZE_MAX + 1], *colon;
	struct text value;
	int size;

	if (field_find(head, "proxy-authorization:", &value) != 1 || value.size < 6
	    || strncasecmp(value.data, "basic ", 6) != 0)
		return;
	value.data += 6;
	value.size -= 6;
	if (value.size / 4 * 3 + 3 > sizeof(pair))
		return;
	size = sasl_base64((const uint8_t *)value.data, value.size, pair, sizeof(pair));
	colon = size > 0 ? memchr(pair, ':', (size_t)size) : NULL;
	if (colon)
		user_set(connect, pair, (size_t)(colon - pair));
	explicit_bzero(pair, sizeof(pair));
}

// Bytes behind a head that refuses; -1: it is not said, or in a way that is not read.
static int body_size(struct text head) {
	struct text value;

	if (field_find(head, "transfer-encoding:", &value) > 0
	    || field_find(head, "content-length:", &value) != 1)
		return -1;
	return number_read(value);
}

// "HTTP/1." digit SP three digits; -1: it is not.
static int status_read(struct text head) {
	if (head.size < 13 || head.data[8] != ' ')
		return -1;
	return number_read((struct text){head.data + 9, 3});
}

// CONNECT_OPEN: both heads are there.
static enum connect_result
http_heads(struct connect *connect, const struct cursor in[2], struct text head[2]) {
	for (enum stream_dir dir = STREAM_CLIENT; dir <= STREAM_SERVER; dir++) {
		size_t size = head_size(connect, dir, &in[dir]);

		if (size > CONNECT_HEAD_SIZE_MAX
		    || (size == 0 && in[dir].size - in[dir].at > CONNECT_HEAD_SIZE_MAX))
			return CONNECT_NONE;
		if (size == 0)
			return CONNECT_MORE;
		head[dir] = (struct text){(const char *)in[dir].data + in[dir].at, size};
	}
	return CONNECT_OPEN;
}

// One request and its answer, of which at are the bytes before. CONNECT_MORE and more in at: another one
// may follow.
static enum connect_result http_try(struct connect *connect, struct cursor in[2]) {
	struct text head[2];
	enum connect_result result;
	int status, body;

	if (!may_start(&in[STREAM_CLIENT], method) || !may_start(&in[STREAM_SERVER], version))
		return CONNECT_NONE;
	result = http_heads(connect, in, head);
	if (result != CONNECT_OPEN)
		return result;
	status = status_read(head[STREAM_SERVER]);
	if (status < 100)
		return CONNECT_NONE;
	in[STREAM_SERVER].at += head[STREAM_SERVER].size;
	if (status >= 200)
		in[STREAM_CLIENT].at += head[STREAM_CLIENT].size;
	if (status / 100 == 2) { // whatever it says of a length, there is no body
		basic_read(connect, head[STREAM_CLIENT]);
		return target_read(connect, head[STREAM_CLIENT]) ? open_at(connect, in)
								 : CONNECT_NONE;
	}
	body = status >= 200 ? body_size(head[STREAM_SERVER]) : 0;
	if (body < 0 || connect->n_tries >= CONNECT_TRIES_MAX)
		return CONNECT_REFUSED;
	if (!take(&in[STREAM_SERVER], (size_t)body))
		return CONNECT_MORE;
	connect->n_tries++;
	open_at(connect, in);
	return CONNECT_MORE;
}

static enum connect_result http_read(struct connect *connect, struct cursor in[2]) {
	enum connect_result result;
	uint8_t n_tries;

	connect->how = CONNECT_HTTP;
	do {
		n_tries = connect->n_tries;
		in[STREAM_CLIENT].at = connect->at[STREAM_CLIENT];
		in[STREAM_SERVER].at = connect->at[STREAM_SERVER];
		result = http_try(connect, in);
	} while (result == CONNECT_MORE && connect->n_tries > n_tries);
	return result == CONNECT_NONE && n_tries > 0 ? CONNECT_REFUSED : result;
}

bool connect_may_begin(const uint8_t *client, size_t size) {
	struct cursor in = {.data = client, .size = size};

	return client[0] == SOCKS4 || client[0] == SOCKS5 || may_start(&in, method);
}

enum connect_result
connect_read(struct connect *connect, const uint8_t *const data[2], const size_t size[2]) {
	struct cursor in[2] = {{data[0], size[0], 0}, {data[1], size[1], 0}};

	// A proxy does not speak first.
	if (size[STREAM_CLIENT] == 0
	    || !connect_may_begin(data[STREAM_CLIENT], size[STREAM_CLIENT]))
		return CONNECT_NONE;
	if (data[STREAM_CLIENT][0] == SOCKS4)
		return socks4_read(connect, in);
	if (data[STREAM_CLIENT][0] == SOCKS5)
		return socks5_read(connect, in);
	return http_read(connect, in);
}
