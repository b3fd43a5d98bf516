// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// One state per place in the markup, a byte at a time. What a state holds is at most a name, which is given
// out again when it turns out to be text.

#include "mime/html.h"

#include <stdlib.h>
#include <string.h>

enum {
	HTML_TEXT,
	HTML_REFERENCE, // behind &
	HTML_OPEN, // behind <
	HTML_NAME, // in a tag's name
	HTML_TAG, // behind it
	HTML_DOUBLE, // in a value between "
	HTML_SINGLE, // between '
	HTML_BANG, // behind <!
	HTML_BANG_DASH, // <!-
	HTML_COMMENT,
};

// Whose content is no text; and what stands on a line of its own.
static const char *const hidden[] = {"", "script", "style", "template", "noembed"};
static const char *const blocks[] = {
	"address", "article", "blockquote", "br",    "caption", "center", "dd", "div", "dl",
	"dt",	   "footer",  "form",	    "h1",    "h2",	"h3",	  "h4", "h5",  "h6",
	"header",  "hr",      "li",	    "main",  "ol",	"option", "p",	"pre", "section",
	"table",   "tbody",   "textarea",   "tfoot", "thead",	"title",  "tr", "ul",
};

// References beyond the five of XML: what Czech and Slovak mail has, and blanks. NULL text: nothing is
// seen of it.
static const struct {
	const char *name, *text;
} references[] = {
	{"amp", "&"},	 {"lt", "<"},	  {"gt", ">"},	   {"quot", "\""},  {"apos", "'"},
	{"nbsp", " "},	 {"ensp", " "},	  {"emsp", " "},   {"thinsp", " "}, {"shy", ""},
	{"zwj", ""},	 {"zwnj", ""},	  {"aacute", "á"}, {"Aacute", "Á"}, {"auml", "ä"},
	{"Auml", "Ä"},	 {"ccaron", "č"}, {"Ccaron", "Č"}, {"dcaron", "ď"}, {"Dcaron", "Ď"},
	{"eacute", "é"}, {"Eacute", "É"}, {"ecaron", "ě"}, {"Ecaron", "Ě"}, {"iacute", "í"},
	{"Iacute", "Í"}, {"lcaron", "ľ"}, {"Lcaron", "Ľ"}, {"lacute", "ĺ"}, {"Lacute", "Ĺ"},
	{"ncaron", "ň"}, {"Ncaron", "Ň"}, {"oacute", "ó"}, {"Oacute", "Ó"}, {"ocirc", "ô"},
	{"Ocirc", "Ô"},	 {"ouml", "ö"},	  {"Ouml", "Ö"},   {"racute", "ŕ"}, {"Racute", "Ŕ"},
	{"rcaron", "ř"}, {"Rcaron", "Ř"}, {"scaron", "š"}, {"Scaron", "Š"}, {"szlig", "ß"},
	{"tcaron", "ť"}, {"Tcaron", "Ť"}, {"uacute", "ú"}, {"Uacute", "Ú"}, {"uring", "ů"},
	{"Uring", "Ů"},	 {"uuml", "ü"},	  {"Uuml", "Ü"},   {"yacute", "ý"}, {"Yacute", "Ý"},
	{"zcaron", "ž"}, {"Zcaron", "Ž"}, {"euro", "€"},   {"ndash", "–"},  {"mdash", "—"},
	{"laquo", "«"},	 {"raquo", "»"},  {"bdquo", "„"},  {"ldquo", "“"},  {"rdquo", "”"},
	{"agrave", "à"}, {"egrave", "è"}, {"Egrave", "È"}, {"ccedil", "ç"}, {"hellip", "…"},
};

static bool is_letter(uint8_t c) {
	c |= 0x20;
	return c >= 'a' && c <= 'z';
}

static bool is_digit(uint8_t c) {
	return c >= '0' && c <= '9';
}

// ---- Text out

static size_t put(struct html *html, uint8_t c, uint8_t *out) {
	bool is_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';

	if (is_blank && html->is_blank)
		return 0;
	html->is_blank = is_blank;
	*out = is_blank ? ' ' : c;
	return 1;
}

