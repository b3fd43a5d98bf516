// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// A table of first bytes, a hash, and a walk over zip's records in the order they come. A zip says everything
// twice, before each member and in the directory at its end; where the two disagree programs show
// different things.

#include "mime/attachment.h"

#include <string.h>
#include <strings.h>

// ---- Text

struct attachment_text attachment_text_copy(struct slab *slab, const uint8_t *data, size_t size) {
	struct attachment_text text = {.size = (uint32_t)size + 1};

	text.text = slab_get(slab, text.size);
	if (text.text == NULL)
		return (struct attachment_text){0};
	for (size_t i = 0; i < size; i++)
		text.text[i] = (char)(data[i] == 0 ? ' ' : data[i]);
	return text;
}

static void text_free(struct attachment_text *text, struct slab *slab) {
	slab_put(slab, text->text, text->size);
	*text = (struct attachment_text){0};
}

void attachment_facts_free(struct attachment_facts *facts, struct slab *slab) {
	text_free(&facts->name, slab);
	text_free(&facts->other_name, slab);
	text_free(&facts->type, slab);
	for (int i = 0; i < facts->n_members; i++)
		text_free(&facts->members[i], slab);
	facts->n_members = 0;
}

// ---- Type by content

#define MAGIC(at, bytes, type)                                                                     \
	{ at, sizeof(bytes) - 1, bytes, type }
