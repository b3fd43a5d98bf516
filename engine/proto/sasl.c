// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// SASL seen from beside: one function per mechanism finds the identity in a decoded client message,
// or says that the message is not of the mechanism's exact form. A name is given on exact form only
// (an account is the key of everything the models learn), and nothing is ever computed: nonces,
// proofs and iteration counts are stepped over.

#include "proto/sasl.h"

#include "limits.h"
#include "slab.h"

#include <string.h>
#include <strings.h>

// What one mechanism's function works on: a decoded message, and the hash for a password in it.
struct message {
	const uint8_t *data;
	size_t size;
	uint64_t (*hash)(const void *ctx, const uint8_t *password, size_t size);
	const void *ctx;
};

static const struct {
	const char *wire; // as in AUTHENTICATE; NULL: never by name
	const char *name;
} mechanisms[SASL_COUNT] = {
	[SASL_NONE] = {NULL, "none"},
	[SASL_LOGIN_COMMAND] = {NULL, "LOGIN"},
	[SASL_APOP] = {NULL, "APOP"},
	[SASL_PLAIN] = {"PLAIN", "PLAIN"},
	[SASL_LOGIN] = {"LOGIN", "LOGIN"},
	[SASL_CRAM_MD5] = {"CRAM-MD5", "CRAM-MD5"},
	[SASL_DIGEST_MD5] = {"DIGEST-MD5", "DIGEST-MD5"},
	[SASL_SCRAM_SHA_1] = {"SCRAM-SHA-1", "SCRAM-SHA-1"},
	[SASL_SCRAM_SHA_1_PLUS] = {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1-PLUS"},
	[SASL_SCRAM_SHA_224] = {"SCRAM-SHA-224", "SCRAM-SHA-224"},
	[SASL_SCRAM_SHA_256] = {"SCRAM-SHA-256", "SCRAM-SHA-256"},
	[SASL_SCRAM_SHA_256_PLUS] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS"},
	[SASL_SCRAM_SHA_384] = {"SCRAM-SHA-384", "SCRAM-SHA-384"},
	[SASL_SCRAM_SHA_512] = {"SCRAM-SHA-512", "SCRAM-SHA-512"},
	[SASL_SCRAM_SHA_512_PLUS] = {"SCRAM-SHA-512-PLUS", "SCRAM-SHA-512-PLUS"},
	[SASL_SCRAM_SHA3_512] = {"SCRAM-SHA3-512", "SCRAM-SHA3-512"},
	[SASL_SCRAM_SHA3_512_PLUS] = {"SCRAM-SHA3-512-PLUS", "SCRAM-SHA3-512-PLUS"},
	[SASL_SCRAM] = {NULL, "SCRAM"}, // by its prefix
	[SASL_NTLM] = {"NTLM", "NTLM"},
	[SASL_GSSAPI] = {"GSSAPI", "GSSAPI"},
	[SASL_GSS_SPNEGO] = {"GSS-SPNEGO", "GSS-SPNEGO"},
	[SASL_GS2_KRB5] = {"GS2-KRB5", "GS2-KRB5"},
	[SASL_GS2_KRB5_PLUS] = {"GS2-KRB5-PLUS", "GS2-KRB5-PLUS"},
	[SASL_EXTERNAL] = {"EXTERNAL", "EXTERNAL"},
	[SASL_XOAUTH2] = {"XOAUTH2", "XOAUTH2"},
	[SASL_OAUTHBEARER] = {"OAUTHBEARER", "OAUTHBEARER"},
	[SASL_ANONYMOUS] = {"ANONYMOUS", "ANONYMOUS"},
	[SASL_OTHER] = {NULL, "other"},
};

const char *sasl_name(enum sasl_mechanism mechanism) {
	return mechanisms[mechanism < SASL_COUNT ? mechanism : SASL_OTHER].name;
}

enum sasl_mechanism sasl_find(const uint8_t *name, size_t size) {
	static const char scram[] = "SCRAM-";

	for (int m = 0; m < SASL_COUNT; m++) {
		const char *wire = mechanisms[m].wire;
		if (wire != NULL && strlen(wire) == size
		    && strncasecmp((const char *)name, wire, size) == 0)
			return m;
	}
	if (size > sizeof(scram) - 1
	    && strncasecmp((const char *)name, scram, sizeof(scram) - 1) == 0)
		return SASL_SCRAM;
	return size == 0 ? SASL_NONE : SASL_OTHER;
}

bool sasl_is_scram(enum sasl_mechanism mechanism) {
	return mechanism >= SASL_SCRAM_SHA_1 && mechanism <= SASL_SCRAM;
}

// 0 … 63, or 255 for what is not of the alphabet.
static uint8_t base64_value(uint8_t c) {
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 255;
}

int sasl_base64(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
	size_t n_padding = 0, used = 0;
	uint32_t bits = 0;

	while (n_padding < 2 && in_size > 0 && in[in_size - 1] == '=') {
		in_size--;
		n_padding++;
	}
	// One character over is six bits: no byte. Padding, where there is any, completes a group of four.
	if (in_size % 4 == 1 || (n_padding > 0 && (in_size + n_padding) % 4 != 0))
		return -1;
	if (in_size / 4 * 3 + (in_size % 4) * 3 / 4 > out_size)
		return -1;
	for (size_t i = 0; i < in_size; i++) {
		uint8_t value = base64_value(in[i]);
		if (value == 255)
			return -1;
		bits = bits << 6 | value;
		if (i % 4 != 0)
			out[used++] = bits >> (6 - 2 * (i % 4));
	}
	return used;
}

// RFC 3629 without NUL: what an identity is made of in every mechanism here.
static bool is_utf8(const uint8_t *data, size_t size) {
	for (size_t i = 0; i < size;) {
		uint8_t c = data[i++];
		int n_more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		if (c == 0 || (c >= 0x80 && c < 0xc2) || c > 0xf4 || (size_t)n_more > size - i)
			return false;
		// Overlong forms, surrogates and what is past U+10FFFF show in the second byte.
		if ((c == 0xe0 && data[i] < 0xa0) || (c == 0xed && data[i] > 0x9f)
		    || (c == 0xf0 && data[i] < 0x90) || (c == 0xf4 && data[i] > 0x8f))
			return false;
		for (; n_more > 0; n_more--)
			if ((data[i++] & 0xc0) != 0x80)
				return false;
	}
	return true;
}

// Takes the name when it can be one. All functions below: 0, or -1 when the form is not exact.
static int name_set(struct sasl *sasl, const uint8_t *name, size_t size) {
	if (size == 0 || size > SASL_NAME_SIZE_MAX || !is_utf8(name, size))
		return -1;
	memcpy(sasl->name, name, size);
	sasl->name_size = size;
	return 0;
}

// The identity to act for: told only where it is another one.
static int authzid_set(struct sasl *sasl, const uint8_t *name, size_t size) {
	if (size == 0)
		return 0;
	if (size > SASL_NAME_SIZE_MAX || !is_utf8(name, size))
		return -1;
	if (size == sasl->name_size && memcmp(sasl->name, name, size) == 0)
		return 0;
	memcpy(sasl->authzid, name, size);
	sasl->authzid_size = size;
	return 0;
}

// RFC 4616: message = [authzid] UTF8NUL authcid UTF8NUL passwd
static int plain_read(struct sasl *sasl, const struct message *m) {
	const uint8_t *end = m->data + m->size;
	const uint8_t *authcid, *password;

	if (sasl->n_messages != 1)
		return -1;
	if ((authcid = memchr(m->data, 0, m->size)) == NULL)
		return -1;
	authcid++;
	if ((password = memchr(authcid, 0, end - authcid)) == NULL)
		return -1;
	password++;
	if (password == end || memchr(password, 0, end - password) != NULL)
		return -1;
	// Servers that take the only name there is are known, though the grammar wants an authcid.
	if (authcid == password - 1) {
		if (name_set(sasl, m->data, authcid - 1 - m->data) != 0)
			return -1;
	} else if (name_set(sasl, authcid, password - 1 - authcid) != 0 || authzid_set(sasl, m->data, authcid - 1 - m->data) != 0) {
		return -1;
	}
	sasl->password_hash = m->hash(m->ctx, password, end - password);
	return 0;
}

// The server prompts for the name, then for the password.
static int login_read(struct sasl *sasl, const struct message *m) {
	if (sasl->n_messages == 1)
		return name_set(sasl, m->data, m->size);
	if (sasl->n_messages != 2 || m->size == 0)
		return -1;
	sasl->password_hash = m->hash(m->ctx, m->data, m->size);
	return 0;
}

static bool is_hex(uint8_t c) {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// RFC 2195: name SP digest of 32 hexadecimal digits. The name may have spaces.
static int cram_md5_read(struct sasl *sasl, const struct message *m) {
	enum { DIGEST_SIZE = 32 };

	if (sasl->n_messages != 1 || m->size < DIGEST_SIZE + 2
	    || m->data[m->size - DIGEST_SIZE - 1] != ' ')
		return -1;
	for (size_t i = m->size - DIGEST_SIZE; i < m->size; i++)
		if (!is_hex(m->data[i]))
			return -1;
	return name_set(sasl, m->data, m->size - DIGEST_SIZE - 1);
}

// One directive of RFC 2831 (key "=" ( token / quoted-string )) at *at; *at then stands behind it and
// its comma. The value is still escaped. 1, 0 at the end, -1 when it is none.
static int
directive_next(const uint8_t **at, const uint8_t *end, struct message *key, struct message *value) {
	const uint8_t *p = *at;

	while (p < end && (*p == ',' || *p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	if (p == end)
		return 0;
	key->data = p;
	if ((p = memchr(p, '=', end - p)) == NULL)
		return -1;
	key->size = p - key->data;
	p++;
	bool is_quoted = p < end && *p == '"';
	value->data = p += is_quoted;
	while (p < end && *p != (is_quoted ? '"' : ',')) {
		if (is_quoted && *p == '\\' && ++p == end)
			return -1;
		p++;
	}
	value->size = p - value->data;
	if (is_quoted && p++ == end)
		return -1;
	if (p < end && *p != ',' && *p != ' ' && *p != '\t')
		return -1;
	*at = p;
	return 1;
}

// A directive's value with quoted pairs undone. Returns its size, or -1.
static int directive_text(const struct message *value, uint8_t text[SASL_NAME_SIZE_MAX]) {
	size_t size = 0;

	for (size_t i = 0; i < value->size; i++) {
		if (size == SASL_NAME_SIZE_MAX)
			return -1;
		if (value->data[i] == '\\' && ++i == value->size)
			return -1;
		text[size++] = value->data[i];
	}
	return size;
}

static bool directive_is(const struct message *key, const char *name) {
	return key->size == strlen(name)
		&& strncasecmp((const char *)key->data, name, key->size) == 0;
}

// The username of the digest-response, and its authzid. What follows rspauth is empty.
static int digest_md5_read(struct sasl *sasl, const struct message *m) {
	uint8_t name[SASL_NAME_SIZE_MAX], authzid[SASL_NAME_SIZE_MAX];
	const uint8_t *at = m->data, *end = m->data + m->size;
	struct message key, value;
	int size = 0, authzid_size = 0, n_names = 0, n_authzids = 0, ret;

	if (sasl->n_messages > 1)
		return m->size == 0 ? 0 : -1;
	while ((ret = directive_next(&at, end, &key, &value)) > 0) {
		if (directive_is(&key, "username") && (size = directive_text(&value, name)) >= 0)
			n_names++;
		else if (directive_is(&key, "authzid") && (authzid_size = directive_text(&value, authzid)) >= 0)
			n_authzids++;
		if (size < 0 || authzid_size < 0)
			return -1;
	}
	if (ret < 0 || n_names != 1 || n_authzids > 1 || name_set(sasl, name, size) != 0)
		return -1;
	return authzid_set(sasl, authzid, authzid_size);
}

// RFC 5801 section 4, shared by SCRAM and OAUTHBEARER: ("n" / "y" / "p=" cb-name) "," ["a=" saslname] ","
// *rest_r is what follows; *authzid (size 0: none) is still escaped. 0 or -1.
static int
gs2_header_read(const struct message *m, struct message *authzid, const uint8_t **rest_r) {
	const uint8_t *end = m->data + m->size;
	const uint8_t *comma = memchr(m->data, ',', m->size);
	const uint8_t *second;

	if (comma == NULL)
		return -1;
	size_t size = comma - m->data;
	if (!(size == 1 && (m->data[0] == 'n' || m->data[0] == 'y'))
	    && !(size > 2 && m->data[0] == 'p' && m->data[1] == '='))
		return -1;
	comma++;
	if ((second = memchr(comma, ',', end - comma)) == NULL)
		return -1;
	authzid->size = 0;
	if (second != comma) {
		if (second - comma < 3 || comma[0] != 'a' || comma[1] != '=')
			return -1;
		authzid->data = comma + 2;
		authzid->size = second - authzid->data;
	}
	*rest_r = second + 1;
	return 0;
}

// saslname: "," and "=" stand as =2C and =3D, and nothing else is escaped. Returns its size, or -1.
static int saslname_text(const struct message *m, uint8_t name[SASL_NAME_SIZE_MAX]) {
	size_t used = 0;

	for (size_t i = 0; i < m->size; i++) {
		uint8_t c = m->data[i];
		if (used == SASL_NAME_SIZE_MAX)
			return -1;
		if (c == '=') {
			if (m->size - i < 3)
				return -1;
			if (memcmp(m->data + i, "=2C", 3) == 0)
				c = ',';
			else if (memcmp(m->data + i, "=3D", 3) != 0)
				return -1;
			i += 2;
		}
		name[used++] = c;
	}
	return used;
}

static int saslname_set(
	struct sasl *sasl,
	const uint8_t *data,
	size_t size,
	int (*set)(struct sasl *sasl, const uint8_t *name, size_t size)
) {
	uint8_t name[SASL_NAME_SIZE_MAX];
	int n = saslname_text(&(struct message){.data = data, .size = size}, name);

	return n < 0 ? -1 : set(sasl, name, n);
}

// RFC 5802: client-first-message = gs2-header "n=" saslname ",r=" nonce …; the reserved m= is refused
// there by every server. Then client-final-message, of which nothing is wanted.
static int scram_read(struct sasl *sasl, const struct message *m) {
	const uint8_t *at, *end = m->data + m->size, *comma;
	struct message authzid;

	if (sasl->n_messages > 1)
		return m->size == 0 || (m->size > 2 && memcmp(m->data, "c=", 2) == 0) ? 0 : -1;
	if (gs2_header_read(m, &authzid, &at) != 0 || end - at < 2 || memcmp(at, "n=", 2) != 0)
		return -1;
	at += 2;
	if ((comma = memchr(at, ',', end - at)) == NULL)
		return -1;
	if (end - comma < 4 || memcmp(comma, ",r=", 3) != 0)
		return -1;
	if (saslname_set(sasl, at, comma - at, name_set) != 0)
		return -1;
	return saslname_set(sasl, authzid.data, authzid.size, authzid_set);
}

// RFC 5801 section 4: the header in front of the first token, which may say that it is none of the
// standard's ("F,"). Whose ticket it is stands sealed in the token.
static int gs2_read(struct sasl *sasl, const struct message *m) {
	struct message header = *m, authzid;
	const uint8_t *rest;

	if (sasl->n_messages > 1)
		return 0;
	if (header.size > 2 && memcmp(header.data, "F,", 2) == 0) {
		header.data += 2;
		header.size -= 2;
	}
	if (gs2_header_read(&header, &authzid, &rest) != 0)
		return -1;
	return authzid.size == 0 ? 0 : saslname_set(sasl, authzid.data, authzid.size, name_set);
}

// RFC 4752 section 3.1: the client's last message is a wrapped [layer, size, authzid]. RFC 4121 section
// 4.2.6.2 wraps so that it can be read where only its integrity is kept: a head of 16 octets, the text,
// a checksum of EC octets, all behind the head rotated to the right by RRC. Other messages are tokens.
static int gssapi_read(struct sasl *sasl, const struct message *m) {
	enum { HEAD_SIZE = 16, FLAGS = 2, FLAG_SEALED = 2, LAYER_SIZE = 4 };
	uint8_t text[LAYER_SIZE + SASL_NAME_SIZE_MAX];
	size_t size, checksum, turn;

	if (m->size < HEAD_SIZE + LAYER_SIZE || m->data[0] != 5 || m->data[1] != 4
	    || (m->data[FLAGS] & FLAG_SEALED))
		return 0;
	checksum = (size_t)m->data[4] << 8 | m->data[5];
	turn = (size_t)m->data[6] << 8 | m->data[7];
	size = m->size - HEAD_SIZE;
	if (checksum + LAYER_SIZE > size || size - checksum > sizeof(text))
		return 0;
	for (size_t i = 0; i < size - checksum; i++)
		text[i] = m->data[HEAD_SIZE + (i + turn) % size];
	size -= checksum + LAYER_SIZE;
	return size == 0 ? 0 : name_set(sasl, text + LAYER_SIZE, size);
}

// RFC 7628: gs2-header kvsep *(key "=" value kvsep) kvsep, with the token in one "auth". The authzid is
// the user. After an error the client answers with one kvsep.
static int oauthbearer_read(struct sasl *sasl, const struct message *m) {
	const uint8_t *at, *end = m->data + m->size, *sep;
	struct message authzid;
	int n_auth = 0;

	if (sasl->n_messages > 1)
		return m->size <= 1 ? 0 : -1;
	if (gs2_header_read(m, &authzid, &at) != 0 || at == end || *at++ != 1)
		return -1;
	while (at < end && *at != 1) {
		if ((sep = memchr(at, 1, end - at)) == NULL || memchr(at, '=', sep - at) == NULL)
			return -1;
		n_auth += sep - at > 5 && memcmp(at, "auth=", 5) == 0;
		at = sep + 1;
	}
	if (end - at != 1 || n_auth != 1)
		return -1;
	return authzid.size == 0 ? 0 : saslname_set(sasl, authzid.data, authzid.size, name_set);
}

// user=NAME ^A auth=Bearer TOKEN ^A ^A: exactly these, once each. After an error comes an empty line.
static int xoauth2_read(struct sasl *sasl, const struct message *m) {
	const uint8_t *name = m->data + 5, *end = m->data + m->size, *sep, *token_end;

	if (sasl->n_messages > 1)
		return m->size == 0 ? 0 : -1;
	if (m->size < 5 || memcmp(m->data, "user=", 5) != 0
	    || (sep = memchr(name, 1, end - name)) == NULL)
		return -1;
	const uint8_t *auth = sep + 1;
	if (end - auth < 6 || memcmp(auth, "auth=", 5) != 0
	    || (token_end = memchr(auth, 1, end - auth)) == NULL)
		return -1;
	if (token_end - auth == 5 || end - token_end != 2 || token_end[1] != 1)
		return -1;
	return name_set(sasl, name, sep - name);
}

static uint32_t le16(const uint8_t *p) {
	return p[0] | p[1] << 8;
}

static uint32_t le32(const uint8_t *p) {
	return le16(p) | le16(p + 2) << 16;
}

// UTF-16LE as UTF-8. Returns its size, or -1 when it is not text or does not fit.
static int utf16_decode(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
	size_t used = 0;

	if (in_size % 2 != 0)
		return -1;
	for (size_t i = 0; i < in_size; i += 2) {
		uint32_t c = le16(in + i);
		if (c >= 0xd800 && c < 0xdc00) {
			if (in_size - i < 4 || (le16(in + i + 2) & 0xfc00) != 0xdc00)
				return -1;
			i += 2;
			c = 0x10000 + ((c & 0x3ff) << 10 | (le16(in + i) & 0x3ff));
		}
		int n_more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
		static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
		if (used + n_more + 1 > out_size)
			return -1;
		out[used++] = lead[n_more] | c >> (6 * n_more);
		while (n_more-- > 0)
			out[used++] = 0x80 | (c >> (6 * n_more) & 0x3f);
	}
	return used;
}

// [MS-NLMP] 2.2.1.3, AUTHENTICATE_MESSAGE: pairs of length and offset, and the flags where the
// payload leaves room for them. The identity is the user name: servers for mail alone do not look at
// the domain, which the client may choose freely.
static int ntlm_authenticate_read(struct sasl *sasl, const struct message *m) {
	enum { FIELDS = 12, N_FIELDS = 6, USER = 3, FLAGS = 60, FLAG_UNICODE = 1 };
	uint32_t first = UINT32_MAX, size = 0, offset = 0;
	uint8_t name[SASL_NAME_SIZE_MAX];

	if (m->size < FIELDS + (N_FIELDS - 1) * 8)
		return -1;
	for (int i = 0; i < N_FIELDS; i++) {
		const uint8_t *field = m->data + FIELDS + 8 * i;
		// The session key's pair is not there in the oldest form, whose payload begins at 52.
		if (field + 8 > m->data + (first < m->size ? first : m->size))
			break;
		uint32_t field_size = le16(field), field_offset = le32(field + 4);
		if (field_size == 0)
			continue;
		if ((uint64_t)field_offset + field_size > m->size
		    || field_offset < FIELDS + (N_FIELDS - 1) * 8)
			return -1;
		if (field_offset < first)
			first = field_offset;
		if (i == USER) {
			size = field_size;
			offset = field_offset;
		}
	}
	if (size == 0)
		return 0; // anonymous
	if (first >= FLAGS + 4 && m->size >= FLAGS + 4 && !(le32(m->data + FLAGS) & FLAG_UNICODE))
		return name_set(sasl, m->data + offset, size);
	int name_size = utf16_decode(m->data + offset, size, name, sizeof(name));
	return name_size < 0 ? -1 : name_set(sasl, name, name_size);
}

static int ntlm_read(struct sasl *sasl, const struct message *m) {
	if (m->size == 0 && sasl->n_messages == 1)
		return 0; // an empty initial response: the client waits for the server
	if (m->size < 12 || memcmp(m->data, "NTLMSSP", 8) != 0 || sasl->name_size != 0)
		return -1;
	switch (le32(m->data + 8)) {
	case 1:
		return 0;
	case 3:
		return ntlm_authenticate_read(sasl, m);
	}
	return -1;
}

// RFC 4178: NTLM's messages stand whole in SPNEGO's, and Kerberos shows nothing.
static int spnego_read(struct sasl *sasl, const struct message *m) {
	struct message ntlm = *m;

	ntlm.data = m->size > 0 ? memmem(m->data, m->size, "NTLMSSP", 8) : NULL;
	if (ntlm.data == NULL)
		return 0;
	ntlm.size = m->data + m->size - ntlm.data;
	return ntlm_read(sasl, &ntlm);
}

// RFC 4422 appendix A: the authorization identity is all the client says; empty: the certificate's.
static int external_read(struct sasl *sasl, const struct message *m) {
	if (sasl->n_messages != 1)
		return -1;
	return m->size == 0 ? 0 : name_set(sasl, m->data, m->size);
}

static int message_read(struct sasl *sasl, const struct message *m) {
	switch (sasl->mechanism) {
	case SASL_PLAIN:
		return plain_read(sasl, m);
	case SASL_LOGIN:
		return login_read(sasl, m);
	case SASL_CRAM_MD5:
		return cram_md5_read(sasl, m);
	case SASL_DIGEST_MD5:
		return digest_md5_read(sasl, m);
	case SASL_NTLM:
		return ntlm_read(sasl, m);
	case SASL_GSSAPI:
		return gssapi_read(sasl, m);
	case SASL_GSS_SPNEGO:
		return spnego_read(sasl, m);
	case SASL_GS2_KRB5:
	case SASL_GS2_KRB5_PLUS:
		return gs2_read(sasl, m);
	case SASL_EXTERNAL:
		return external_read(sasl, m);
	case SASL_XOAUTH2:
		return xoauth2_read(sasl, m);
	case SASL_OAUTHBEARER:
		return oauthbearer_read(sasl, m);
	}
	if (sasl_is_scram(sasl->mechanism))
		return scram_read(sasl, m);
	return 0; // ANONYMOUS is nobody, others are not known
}

// A message of a wrong form says nothing of who it was, nor do those before it.
static void give_up(struct sasl *sasl) {
	sasl->is_bad = true;
	sasl->password_hash = 0;
	explicit_bzero(sasl->name, sizeof(sasl->name));
	explicit_bzero(sasl->authzid, sizeof(sasl->authzid));
	sasl->name_size = sasl->authzid_size = 0;
}

void sasl_open(struct sasl *sasl, enum sasl_mechanism mechanism) {
	*sasl = (struct sasl){.mechanism = mechanism};
}

void sasl_put(struct slab *slab, struct sasl **sasl) {
	if (*sasl)
		explicit_bzero(*sasl, sizeof(**sasl));
	slab_put(slab, *sasl, sizeof(**sasl));
	*sasl = NULL;
}

int sasl_client(
	struct sasl *sasl,
	const uint8_t *line,
	size_t size,
	uint64_t (*hash)(const void *ctx, const uint8_t *password, size_t size),
	const void *ctx
) {
	uint8_t decoded[SASL_MESSAGE_SIZE_MAX];
	struct message m = {.data = decoded, .hash = hash, .ctx = ctx};

	if (size == 1 && line[0] == '*')
		return -1;
	if (sasl->n_messages < UINT8_MAX)
		sasl->n_messages++;
	if (sasl->is_bad)
		return 0;
	int decoded_size = size == 1 && line[0] == '='
		? 0
		: sasl_base64(line, size, decoded, sizeof(decoded));
	m.size = decoded_size < 0 ? 0 : decoded_size;
	sasl->is_bad_base64 = decoded_size < 0;
	if (decoded_size < 0 || message_read(sasl, &m) != 0)
		give_up(sasl);
	// Also after a failure, which may have left the beginning of a password.
	size_t touched = decoded_size < 0 ? size / 4 * 3 + 3 : (size_t)decoded_size;
	explicit_bzero(decoded, touched < sizeof(decoded) ? touched : sizeof(decoded));
	return 0;
}

void sasl_client_cut(struct sasl *sasl) {
	sasl->n_messages += sasl->n_messages < UINT8_MAX;
	sasl->is_bad_base64 = true;
	give_up(sasl);
}
