// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The only file that knows EAL's options.

#include "eal.h"

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_thread.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGS_MAX = 64 };

unsigned long eal_huge_free_mb(void) {
	const char *root = "/sys/kernel/mm/hugepages";
	DIR *dir = opendir(root);
	const struct dirent *entry;
	unsigned long kb, n, mb = 0;
	char path[512];
	FILE *file;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", root, entry->d_name);
		if (sscanf(entry->d_name, "hugepages-%lukB", &kb) != 1
		    || !(file = fopen(path, "r")))
			continue;
		if (fscanf(file, "%lu", &n) == 1)
			mb += n * kb / 1024;
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return mb;
}

// ---- What EAL says

void eal_listen_begin(struct eal_listener *listener) {
	*listener = (struct eal_listener){0};
	listener->stream = open_memstream(&listener->text, &listener->size);
	rte_openlog_stream(listener->stream);
}

// A driver that wants to be asked otherwise (nic.c) says so first; that is no cause.
const char *eal_listen_line(struct eal_listener *listener) {
	char *line;

	if (!listener->stream || fflush(listener->stream) != 0 || !listener->text)
		return "";
	line = listener->text;
	while (strstr(line, " dev_configure = ") != NULL
	       && strstr(line, " dev_configure = ") < line + strcspn(line, "\n")
	       && line[strcspn(line, "\n")])
		line += strcspn(line, "\n") + 1;
	line[strcspn(line, "\n")] = '\0';
	return line;
}

void eal_listen_end(struct eal_listener *listener) {
	rte_openlog_stream(stderr);
	if (listener->stream)
		fclose(listener->stream);
	free(listener->text);
}

// ---- Its arguments

struct args {
	char *argv[ARGS_MAX + 1];
	int n;
	char core[32], prefix[96], megabytes[16];
};

static void args_add(struct args *args, const char *arg) {
	if (args->n < ARGS_MAX)
		args->argv[args->n++]
			= (char *)arg; // EAL reorders the pointers and leaves the text
}

// Whether the user's words already say what one of these options would.
static bool user_says(char **user, const char *const *options) {
	for (; user && *user; user++) {
		for (int i = 0; options[i]; i++) {
			if (strncmp(*user, options[i], strlen(options[i])) == 0)
				return true;
		}
	}
	return false;
}

static bool cpu_is_on_node(int cpu, int node) {
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpu%d", node, cpu);
	return access(path, F_OK) == 0;
}

// The first CPU this process may use, of the node when one is there: buffers come from its memory.
static int cpu_choose(int node) {
	cpu_set_t cpus;
	int first = -1;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus))
			continue;
		if (node < 0 || cpu_is_on_node(cpu, node))
			return cpu;
		if (first < 0)
			first = cpu;
	}
	return first < 0 ? 0 : first;
}

static void args_build(const struct eal_config *config, bool no_huge, struct args *args) {
	static const char *const cores[] = {"-l", "-c", "--lcores", NULL};
	static const char *const memory[] = {
		"-m",
		"--no-huge",
		"--socket-mem",
		"--in-memory",
		"--huge-dir",
		NULL,
	};
	static const char *const prefix[] = {"--file-prefix", NULL};

	args_add(args, "postern");
	args_add(args, "--log-level=*:error");
	if (!user_says(config->args, cores)) {
		snprintf(args->core, sizeof(args->core), "0@%d", cpu_choose(config->node));
		args_add(args, "--lcores");
		args_add(args, args->core);
	}
	if (!user_says(config->args, memory)) {
		snprintf(args->megabytes, sizeof(args->megabytes), "%d", config->memory_mb);
		args_add(args, "-m");
		args_add(args, args->megabytes);
		args_add(args, no_huge ? "--no-huge" : "--in-memory");
		if (no_huge)
			args_add(args, "--no-shconf"); // --in-memory means it already
	}
	if (!user_says(config->args, prefix)) {
		snprintf(
			args->prefix,
			sizeof(args->prefix),
			"--file-prefix=%s",
			config->file_prefix ? config->file_prefix : "postern"
		);
		args_add(args, args->prefix);
	}
	if (config->pci) {
		args_add(args, "-a");
		args_add(args, config->pci);
	} else if (!config->args) {
		args_add(args, "--no-pci");
	}
	for (char **user = config->args; user && *user; user++)
		args_add(args, *user);
}

// ---- Starting

// EAL pins the calling thread; that is taken back, since who runs where is not its business. Its usage
// text would go to standard output, which is for JSON, and it complains on standard error beside its log.
static int init(struct args *args) {
	cpu_set_t cpus;
	int result, out, err, nowhere;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	err = dup(STDERR_FILENO);
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	close(nowhere);
	result = rte_eal_init(args->n, args->argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return result;
}

int eal_start(const struct eal_config *config, char *error, int size) {
	static struct args args; // EAL keeps pointers into it
	static bool is_started;
	struct eal_listener listener;
	bool no_huge;
	int result;

	if (is_started)
		return 0;
	no_huge = config->no_huge || eal_huge_free_mb() < 2ul * (unsigned)config->memory_mb;
	memset(&args, 0, sizeof(args));
	args_build(config, no_huge, &args);
	eal_listen_begin(&listener);
	result = init(&args);
	is_started = result >= 0;
	if (result < 0) {
		const char *line = eal_listen_line(&listener);

		snprintf(
			error,
			(size_t)size,
			"DPDK does not start: %s%s%s",
			line[0] ? line : "it does not say why",
			access("/sys/devices/system/cpu", F_OK) < 0
				? "; it counts the CPUs in /sys, which is not mounted here: mount "
				  "-t sysfs sysfs /sys"
				: "",
			config->args ? "; see the options behind --" : ""
		);
	}
	eal_listen_end(&listener);
	return result < 0 ? -1 : 0;
}

bool eal_has_huge(void) {
	return rte_eal_has_hugepages() != 0;
}

void eal_thread_begin(void) {
	if (rte_lcore_id() == LCORE_ID_ANY)
		rte_thread_register();
}

void eal_thread_end(void) {
	if (rte_lcore_id() != LCORE_ID_ANY)
		rte_thread_unregister();
}
