// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// HTML in UTF-8 reduced to the text a person sees, streaming: tags, comments, scripts and styles left
// out, character references decoded, white space as one blank, blocks on lines of their own, a tab before each cell of
// a table and a line for each row. Not a browser: what stands in markup is searched in the markup itself (content.c).

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTML_NAME_MAX = 11, // of a tag's name, or a reference's: longer ones mean nothing here
	HTML_EXTRA_MAX = HTML_NAME_MAX + 8, // what a call may give beyond the bytes it was given
	HTML_TAG_SIZE_MAX = 65536, // a tag or comment without an end hides no more than this
};

struct html {
	uint8_t state;
	uint8_t n_name;
	bool is_blank; // the last thing given was white space
	bool is_closing; // </…>
	uint8_t raw; // what ends the text being left out: 0 or index of a tag
	uint8_t n_dashes; // in a comment
	uint32_t tag_size;
	char name[HTML_NAME_MAX + 1];
};

void html_begin(struct html *html);
// Reduces size bytes to out, which has room for size + HTML_EXTRA_MAX. Returns how many it wrote.
size_t html_data(struct html *html, const uint8_t *data, size_t size, uint8_t *out);
// Bytes are missing here: text goes on.
void html_gap(struct html *html);
// The end; what was held goes to out (room for HTML_EXTRA_MAX).
size_t html_end(struct html *html, uint8_t *out);