static size_t put_text(struct html *html, const char *text, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += put(html, (uint8_t)text[i], out + n);
	return n;
}

// A block begins or ends: a new line, unless the last character was one.
static size_t put_line(struct html *html, uint8_t *out) {
	html->is_blank = true;
	*out = '\n';
	return 1;
}

// A cell of a table begins: a row is read as one line, so that a number in one of several cells is not alone on it.
static size_t put_tab(struct html *html, uint8_t *out) {
	html->is_blank = true;
	*out = '\t';
	return 1;
}

// ---- References

static size_t put_character(struct html *html, unsigned long c, uint8_t *out) {
	char text[4];
	size_t n = 0;

	// Soft hyphen and zero-width characters: there to split words that are looked for.
	if (c == 0xad || (c >= 0x200b && c <= 0x200f) || c == 0x2060 || c == 0xfeff)
		return 0;
	if (c == 0xa0)
		c = ' ';
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd;
	if (c < 0x80) {
		text[n++] = (char)c;
	} else if (c < 0x800) {
		text[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		text[n++] = (char)(0xe0 | c >> 12);
		text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		text[n++] = (char)(0xf0 | c >> 18);
		text[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		text[n++] = (char)(0x80 | (c & 0x3f));
	return put_text(html, text, n, out);
}

// What was held behind & is a reference (known), or is text.
static size_t reference_end(struct html *html, bool *known, uint8_t *out) {
	const char *name = html->name;
	size_t n = 0;

	html->state = HTML_TEXT;
	html->name[html->n_name] = '\0';
	*known = true;
	if (name[0] == '#' && is_digit((uint8_t)name[1]))
		return put_character(html, strtoul(name + 1, NULL, 10), out);
	if (name[0] == '#' && (name[1] | 0x20) == 'x' && html->n_name > 2)
		return put_character(html, strtoul(name + 2, NULL, 16), out);
	for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++)
		if (strcmp(references[i].name, name) == 0)
			return put_text(html, references[i].text, strlen(references[i].text), out);
	*known = false;
	n = put(html, '&', out);
	return n + put_text(html, name, html->n_name, out + n);
}

// True: c belongs to the reference.
static bool reference_takes(const struct html *html, uint8_t c) {
	bool is_number = html->n_name > 0 && html->name[0] == '#';

	if (html->n_name == HTML_NAME_MAX)
		return false;
	if (html->n_name == 0)
		return c == '#' || is_letter(c);
	if (!is_number)
		return is_letter(c) || is_digit(c);
	if (html->n_name == 1)
		return is_digit(c) || (c | 0x20) == 'x';
	if ((html->name[1] | 0x20) == 'x')
		return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
	return is_digit(c);
}

// ---- Tags

static size_t tag_end(struct html *html, uint8_t *out) {
	html->state = HTML_TEXT;
	html->name[html->n_name] = '\0';
	if (html->raw != 0) {
		if (html->is_closing && strcmp(html->name, hidden[html->raw]) == 0)
			html->raw = 0;
		return 0;
	}
	for (uint8_t i = 1; i < sizeof(hidden) / sizeof(hidden[0]) && !html->is_closing; i++)
		if (strcmp(html->name, hidden[i]) == 0)
			html->raw = i;
	if (strcmp(html->name, "td") == 0 || strcmp(html->name, "th") == 0)
		return html->is_closing ? 0 : put_tab(html, out); // </td> may be missing
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (strcmp(html->name, blocks[i]) == 0)
			return put_line(html, out);
	return 0;
}

static void name_add(struct html *html, uint8_t c) {
	if (html->n_name < HTML_NAME_MAX)
		html->name[html->n_name++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

// Behind < : false when it was none of a tag, and c is to be read again as text.
static bool open_step(struct html *html, uint8_t c, uint8_t *out, size_t *n) {
	if (c == '/' && !html->is_closing) {
		html->is_closing = true;
		return true;
	}
	if (is_letter(c) || (html->raw == 0 && (c == '?' || (c == '/' && html->is_closing)))) {
		html->state = HTML_NAME;
		name_add(html, c);
		return true;
	}
	if (c == '!' && !html->is_closing) {
		html->state = HTML_BANG;
		return true;
	}
	html->state = HTML_TEXT;
	if (html->raw == 0) {
		*n += put(html, '<', out + *n);
		if (html->is_closing)
			*n += put(html, '/', out + *n);
	}
	return false;
}

static size_t tag_step(struct html *html, uint8_t c, uint8_t *out) {
	// Quotes only count in a tag that is not about leaving out text: "</script" ends at its first >.
	if (c == '>' || ++html->tag_size > HTML_TAG_SIZE_MAX)
		return tag_end(html, out);
	if (html->raw == 0 && (c == '"' || c == '\''))
		html->state = c == '"' ? HTML_DOUBLE : HTML_SINGLE;
	return 0;
}

static void comment_step(struct html *html, uint8_t c) {
	if (c == '>' && html->n_dashes >= 2)
		html->state = HTML_TEXT;
	html->n_dashes = c == '-' ? html->n_dashes < 2 ? html->n_dashes + 1 : 2 : 0;
	if (++html->tag_size > HTML_TAG_SIZE_MAX)
		html->state = HTML_TEXT;
}

static void bang_step(struct html *html, uint8_t c) {
	if (c == '-' && html->state == HTML_BANG) {
		html->state = HTML_BANG_DASH;
	} else if (c == '-') {
		html->state = HTML_COMMENT;
		html->n_dashes = 2; // <!--> is a comment, too
	} else {
		html->state = c == '>' ? HTML_TEXT : HTML_TAG;
	}
}

static size_t text_step(struct html *html, uint8_t c, uint8_t *out) {
	html->n_name = 0;
	html->tag_size = 0;
	html->is_closing = false;
	if (c == '<')
		html->state = HTML_OPEN;
	else if (html->raw != 0)
		return 0;
	else if (c == '&')
		html->state = HTML_REFERENCE;
	else
		return put(html, c, out);
	return 0;
}

// One byte. False: it is to be read again in the new state.
static bool step(struct html *html, uint8_t c, uint8_t *out, size_t *n) {
	bool known;

	switch (html->state) {
	case HTML_TEXT:
		*n += text_step(html, c, out + *n);
		return true;
	case HTML_REFERENCE:
		if (reference_takes(html, c)) {
			html->name[html->n_name++] = (char)c;
			return true;
		}
		*n += reference_end(html, &known, out + *n);
		return c == ';' && known;
	case HTML_OPEN:
		return open_step(html, c, out, n);
	case HTML_NAME:
		if (is_letter(c) || is_digit(c) || c == '-' || c == ':') {
			name_add(html, c);
			return true;
		}
		html->state = HTML_TAG;
		return false;
	case HTML_TAG:
		*n += tag_step(html, c, out + *n);
		return true;
	case HTML_DOUBLE:
	case HTML_SINGLE:
		if (c == (html->state == HTML_DOUBLE ? '"' : '\'')
		    || ++html->tag_size > HTML_TAG_SIZE_MAX)
			html->state = HTML_TAG;
		return true;
	case HTML_BANG:
	case HTML_BANG_DASH:
		bang_step(html, c);
		return true;
	}
	comment_step(html, c);
	return true;
}

// ----

void html_begin(struct html *html) {
	*html = (struct html){.is_blank = true};
}

size_t html_data(struct html *html, const uint8_t *data, size_t size, uint8_t *out) {
	size_t n = 0;

	for (size_t i = 0; i < size;)
		i += step(html, data[i], out, &n);
	return n;
}

void html_gap(struct html *html) {
	uint8_t raw = html->raw;

	html_begin(html);
	html->raw = raw;
}

size_t html_end(struct html *html, uint8_t *out) {
	size_t n = 0;

	if (html->state == HTML_REFERENCE)
		n = reference_end(html, &(bool){false}, out);
	else if (html->state == HTML_OPEN && html->raw == 0)
		n = put(html, '<', out);
	html_begin(html);
	return n;
}
