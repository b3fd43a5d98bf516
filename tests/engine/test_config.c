// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// One reading of a command line: what came back, and what was said.
struct run {
	struct config config;
	char *argv[40], *copy[40];
	int argc, status;
	char *out, *err;
	size_t out_size, err_size;
};

static void run_open(struct run *run, const char *line) {
	char *text = strdup(line), *save = NULL;
	FILE *out, *err;

	memset(run, 0, sizeof(*run));
	// Each argument in a block of its own, so that a look beyond its end is seen.
	for (char *word = strtok_r(text, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		assert_true(run->argc < 39);
		run->argv[run->argc] = run->copy[run->argc] = strdup(word);
		run->argc++;
	}
	free(text);
	out = open_memstream(&run->out, &run->out_size);
	err = open_memstream(&run->err, &run->err_size);
	run->status = config_open(&run->config, run->argc, run->argv, out, err);
	fclose(out);
	fclose(err);
}

static void run_close(struct run *run) {
	config_close(&run->config);
	for (int i = 0; i < run->argc; i++)
		free(run->copy[i]);
	free(run->out);
	free(run->err);
}

// The same with a configuration file of this text; "@" in the line is its name.
static void run_file(struct run *run, const char *text, size_t size, const char *line) {
	char path[] = "/tmp/postern-config-XXXXXX", full[400];
	const char *at = strchr(line, '@');
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
	snprintf(full, sizeof(full), "%.*s%s%s", (int)(at - line), line, path, at + 1);
	run_open(run, full);
	run->config.file = NULL;
	unlink(path);
}

static int lines(const char *text) {
	int n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void everything_has_a_default(void **state) {
	struct run run;

	run_open(&run, "postern replay a.pcap");
	assert_int_equal(run.status, CONFIG_GO);
	assert_int_equal(run.config.command, COMMAND_REPLAY);
	assert_string_equal(run.config.alerts, "-");
	assert_null(run.config.sessions);
	assert_int_equal(run.config.workers, 1);
	assert_int_equal(run.config.interim, 300 * 1000000000ull);
	assert_int_equal(run.config.max_flows, 1 << 20);
	assert_int_equal(run.config.memory, 1 << 30);
	assert_true(run.config.checksum);
	assert_int_equal(run.config.trusted_proxies.n, 0);
	assert_int_equal(run.config.n_inputs, 1);
	assert_string_equal(run.config.inputs[0], "a.pcap");
	assert_string_equal(run.err, "");
	run_close(&run);
}

static void options_and_files_stand_in_any_order(void **state) {
	struct run run;

	run_open(
		&run,
		"postern replay a --sessions s.ndjson - --workers=3 --checksum=no --max_flows 99 b "
		"-- --c"
	);
	assert_int_equal(run.status, CONFIG_GO);
	assert_string_equal(run.config.sessions, "s.ndjson");
	assert_int_equal(run.config.workers, 3);
	assert_int_equal(run.config.max_flows, 99);
	assert_false(run.config.checksum);
	assert_int_equal(run.config.n_inputs, 4);
	assert_string_equal(run.config.inputs[0], "a");
	assert_string_equal(run.config.inputs[1], "-");
	assert_string_equal(run.config.inputs[2], "b");
	assert_string_equal(run.config.inputs[3], "--c");
	run_close(&run);
}

static void what_stands_behind_two_dashes_is_for_eal_when_live(void **state) {
	struct run run;

	run_open(&run, "postern run --vdev net_null0 -- -l 1 --no-huge");
	assert_int_equal(run.status, CONFIG_GO);
	assert_string_equal(run.config.vdev, "net_null0");
	assert_int_equal(run.config.n_inputs, 0);
	assert_string_equal(run.config.eal_args[0], "-l");
	assert_string_equal(run.config.eal_args[2], "--no-huge");
	assert_null(run.config.eal_args[3]);
	run_close(&run);
}

static void wrong_usage_is_one_line_and_status_2(void **state) {
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"postern replay --no-such-option a",
		 "unknown option --no-such-option; usage: postern replay"},
		{"postern replay --sesions x a", "did you mean --sessions?"},
		{"postern replay --trusted-proxy x a", "did you mean --trusted-proxies?"},
		{"postern replay -x a", "unknown option -x; usage"},
		{"postern replay --=x a", "unknown option --; usage"},
		{"postern replay --vdev x a", "--vdev is not an option of postern replay"},
		{"postern replay a --sessions", "no value behind --sessions"},
		{"postern replay a -c", "no file behind -c"},
		{"postern replay", "no FILE"},
		{"postern check a", "takes no FILE (a)"},
		{"postern replay a --workers many",
		 "--workers: \"many\" is not a number; write a whole number from 1 to 64"},
		{"postern replay a --workers 0", "\"0\" is out of range"},
		{"postern replay a --workers 65", "\"65\" is out of range"},
		{"postern replay a --workers -1", "\"-1\" is not a number"},
		{"postern replay a --workers 99999999999999999999", "is not a number"},
		{"postern replay a --memory 99999999999T", "is not a number"},
		{"postern replay a --memory 12Q", "such as 512M"},
		{"postern replay a --memory 1k",
		 "\"1k\" is out of range; write a size from 1M to 1T"},
		{"postern replay a --interim 2d",
		 "\"2d\" is out of range; write a time from 1s to 1d"},
		{"postern replay a --checksum=maybe", "neither yes nor no"},
		{"postern replay a --sessions=", "--sessions: is empty"},
		{"postern replay a --trusted-proxies 10.0.0.0/33", "is no network"},
		{"postern replay a --trusted-proxies 10.0.0.0/", "is no network"},
		{"postern replay a --trusted-proxies 10.0.0", "is no network"},
		{"postern replay a --trusted-proxies fd00::/129", "is no network"},
		{"postern replay a --trusted-proxies 10.1.2.3/8", "write 10.0.0.0/8 or 10.1.2.3"},
	};
	struct run run;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run_open(&run, cases[i].line);
		if (run.status != 2 || strstr(run.err, cases[i].says) == NULL
		    || lines(run.err) != 1)
			fail_msg("%s: %d, %s", cases[i].line, run.status, run.err);
		assert_string_equal(run.out, "");
		run_close(&run);
	}
}

