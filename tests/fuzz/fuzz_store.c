// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Property: a value that is taken is written as the same again, and one with any bit flipped is not
// taken; a data file that is found sound is read by LMDB to its end; an image of any part and layout, older
// ones too, is refused or makes an entry or a blob, of which an episode can be printed. The first byte chooses.

#include "episode.h"
#include "hash.h"
#include "limits.h"
#include "models.h"
#include "output/alert_json.h"
#include "store/load.h"
#include "store/page.h"
#include "store/value.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void value_try(const uint8_t *data, size_t size) {
	static uint8_t image[VALUE_IMAGE_MAX], again[VALUE_SIZE_MAX(VALUE_IMAGE_MAX)];
	struct value_key key = value_key(VALUE_ENTRY, 1, 7);
	struct value_head head = {.size = (uint32_t)size, .version = 1};
	if (size > sizeof(image))
		return;
	size_t n = value_write(&key, &head, data, again);
	if (n > VALUE_SIZE_MAX(size) || !value_read(&key, again, n, sizeof(image), &head, image)
	    || head.size != size || memcmp(image, data, size))
		abort();
	size_t bit = (data[0] | (size_t)data[size - 1] << 8) % (8 * n);
	again[bit / 8] ^= 1 << bit % 8;
	if (value_read(&key, again, n, sizeof(image), &head, image))
		abort();
	value_read(&key, data, size, sizeof(image), &head, image);
}

static volatile uint64_t touched;

static void file_read(const char *dir) {
	MDB_env *env;
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_dbi dbi;
	MDB_val key, value;
	if (mdb_env_create(&env) == 0 && mdb_env_open(env, dir, MDB_RDONLY | MDB_NOLOCK, 0600) == 0
	    && mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0) {
		if (mdb_dbi_open(txn, NULL, 0, &dbi) == 0
		    && mdb_cursor_open(txn, dbi, &cursor) == 0) {
			while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
				touched = hash_bytes(HASH_PUBLIC, value.mv_data, value.mv_size);
			mdb_cursor_close(cursor);
		}
		mdb_txn_abort(txn);
	}
	mdb_env_close(env);
}

static void file_try(const uint8_t *data, size_t size) {
	static char dir[] = "/tmp/fuzz-store-XXXXXX", path[64];
	char why[200];
	if (!path[0] && mkdtemp(dir))
		snprintf(path, sizeof(path), "%s/data.mdb", dir);
	uint64_t *copy = malloc(size + 8); // aligned, and exact
	memcpy(copy, data, size);
	if (page_check((uint8_t *)copy, size, why, sizeof(why)) == PAGE_SOUND && size) {
		FILE *file = fopen(path, "wb");
		if (!file || fwrite(data, 1, size, file) != size || fclose(file))
			abort();
		file_read(dir);
	}
	free(copy);
}

static void nothing(void *ctx, const struct alert *alert) {}

// Which part, which layout (255: today's), and the image.
static void image_try(const uint8_t *data, size_t size) {
	static struct models *models;
	static char line[ALERT_SIZE_MAX];
	if (!models)
		models = models_open(&(struct models_config){.n_accounts = 16, .alert = nothing});
	size_t n;
	const struct store_part *parts = models_parts(models, &n), *part;
	if (size < 2)
		return;
	part = &parts[data[0] % n];
	struct value_head head = {
		.version = data[1] == 255 ? part->version : data[1],
		.size = (uint32_t)size - 2,
	};
	size_t room = part->table ? part->table->entry_size : part->size;
	uint8_t *image = malloc(size - 2 + !(size - 2)), *entry = calloc(1, room);
	memcpy(image, data + 2, size - 2);
	if (head.version > part->version || head.version == 0) {
		// load_all() has refused the store
	} else if (part->table && load_entry(part, &head, image, entry)) {
		if (part->id == KEPT_EPISODES
		    && alert_json_write(&((struct episode *)entry)->alert, "", line, sizeof(line))
			    > sizeof(line))
			abort();
	} else if (part->blob && part->unpack) {
		part->unpack(part->ctx, head.version, image, head.size, entry);
	}
	free(entry);
	free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 2)
		return 0;
	if (data[0] % 2)
		value_try(data + 1, size - 1);
	else if (data[0] % 4 == 2)
		image_try(data + 1, size - 1);
	else
		file_try(data + 1, size - 1);
	return 0;
}
