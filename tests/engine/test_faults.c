// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Everything at once, from one seed: the models, the store below them and the alerts' file beside them live
// through many lives, each of which reads its input again from somewhere before its end and meets what the
// seed draws: calls of LMDB or of the output that fail, a kill in one of them or between two activities, files
// rotated while they are written, memory refused at the start; input that comes twice, late, not at all, or
// misdated. After each life what lies in the directory is the state after some activity, exactly, and what was
// told is what one undisturbed run tells.
//
// test_faults [SEED [SECONDS]]: seeds 1 to 3; that seed alone; or it and those that follow, for so long (./dev kill --for).

#include "../models/store/fault.h"
#include "../models/store/kept.h"
#include "output/alert_json.h"
#include "output/sink.h"

#include <jansson.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum {
	USERS = 25,
	N_DAYS = 14,
	THIEF_FROM = 7,
	ACCOUNTS = 200,
	LIVES_MAX = 400,
	ALERTS_MAX = 4096,
	LINE_MAX = 1 << 16,
	RANGE_CALLS = 60, // of LMDB or of the output in which faults begin
};

// Memory that was freed is kept by the sanitizer, 256 MB of it, and every life would touch as much anew.
const char *__asan_default_options(void);

const char *__asan_default_options(void) {
	return "quarantine_size_mb=1";
}

// ---- Faults of the output: libc's write, ours in its place

static struct {
	bool is_on;
	uint64_t n;
	uint64_t kill_at, fail_from, fail_n;
	bool is_half; // half of it goes out first
} output;

ssize_t fault_write(int fd, const void *data, size_t size) __asm__("write");

ssize_t fault_write(int fd, const void *data, size_t size) {
	if (!output.is_on || fd <= STDERR_FILENO)
		return syscall(SYS_write, fd, data, size);
	output.n++;
	bool kills = output.n == output.kill_at;
	bool fails = output.n >= output.fail_from && output.n < output.fail_from + output.fail_n;
	if (!kills && !fails)
		return syscall(SYS_write, fd, data, size);
	if (output.is_half && size > 1) {
		ssize_t n = syscall(SYS_write, fd, data, size / 2);
		if (kills)
			fault_die();
		return n;
	}
	if (kills)
		fault_die();
	errno = ENOSPC;
	return -1;
}

// ---- Memory that is refused

static uint64_t refuse_at; // the how manieth; 0: none
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool is_refused(void) {
	return refuse_at && --refuse_at == 0;
}

void *__wrap_malloc(size_t size) {
	return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
	return is_refused() ? NULL : __real_calloc(n, size);
}

// ---- What a seed draws

enum ending {
	END_SYNCED,
	END_WITHOUT, // a last word
	END_KILLED,
	ENDINGS,
};

struct life {
	size_t from, to; // of the input
	bool is_stepwise; // waits for each snapshot: nothing hangs on how threads run
	uint64_t interval_ns;
	enum ending ending;
	size_t rotate_every; // activities; 0: never
	uint64_t refuse_at;
};

static uint64_t seed;

// An intruder's activity, some of it twice, up to an hour late, missing, or dated some years ahead.
static struct stream input_make(uint64_t *random) {
	struct stream s = stream_make(random_next(random), USERS, N_DAYS, THIEF_FROM), harmed = {0};
	harmed.activity = malloc(2 * s.n * sizeof(struct activity));
	for (size_t i = 0; i < s.n; i++) {
		if (random_chance(random, 0.02))
			continue;
		size_t at = harmed.n++;
		// Behind those of the half hour before.
		uint64_t late = random_chance(random, 0.1) ? random_next(random) % (HOUR / 2) : 0;
		struct activity *to = harmed.activity;
		while (at > 0 && late > 0 && to[at - 1].time_ns > s.activity[i].time_ns - late) {
			to[at] = to[at - 1];
			at--;
		}
		to[at] = s.activity[i];
		if (random_chance(random, 0.003))
			to[at].time_ns += (1 + random_next(random) % 20000) * DAY / 3;
		if (random_chance(random, 0.03)) {
			at = random_below(random, (uint32_t)harmed.n);
			to[harmed.n++] = to[at];
		}
	}
	free(s.activity);
	return harmed;
}

