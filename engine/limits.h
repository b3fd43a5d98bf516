// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Every number that bounds what a peer can make the engine hold or do, with its reason. Reaching one
// is an event on the session (event.def), a cut, or the end of parsing for that flow alone; never a
// failed allocation. Memory for all of it is one slab per worker.

#pragma once

enum {
	// All sessions of a worker together, unless the configuration says otherwise: 512 bytes for
	// each of FLOWS_DEFAULT, and room for those that are busy. Reserved, touched as used.
	SESSION_SLAB_SIZE_DEFAULT = 1 << 30,

	// Bytes of each direction kept until the protocol is recognised. A greeting is at most 512
	// (RFC 5321 4.5.3.1.5); a client's first line rarely 100. After that: not mail.
	DETECT_SIZE_MAX = 1024,

	// While a client has a proxy connect it: bytes of each direction that are kept, with what is sent at
	// once behind them; a head of HTTP, of which credentials may be the most; requests made again after a
	// refusal; proxies behind each other. Beyond: not mail.
	CONNECT_SIZE_MAX = 16384,
	CONNECT_HEAD_SIZE_MAX = 8192,
	CONNECT_TRIES_MAX = 4,
	CONNECT_HOPS_MAX = 8,

	// One line of a command or response outside literals. RFC 9051 section 4 tells clients to stay
	// below 8,192; long FETCH sets and SEARCH results are cut here and scanned no further, only
	// the literal that may end them is still seen. Event: line_too_long.
	LINE_SIZE_MAX = 16384,

	// Commands sent and not yet answered, per connection. Event: too_many_commands.
	IMAP_INFLIGHT_MAX = 64,
	SMTP_INFLIGHT_MAX = 256, // PIPELINING with one RCPT each
	IMAP_TAG_SIZE_MAX = 64,
	// Literals that carry names or credentials are kept up to this, others are counted through.
	IMAP_LITERAL_KEPT_MAX = 4096,
	IMAP_LITERALS_PER_COMMAND_MAX = 1000,
	IMAP_NESTING_MAX = 64,
	IMAP_MAILBOXES_MAX = 32, // remembered per session; more are counted together
	IMAP_UID_RANGES_MAX
	= 256, // per mailbox and session record; then the set is cut and says so
	// Ranges of messages marked \Deleted in the selected mailbox, which CLOSE expunges silently;
	// what is beyond is not counted then.
	IMAP_DELETED_RANGES_MAX = 30,
	IMAP_STORE_RANGES_MAX = 30, // of one command that marks them
	// Runs of messages whose UIDs rise with their numbers, remembered of the selected mailbox for
	// clients that fetch by number; what is beyond has no UID in sets and is counted all the same.
	IMAP_SEQUENCE_RUNS_MAX = 64,
	IMAP_MESSAGES_MAX = 10000000, // EXISTS above it is not believed

	// Parts that are fetched in pieces, at once; what is known of parts' headers, in all and of one. Until
	// the client waits in IDLE or leaves the mailbox. What is forgotten is told by its content.
	IMAP_STREAMS_MAX = 4,
	IMAP_KNOWN_SIZE_MAX = 8192,
	IMAP_KNOWN_HEADER_SIZE_MAX = 1000,
	IMAP_SECTION_SIZE_MAX = 46, // "2.1.TEXT"; pieces of longer ones are read each by itself

	// A client's bytes behind COMPRESS, kept until the answer says how to read them.
	IMAP_HELD_SIZE_MAX = 16384,

	// COMPRESS=DEFLATE: one direction of a connection takes INFLATER_SIZE (zlib's window is 32 KiB of it),
	// and so many may be at once in a worker, half a slab of the default size being the most. Event:
	// compressed, and the connection is not read on.
	INFLATER_SIZE = 41472,
	INFLATERS_MAX = 12000,
	// What comes out, beyond INFLATE_FREE_SIZE, for each byte that goes in. Mail becomes 2 to 5, base64 of
	// much of the same 100; DEFLATE can make 1,032. Event: compression_bomb.
	INFLATE_RATIO_MAX = 64,
	INFLATE_FREE_SIZE = 16 << 20,

	POP3_INFLIGHT_MAX = 64,
	// Runs of messages whose UIDs rise with their numbers, remembered of a maildrop: as IMAP's above.
	POP3_RUNS_MAX = 64,
	POP3_UID_MAX = 10000000, // what is larger is no UID, but another kind of name
	// Commands in a row that are none of POP3's: then it is something else that greets alike.
	POP3_UNKNOWN_MAX = 10,

	SIEVE_INFLIGHT_MAX = 32,
	SIEVE_UNKNOWN_MAX = 10, // commands in a row that are none
	SIEVE_TARGETS_MAX = 8, // of redirects, remembered per session; more are counted
	SIEVE_ADDRESS_SIZE_MAX = 320,
	SIEVE_TEXT_SIZE_MAX = 22000, // a SASL message in base64
	SIEVE_LITERALS_PER_COMMAND_MAX = 100, // two is the most that a command has
	SIEVE_LITERAL_MAX = 2147483647, // announced; scripts are counted through, not kept