static void no_command_or_an_unknown_one_shows_the_commands(void **state) {
	static const char *const cases[] = {"postern", "postern no-such-command", "postern --x"};
	struct run run;

	for (size_t i = 0; i < 3; i++) {
		run_open(&run, cases[i]);
		assert_int_equal(run.status, 2);
		assert_non_null(strstr(run.err, "usage: postern COMMAND"));
		run_close(&run);
	}
}

static void help_names_each_option_of_the_command(void **state) {
	struct run run;

	run_open(&run, "postern run --help --no-such");
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	assert_non_null(strstr(run.out, "usage: postern run"));
	assert_non_null(strstr(run.out, "--trusted-proxies CIDR,..."));
	assert_non_null(strstr(run.out, "--vdev"));
	run_close(&run);
	run_open(&run, "postern score --help");
	assert_null(strstr(run.out, "--vdev"));
	run_close(&run);
	run_open(&run, "postern --version");
	assert_int_equal(run.status, 0);
	assert_int_equal(strncmp(run.out, "postern ", 8), 0);
	run_close(&run);
}

static void the_command_line_overrides_the_file(void **state) {
	static const char text[] = "workers: 4\ninterim: 2m\nmemory: 64M\nchecksum: no\n"
				   "trusted_proxies:\n  - 10.77.2.0/24\n  - fd00::/8\n"
				   "observer-name: \"sensor 1\"\n";
	struct run run;

	run_file(&run, text, sizeof(text) - 1, "postern replay a --workers 2 -c @ b");
	assert_string_equal(run.err, "");
	assert_int_equal(run.status, CONFIG_GO);
	assert_int_equal(run.config.workers, 2);
	assert_int_equal(run.config.origin[CONFIG_OPTION_workers], CONFIG_COMMAND_LINE);
	assert_int_equal(run.config.interim, 120 * 1000000000ull);
	assert_int_equal(run.config.origin[CONFIG_OPTION_interim], CONFIG_FILE);
	assert_int_equal(run.config.memory, 64 << 20);
	assert_false(run.config.checksum);
	assert_string_equal(run.config.observer_name, "sensor 1");
	assert_int_equal(run.config.trusted_proxies.n, 2);
	assert_int_equal(run.config.trusted_proxies.prefix[0].ip.family, 4);
	assert_int_equal(run.config.trusted_proxies.prefix[0].bits, 24);
	assert_int_equal(run.config.trusted_proxies.prefix[1].ip.family, 6);
	assert_int_equal(run.config.trusted_proxies.prefix[1].ip.addr[0], 0xfd);
	assert_int_equal(run.config.n_inputs, 2);
	assert_string_equal(run.config.inputs[1], "b");
	run_close(&run);
}

