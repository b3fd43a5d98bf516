// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The listening side: one thread, poll(2) over the socket, its clients and a pipe that ends it. What a
// client may cost is bounded: a line, an answer, a second for taking it. Who has given a command that takes long is
// not listened to until its answer is there.

#include "control.h"

#include "control_aside.h"
#include "output/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	// How long a client may take to read its answer; the others wait for it.
	SEND_TIMEOUT_S = 1,
	ERROR_SIZE = 4096, // of what an answer says went wrong: several mistakes in rules
	POLL_WAKE = 0,
	POLL_LISTEN,
	POLL_ASIDE,
	POLL_CLIENTS,
};

struct client {
	int fd; // −1: none
	const struct control_command *waits; // for this to be done; NULL: for nothing
	uint64_t heard; // when it last sent something, in turns of the loop
	size_t used;
	char line[CONTROL_LINE_MAX + 1];
};

struct control {
	const struct control_command *commands;
	int n_commands;
	void *context;
	struct sockaddr_un address;
	bool is_folder_ours, is_bound, is_running;
	int listener;
	int wake[2]; // a pipe; its end ends the thread
	struct aside *aside;
	struct client *asked; // whose command is being done aside; NULL: nobody's
	uint64_t turn;
	struct client clients[CONTROL_CLIENTS_MAX];
	pthread_t thread;
};

// ---- Answers

// {"error":"…"}: text is anybody's.
static void error_write(const char *text, FILE *out) {
	char line[6 * ERROR_SIZE + 64];
	struct json json;

	json_open(&json, line, sizeof(line));
	json_begin_object(&json, NULL);
	json_put_string(&json, "error", text, strlen(text), ERROR_SIZE);
	json_end_object(&json);
	fwrite(line, 1, json.used, out);
}

static void unknown_write(const struct control *control, const char *name, FILE *out) {
	char text[ERROR_SIZE];
	int used = snprintf(text, sizeof(text), "%.60s: unknown command; known are", name);

	for (int i = 0; i < control->n_commands && used < (int)sizeof(text); i++)
		used += snprintf(
			text + used, sizeof(text) - (size_t)used, " %s", control->commands[i].name
		);
	error_write(text, out);
}

static const struct control_command *command_find(const struct control *control, const char *name) {
	for (int i = 0; i < control->n_commands; i++)
		if (strcmp(control->commands[i].name, name) == 0)
			return &control->commands[i];
	return NULL;
}

// A command's answer: what it wrote is an object, or in words why not.
static void result_write(int result, const char *text, size_t size, FILE *out) {
	if (result < 0)
		error_write(text ? text : "failed", out);
	else
		fwrite(text, 1, size, out);
	fputc('\n', out);
}

static void
command_answer(struct control *control, const struct control_command *command, FILE *out) {
	char *text = NULL;
	size_t size = 0;
	FILE *answer = open_memstream(&text, &size);
	int result = -1;

	if (answer) {
		result = command->answer(control->context, answer);
		fclose(answer);
	}
	result_write(result, answer ? text : "out of memory", size, out);
	free(text);
}

// ---- Clients

static void client_close(struct client *client) {
	close(client->fd);
	*client = (struct client){.fd = -1};
}

static bool send_all(int fd, const char *data, size_t size) {
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

// The next command that waits, of whoever has waited longest, unless one is being done.
static void aside_next(struct control *control) {
	struct client *next = NULL;

	for (int i = 0; i < CONTROL_CLIENTS_MAX && !control->asked; i++) {
		struct client *client = &control->clients[i];

		if (client->waits && (!next || client->heard < next->heard))
			next = client;
	}
	if (!next)
		return;
	control->asked = next;
	aside_begin(control->aside, next->waits->answer, control->context);
}

static int n_waiting(const struct control *control) {
	int n = 0;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		n += control->clients[i].waits != NULL;
	return n;
}

static void
name_answer(struct control *control, struct client *client, const char *name, FILE *out) {
	const struct control_command *command = command_find(control, name);

	if (!command) {
		unknown_write(control, name, out);
		fputc('\n', out);
	} else if (!command->is_slow) {
		command_answer(control, command, out);
	} else if (n_waiting(control) == CONTROL_WAITING_MAX) {
		error_write("too many wait for such a command already; try again later", out);
		fputc('\n', out);
	} else {
		client->waits = command;
		aside_next(control);
	}
}

// Answers one line, at once or when it is done. False: the client did not take it.
static bool line_answer(struct control *control, struct client *client, char *line) {
	char *text = NULL;
	size_t size = 0, len = strlen(line);
	FILE *out = open_memstream(&text, &size);
	bool is_taken;

	if (!out)
		return false;
	if (len > 0 && line[len - 1] == '\r')
		line[len - 1] = '\0';
	name_answer(control, client, line, out);
	is_taken = fclose(out) == 0 && send_all(client->fd, text, size);
	free(text);
	return is_taken;
}

// Answers the lines that are whole, up to one that takes long. False: the client is to go.
static bool lines_answer(struct control *control, struct client *client) {
	char *end;

	while (!client->waits && (end = memchr(client->line, '\n', client->used))) {
		size_t size = (size_t)(end - client->line) + 1;

		*end = '\0';
		if (!line_answer(control, client, client->line))
			return false;
		client->used -= size;
		memmove(client->line, end + 1, client->used);
	}
	return client->waits || client->used < CONTROL_LINE_MAX; // a longer line is no command
}

// What was done aside is there: its answer goes out, and what the client said meanwhile is read.
static void aside_answer(struct control *control) {
	struct client *client = control->asked;
	char *said = NULL, *text = NULL;
	size_t n_said, size = 0;
	int result = aside_take(control->aside, &said, &n_said);
	FILE *out = open_memstream(&text, &size);
	bool is_taken = false;

	control->asked = NULL;
	client->waits = NULL;
	if (out) {
		result_write(result, said ? said : "out of memory", n_said, out);
		is_taken = fclose(out) == 0 && send_all(client->fd, text, size);
	}
	free(said);
	free(text);
	if (!is_taken || !lines_answer(control, client))
		client_close(client);
	aside_next(control);
}

static void client_read(struct control *control, struct client *client) {
	ssize_t n
		= recv(client->fd,
		       client->line + client->used,
		       CONTROL_LINE_MAX - client->used,
		       MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	client->heard = control->turn;
	if (n > 0)
		client->used += (size_t)n;
	if (n <= 0 || !lines_answer(control, client))
		client_close(client);
}

// A free place, made by closing whom nothing was heard of for longest.
static struct client *client_place(struct control *control) {
	struct client *oldest = NULL;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];

		if (client->fd < 0)
			return client;
		// Of those who wait there are fewer than places.
		if (!client->waits && (!oldest || client->heard < oldest->heard))
			oldest = client;
	}
	client_close(oldest);
	return oldest;
}

