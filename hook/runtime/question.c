/*
 * The plugin's socket (plugin/hook/wire.ts is the other side). One question on each connection: a line of
 * words and lengths, then as many bytes. One answer: a word, a length, as many bytes.
 *
 *     birthmark-runtime 1 create ID 35 4711 815\n<path of this executable><config.v2.json><config.json>
 *     birthmark-runtime 1 ended ID START-ID\n
 *
 *     unchanged 0\n
 *     config 900\n<config.json>
 *     refused 60\n<sentence>
 */

#define _GNU_SOURCE
#include "birthmark-runtime.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The plugin waits for a CA that is away, 100 s at most (START_GRACE_SECONDS); the rest is for a busy host. */
#define ANSWER_MS 150000
/* Nobody has taken the socket away: the plugin crashed, and the engine is starting it again. */
#define CRASHED_MS 30000
/* It is not there: the plugin is disabled, or just being enabled. */
#define ABSENT_MS 3000
#define STEP_MS 20
/* Of a container that ends somebody waits for the end. */
#define END_MS 2000
#define MAX_HEAD 64

static char unanswered[] = "the birthmark plugin does not answer; enable it (docker plugin enable birthmark), and start the container again";
static char unclear[] = "the birthmark plugin answered something that birthmark-runtime does not understand; run birthmark engine setup again";

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns a connected socket that does not block, or -1. */
static int dial(const char *path, long start, long absent_ms, long crashed_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path) return -1;
	memcpy(address.sun_path, path, strlen(path));
	bool was_there = false;
	for (;;) {
		int link = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (link < 0) return -1;
		if (connect(link, (struct sockaddr *)&address, sizeof address) == 0) return link;
		/* EAGAIN: more are waiting to be accepted than the plugin has room for. A plugin that comes back makes the socket anew. */
		was_there = was_there || errno == ECONNREFUSED || errno == EAGAIN;
		bool may_come = was_there || errno == ENOENT;
		close(link);
		if (!may_come || now_ms() - start >= (was_there ? crashed_ms : absent_ms)) return -1;
		poll(NULL, 0, STEP_MS);
	}
}

static bool await(int link, short event, long deadline)
{
	for (;;) {
		struct pollfd poller = { .fd = link, .events = event };
		long rest = deadline - now_ms();
		if (rest <= 0) return false;
		int ready = poll(&poller, 1, (int)rest);
		if (ready > 0) return true;
		if (ready < 0 && errno != EINTR) return false;
	}
}

static bool send_all(int link, const char *bytes, size_t length, long deadline)
{
	while (length > 0) {
		ssize_t count = send(link, bytes, length, MSG_NOSIGNAL);
		if (count > 0) {
			bytes += count;
			length -= (size_t)count;
		} else if (count < 0 && errno != EINTR && (errno != EAGAIN || !await(link, POLLOUT, deadline))) return false;
	}
	return true;
}

static bool receive(int link, char *bytes, size_t length, long deadline)
{
	while (length > 0) {
		ssize_t count = recv(link, bytes, length, 0);
		if (count == 0) return false;
		if (count > 0) {
			bytes += count;
			length -= (size_t)count;
		} else if (errno != EINTR && (errno != EAGAIN || !await(link, POLLIN, deadline))) return false;
	}
	return true;
}

/* The line of the answer: `word` gets room for MAX_HEAD characters. */
static bool receive_head(int link, char *word, size_t *length, long deadline)
{
	char line[MAX_HEAD];
	size_t at = 0;
	do {
		if (at == sizeof line || !receive(link, line + at, 1, deadline)) return false;
	} while (line[at++] != '\n');
	line[at - 1] = '\0';
	char *blank = strchr(line, ' ');
	if (blank == NULL || strspn(blank + 1, "0123456789") != strlen(blank + 1)) return false;
	*blank = '\0';
	memcpy(word, line, strlen(line) + 1);
	*length = strtoul(blank + 1, NULL, 10);
	return *length <= MAX_ANSWER_BYTES;
}

static enum verdict read_answer(int link, struct text *answer, long deadline)
{
	char word[MAX_HEAD];
	*answer = (struct text){ unanswered, sizeof unanswered - 1 };
	size_t length;
	if (!receive_head(link, word, &length, deadline)) return UNANSWERED;
	char *bytes = malloc(length + 1);
	if (bytes == NULL || !receive(link, bytes, length, deadline)) return UNANSWERED;
	bytes[length] = '\0';
	*answer = (struct text){ bytes, length };
	if (strcmp(word, "unchanged") == 0) return UNCHANGED;
	if (strcmp(word, "config") == 0) return CHANGED;
	if (strcmp(word, "refused") == 0) return REFUSED;
	*answer = (struct text){ unclear, sizeof unclear - 1 };
	return UNANSWERED;
}

enum verdict ask_plugin(const struct settings *settings, const struct request *request, const struct text *state, const struct text *config, struct text *answer)
{
	char head[256];
	long start = now_ms();
	long deadline = start + ANSWER_MS;
	*answer = (struct text){ unanswered, sizeof unanswered - 1 };
	int link = dial(settings->socket, start, ABSENT_MS, CRASHED_MS);
	if (link < 0) return UNANSWERED;
	size_t executable = strlen(settings->executable);
	int head_length = snprintf(head, sizeof head, "birthmark-runtime 1 %s %s %zu %zu %zu\n", request->verb, request->id, executable, state->length, config->length);
	/* Whoever does not read it to its end has answered all the same. */
	(void)(send_all(link, head, (size_t)head_length, deadline) && send_all(link, settings->executable, executable, deadline) &&
		send_all(link, state->bytes, state->length, deadline) && send_all(link, config->bytes, config->length, deadline));
	enum verdict verdict = read_answer(link, answer, deadline);
	close(link);
	return verdict;
}

void tell_end(const struct settings *settings, const char *id, const char *start_id)
{
	char line[512];
	long start = now_ms();
	struct text answer;
	int length = snprintf(line, sizeof line, "birthmark-runtime 1 ended %s %s\n", id, start_id);
	int link = length < (int)sizeof line ? dial(settings->socket, start, 0, END_MS) : -1;
	if (link < 0) return;
	/* The engine goes on when this ends: the plugin has it in its records by then. */
	if (send_all(link, line, (size_t)length, start + END_MS)) (void)read_answer(link, &answer, start + END_MS);
	close(link);
}
