// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The page about an account, written one of two ways: text for a person, or one JSON line by the same calls.
// Whatever is put under a key stands in JSON alone; what is said stands in the text alone.

#pragma once

#include "account_page.h"
#include "output/json.h"

enum { PAGE_LINE_SIZE = 65536 };

#define MINUTE_NS (60ull * 1000000000)

struct page_out {
	FILE *text; // NULL: JSON
	struct json json;
	char line[PAGE_LINE_SIZE];
};

__attribute__((format(printf, 2, 3))) void page_say(struct page_out *out, const char *format, ...);

// A section, a list of items.
void page_begin(struct page_out *out, const char *key, const char *title);
void page_end(struct page_out *out);
void page_item(struct page_out *out);
void page_item_end(struct page_out *out);

// An item's members; what is not finite is 0, an empty text and a day or minute 0 are left out.
void page_number(struct page_out *out, const char *key, uint64_t value);
void page_double(struct page_out *out, const char *key, double value);
void page_text(struct page_out *out, const char *key, const char *text);
void page_bool(struct page_out *out, const char *key, bool value);
void page_day(struct page_out *out, const char *key, uint32_t day);
void page_minute(struct page_out *out, const char *key, uint32_t minutes);
void page_values(struct page_out *out, const char *key, const double *value, int n, int decimals);

// Words. Each lies in one of four places that are used in turn.
const char *page_day_text(uint32_t day);
const char *page_minute_text(uint64_t minutes);
// A column of eight steps for each value; most: the highest of the scale. Until the next call.
const char *page_plot(const double *value, int n, double most);
// "s", unless there is one.
const char *page_s(uint64_t n);

// The sections of page_who.c.
void page_places(struct page_out *out, const struct account_page *page);
void page_clients(struct page_out *out, const struct account_page *page);
void page_visitors(struct page_out *out, const struct account_page *page);