static void client_accept(struct control *control) {
	const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
	int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
	struct client *client;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	client = client_place(control);
	client->fd = fd;
	client->heard = control->turn;
}

static void fds_fill(const struct control *control, struct pollfd *fds) {
	fds[POLL_WAKE] = (struct pollfd){.fd = control->wake[0], .events = POLLIN};
	fds[POLL_LISTEN] = (struct pollfd){.fd = control->listener, .events = POLLIN};
	fds[POLL_ASIDE] = (struct pollfd){.fd = aside_fd(control->aside), .events = POLLIN};
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		const struct client *client = &control->clients[i];

		// Who waits and hangs up is seen when the answer is sent.
		fds[POLL_CLIENTS + i]
			= (struct pollfd){.fd = client->waits ? -1 : client->fd, .events = POLLIN};
	}
}

static void *run(void *arg) {
	struct control *control = arg;
	struct pollfd fds[POLL_CLIENTS + CONTROL_CLIENTS_MAX];

	for (;;) {
		fds_fill(control, fds);
		if (poll(fds, POLL_CLIENTS + CONTROL_CLIENTS_MAX, -1) < 0)
			continue;
		control->turn++;
		if (fds[POLL_WAKE].revents)
			break;
		for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
			if (fds[POLL_CLIENTS + i].revents)
				client_read(control, &control->clients[i]);
		if (fds[POLL_ASIDE].revents)
			aside_answer(control);
		if (fds[POLL_LISTEN].revents)
			client_accept(control);
	}
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (&control->clients[i] != control->asked)
			control->clients[i].waits = NULL; // is not begun any more
	if (control->asked)
		aside_answer(control);
	return NULL;
}

// ---- Opening and closing

const char *control_path_default(char *path, size_t size) {
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		snprintf(path, size, "/run/postern/control");
	else if (runtime && runtime[0] == '/')
		snprintf(path, size, "%s/postern-control", runtime);
	else
		return NULL;
	return path;
}

static int address_set(struct sockaddr_un *address, const char *path, char *error, int size) {
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) < sizeof(address->sun_path)) {
		strcpy(address->sun_path, path);
		return 0;
	}
	errno = ENAMETOOLONG;
	snprintf(
		error,
		(size_t)size,
		"%s: longer than the %zu bytes that a socket's name may have: choose a shorter "
		"path",
		path,
		sizeof(address->sun_path) - 1
	);
	return -1;
}

// The folder that the socket is to be in, when it is missing: one level, as under /run.
static bool folder_make(const char *path) {
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	strcpy(folder, path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return false;
	*slash = '\0';
	return mkdir(folder, 0755) == 0;
}

// A socket connected to the address, or −1 and errno.
static int reach(const struct sockaddr_un *address) {
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), problem;

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return fd;
	problem = errno;
	close(fd);
	errno = problem;
	return -1;
}

// Binds, in place of a socket that nobody listens on any more. 0, or −1 and errno.
static int bind_anew(int fd, const struct sockaddr_un *address) {
	struct stat st;
	int other;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -1;
	// Only a socket is ever removed: a path given by mistake may be a file.
	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	other = reach(address);
	if (other >= 0 || errno != ECONNREFUSED) {
		if (other >= 0)
			close(other);
		errno = EADDRINUSE;
		return -1;
	}
	if (unlink(address->sun_path) < 0)
		return -1;
	return bind(fd, (const struct sockaddr *)address, sizeof(*address));
}