static const struct magic {
	uint8_t at, size;
	const char *bytes, *type;
} magics[] = {
	MAGIC(0, "%PDF-", "application/pdf"),
	MAGIC(0, "PK\3\4", "application/zip"),
	MAGIC(0, "PK\5\6", "application/zip"),
	MAGIC(0, "Rar!\x1a\7", "application/vnd.rar"),
	MAGIC(0, "7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
	MAGIC(0, "\x1f\x8b", "application/gzip"),
	MAGIC(0, "BZh", "application/x-bzip2"),
	MAGIC(0,
	      "\xfd"
	      "7zXZ",
	      "application/x-xz"),
	MAGIC(0, "\x28\xb5\x2f\xfd", "application/zstd"),
	MAGIC(0, "MSCF", "application/vnd.ms-cab-compressed"),
	MAGIC(0, "\x60\xea", "application/x-arj"),
	MAGIC(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
	MAGIC(0, "{\\rtf", "application/rtf"),
	MAGIC(0, "\x89PNG\r\n\x1a\n", "image/png"),
	MAGIC(0, "\xff\xd8\xff", "image/jpeg"),
	MAGIC(0, "GIF8", "image/gif"),
	MAGIC(0, "II*\0", "image/tiff"),
	MAGIC(0, "MM\0*", "image/tiff"),
	MAGIC(8, "WEBP", "image/webp"),
	MAGIC(0, "BM", "image/bmp"),
	MAGIC(4, "ftyp", "video/mp4"),
	MAGIC(8, "WAVE", "audio/wav"),
	MAGIC(0, "ID3", "audio/mpeg"),
	MAGIC(0, "OggS", "audio/ogg"),
	MAGIC(0, "MZ", "application/x-dosexec"),
	MAGIC(0,
	      "\x7f"
	      "ELF",
	      "application/x-elf"),
	MAGIC(0, "L\0\0\0\1\x14\2\0", "application/x-ms-shortcut"),
	MAGIC(0, "ITSF", "application/vnd.ms-htmlhelp"),
	MAGIC(0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote"),
	MAGIC(0, "\xca\xfe\xba\xbe", "application/java-vm"),
	MAGIC(0, "!BDN", "application/vnd.ms-outlook"),
	MAGIC(0, "SQLite format 3\0", "application/vnd.sqlite3"),
	MAGIC(0, "-----BEGIN PGP MESSAGE", "application/pgp-encrypted"),
	MAGIC(0, "\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
	MAGIC(0, "BEGIN:VCALENDAR", "text/calendar"),
	MAGIC(0, "BEGIN:VCARD", "text/vcard"),
	MAGIC(7, "**ACE**", "application/x-ace-compressed"),
	MAGIC(2, "-lh", "application/x-lzh-compressed"),
	MAGIC(0, "vhdxfile", "application/x-vhdx"),
	MAGIC(0, "MSWIM\0\0\0", "application/x-ms-wim"),
	MAGIC(0, "xar!", "application/x-xar"),
	MAGIC(0, "\xcf\xfa\xed\xfe", "application/x-mach-binary"),
	MAGIC(0, "\xce\xfa\xed\xfe", "application/x-mach-binary"),
	MAGIC(0, "\0asm", "application/wasm"),
	MAGIC(0, "#!", "text/x-script"),
	MAGIC(0, "<?xml", "text/xml"),
	MAGIC(0, "\xff\xfe", "text/plain"),
	MAGIC(0, "\xfe\xff", "text/plain"),
};

static const char *const html_starts[] = {"<!doctype html", "<html", "<head", "<body", "<script"};

static bool is_text(const uint8_t *data, size_t size) {
	for (size_t i = 0; i < size; i++)
		if ((data[i] < ' ' && (data[i] < '\t' || data[i] > '\r') && data[i] != 0x1b)
		    || data[i] == 0x7f)
			return false;
	return true;
}

// Two letters are no magic where text goes on behind them ("MZV ČR", "BMW"): taken for a program or a picture, it
// would not be searched.
static bool is_said_in_text(const struct magic *magic, const uint8_t *data, size_t size) {
	return magic->size <= 2 && strncmp(magic->type, "text/", 5) != 0 && is_text(data, size);
}

const char *attachment_type(const uint8_t *data, size_t size) {
	bool is_enveloped;
	size_t from = 0;

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (size >= (size_t)magics[i].at + magics[i].size
		    && memcmp(data + magics[i].at, magics[i].bytes, magics[i].size) == 0
		    && !is_said_in_text(&magics[i], data, size))
			return magics[i].type;
	while (from < size && (data[from] == ' ' || (data[from] >= '\t' && data[from] <= '\r')))
		from++;
	for (size_t i = 0; i < sizeof(html_starts) / sizeof(html_starts[0]); i++)
		if (size - from >= strlen(html_starts[i])
		    && strncasecmp(
			       (const char *)data + from, html_starts[i], strlen(html_starts[i])
		       ) == 0)
			return "text/html";
	if (sealed_is_cms(data, size, &is_enveloped))
		return "application/pkcs7-mime";
	return is_text(data, size) ? "text/plain" : "application/octet-stream";
}

// ---- Zip (APPNOTE 6.3.10)

enum zip_state {
	ZIP_SIGNATURE, // a record begins here
	ZIP_FIXED, // in its fixed part
	ZIP_NAME,
	ZIP_EXTRA, // in its extra fields, where zip64 has its sizes
	ZIP_SKIP, // the rest: data, comment
	ZIP_SEARCH, // data without a size: up to the next signature
	ZIP_END, // behind the end record, or not understood
};

enum {
	LOCAL_SIZE = 30,
	CENTRAL_SIZE = 46,
	DESCRIPTOR_MIN = 16,
};

// One record's extra fields: each has a number, a size and that much data.
struct zip_extra {
	uint16_t left; // of all of them
	uint16_t id, size, n; // of the one being read; n: bytes of it, its head among them
	uint64_t value; // of zip64's, the size being read
};

struct zip {
	uint8_t state;
	bool is_central; // of the record being read
	bool is_late; // its sizes stand behind the data
	bool is_search; // where its data ends must be looked for
	bool is_false; // a record contradicts itself
	uint16_t name_left;
	struct zip_extra extra;
	uint64_t size, packed_size; // of the member, UINT32_MAX until zip64 says them
	uint16_t n_name;
	uint16_t n; // bytes of fixed
	uint64_t skip;
	uint32_t found; // the last four bytes, while searching
	uint32_t n_local, n_central;
	// Of name, method, encryption and sizes of each member: sums that are equal when both say the same.
	uint64_t local_sum, central_sum;
	uint64_t hash;
	uint8_t fixed[CENTRAL_SIZE];
	char name[ATTACHMENT_MEMBER_SIZE_MAX];
};

static uint32_t le16(const uint8_t *p) {
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p) {
	return le16(p) | le16(p + 2) << 16;
}

#define FNV_PRIME 0x100000001b3 // FNV-1a

static void hash_add(struct zip *zip, uint8_t c) {
	zip->hash = (zip->hash ^ c) * FNV_PRIME;
}

static bool is_listed(const struct attachment_facts *facts, const struct zip *zip) {
	for (int i = 0; i < facts->n_members; i++) {
		const struct attachment_text *member = &facts->members[i];
		size_t n = 0;

		// As attachment_text_copy() has written it.
		while (n < zip->n_name && n + 1u < member->size
		       && member->text[n] == (zip->name[n] == 0 ? ' ' : zip->name[n]))
			n++;
		if (n == zip->n_name && n + 1u == member->size)
			return true;
	}
	return false;
}

static void member_list(struct attachment_facts *facts, struct slab *slab, const struct zip *zip) {
	if (facts->n_members == ATTACHMENT_MEMBERS_MAX)
		return;
	facts->members[facts->n_members]
		= attachment_text_copy(slab, (const uint8_t *)zip->name, zip->n_name);
	if (facts->members[facts->n_members].text != NULL)
		facts->n_members++;
}

// A record's name has come: the member is listed, once; where the directory calls it otherwise, both ways.
static void member_end(struct attachment *a, struct slab *slab, struct zip *zip) {
	struct attachment_facts *facts = a->facts;

	// Multiplied, so that sums of hashes do not cancel out by chance of their low bits.
	zip->hash ^= zip->hash >> 29;
	if (zip->is_central) {
		zip->n_central++;
		zip->central_sum += zip->hash;
		if (facts->members_total <= ATTACHMENT_MEMBERS_MAX && !is_listed(facts, zip))
			member_list(facts, slab, zip);
		// Of names that the directory alone has, no fewer than are listed.
		if (facts->members_total < facts->n_members)
			facts->members_total = facts->n_members;
		return;
	}
	zip->n_local++;
	zip->local_sum += zip->hash;
	facts->members_total++;
	member_list(facts, slab, zip);
}

// What both kinds of record say of a member; flags, method and sizes stand at the same distance.
static void record_read(struct attachment *a, struct zip *zip, const uint8_t *f) {
	uint32_t flags = le16(f);

	a->facts->is_encrypted |= flags & 1;
	zip->packed_size = le32(f + 12);
	zip->size = le32(f + 16);
	zip->name_left = (uint16_t)le16(f + 20);
	zip->extra = (struct zip_extra){.left = (uint16_t)le16(f + 22)};
	// Sizes may stand behind the data (bit 3), and in the directory alone.
	zip->is_late = flags & 8;
	hash_add(zip, f[2]);
	hash_add(zip, flags & 9);
}

static void local_begin(struct attachment *a, struct zip *zip) {
	record_read(a, zip, zip->fixed + 6);
	zip->is_search = zip->is_late && zip->packed_size == 0;
}

static void central_begin(struct attachment *a, struct zip *zip) {
	record_read(a, zip, zip->fixed + 8);
	zip->is_search = false;
}

// The extra fields have come: the sizes are known.
static void sizes_end(struct zip *zip) {
	unsigned method = zip->fixed[zip->is_central ? 10 : 8];
	bool is_encrypted = zip->fixed[zip->is_central ? 8 : 6] & 1;
	uint64_t sizes[2] = {zip->packed_size, zip->size};
	uint64_t *sum = zip->is_central ? &zip->central_sum : &zip->local_sum;

	if (zip->is_central) {
		zip->skip = le16(zip->fixed + 32);
	} else {
		// zip64 that is announced and does not come.
		zip->is_search |= zip->packed_size == UINT32_MAX;
		zip->skip = zip->is_search ? 0 : zip->packed_size;
	}
	// Stored, and of another size than it takes.
	if (method == 0 && !is_encrypted && sizes[0] != sizes[1]
	    && (zip->is_central || !zip->is_late))
		zip->is_false = true;
	if (zip->is_late)
		return;
	for (size_t i = 0; i < sizeof(sizes); i++)
		hash_add(zip, ((const uint8_t *)sizes)[i]);
	*sum += zip->hash ^ zip->hash >> 29;
}

// APPNOTE 4.5.3: of the sizes those that do not fit into the record, the member's first.
static void zip64_end(struct zip *zip) {
	uint64_t *size = zip->size == UINT32_MAX ? &zip->size : &zip->packed_size;

	if (*size == UINT32_MAX)
		*size = zip->extra.value;
}

static void extra_char(struct zip *zip, uint8_t c) {
	struct zip_extra *extra = &zip->extra;

	extra->left--;
	if (extra->n < 2) {
		extra->id = (uint16_t)(extra->id | c << 8 * extra->n);
	} else if (extra->n < 4) {
		extra->size = (uint16_t)(extra->size | c << 8 * (extra->n - 2));
	} else if (extra->id == 1 && extra->n < 4 + 16) {
		extra->value = extra->value >> 8 | (uint64_t)c << 56;
		if (extra->n % 8 == 3)
			zip64_end(zip);
	}
	extra->n++;
	if (extra->n == 4u + extra->size && extra->n >= 4)
		*extra = (struct zip_extra){.left = extra->left};
}

static void record_begin(struct attachment *a, struct zip *zip) {
	zip->hash = 0xcbf29ce484222325;
	zip->n_name = 0;
	if (zip->is_central)
		central_begin(a, zip);
	else
		local_begin(a, zip);
	zip->state = ZIP_NAME;
}

// Four bytes where a record begins.
static void signature_read(struct zip *zip) {
	uint32_t signature = le32(zip->fixed);

	switch (signature) {
	case 0x04034b50:
	case 0x02014b50:
		zip->is_central = signature == 0x02014b50;
		zip->state = ZIP_FIXED;
		return;
	case 0x08074b50: // a data descriptor, in one of its lengths
	case 0x08064b50: // archive extra data
		zip->state = ZIP_SEARCH;
		zip->n = 0;
		zip->found = 0;
		return;
	}
	// The end record, a signature, zip64's: the directory has been read.
	zip->state = ZIP_END;
}

// One byte of what is looked at byte by byte.
static void zip_char(struct attachment *a, struct slab *slab, struct zip *zip, uint8_t c) {
	switch (zip->state) {
	case ZIP_SIGNATURE:
		zip->fixed[zip->n++] = c;
		if (zip->n == 4)
			signature_read(zip);
		break;
	case ZIP_FIXED:
		zip->fixed[zip->n++] = c;
		if (zip->n == (zip->is_central ? CENTRAL_SIZE : LOCAL_SIZE))
			record_begin(a, zip);
		break;
	case ZIP_EXTRA:
		extra_char(zip, c);
		break;
	case ZIP_SEARCH:
		zip->found = zip->found >> 8 | (uint32_t)c << 24;
		if (zip->found == 0x04034b50 || zip->found == 0x02014b50) {
			memcpy(zip->fixed, "PK", 2);
			zip->fixed[2] = (uint8_t)(zip->found >> 16);
			zip->fixed[3] = (uint8_t)(zip->found >> 24);
			zip->n = 4;
			signature_read(zip);
		}
		break;
	}
}

// Moves on where nothing is left to come of a state.
static void zip_advance(struct attachment *a, struct slab *slab, struct zip *zip) {
	if (zip->state == ZIP_NAME && zip->name_left == 0) {
		member_end(a, slab, zip);
		zip->state = ZIP_EXTRA;
	}
	if (zip->state == ZIP_EXTRA && zip->extra.left == 0) {
		sizes_end(zip);
		zip->state = ZIP_SKIP;
	}
	if (zip->state == ZIP_SKIP && zip->skip == 0) {
		zip->state = zip->is_search ? ZIP_SEARCH : ZIP_SIGNATURE;
		zip->n = 0;
		zip->found = 0;
	}
}

// Whether the last bytes are the beginning of a signature.
static bool is_begun(uint32_t last) {
	return last >> 24 == 'P' || last >> 16 == 0x4b50 || last >> 8 == 0x014b50
		|| last >> 8 == 0x034b50;
}

// What has come of a name. In one go: a forged length makes it 64 KB.
static size_t zip_name(struct zip *zip, const uint8_t *data, size_t size) {
	size_t n = zip->name_left < size ? zip->name_left : size;
	size_t room = sizeof(zip->name) - zip->n_name, kept = n < room ? n : room;
	uint64_t hash = zip->hash;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ data[i]) * FNV_PRIME;
	zip->hash = hash;
	memcpy(zip->name + zip->n_name, data, kept);
	zip->n_name = (uint16_t)(zip->n_name + kept);
	zip->name_left = (uint16_t)(zip->name_left - n);
	return n;
}

static void zip_data(struct attachment *a, struct slab *slab, const uint8_t *data, size_t size) {
	struct zip *zip = a->zip;

	for (size_t i = 0; i < size && zip->state != ZIP_END;) {
		if (zip->state == ZIP_SKIP) {
			uint64_t n = zip->skip < size - i ? zip->skip : size - i;

			zip->skip -= n;
			i += n;
		} else if (zip->state == ZIP_NAME) {
			i += zip_name(zip, data + i, size - i);
		} else if (zip->state == ZIP_SEARCH && data[i] != 'P' && !is_begun(zip->found)) {
			// Not within a signature: to the next P.
			const uint8_t *p = memchr(data + i, 'P', size - i);

			i = p != NULL ? (size_t)(p - data) : size;
			zip->found = 0;
		} else {
			zip_char(a, slab, zip, data[i++]);
		}
		zip_advance(a, slab, zip);
	}
}

// ---- The attachment

// Rar 5: the archive's encryption header comes first (type 4). Rar 4: a flag of the main header (0x80), or
// of the first file's.
static bool is_rar_encrypted(const uint8_t *data, size_t size) {
	if (size > 14 && memcmp(data, "Rar!\x1a\7\1\0", 8) == 0)
		return data[13] == 4;
	return size > 23 && memcmp(data, "Rar!\x1a\7\0", 7) == 0 && data[9] == 0x73
		&& (data[10] & 0x80 || (data[22] == 0x74 && data[23] & 4));
}

static void first_told(struct attachment *a, struct slab *slab) {
	bool is_enveloped = false;

	a->is_told = true;
	a->facts->content_type = attachment_type(a->first, a->n_first);
	a->facts->is_encrypted |= is_rar_encrypted(a->first, a->n_first)
		|| strcmp(a->facts->content_type, "application/pgp-encrypted") == 0
		|| (sealed_is_cms(a->first, a->n_first, &is_enveloped) && is_enveloped);
	sealed_begin(&a->sealed, a->facts->content_type);
	a->facts->is_encrypted |= sealed_data(&a->sealed, a->first, a->n_first);
	if (strcmp(a->facts->content_type, "application/zip") != 0)
		return;
	a->zip = slab_get(slab, sizeof(*a->zip));
	if (a->zip != NULL)
		zip_data(a, slab, a->first, a->n_first);
}

void attachment_begin(
	struct attachment *attachment,
	struct attachment_facts *facts,
	struct sha256_pair *pair
) {
	attachment->facts = facts;
	attachment->n_first = 0;
	attachment->is_told = false;
	attachment->is_odd = false;
	attachment->zip = NULL;
	attachment->sealed = (struct sealed){0};
	sha256_begin(&attachment->sha256, pair);
}

void attachment_data(
	struct attachment *attachment,
	struct slab *slab,
	const uint8_t *data,
	size_t size
) {
	size_t n = 0;

	attachment->facts->bytes += size;
	sha256_data(&attachment->sha256, data, size);
	if (!attachment->is_told) {
		n = ATTACHMENT_FIRST_SIZE - attachment->n_first;
		n = n < size ? n : size;
		memcpy(attachment->first + attachment->n_first, data, n);
		attachment->n_first += (uint8_t)n;
		if (attachment->n_first == ATTACHMENT_FIRST_SIZE)
			first_told(attachment, slab);
	}
	if (attachment->sealed.mark != NULL)
		attachment->facts->is_encrypted
			|= sealed_data(&attachment->sealed, data + n, size - n);
	if (attachment->zip != NULL)
		zip_data(attachment, slab, data + n, size - n);
}

void attachment_gap(struct attachment *attachment, struct slab *slab, uint64_t size) {
	attachment->facts->is_holed = true;
	if (!attachment->is_told)
		first_told(attachment, slab);
	attachment->sealed.at = 0;
	if (attachment->zip != NULL)
		attachment->zip->state = ZIP_END;
}

void attachment_end(struct attachment *attachment, struct slab *slab) {
	struct attachment_facts *facts = attachment->facts;
	struct zip *zip;

	if (!attachment->is_told)
		first_told(attachment, slab);
	sha256_end(&attachment->sha256, facts->sha256);
	facts->has_sha256 = !facts->is_holed;
	zip = attachment->zip;
	if (zip != NULL && !facts->is_holed)
		attachment->is_odd = zip->n_local != zip->n_central
			|| zip->local_sum != zip->central_sum || zip->is_false
			|| zip->state != ZIP_END;
	slab_put(slab, zip, sizeof(*zip));
	attachment->zip = NULL;
}