static struct life life_draw(uint64_t *random, size_t reached, size_t n) {
	struct life life = {
		.from = reached - (reached ? random_below(random, (uint32_t)reached) : 0) / 4,
		.to = reached + 1 + random_below(random, (uint32_t)n / 12),
		.is_stepwise = random_chance(random, 0.5),
		.interval_ns = (1 + random_below(random, 24)) * HOUR,
		.ending = random_below(random, ENDINGS),
		.rotate_every = random_chance(random, 0.5) ? 1 + random_below(random, 200) : 0,
		.refuse_at = random_chance(random, 0.1) ? 1 + random_below(random, 12) : 0,
	};
	memset(&fault, 0, sizeof(fault));
	memset(&output, 0, sizeof(output));
	if (random_chance(random, 0.3))
		fault.kill_before = 1 + random_below(random, RANGE_CALLS);
	else if (random_chance(random, 0.3))
		fault.kill_after = 1 + random_below(random, RANGE_CALLS);
	if (random_chance(random, 0.3)) {
		static const int errors[] = {ENOSPC, EIO, EDQUOT, EROFS};
		fault.error = errors[random_below(random, 4)];
		fault.fail_from = 1 + random_below(random, RANGE_CALLS);
		fault.fail_n = 1 + random_below(random, 20);
	}
	if (random_chance(random, 0.3))
		output.kill_at = 1 + random_below(random, 3);
	if (random_chance(random, 0.3)) {
		output.fail_from = 1 + random_below(random, 3);
		output.fail_n = 1 + random_below(random, 3);
	}
	output.is_half = random_chance(random, 0.5);
	life.to = life.to > n ? n : life.to;
	return life;
}

// ---- One life

struct shared {
	uint64_t reached; // of the input
	uint64_t n_taken, n_known, n_lost; // activities new and known; lines of alerts
	bool is_refused; // it never began
};

static struct shared *shared;
static const char *dir, *out_dir; // of the store, and of the alerts
static char path[512];
static uint32_t n_rotated;

static void alert_put(void *ctx, const struct alert *alert) {
	static char line[LINE_MAX];
	struct sink *sink = ctx;
	sink_write(sink, line, alert_json_write(alert, "", line, sizeof(line)));
	sink_flush(sink);
	shared->n_lost = sink_n_lost(sink);
}

static void complain(void *, const char *text) {
	// A disk that fails is said; a file that is broken must not be.
	if (strstr(text, "broken") || strstr(text, "anew") || strstr(text, "forgotten"))
		_exit(5);
}

static void file_rotate(void) {
	char to[600];
	snprintf(to, sizeof(to), "%s.%ld-%u", path, (long)getpid(), ++n_rotated);
	rename(path, to);
}

static void one_life(const struct life *life, const struct stream *s) {
	char error[512] = "";
	size_t n_parts;
	refuse_at = life->refuse_at;
	struct sink *sink = sink_open(path, SINK_APPEND, error, sizeof(error));
	struct models_config config
		= {.n_accounts = ACCOUNTS, .hash_key = {1, 2}, .alert = alert_put, .ctx = sink};
	struct store_config keep = {.dir = dir, .interval_ns = life->interval_ns, .say = complain};
	struct models *models = sink ? models_open(&config) : NULL;
	const struct store_part *parts = models ? models_parts(models, &n_parts) : NULL;
	struct store *store
		= models ? store_open(&keep, parts, n_parts, error, sizeof(error)) : NULL;
	shared->is_refused = life->refuse_at && !refuse_at;
	refuse_at = 0;
	if (!store)
		_exit(shared->is_refused ? 0 : 3);
	struct store_mark mark = *store_found(store);
	models_continue(models, store_known_ns(&mark));
	fault.is_on = output.is_on = true;
	uint64_t kept_ns = mark.now_ns, before_ns = mark.heard_ns;
	for (size_t i = life->from; i < life->to; i++) {
		bool is_new = models_run(models, &s->activity[i]);
		shared->n_taken += is_new;
		shared->n_known += !is_new;
		mark.n_activities += is_new;
		uint64_t time_ns = s->activity[i].time_ns;
		if (is_new && (time_ns - before_ns < DAY || before_ns - time_ns < DAY))
			mark.heard_ns = time_ns;
		before_ns = time_ns;
		mark.now_ns = models_now(models);
		shared->reached = i + 1;
		if (!life->is_stepwise) {
			store_tick(store, &mark);
		} else if (mark.now_ns >= kept_ns + life->interval_ns) {
			store_sync(store, &mark);
			kept_ns = mark.now_ns;
		}
		if (life->rotate_every && i % life->rotate_every == 0)
			file_rotate();
	}
	if (life->ending == END_KILLED)
		fault_die();
	if (life->ending == END_SYNCED)
		store_sync(store, &mark);
	store_close(store);
	sink_close(sink);
	_exit(0);
}