// 0, or −1 and errno. The mode is set before anybody can connect.
static int listen_begin(struct control *control) {
	control->is_folder_ours = folder_make(control->address.sun_path);
	control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (control->listener < 0 || bind_anew(control->listener, &control->address) < 0)
		return -1;
	control->is_bound = true;
	if (chmod(control->address.sun_path, 0600) < 0
	    || listen(control->listener, CONTROL_CLIENTS_MAX) < 0
	    || pipe2(control->wake, O_CLOEXEC) < 0)
		return -1;
	return 0;
}

// Signals are for the thread that reads packets.
static int thread_begin(struct control *control) {
	sigset_t ours, before;
	int problem;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	control->aside = aside_open();
	problem = control->aside ? pthread_create(&control->thread, NULL, run, control) : errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	control->is_running = problem == 0;
	errno = problem;
	return problem ? -1 : 0;
}

static void open_failed(const char *path, char *error, int size) {
	if (errno == EADDRINUSE)
		snprintf(
			error,
			(size_t)size,
			"%s: another postern answers there: choose another --control PATH",
			path
		);
	else if (errno == EEXIST)
		snprintf(
			error,
			(size_t)size,
			"%s: there is something that is no socket: choose another --control PATH",
			path
		);
	else
		snprintf(
			error,
			(size_t)size,
			"%s: no control socket there: %s; choose another --control PATH",
			path,
			strerror(errno)
		);
}

struct control *control_open(
	const char *path,
	const struct control_command *commands,
	int n,
	void *context,
	char *error,
	int size
) {
	struct control *control = calloc(1, sizeof(*control));
	int problem;

	if (!control) {
		snprintf(error, (size_t)size, "out of memory");
		return NULL;
	}
	control->commands = commands;
	control->n_commands = n;
	control->context = context;
	control->listener = control->wake[0] = control->wake[1] = -1;
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		control->clients[i].fd = -1;
	if (address_set(&control->address, path, error, size) < 0)
		goto err;
	if (listen_begin(control) < 0 || thread_begin(control) < 0) {
		open_failed(path, error, size);
		goto err;
	}
	return control;
err:
	problem = errno;
	control_close(control);
	errno = problem;
	return NULL;
}

int control_give(const struct control *control, uid_t uid, gid_t gid) {
	char folder[sizeof(control->address.sun_path)];

	if (chown(control->address.sun_path, uid, gid) < 0)
		return -errno;
	if (!control->is_folder_ours)
		return 0;
	strcpy(folder, control->address.sun_path);
	*strrchr(folder, '/') = '\0';
	return chown(folder, uid, gid) < 0 ? -errno : 0;
}

void control_close(struct control *control) {
	if (!control)
		return;
	if (control->wake[1] >= 0)
		close(control->wake[1]);
	if (control->is_running)
		pthread_join(control->thread, NULL);
	aside_close(control->aside);
	if (control->wake[0] >= 0)
		close(control->wake[0]);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i].fd >= 0)
			close(control->clients[i].fd);
	if (control->is_bound)
		unlink(control->address.sun_path);
	if (control->listener >= 0)
		close(control->listener);
	free(control);
}

// ---- The client's side

// The whole answer, terminated, without its line end; free() it. NULL when it was cut off.
static char *answer_read(int fd) {
	size_t used = 0, size = 4096;
	char *text = malloc(size), *grown;
	ssize_t n;

	while (text) {
		n = recv(fd, text + used, size - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
		if (text[used - 1] == '\n') {
			text[used - 1] = '\0';
			return text;
		}
		if (used < size)
			continue;
		if (size >= CONTROL_ANSWER_SIZE_MAX || !(grown = realloc(text, 2 * size)))
			break;
		text = grown;
		size *= 2;
	}
	free(text);
	return NULL;
}

static void unreachable(const char *path, char *error, int size) {
	bool nobody = errno == ENOENT || errno == ECONNREFUSED;

	snprintf(
		error,
		(size_t)size,
		"%s: %s",
		path,
		nobody ? "nobody answers there: is postern running, and with this --control PATH?"
			: errno == EACCES
			? "only root and the user that postern runs as may talk to it"
			: strerror(errno)
	);
}

int control_ask(const char *path, const char *command, FILE *out, char *error, int size) {
	struct sockaddr_un address;
	char *answer;
	int fd, is_error;

	if (address_set(&address, path, error, size) < 0)
		return -1;
	fd = reach(&address);
	if (fd < 0) {
		unreachable(path, error, size);
		return -1;
	}
	answer = send_all(fd, command, strlen(command)) && send_all(fd, "\n", 1) ? answer_read(fd)
										 : NULL;
	close(fd);
	if (!answer) {
		snprintf(error, (size_t)size, "%s: it ended before it had answered", path);
		return -1;
	}
	// Our own writer's words: the member stands first when there is one.
	is_error = strncmp(answer, "{\"error\":", 9) == 0;
	fprintf(out, "%s\n", answer);
	free(answer);
	if (is_error)
		snprintf(error, (size_t)size, "%s was not done: see the answer", command);
	return is_error ? -1 : 0;
}
