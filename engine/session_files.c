// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "session_files.h"

#include "engine.h"
#include "mime/mime.h"

static struct session_files *files_get(struct session *s) {
	struct session_client *client = session_client_get(s);

	if (client && !client->files)
		client->files = slab_get(s->engine->slab, sizeof(*client->files));
	if (client && !client->files)
		session_event(s, EVENT_memory_full);
	return client ? client->files : NULL;
}

void session_files_take(struct session *s, enum content_kind kind, struct mime_summary *summary) {
	struct session_files *files;

	if (summary->attachments_total == 0 || !s->engine->config.records
	    || (kind != CONTENT_FETCHED && kind != CONTENT_APPENDED))
		return;
	files = files_get(s);
	if (!files)
		return;
	files->n_since += summary->attachments_total;
	for (int i = 0; i < summary->n_attachments && files->n < SESSION_FILES_MAX; i++) {
		files->file[files->n++] = (struct session_file
		){.kind = (uint8_t)kind, .mailbox = -1, .facts = summary->attachments[i]};
		summary->attachments[i] = NULL;
	}
}

void session_files_place(
	struct session *s,
	enum content_kind kind,
	int mailbox,
	uint32_t uid,
	const char *target,
	size_t size
) {
	struct session_files *files = s->client ? s->client->files : NULL;

	for (int i = 0; files && i < files->n; i++) {
		struct session_file *file = &files->file[i];

		if (file->is_placed || file->kind != kind)
			continue;
		file->is_placed = true;
		file->mailbox = (int8_t)mailbox;
		file->uid = uid;
		if (target)
			file->target = attachment_text_copy(
				s->engine->slab, (const uint8_t *)target, size
			);
	}
}

void session_files_clear(struct session *s) {
	struct session_files *files = s->client ? s->client->files : NULL;
	struct slab *slab = s->engine->slab;

	if (!files)
		return;
	for (int i = 0; i < files->n; i++) {
		slab_put(slab, files->file[i].target.text, files->file[i].target.size);
		attachment_facts_free(files->file[i].facts, slab);
		slab_put(slab, files->file[i].facts, sizeof(*files->file[i].facts));
	}
	slab_put(slab, files, sizeof(*files));
	s->client->files = NULL;
}