static void each_mistake_of_the_file_has_its_line(void **state) {
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"no_such_key: 1\n", ":1:1: no_such_key: unknown key; known are alerts, sessions"},
		{"\n\nwokers: 1\n", ":3:1: wokers: unknown key; did you mean workers?"},
		{"workers: x\n", ":1:10: workers: \"x\" is not a number"},
		{"workers: [1]\n", ":1:10: workers: a value of"},
		{"trusted_proxies: {a: b}\n", ":1:18: trusted_proxies: a list"},
		{"workers: 1\nworkers: 2\n", ":2:1: workers: this key is here twice"},
		{"- workers\n", ":1:1: a list; lines of KEY: VALUE are needed"},
		{"just words\n", ":1:1: a value; lines of KEY"},
		{"workers: \"1\n", "not YAML here"},
		{"a: &a 1\nworkers: *a\n", ":2:10: an alias"},
		{"workers: 1\n---\nworkers: 2\n", "a second document"},
		{"alerts: \"a\\0b\"\n", ":1:10: a NUL character"},
		{"workers: 1\nalerts: \xff\n", ":2:9: byte 0xff is not text"},
	};
	struct run run;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run_file(&run, cases[i].text, strlen(cases[i].text), "postern replay -c @ a");
		if (run.status != 1 || strstr(run.err, cases[i].says) == NULL)
			fail_msg("%s: %d, %s", cases[i].text, run.status, run.err);
		run_close(&run);
		run_file(&run, cases[i].text, strlen(cases[i].text), "postern check -c @");
		assert_int_equal(run.status, CONFIG_GO);
		assert_true(run.config.n_mistakes > 0);
		run_close(&run);
	}
}

static void a_file_that_is_none_is_said(void **state) {
	struct run run;
	char *large = malloc(CONFIG_FILE_SIZE_MAX + 1);

	run_open(&run, "postern replay -c /no/such/file a");
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "/no/such/file: No such file"));
	run_close(&run);
	run_open(&run, "postern replay -c /etc a");
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "director"));
	run_close(&run);
	memset(large, '#', CONFIG_FILE_SIZE_MAX + 1);
	run_file(&run, large, CONFIG_FILE_SIZE_MAX, "postern replay -c @ a");
	assert_int_equal(run.status, CONFIG_GO);
	run_close(&run);
	run_file(&run, large, CONFIG_FILE_SIZE_MAX + 1, "postern replay -c @ a");
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.err, "is larger than"));
	run_close(&run);
	run_file(&run, "", 0, "postern replay -c @ a");
	assert_int_equal(run.status, CONFIG_GO);
	run_close(&run);
	free(large);
}

