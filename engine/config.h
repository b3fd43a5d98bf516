// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What a user asks for: defaults, then the configuration file (-c), then the command line, each
// overriding the one before. config.def lists every option once; the rest is made of that.

#pragma once

#include "activity.h"
#include "overlap.h"
#include "tunnel.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command {
	COMMAND_REPLAY,
	COMMAND_RUN,
	COMMAND_SCORE,
	COMMAND_CHECK,
	COMMAND_ACCOUNT,
	COMMAND_CTL,
	COMMANDS,
};

enum {
	CONFIG_PREFIXES_MAX = 256,
	CONFIG_NUMBERS_MAX = 64,
	CONFIG_FILE_SIZE_MAX = 1 << 20,
	CONFIG_TEXT_SIZE_MAX = 4096, // of one value
};

struct config_prefixes {
	uint32_t n;
	struct {
		struct ip ip; // bits beyond the prefix are zero
		uint8_t bits;
	} prefix[CONFIG_PREFIXES_MAX];
};

struct config_numbers {
	uint32_t n;
	uint16_t number[CONFIG_NUMBERS_MAX];
};

enum config_origin {
	CONFIG_DEFAULT,
	CONFIG_FILE,
	CONFIG_COMMAND_LINE,
};

// Strings and paths: owned by the configuration, NULL when not given. Sizes are bytes, durations
// nanoseconds.
#define CONFIG_TYPE_string char *
#define CONFIG_TYPE_path char *
#define CONFIG_TYPE_charset char * // one that is known
#define CONFIG_TYPE_count uint64_t
#define CONFIG_TYPE_milli uint64_t
#define CONFIG_TYPE_size uint64_t
#define CONFIG_TYPE_duration uint64_t
#define CONFIG_TYPE_flag bool
#define CONFIG_TYPE_prefixes struct config_prefixes
#define CONFIG_TYPE_numbers struct config_numbers
#define CONFIG_TYPE_overlap enum overlap
#define CONFIG_TYPE_urgent enum urgent
#define CONFIG_TYPE_tunnel_ports struct tunnel_ports

enum config_option {
#define OPTION(name, ...) CONFIG_OPTION_##name,
#include "config.def"
#undef OPTION
	CONFIG_OPTIONS,
};

struct config {
	enum command command;
#define OPTION(name, type, ...) CONFIG_TYPE_##type name;
#include "config.def"
#undef OPTION
	uint8_t origin[CONFIG_OPTIONS]; // enum config_origin
	const char *file; // given by -c, or NULL; borrowed from argv
	char **inputs; // the FILEs or the NAME, in order; borrowed from argv
	int n_inputs;
	char **eal_args; // what stands behind -- (run); NULL-terminated, borrowed; NULL: nothing
	int n_mistakes; // in the configuration file
};

enum { CONFIG_GO = -1 };

// Reads argv (argv[1] is the command), and the file it names. Returns CONFIG_GO when the command is
// to be run; else the exit status: 0 after --help or --version (printed to out), 1 when the
// configuration file is wrong, 2 for wrong usage, with one line for each mistake on err. COMMAND_CHECK
// goes on after mistakes in the file, so that rules are checked too; the caller then exits 1.
// argv's order may change. config must be closed whatever is returned.
int config_open(struct config *config, int argc, char **argv, FILE *out, FILE *err);
// The same command line over the file as it is now: for a program that runs. 0; −1 when the file has
// mistakes, each one line on err. fresh must be closed whatever is returned; it borrows what old does.
int config_reread(const struct config *old, struct config *fresh, FILE *err);
void config_close(struct config *config);

// One line for each option that is not as by default, or all of them.
void config_print(const struct config *config, bool all, FILE *out);
const char *config_command_name(enum command command);
