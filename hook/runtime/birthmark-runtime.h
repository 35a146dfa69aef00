/*
 * birthmark-runtime: an OCI runtime in front of another one (docs/runtime.md, docs/adr/0032).
 *
 * Every call goes to the real runtime, its arguments and its environment as they are. Only when a
 * container with birthmark labels is created is the plugin asked first: it answers with another
 * config.json for the bundle, or refuses. What is mounted and what is run is decided there; nothing
 * is decided here but whether to ask.
 */

#ifndef BIRTHMARK_RUNTIME_H
#define BIRTHMARK_RUNTIME_H

#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Of files that are read: an engine takes bodies of 4 MiB, of which it makes both of them. */
#define MAX_FILE_BYTES (16u * 1024 * 1024)
#define MAX_ANSWER_BYTES (2 * MAX_FILE_BYTES)

/* settings.c: the file beside the executable, so that each engine of a host may have its own copy. */
struct settings {
	char executable[PATH_MAX];
	char runtime[PATH_MAX];
	char data_root[PATH_MAX];
	char socket[PATH_MAX];
};

/* Returns NULL, or a sentence that says what is wrong. */
const char *read_settings(struct settings *settings);

/* arguments.c: what the command line asks of a runtime. */
struct request {
	/* create, run or restore; NULL for everything that makes no container */
	const char *verb;
	const char *id;
	const char *bundle;
	/* where and how the caller reads why it failed; NULL for nowhere but stderr */
	const char *log;
	bool log_is_json;
};

/* Returns false for a command line that makes a container and is not understood. */
bool parse_arguments(int argc, char *const argv[], struct request *request);

/* files.c */
struct text {
	char *bytes;
	size_t length;
};

/* Returns 0 or an errno; EFBIG above MAX_FILE_BYTES. The bytes are never freed: the process ends or becomes another. */
int read_file(const char *path, struct text *text);

/* Puts another content in the place of a file, at once, with the same mode. Returns 0 or an errno. */
int replace_file(const char *path, const struct text *text);

/* question.c: the plugin's socket. */
enum verdict { UNCHANGED, CHANGED, REFUSED, UNANSWERED };

/* `answer` gets the new config.json, the sentence of the refusal, or what kept the question from being answered. */
enum verdict ask_plugin(const struct settings *settings, const struct request *request, const struct text *state, const struct text *config, struct text *answer);

/* Tells that a start is over, as the poststop hook of the container; nobody waits for an answer. */
void tell_end(const struct settings *settings, const char *id, const char *start_id);

/* refusal.c: to stderr and to the runtime's log, from which the engine takes what it shows. `code` is NULL when the sentence has it. */
void refuse(const struct request *request, const char *sentence, const char *code) __attribute__((noreturn));

#endif