static void so_many_networks_and_no_more(void **state) {
	char text[CONFIG_PREFIXES_MAX * 12 + 100];
	struct run run;

	for (int more = 0; more < 2; more++) {
		size_t used = (size_t)snprintf(text, sizeof(text), "trusted_proxies: ");

		for (int i = 0; i < CONFIG_PREFIXES_MAX + more; i++)
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, "10.0.%d.%d,", i / 256, i % 256
			);
		run_file(&run, text, used, "postern replay -c @ a");
		assert_int_equal(run.status, more == 0 ? CONFIG_GO : 1);
		assert_int_equal(run.config.trusted_proxies.n, more == 0 ? CONFIG_PREFIXES_MAX : 0);
		run_close(&run);
	}
}

static void a_character_set_is_one_that_is_known(void **state) {
	static const char *const wrong[] = {"klingon", "", "utf-8//TRANSLIT"};
	static const char *const right[] = {"koi8-r", "UTF-8", "latin1", "x-sjis", "cp852"};
	char line[200], wanted[200];
	struct run run;

	run_open(&run, "postern replay a");
	assert_string_equal(run.config.header_charset, "windows-1250");
	run_close(&run);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(line, sizeof(line), "postern replay --header-charset=%s a", wrong[i]);
		snprintf(
			wanted, sizeof(wanted), "\"%s\" is no character set that is known", wrong[i]
		);
		run_open(&run, line);
		assert_int_equal(run.status, 2);
		assert_non_null(strstr(run.err, wanted));
		assert_ptr_equal(strchr(run.err, '\n'), strrchr(run.err, '\n')); // one line
		run_close(&run);
	}
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		snprintf(line, sizeof(line), "header_charset: %s", right[i]);
		run_file(&run, line, strlen(line), "postern replay -c @ a");
		assert_int_equal(run.status, CONFIG_GO);
		assert_string_equal(run.config.header_charset, right[i]);
		run_close(&run);
	}
}

static void words_and_ports_of_the_dataplane_are_read_or_refused(void **state) {
	static const struct {
		const char *words, *error;
	} cases[] = {
		{"--overlap=frist", "\"frist\" is none of first, last, linux, windows"},
		{"--urgent=", "is none of inline, oob, gap"},
		{"--tunnel-ports=vxlan", "\"vxlan\" is no tunnel and port; write vxlan=4789"},
		{"--tunnel-ports=vxlan=0", "\"vxlan=0\""},
		{"--tunnel-ports=gtp=65536", "\"gtp=65536\""},
		{"--tunnel-ports=gtp=1,vxla=1", "\"vxla=1\""},
		{"--tunnel-ports=gtp=65535", NULL},
		{"--tunnel-ports=none", NULL},
		{"--tunnel-ports=vxlan-gpe=1,geneve=1", NULL},
	};
	struct run run;

	run_open(&run, "postern replay a");
	assert_memory_equal(
		&run.config.tunnel_ports, &tunnel_ports_default, sizeof(tunnel_ports_default)
	);
	assert_int_equal(run.config.overlap, OVERLAP_FIRST);
	assert_int_equal(run.config.urgent, URGENT_OOB);
	run_close(&run);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char line[200];

		snprintf(line, sizeof(line), "postern replay %s a", cases[i].words);
		run_open(&run, line);
		assert_int_equal(run.status, cases[i].error ? 2 : CONFIG_GO);
		if (cases[i].error && !strstr(run.err, cases[i].error))
			assert_string_equal(run.err, cases[i].error);
		run_close(&run);
	}
}

static void numbers_come_alone_in_ranges_and_as_a_list(void **state) {
	static const char text[] = "mail_ports: [25, 143, 990-995]\n";
	struct run run;

	run_file(&run, text, strlen(text), "postern run -c @ --cores 0-63");
	assert_string_equal(run.err, "");
	assert_int_equal(run.config.mail_ports.n, 8);
	assert_int_equal(run.config.mail_ports.number[1], 143);
	assert_int_equal(run.config.mail_ports.number[7], 995);
	assert_int_equal(run.config.cores.n, CONFIG_NUMBERS_MAX);
	run_close(&run);
	run_open(&run, "postern run --cores 0-64");
	assert_int_equal(run.status, 2);
	assert_non_null(strstr(run.err, "at most 64 numbers"));
	run_close(&run);
}

