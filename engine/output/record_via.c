// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who stands between the two: before us, a hop that names the real client; behind us, a proxy that the client
// had connect it to the server.

#include "output/record_proto.h"
#include "proto/connect.h"
#include "proto/proxy_tlv.h"
#include "session.h"
#include "stream.h"

// Cut by the parser already; says so.
static void
text_write(struct json *json, const char *key, const char *cut_key, const struct proxy_tlv *tlv) {
	if (!tlv->value)
		return;
	json_put_string(json, key, (const char *)tlv->value, tlv->size, 0);
	if (tlv->is_cut)
		json_put_bool(json, cut_key, true);
}

static void ssl_write(struct json *json, const struct proxy_tlv *tlv) {
	struct proxy_ssl ssl;

	if (!proxy_ssl_read(tlv, &ssl))
		return; // such a header was not believed
	json_begin_object(json, "tls");
	json_put_bool(json, "established", ssl.is_tls);
	text_write(json, "version", "version_cut", &ssl.version);
	text_write(json, "cipher", "cipher_cut", &ssl.cipher);
	json_begin_object(json, "client");
	json_put_bool(json, "certificate", ssl.has_certificate);
	if (ssl.has_certificate)
		json_put_bool(json, "verified", ssl.is_verified);
	text_write(json, "common_name", "common_name_cut", &ssl.common_name);
	json_end_object(json);
	json_end_object(json);
}

static void tlv_write(struct json *json, const struct proxy_tlv *tlv) {
	switch (tlv->type) {
	case PROXY_TLV_ALPN:
		text_write(json, "alpn", "alpn_cut", tlv);
		break;
	case PROXY_TLV_AUTHORITY:
		text_write(json, "authority", "authority_cut", tlv);
		break;
	case PROXY_TLV_UNIQUE_ID:
		text_write(json, "unique_id", "unique_id_cut", tlv);
		break;
	case PROXY_TLV_NETNS:
		text_write(json, "netns", "netns_cut", tlv);
		break;
	case PROXY_TLV_SSL:
		ssl_write(json, tlv);
		break;
	}
}

void record_via_write(struct json *json, const struct session *s) {
	static const char *const hows[] = {
		[SESSION_HOW_PROXY_V1] = "proxy_v1",
		[SESSION_HOW_PROXY_V2] = "proxy_v2",
		[SESSION_HOW_XCLIENT] = "xclient",
		[SESSION_HOW_XFORWARD] = "xforward",
		[SESSION_HOW_IMAP_ID] = "imap_id",
	};
	const struct session_client *client = s->client;
	struct stream_tuple tuple;
	struct proxy_tlv tlv;

	if (!client || client->ip.family == 0)
		return;
	stream_tuple_get(s->stream, &tuple);
	json_begin_object(json, "via");
	json_put_ip(json, "ip", tuple.addr[STREAM_CLIENT], tuple.family);
	json_put_u64(json, "port", tuple.port[STREAM_CLIENT]);
	json_put_word(json, "how", hows[client->how]);
	const uint8_t *at = client->tlvs;
	size_t left = client->tlvs_size;
	while (proxy_tlv_next(&at, &left, &tlv))
		tlv_write(json, &tlv);
	json_end_object(json);
}

void record_proxy_write(struct json *json, const struct session *s) {
	static const char *const hows[] = {
		[CONNECT_SOCKS4] = "socks4",
		[CONNECT_SOCKS4A] = "socks4a",
		[CONNECT_SOCKS5] = "socks5",
		[CONNECT_HTTP] = "http_connect",
	};
	const struct session_through *through = s->client ? s->client->through : NULL;

	if (!through)
		return;
	json_begin_object(json, "proxy");
	json_put_word(json, "how", hows[through->how]);
	if (through->ip.family)
		json_put_ip(json, "ip", through->ip.addr, through->ip.family);
	else
		json_put_string(json, "domain", through->text, through->host_size, 0);
	json_put_u64(json, "port", through->port);
	if (through->user_size > 0)
		json_put_string(
			json, "user", through->text + through->host_size, through->user_size, 0
		);
	if (through->n_hops > 1)
		json_put_u64(json, "hops", through->n_hops);
	json_end_object(json);
}
