// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "proto/sieve_script.h"

#include <string.h>
#include <strings.h>

enum state {
	STATE_CODE,
	STATE_WORD,
	STATE_SLASH, // may begin a comment
	STATE_HASH, // a comment to the end of the line
	STATE_COMMENT,
	STATE_COMMENT_STAR,
	STATE_STRING,
	STATE_TEXT_HEAD, // behind "text:", up to the end of its line
	STATE_TEXT_START, // of a line of multi-line text
	STATE_TEXT_DOT,
	STATE_TEXT_DOT_CR,
	STATE_TEXT,
};

static bool is_word(uint8_t c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		|| c == '_' || c == ':';
}

static void string_add(struct sieve_script *script, uint8_t c) {
	if (script->string_size == SIEVE_ADDRESS_SIZE_MAX) {
		script->is_cut = true;
		return;
	}
	script->string[script->string_size++] = (char)c;
}

static void string_begin(struct sieve_script *script, enum state state) {
	script->state = (uint8_t)state;
	script->string_size = 0;
	script->is_cut = script->is_escaped = false;
	script->has_string = true;
}

// The last string before the semicolon is the address; others belong to tags.
static void command_end(struct sieve_script *script, struct sieve_targets *targets) {
	if (script->is_redirect && script->has_string && !script->is_cut) {
		while (script->string_size > 0
		       && memchr(" \t\r\n", script->string[script->string_size - 1], 4))
			script->string_size--;
		if (targets->n < SIEVE_TARGETS_MAX)
			memcpy(targets->target[targets->n], script->string, script->string_size);
		targets->n++;
	}
	script->is_redirect = script->has_string = false;
}

static void word_end(struct sieve_script *script) {
	uint8_t size = script->word_size;

	script->state = STATE_CODE;
	if (size == 8 && strncasecmp(script->word, "redirect", 8) == 0)
		script->is_redirect = true;
	if (size == 5 && strncasecmp(script->word, "text:", 5) == 0)
		string_begin(script, STATE_TEXT_HEAD);
}

static void code_byte(struct sieve_script *script, uint8_t c, struct sieve_targets *targets) {
	script->state = STATE_CODE;
	switch (c) {
	case '"':
		string_begin(script, STATE_STRING);
		return;
	case '#':
		script->state = STATE_HASH;
		return;
	case '/':
		script->state = STATE_SLASH;
		return;
	case ';':
	case '{':
	case '}':
		command_end(script, targets);
		return;
	}
	if (!is_word(c))
		return;
	script->state = STATE_WORD;
	script->word_size = 1;
	script->word[0] = (char)c;
}

static void string_byte(struct sieve_script *script, uint8_t c) {
	if (script->is_escaped)
		script->is_escaped = false;
	else if (c == '\\') {
		script->is_escaped = true;
		return;
	} else if (c == '"') {
		script->state = STATE_CODE;
		return;
	}
	string_add(script, c);
}

// Multi-line text ends with a lone dot, as messages do.
static void text_byte(struct sieve_script *script, uint8_t c) {
	switch (script->state) {
	case STATE_TEXT_HEAD:
		if (c == '\n')
			script->state = STATE_TEXT_START;
		return;
	case STATE_TEXT_START:
		script->state = c == '.' ? STATE_TEXT_DOT
			: c == '\n'	 ? STATE_TEXT_START
					 : STATE_TEXT;
		if (c != '.')
			string_add(script, c);
		return;
	case STATE_TEXT_DOT:
		script->state = c == '\r' ? STATE_TEXT_DOT_CR : c == '\n' ? STATE_CODE : STATE_TEXT;
		if (c != '\r' && c != '\n')
			string_add(script, c);
		return;
	case STATE_TEXT_DOT_CR:
		script->state = c == '\n' ? STATE_CODE : STATE_TEXT;
		return;
	}
	string_add(script, c);
	if (c == '\n')
		script->state = STATE_TEXT_START;
}

static void byte_read(struct sieve_script *script, uint8_t c, struct sieve_targets *targets) {
	switch (script->state) {
	case STATE_WORD:
		if (is_word(c)) {
			if (script->word_size < sizeof(script->word))
				script->word[script->word_size++] = (char)c;
			return;
		}
		word_end(script);
		if (script->state == STATE_TEXT_HEAD)
			text_byte(script, c);
		else
			code_byte(script, c, targets);
		return;
	case STATE_SLASH:
		if (c == '*')
			script->state = STATE_COMMENT;
		else
			code_byte(script, c, targets);
		return;
	case STATE_HASH:
		if (c == '\n')
			script->state = STATE_CODE;
		return;
	case STATE_COMMENT:
	case STATE_COMMENT_STAR:
		if (c == '/' && script->state == STATE_COMMENT_STAR)
			script->state = STATE_CODE;
		else
			script->state = c == '*' ? STATE_COMMENT_STAR : STATE_COMMENT;
		return;
	case STATE_STRING:
		string_byte(script, c);
		return;
	case STATE_CODE:
		code_byte(script, c, targets);
		return;
	}
	text_byte(script, c);
}

void sieve_script_read(
	struct sieve_script *script,
	const uint8_t *data,
	size_t size,
	struct sieve_targets *targets
) {
	for (size_t i = 0; i < size; i++)
		byte_read(script, data[i], targets);
}