	SMTP_MESSAGES_MAX = 64, // remembered per session record; more are counted
	SMTP_RECIPIENTS_MAX = 1000, // remembered per message; more are counted
	SMTP_REPLY_LINES_MAX = 128, // of one reply that are looked at
	// Client bytes kept until the server's reply decides how to read them: what is sent at once behind
	// DATA, AUTH, STARTTLS or a doubtful end of data. Beyond it the likelier reading is taken.
	SMTP_HELD_SIZE_MAX = 16384,
	SMTP_HELO_SIZE_MAX = 255,
	SMTP_QUEUE_ID_SIZE_MAX = 64,
	XCLIENT_SIZE_MAX
	= 512, // of XCLIENT's and XFORWARD's attributes: Postfix keeps its lines below
	SMTP_ADDRESS_SIZE_MAX = 320, // 64 + 1 + 255: RFC 5321 4.5.3.1

	// Servers whose offers of TLS and AUTH are remembered, the last heard of; 48 bytes each. A site
	// has few, but mail that leaves it reaches many.
	OFFER_SETS = 1024,
	OFFER_WAYS = 4,
	// The last sessions whose lists lacked one, remembered for what is still told of them; rules that look
	// for that; and room for both in a record.
	OFFER_STRIPPED_MAX = 256,
	OFFER_RULES_MAX = 4,
	OFFER_RECORD_SIZE = 512,

	// A client's hello: hybrid key shares bring it to 2 KiB, several of them to 4. What is larger has
	// no fingerprint. Its lists stay small enough for sorting in place (glibc's qsort).
	TLS_HELLO_SIZE_MAX = 16384,
	TLS_CIPHERS_MAX = 500,
	TLS_EXTENSIONS_MAX = 500,
	// Sent behind a hello and before the server asks for another one; OpenSSL's servers take as much. Behind
	// more the second hello is not looked for.
	TLS_EARLY_DATA_MAX = 16384,
	// A client's bytes from a hello that no STARTTLS was seen before, kept until the server shows what they are. Nobody
	// sends much before that.
	TLS_UNASKED_SIZE_MAX = 16384,

	SASL_MESSAGE_SIZE_MAX = 16384, // decoded; XOAUTH2 tokens reach 8 KiB
	ACCOUNT_NAME_SIZE_MAX = 255,
	CLIENT_ID_SIZE_MAX = 200,

	// One message while it is open: some 2 KiB, a field, a boundary per level, and its attachments' facts; of a text that
	// is read twice another 1.5.
	MIME_DEPTH_MAX = 32, // multiparts and messages inside each other, in one count
	MIME_PARTS_MAX
	= 10000, // of a message; Dovecot's number. What follows is read as plain text
	MIME_FIELD_SIZE_MAX
	= 16384, // of a header field that is read; what is beyond is only searched
	MIME_BOUNDARY_SIZE_MAX = 200, // RFC 2046 5.1.1 allows 70; readers take more
	// First bytes of a part without its header, by which its encoding is told: a dozen lines of base64.
	MIME_GUESS_SIZE = 1024,
	MIME_NUMBER_SIZE_MAX = 15, // of a part that is read alone, as IMAP numbers it
	SESSION_FILES_MAX
	= 32, // attachments fetched or stored, listed in a record; more are counted
	MIME_ATTACHMENTS_MAX = 32, // remembered per message; more are counted
	// Decoded bytes that the type by content is told from. What they do not show to be text (images, archives,
	// what is encrypted) is looked at no further by rules: they see its name, type and members.
	ATTACHMENT_FIRST_SIZE = 64,
	ATTACHMENT_MEMBERS_MAX = 16, // of an archive, listed; more are counted
	ATTACHMENT_MEMBER_SIZE_MAX = 255, // of a member's name
	CHARSETS_MAX = 128, // different ones a worker ever opens
	CHARSET_CONVERTERS_MAX = 64, // of iconv, that a worker ever opens

	TEXT_CHARS_MAX = 1000, // subjects, mailbox and file names in outputs
	RECORD_SIZE_MAX = 32768, // a session record's line
	ALERT_SIZE_MAX = 8000, // an alert's: log shippers cut at 8 KiB
	ACTIVITY_LINE_SIZE_MAX = 32768,
	LINE_READ_SIZE_MAX = 1 << 20, // of activity that others wrote; longer lines are passed over

	// Activities being collected at once by a worker, about 6 KB each. One more, and the one collected
	// for longest is sent before its minute is over: nothing is lost.
	ACTIVITY_PENDING_MAX = 8192,

	RULES_MAX = 20000,
	RULE_FILE_SIZE_MAX = 16 << 20,
	MATCHES_PER_SESSION_MAX = 32, // different rules remembered; more are counted
	CONTENT_MATCHES_MAX
	= 1000, // calls taken from Hyperscan per message and rule set, then the message is let go
	CONTENT_OPEN_MAX
	= 4096, // messages scanned at once by a worker; more are not scanned and counted
};

// Event time. Activity says at most a minute; an interim record comes after so long by default.
#define ACTIVITY_PERIOD_NS (60ull * 1000000000)
#define INTERIM_DEFAULT_NS (300ull * 1000000000)
// A server that has stopped to offer something is known for it for so long.
#define OFFER_KNOWN_NS (7 * 86400ull * 1000000000)
// That a list lacks an offer is told with what the session does next, which is known after a minute; at last by itself.
#define OFFER_TOLD_NS (2 * ACTIVITY_PERIOD_NS)
