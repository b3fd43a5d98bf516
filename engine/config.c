// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The option table made of config.def, and its readers: file, command line, help.

#include "config.h"

#include "config_value.h"
#include "yaml.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifndef POSTERN_VERSION
#define POSTERN_VERSION "0.1.0"
#endif

enum {
	REPLAY = 1 << COMMAND_REPLAY,
	RUN = 1 << COMMAND_RUN,
	SCORE = 1 << COMMAND_SCORE,
	CHECK = 1 << COMMAND_CHECK,
	ACCOUNT = 1 << COMMAND_ACCOUNT,
	CTL = 1 << COMMAND_CTL,
};

static const struct {
	const char *name, *synopsis, *help;
	bool takes_files, needs_files;
} commands[COMMANDS] = {
	[COMMAND_REPLAY] = {
		"replay", "[options] FILE|-...",
		"captures (pcap, pcapng, ERF, plain or .gz/.zst) through the whole pipeline", true, true,
	},
	[COMMAND_RUN] = {
		"run", "[options] [-- EAL...]", "live, on network interfaces or DPDK ports", false, false,
	},
	[COMMAND_SCORE] = {
		"score", "[options] FILE|-...", "activity lines through the models to alerts", true, true,
	},
	[COMMAND_CHECK] = {
		"check", "[options]", "configuration and rules: every mistake, and what to write instead",
		false, false,
	},
	[COMMAND_ACCOUNT] = {
		"account", "--store DIR [options] NAME...",
		"what the store knows of an account: baseline, sources, clients, evidence", true, false,
	},
	[COMMAND_CTL] = {"ctl", "[options] reload|stats|stop", "talk to a running one", true, false},
};

struct option {
	const char *name; // as a key
	enum config_type type;
	unsigned commands;
	const char *argument, *text, *help; // text: the default
	uint64_t min, max;
	size_t offset; // in struct config
};

static const struct option options[CONFIG_OPTIONS] = {
#define OPTION(name, type, commands, argument, text, min, max, help)                               \
	{#name,                                                                                    \
	 CONFIG_VALUE_##type,                                                                      \
	 commands,                                                                                 \
	 argument,                                                                                 \
	 text,                                                                                     \
	 help,                                                                                     \
	 min,                                                                                      \
	 max,                                                                                      \
	 offsetof(struct config, name)},
#include "config.def"
#undef OPTION
};

const char *config_command_name(enum command command) {
	return commands[command].name;
}

// ---- Names: keys have _ where options have -. Both are taken for both.

static bool name_equal(const char *a, const char *b, size_t size) {
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] && !((a[i] == '-' || a[i] == '_') && (b[i] == '-' || b[i] == '_')))
			return false;
	return true;
}

static const struct option *option_find(const char *name, size_t size) {
	for (int i = 0; i < CONFIG_OPTIONS; i++)
		if (strlen(options[i].name) == size && name_equal(options[i].name, name, size))
			return &options[i];
	return NULL;
}

