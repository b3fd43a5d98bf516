// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "page_out.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

enum { PLOT_SIZE = 256 }; // bytes of one plot: three for each of its columns

#define DAY_S 86400

void page_say(struct page_out *out, const char *format, ...) {
	va_list args;

	if (!out->text)
		return;
	va_start(args, format);
	vfprintf(out->text, format, args);
	va_end(args);
}

void page_begin(struct page_out *out, const char *key, const char *title) {
	page_say(out, "\n%s\n", title);
	if (!out->text)
		json_begin_array(&out->json, key);
}

void page_end(struct page_out *out) {
	if (!out->text)
		json_end_array(&out->json);
}

void page_item(struct page_out *out) {
	if (!out->text)
		json_begin_object(&out->json, NULL);
}

void page_item_end(struct page_out *out) {
	page_say(out, "\n");
	if (!out->text)
		json_end_object(&out->json);
}

void page_number(struct page_out *out, const char *key, uint64_t value) {
	if (!out->text)
		json_put_u64(&out->json, key, value);
}

void page_double(struct page_out *out, const char *key, double value) {
	if (!out->text)
		json_put_double(&out->json, key, isfinite(value) ? value : 0, 2);
}

void page_text(struct page_out *out, const char *key, const char *text) {
	if (!out->text && text[0])
		json_put_string(&out->json, key, text, strlen(text), 300);
}

void page_bool(struct page_out *out, const char *key, bool value) {
	if (!out->text)
		json_put_bool(&out->json, key, value);
}

const char *page_day_text(uint32_t day) {
	static char texts[4][16];
	static int n;
	char *text = texts[n++ % 4];
	time_t seconds = (time_t)day * DAY_S;

	strftime(text, sizeof(texts[0]), "%e %b %Y", gmtime(&seconds));
	return text + (text[0] == ' ');
}

void page_day(struct page_out *out, const char *key, uint32_t day) {
	if (!out->text && day)
		json_put_time(&out->json, key, (uint64_t)day * DAY_S * 1000000000);
}

const char *page_minute_text(uint64_t minutes) {
	static char texts[4][24];
	static int n;
	char *text = texts[n++ % 4];
	time_t seconds = (time_t)minutes * 60;

	strftime(text, sizeof(texts[0]), "%Y-%m-%d %H:%M", gmtime(&seconds));
	return text;
}

void page_minute(struct page_out *out, const char *key, uint32_t minutes) {
	if (!out->text && minutes)
		json_put_time(&out->json, key, minutes * MINUTE_NS);
}

const char *page_s(uint64_t n) {
	return n == 1 ? "" : "s";
}

static const char *const bars[] = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

// A column of eight steps for each value; most: the highest of the scale.
const char *page_plot(const double *value, int n, double most) {
	static char text[PLOT_SIZE];
	size_t used = 0;

	for (int i = 0; i < n && used + 4 < sizeof(text); i++) {
		int step = value[i] > 0 && most > 0 ? 1 + (int)(7 * value[i] / most) : 0;
		const char *bar = bars[step > 8 ? 8 : step];
		memcpy(text + used, bar, strlen(bar));
		used += strlen(bar);
	}
	text[used] = '\0';
	return text;
}

void page_values(struct page_out *out, const char *key, const double *value, int n, int decimals) {
	if (out->text)
		return;
	json_begin_array(&out->json, key);
	for (int i = 0; i < n; i++)
		if (decimals)
			json_put_double(&out->json, NULL, value[i], decimals);
		else
			json_put_u64(&out->json, NULL, (uint64_t)value[i]);
	json_end_array(&out->json);
}