// ---- What must be true afterwards

// One run without faults, as far as it has come.
struct plain {
	struct desk desk;
	struct models *models;
	size_t at; // of the input
	uint64_t n_taken;
};

static void plain_run(struct plain *plain, const struct stream *s, uint64_t n_taken) {
	while (plain->n_taken < n_taken) {
		if (plain->at == s->n)
			fail_msg("seed %lu: more was learnt than there is", seed);
		plain->n_taken += models_run(plain->models, &s->activity[plain->at++]);
	}
}

// The directory opens without a complaint and holds the state after some activity. Returns which.
static void found_whole(struct plain *plain, const struct stream *s) {
	struct desk desk = {.alert = calloc(1, sizeof(struct alert))};
	struct models_config config
		= {.n_accounts = ACCOUNTS, .hash_key = {1, 2}, .alert = desk_put, .ctx = &desk};
	struct models *models = models_open(&config);
	char error[512];
	struct world said = {0};
	size_t n_parts;
	const struct store_part *parts = models_parts(models, &n_parts);
	struct store_config keep = {.dir = dir, .say = world_hear, .ctx = &said};
	struct store *store = store_open(&keep, parts, n_parts, error, sizeof(error));
	if (!store)
		fail_msg("seed %lu: %s", seed, error);
	if (said.n_said)
		fail_msg("seed %lu: %s", seed, said.said);
	uint64_t n_taken = store_found(store)->n_activities;
	if (n_taken < plain->n_taken)
		fail_msg("seed %lu: what was kept once is gone", seed);
	plain_run(plain, s, n_taken);
	struct dump a = dump_of(plain->models), b = dump_of(models);
	assert_same_dump(models, &a, &b);
	free(a.sum);
	free(b.sum);
	store_close(store);
	models_close(models);
	free(desk.alert);
}

// All lines of all alert files: whole, and each id always with the same words.
struct told {
	size_t n;
	struct {
		char id[64];
		char *line;
	} alert[ALERTS_MAX];
};

static struct told told;

static void line_add(const char *line) {
	json_error_t error;
	json_t *alert = json_loads(line, 0, &error);
	if (!alert)
		fail_msg("seed %lu: %s: %s", seed, error.text, line);
	const char *id = json_string_value(json_object_get(json_object_get(alert, "event"), "id"));
	size_t i = 0;
	assert_non_null(id);
	while (i < told.n && strcmp(told.alert[i].id, id) != 0)
		i++;
	if (i < told.n && strcmp(told.alert[i].line, line) != 0)
		fail_msg("seed %lu: told otherwise:\n%s\n%s", seed, told.alert[i].line, line);
	if (i == told.n) {
		assert_true(told.n < ALERTS_MAX);
		snprintf(told.alert[i].id, sizeof(told.alert[i].id), "%s", id);
		told.alert[told.n++].line = strdup(line);
	}
	json_decref(alert);
}

static int file_add(const char *name, const struct stat *st, int, struct FTW *) {
	static char line[LINE_MAX];
	FILE *file = S_ISREG(st->st_mode) ? fopen(name, "r") : NULL;
	while (file && fgets(line, sizeof(line), file)) {
		// What a writer that was killed leaves the next one cuts off.
		if (!strchr(line, '\n'))
			fail_msg("seed %lu: %s: half a line", seed, name);
		line_add(line);
	}
	if (file)
		fclose(file);
	return 0;
}

static void told_free(void) {
	for (size_t i = 0; i < told.n; i++)
		free(told.alert[i].line);
	told.n = 0;
}