static int min3(int a, int b, int c) {
	int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

// Levenshtein's distance, for names up to 31 characters; others are far from everything.
static int distance(const char *a, size_t a_size, const char *b) {
	int row[32], b_size = (int)strlen(b);

	if (a_size > 31 || b_size > 31)
		return 99;
	for (int j = 0; j <= b_size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		int diagonal = row[0];

		row[0] = (int)i;
		for (int j = 1; j <= b_size; j++) {
			int above = row[j];
			bool same = name_equal(&a[i - 1], &b[j - 1], 1);

			row[j] = min3(row[j - 1] + 1, above + 1, diagonal + (same ? 0 : 1));
			diagonal = above;
		}
	}
	return row[b_size];
}

// The option a user most likely meant, or NULL.
static const struct option *option_nearest(const char *name, size_t size, unsigned mask) {
	const struct option *best = NULL;
	int best_distance = size < 5 ? 2 : size < 10 ? 3 : 4;

	for (int i = 0; i < CONFIG_OPTIONS; i++) {
		int d = distance(name, size, options[i].name);

		if ((options[i].commands & mask) != 0 && d < best_distance) {
			best = &options[i];
			best_distance = d;
		}
	}
	return best;
}

// "--trusted-proxies" of "trusted_proxies". In a buffer of the caller's.
static const char *option_text(const struct option *option, char *buffer, size_t size) {
	snprintf(buffer, size, "--%s", option->name);
	for (char *p = buffer; *p != '\0'; p++)
		if (*p == '_')
			*p = '-';
	return buffer;
}

// ---- Values.

static void *option_value(const struct option *option, struct config *config) {
	return (char *)config + option->offset;
}

static int option_set(
	const struct option *option,
	const char *text,
	enum config_origin origin,
	struct config *config,
	char *error,
	size_t error_size
) {
	void *value = option_value(option, config);

	if (config_value_set(option->type, text, option->min, option->max, value, error, error_size)
	    < 0)
		return -1;
	config->origin[option - options] = origin;
	return 0;
}

static void defaults_set(struct config *config) {
	char error[CONFIG_ERROR_SIZE];

	for (int i = 0; i < CONFIG_OPTIONS; i++) {
		const struct option *option = &options[i];
		int rc = option->text == NULL
			? 0
			: option_set(
				option, option->text, CONFIG_DEFAULT, config, error, sizeof(error)
			);

		assert(rc == 0);
		(void)rc;
	}
}

// ---- The file.

static void mistake_print(void *ctx, const char *text) {
	fprintf(ctx, "postern: %s\n", text);
}

static void keys_list(char *buffer, size_t size) {
	size_t used = 0;

	for (int i = 0; i < CONFIG_OPTIONS && used < size; i++)
		used += (size_t
		)snprintf(buffer + used, size - used, "%s%s", i > 0 ? ", " : "", options[i].name);
}

static void key_unknown(
	const struct config *config,
	const struct yaml_node *key,
	struct yaml_mistakes *mistakes
) {
	const struct option *near = option_nearest(key->text, strlen(key->text), ~0u);
	char known[400];

	keys_list(known, sizeof(known));
	if (near != NULL)
		yaml_mistake(
			mistakes,
			config->file,
			key->line,
			key->column,
			"%.60s: unknown key; did you mean %s?",
			key->text,
			near->name
		);
	else
		yaml_mistake(
			mistakes,
			config->file,
			key->line,
			key->column,
			"%.60s: unknown key; known are %s",
			key->text,
			known
		);
}

// A list becomes what the command line would say: its values with commas between.
static int value_text(const struct yaml_node *value, char *buffer, size_t size) {
	size_t used = 0;

	if (value->kind == YAML_SCALAR)
		return snprintf(buffer, size, "%s", value->text) < (int)size ? 0 : -1;
	buffer[0] = '\0';
	for (const struct yaml_node *item = value->first; item != NULL; item = item->next) {
		if (item->kind != YAML_SCALAR)
			return -1;
		used += (size_t
		)snprintf(buffer + used, size - used, "%s%s", used > 0 ? "," : "", item->text);
		if (used >= size)
			return -1;
	}
	return 0;
}

static bool is_list(enum config_type type) {
	return type == CONFIG_VALUE_prefixes || type == CONFIG_VALUE_numbers
		|| type == CONFIG_VALUE_tunnel_ports;
}

static void
key_read(struct config *config, const struct yaml_node *key, struct yaml_mistakes *mistakes) {
	const struct option *option = option_find(key->text, strlen(key->text));
	const struct yaml_node *value = key->value;
	char text[CONFIG_TEXT_SIZE_MAX], error[CONFIG_ERROR_SIZE];

	if (option == NULL) {
		key_unknown(config, key, mistakes);
		return;
	}
	if (value == NULL || key->is_cut || value->is_cut)
		return; // said already
	if (value->kind == YAML_MAP || (value->kind == YAML_LIST && !is_list(option->type))
	    || value_text(value, text, sizeof(text)) < 0) {
		yaml_mistake(
			mistakes,
			config->file,
			value->line,
			value->column,
			"%s: %s of at most %d bytes is needed here (%s), not %s",
			option->name,
			is_list(option->type) ? "a list" : "a value",
			CONFIG_TEXT_SIZE_MAX - 1,
			option->argument,
			yaml_kind_text(value->kind)
		);
		return;
	}
	if (option_set(option, text, CONFIG_FILE, config, error, sizeof(error)) < 0)
		yaml_mistake(
			mistakes,
			config->file,
			value->line,
			value->column,
			"%s: %s",
			option->name,
			error
		);
}

static void file_read(struct config *config, FILE *err) {
	struct yaml_mistakes mistakes = {.report = mistake_print, .ctx = err};
	const struct yaml_node *root;
	size_t size = 0;
	char *text = yaml_file(config->file, CONFIG_FILE_SIZE_MAX, &size, &mistakes);
	struct yaml *yaml = NULL;

	if (text == NULL)
		goto done;
	yaml = yaml_open(config->file, text, size, 1, &mistakes);
	if (yaml == NULL) {
		yaml_mistake(&mistakes, config->file, 0, 0, "no memory to read it");
		goto done;
	}
	root = yaml_root(yaml);
	if (root != NULL && root->kind == YAML_MAP)
		for (const struct yaml_node *key = root->first; key != NULL; key = key->next)
			key_read(config, key, &mistakes);
	else if (root != NULL && (root->kind != YAML_SCALAR || root->text[0] != '\0'))
		yaml_mistake(
			&mistakes,
			config->file,
			root->line,
			root->column,
			"%s; lines of KEY: VALUE are needed, such as workers: 2",
			yaml_kind_text(root->kind)
		);
done:
	config->n_mistakes = mistakes.n;
	yaml_close(yaml);
	free(text);
}

// ---- Help.

static void usage_print(enum command command, FILE *out) {
	fprintf(out, "usage: postern %s %s\n", commands[command].name, commands[command].synopsis);
}

static void help_print(enum command command, FILE *out) {
	char name[64], left[80];

	usage_print(command, out);
	fprintf(out, "\n%s\n\n", commands[command].help);
	fprintf(out,
		"  %-26s %s\n",
		"-c FILE",
		"configuration (YAML; the options below, with _ for -)");
	for (int i = 0; i < CONFIG_OPTIONS; i++) {
		const struct option *option = &options[i];

		if ((option->commands & (1u << command)) == 0)
			continue;
		snprintf(
			left,
			sizeof(left),
			"%s %s",
			option_text(option, name, sizeof(name)),
			option->argument
		);
		fprintf(out, "  %-26s %s", left, option->help);
		if (option->text != NULL)
			fprintf(out, " (default: %s)", option->text);
		fprintf(out, "\n");
	}
	fprintf(out, "  %-26s %s\n", "--help", "this page");
	fprintf(out,
		"\nexit status: 0 done, 1 bad input or configuration, 2 wrong usage, "
		"3 done but data was lost on the way\n");
}

static void overview_print(FILE *out) {
	fprintf(out, "usage: postern COMMAND [options] ...\n\n");
	for (int i = 0; i < COMMANDS; i++)
		fprintf(out,
			"  postern %-6s %-24s %s\n",
			commands[i].name,
			commands[i].synopsis,
			commands[i].help);
	fprintf(out, "\npostern COMMAND --help says more; postern --version\n");
}

// ---- The command line.

// Where reading stands: argv without the command, inputs are gathered at its front.
struct reader {
	struct config *config;
	char **argv;
	int argc, at;
	FILE *err;
};

static int wrong_usage(const struct reader *reader, const char *what, const char *name, int size) {
	fprintf(reader->err, "postern: %s%.*s; ", what, size, name);
	usage_print(reader->config->command, reader->err);
	return 2;
}

static int unknown_option(const struct reader *reader, const char *arg, size_t size) {
	unsigned mask = 1u << reader->config->command;
	const struct option *near = NULL, *other = NULL;
	char name[64];

	if (size > 2) {
		near = option_nearest(arg + 2, size - 2, mask);
		other = option_find(arg + 2, size - 2);
	}
	if (other != NULL) {
		fprintf(reader->err,
			"postern: %s is not an option of postern %s; ",
			option_text(other, name, sizeof(name)),
			commands[reader->config->command].name);
		usage_print(reader->config->command, reader->err);
		return 2;
	}
	fprintf(reader->err, "postern: unknown option %.*s; ", (int)size, arg);
	if (near != NULL)
		fprintf(reader->err, "did you mean %s? ", option_text(near, name, sizeof(name)));
	usage_print(reader->config->command, reader->err);
	return 2;
}

// The argument's value: behind =, or the next argument. NULL: there is none.
static const char *value_take(struct reader *reader, const char *arg, size_t name_size) {
	if (arg[name_size] == '=')
		return arg + name_size + 1;
	return reader->at < reader->argc ? reader->argv[reader->at++] : NULL;
}

static int option_read(struct reader *reader, const char *arg) {
	struct config *config = reader->config;
	size_t size = strcspn(arg, "=");
	const struct option *option = arg[1] == '-' ? option_find(arg + 2, size - 2) : NULL;
	const char *value;
	char error[CONFIG_ERROR_SIZE], name[64];

	if (option == NULL || (option->commands & (1u << config->command)) == 0)
		return unknown_option(reader, arg, size);
	// A switch alone says yes: the argument behind it may be a file.
	if (option->type == CONFIG_VALUE_flag && arg[size] != '=')
		value = "yes";
	else
		value = value_take(reader, arg, size);
	if (value == NULL)
		return wrong_usage(reader, "no value behind ", arg, (int)size);
	if (option_set(option, value, CONFIG_COMMAND_LINE, config, error, sizeof(error)) < 0) {
		fprintf(reader->err,
			"postern: %s: %s\n",
			option_text(option, name, sizeof(name)),
			error);
		return 2;
	}
	return CONFIG_GO;
}

static bool is_config(const char *arg) {
	return strcmp(arg, "-c") == 0 || strcmp(arg, "--config") == 0
		|| strncmp(arg, "--config=", 9) == 0;
}

static int config_file_read(struct reader *reader, const char *arg) {
	const char *path = value_take(reader, arg, strcspn(arg, "="));

	if (path == NULL)
		return wrong_usage(reader, "no file behind ", arg, (int)strlen(arg));
	reader->config->file = path;
	return CONFIG_GO;
}

static void input_add(struct reader *reader, char *arg) {
	struct config *config = reader->config;

	assert(config->n_inputs < reader->at);
	reader->argv[config->n_inputs++] = arg;
}

// What stands behind "--": EAL's for run, files for the others.
static int rest_read(struct reader *reader) {
	if (reader->config->command == COMMAND_RUN)
		reader->config->eal_args = &reader->argv[reader->at];
	else
		while (reader->at < reader->argc)
			input_add(reader, reader->argv[reader->at++]);
	return CONFIG_GO;
}

static int args_read(struct reader *reader, FILE *out) {
	int rc = CONFIG_GO;

	while (rc == CONFIG_GO && reader->at < reader->argc) {
		char *arg = reader->argv[reader->at++];

		if (strcmp(arg, "--") == 0)
			return rest_read(reader);
		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
			help_print(reader->config->command, out);
			return 0;
		}
		if (is_config(arg))
			rc = config_file_read(reader, arg);
		else if (arg[0] == '-' && arg[1] != '\0')
			rc = option_read(reader, arg);
		else
			input_add(reader, arg);
	}
	return rc;
}