// A running program reads its file again; what the command line said still holds.
static void a_file_is_read_again_under_the_same_command_line(void **state) {
	char path[] = "/tmp/postern-config-XXXXXX", line[200];
	struct config fresh;
	struct run run;
	char *said = NULL;
	size_t size = 0;
	FILE *err = open_memstream(&said, &size);
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "mail_ports: 143\nmemory: 3M\n", 27), 27);
	snprintf(line, sizeof(line), "postern run -c %s --tunnels gre,vxlan --memory 2M", path);
	run_open(&run, line);
	assert_int_equal(run.status, CONFIG_GO);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "mail_ports: 25-26\nmemory: 4M\n", 29, 0), 29);
	assert_int_equal(config_reread(&run.config, &fresh, err), 0);
	assert_int_equal(fresh.mail_ports.n, 2);
	assert_int_equal(fresh.memory, 2 << 20);
	assert_string_equal(fresh.tunnels, "gre,vxlan");
	assert_int_equal(fresh.workers, 1);
	config_close(&fresh);
	assert_int_equal(pwrite(fd, "mail_parts: 25-26\n", 18, 0), 18);
	assert_int_equal(config_reread(&run.config, &fresh, err), -1);
	config_close(&fresh);
	fclose(err);
	assert_non_null(strstr(said, "did you mean mail_ports?"));
	free(said);
	run_close(&run);
	close(fd);
	unlink(path);
}

static void the_print_can_be_read_again(void **state) {
	struct run run, again;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	run_open(
		&run,
		"postern run --interim 90s --memory 3M --trusted-proxies 10.0.0.0/8,::1 "
		"--checksum=no --overlap linux --urgent inline --tunnel-ports geneve=7000,vxlan=1"
	);
	config_print(&run.config, false, out);
	fclose(out);
	assert_non_null(strstr(text, "interim: 90s (command line)\n"));
	assert_null(strstr(text, "workers"));
	for (char *p = text; (p = strstr(p, " (command line)")) != NULL;)
		memset(p, ' ', 15);
	run_file(&again, text, size, "postern run -c @");
	assert_string_equal(again.err, "");
	assert_int_equal(again.config.interim, run.config.interim);
	assert_int_equal(again.config.memory, run.config.memory);
	assert_memory_equal(
		&again.config.trusted_proxies,
		&run.config.trusted_proxies,
		sizeof(run.config.trusted_proxies)
	);
	assert_int_equal(again.config.overlap, OVERLAP_LINUX);
	assert_int_equal(again.config.urgent, URGENT_INLINE);
	assert_int_equal(again.config.tunnel_ports.n, 2);
	assert_memory_equal(
		&again.config.tunnel_ports,
		&run.config.tunnel_ports,
		sizeof(run.config.tunnel_ports)
	);
	run_close(&again);
	run_close(&run);
	free(text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_has_a_default),
		cmocka_unit_test(options_and_files_stand_in_any_order),
		cmocka_unit_test(what_stands_behind_two_dashes_is_for_eal_when_live),
		cmocka_unit_test(wrong_usage_is_one_line_and_status_2),
		cmocka_unit_test(no_command_or_an_unknown_one_shows_the_commands),
		cmocka_unit_test(help_names_each_option_of_the_command),
		cmocka_unit_test(the_command_line_overrides_the_file),
		cmocka_unit_test(each_mistake_of_the_file_has_its_line),
		cmocka_unit_test(a_file_that_is_none_is_said),
		cmocka_unit_test(so_many_networks_and_no_more),
		cmocka_unit_test(a_character_set_is_one_that_is_known),
		cmocka_unit_test(words_and_ports_of_the_dataplane_are_read_or_refused),
		cmocka_unit_test(numbers_come_alone_in_ranges_and_as_a_list),
		cmocka_unit_test(a_file_is_read_again_under_the_same_command_line),
		cmocka_unit_test(the_print_can_be_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