// What was told is what one run tells, and all of it unless lines were lost, which are counted then.
static void told_right(const struct desk *desk, uint64_t n_lost) {
	static char line[LINE_MAX];
	size_t n_right = 0;
	for (size_t i = 0; i < desk->n; i++) {
		size_t size = alert_json_write(&desk->alert[i], "", line, sizeof(line));
		memcpy(line + size, "\n", 2);
		bool is_told = false;
		for (size_t k = 0; k < told.n; k++)
			is_told |= strcmp(told.alert[k].line, line) == 0;
		n_right += is_told;
		if (!is_told && n_lost == 0)
			fail_msg("seed %lu: never told: %s", seed, line);
	}
	if (told.n > n_right)
		fail_msg("seed %lu: %zu alerts were told that are none", seed, told.n - n_right);
	if (desk->n - n_right > n_lost)
		fail_msg(
			"seed %lu: %zu alerts are missing, %lu were counted as lost",
			seed,
			desk->n - n_right,
			n_lost
		);
}

// ---- A seed

// How many of the input are no repetitions.
static uint64_t news_of(const struct stream *s) {
	struct desk desk = {.alert = calloc(DESK_MAX, sizeof(struct alert))};
	struct models_config config
		= {.n_accounts = ACCOUNTS, .hash_key = {1, 2}, .alert = desk_put, .ctx = &desk};
	struct models *models = models_open(&config);
	uint64_t n_new = 0;
	for (size_t i = 0; i < s->n; i++)
		n_new += models_run(models, &s->activity[i]);
	models_close(models);
	free(desk.alert);
	return n_new;
}

static void seed_live(uint64_t *n_lives_r, uint64_t *n_killed_r) {
	uint64_t random = seed, n_lost = 0;
	struct stream s = input_make(&random);
	dir = dir_new();
	out_dir = dir_new();
	snprintf(path, sizeof(path), "%s/alerts.ndjson", out_dir);
	assert_int_equal(mkdir(out_dir, 0700), 0);
	struct plain plain = {.desk.alert = calloc(DESK_MAX, sizeof(struct alert))};
	struct models_config config = {
		.n_accounts = ACCOUNTS,
		.hash_key = {1, 2},
		.alert = desk_put,
		.ctx = &plain.desk,
	};
	plain.models = models_open(&config);
	// The last ones may be repeated, and add nothing that could be found.
	uint64_t n_new = news_of(&s);
	size_t life = 0;
	for (; plain.n_taken < n_new && life < LIVES_MAX; life++) {
		struct life l = life_draw(&random, plain.at, s.n);
		int status;
		memset(shared, 0, sizeof(*shared));
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			one_life(&l, &s);
		assert_int_equal(waitpid(child, &status, 0), child);
		bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (!is_killed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			fail_msg("seed %lu, life %zu: status %x", seed, life, (unsigned)status);
		if (!shared->is_refused && !is_killed)
			assert_int_equal(
				shared->n_taken + shared->n_known, shared->reached - l.from
			);
		memset(&fault, 0, sizeof(fault));
		memset(&output, 0, sizeof(output));
		found_whole(&plain, &s);
		n_lost += shared->n_lost;
		*n_killed_r += is_killed;
	}
	if (plain.n_taken < n_new)
		fail_msg("seed %lu: %lu of %lu in %d lives", seed, plain.n_taken, n_new, LIVES_MAX);
	*n_lives_r += life;
	nftw(out_dir, file_add, 16, FTW_PHYS);
	told_right(&plain.desk, n_lost);
	told_free();
	assert_true(file_size(path_in(dir, "data.mdb")) < 64 << 20);
	models_close(plain.models);
	free(plain.desk.alert);
	free(s.activity);
	dir_remove(dir);
	dir_remove(out_dir);
}

static unsigned n_seconds; // 0: so many seeds
static uint64_t n_wanted = 3;

static void n1_all_faults_at_once_from_one_seed(void **) {
	uint64_t n_lives = 0, n_killed = 0, n_seeds = 0;
	time_t until = time(NULL) + n_seconds;
	for (uint64_t first = seed; n_seeds < n_wanted || time(NULL) < until; n_seeds++) {
		seed = first + n_seeds;
		seed_live(&n_lives, &n_killed);
	}
	print_message("  %lu seeds, %lu lives, %lu killed\n", n_seeds, n_lives, n_killed);
	assert_true(n_killed > 0);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(n1_all_faults_at_once_from_one_seed),
	};
	// The same ones each time: ./dev kill --for looks further.
	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	n_wanted = argc > 1 ? 1 : n_wanted;
	n_seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	print_message("seed %lu\n", seed);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