static int command_find(const char *name) {
	for (int i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return i;
	return -1;
}

// The command line is read twice: first for -c and for its own mistakes, and again over the file's
// values, which it overrides. The first pass gathers the inputs at the front of argv, so the second
// works on a copy.
static int command_line_read(struct config *config, int argc, char **argv, FILE *out, FILE *err) {
	struct reader reader = {.config = config, .argv = argv, .argc = argc, .err = err};
	char **copy = malloc(((size_t)argc + 1) * sizeof(*argv));
	int rc;

	if (copy == NULL) {
		fprintf(err, "postern: no memory\n");
		return 1;
	}
	memcpy(copy, argv, ((size_t)argc + 1) * sizeof(*argv));
	config->inputs = argv;
	rc = args_read(&reader, out);
	if (rc == CONFIG_GO && config->file != NULL) {
		file_read(config, err);
		reader.argv = copy;
		reader.at = 0;
		config->n_inputs = 0;
		char **eal_args = config->eal_args;
		rc = args_read(&reader, out);
		config->eal_args = eal_args; // not those of the copy
	}
	free(copy);
	return rc;
}

int config_open(struct config *config, int argc, char **argv, FILE *out, FILE *err) {
	int command, rc;

	memset(config, 0, sizeof(*config));
	if (argc < 2) {
		overview_print(err);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0
	    || strcmp(argv[1], "help") == 0) {
		overview_print(out);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		fprintf(out, "postern %s\n", POSTERN_VERSION);
		return 0;
	}
	command = command_find(argv[1]);
	if (command < 0) {
		fprintf(err, "postern: unknown command %s\n", argv[1]);
		overview_print(err);
		return 2;
	}
	config->command = (enum command)command;
	defaults_set(config);
	rc = command_line_read(config, argc - 2, argv + 2, out, err);
	if (rc != CONFIG_GO)
		return rc;
	if (config->n_inputs > 0 && !commands[command].takes_files) {
		fprintf(err, "postern: %s takes no FILE (%s); ", argv[1], config->inputs[0]);
		usage_print(config->command, err);
		return 2;
	}
	if (config->n_inputs == 0 && commands[command].needs_files) {
		fprintf(err, "postern: no FILE; ");
		usage_print(config->command, err);
		return 2;
	}
	return config->n_mistakes > 0 && command != COMMAND_CHECK ? 1 : CONFIG_GO;
}

int config_reread(const struct config *old, struct config *fresh, FILE *err) {
	char text[CONFIG_TEXT_SIZE_MAX], error[CONFIG_ERROR_SIZE];
	int rc = 0;

	memset(fresh, 0, sizeof(*fresh));
	fresh->command = old->command;
	fresh->file = old->file;
	fresh->inputs = old->inputs;
	fresh->n_inputs = old->n_inputs;
	fresh->eal_args = old->eal_args;
	defaults_set(fresh);
	if (fresh->file != NULL)
		file_read(fresh, err);
	for (int i = 0; i < CONFIG_OPTIONS && rc == 0; i++) {
		const struct option *option = &options[i];

		if (old->origin[i] != CONFIG_COMMAND_LINE)
			continue;
		config_value_text(
			option->type, (const char *)old + option->offset, text, sizeof(text)
		);
		rc = option_set(option, text, CONFIG_COMMAND_LINE, fresh, error, sizeof(error));
	}
	return rc < 0 || fresh->n_mistakes > 0 ? -1 : 0;
}

void config_close(struct config *config) {
	for (int i = 0; i < CONFIG_OPTIONS; i++)
		config_value_free(options[i].type, option_value(&options[i], config));
}

void config_print(const struct config *config, bool all, FILE *out) {
	static const char *const origins[] = {"default", "configuration file", "command line"};
	char text[CONFIG_TEXT_SIZE_MAX];

	for (int i = 0; i < CONFIG_OPTIONS; i++) {
		const void *value = (const char *)config + options[i].offset;

		if ((options[i].commands & (1u << config->command)) == 0)
			continue;
		if (!all && config->origin[i] == CONFIG_DEFAULT)
			continue;
		config_value_text(options[i].type, value, text, sizeof(text));
		fprintf(out, "%s: %s (%s)\n", options[i].name, text, origins[config->origin[i]]);
	}
}
