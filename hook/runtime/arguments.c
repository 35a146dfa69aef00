/*
 * The command line of runc (its man pages; github.com/urfave/cli v1 on Go's package flag): options, the
 * command, its options, the id. One dash or two, the value behind `=` or as the next argument.
 */

#include "birthmark-runtime.h"

#include <string.h>

/* Those with a value; all others have none, or have it behind `=`. */
static const char *const GLOBAL[] = { "root", "log", "log-format", "criu", "rootless", NULL };
static const char *const OF_COMMAND[] = {
	"bundle", "b", "console-socket", "pidfd-socket", "pid-file", "preserve-fds",
	/* restore */
	"image-path", "work-path", "manage-cgroups-mode", "empty-ns", "lsm-profile", "lsm-mount-context", NULL,
};
/* Those without. */
static const char *const GLOBAL_FLAGS[] = { "debug", "systemd-cgroup", "help", "h", "version", "v", NULL };
static const char *const FLAGS_OF_COMMAND[] = {
	"no-pivot", "no-new-keyring", "no-subreaper", "detach", "d", "keep", "help", "h",
	"tcp-established", "ext-unix-sk", "shell-job", "file-locks", "auto-dedup", "lazy-pages", NULL,
};
static const char *const MAKES_CONTAINER[] = { "create", "run", "restore", NULL };

static bool is_one_of(const char *word, size_t length, const char *const list[])
{
	for (; *list != NULL; list++) {
		if (strlen(*list) == length && strncmp(*list, word, length) == 0) return true;
	}
	return false;
}

/*
 * Reads the option at `*at`, which is moved to the next argument. `name` and `value` point into it;
 * `value` is NULL for a flag. Returns false for one that is not known.
 */
static bool read_option(int argc, char *const argv[], int *at, const char *const valued[], const char *const flags[], const char **name, size_t *length, const char **value)
{
	const char *word = argv[(*at)++];
	*name = word + (word[1] == '-' ? 2 : 1);
	const char *equals = strchr(*name, '=');
	*length = equals != NULL ? (size_t)(equals - *name) : strlen(*name);
	*value = equals != NULL ? equals + 1 : NULL;
	if (is_one_of(*name, *length, flags)) return true;
	if (!is_one_of(*name, *length, valued)) return false;
	if (*value == NULL && *at < argc) *value = argv[(*at)++];
	return *value != NULL;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static bool is_called(const char *name, size_t length, const char *other)
{
	return strlen(other) == length && strncmp(name, other, length) == 0;
}

static bool names_command(int argc, char *const argv[], int from)
{
	for (; from < argc; from++) {
		if (is_one_of(argv[from], strlen(argv[from]), MAKES_CONTAINER)) return true;
	}
	return false;
}

bool parse_arguments(int argc, char *const argv[], struct request *request)
{
	const char *name, *value;
	size_t length;
	int at = 1;
	while (at < argc && is_option(argv[at]) && strcmp(argv[at], "--") != 0) {
		/* Whether it is followed by a value nobody can tell, nor where the command begins. */
		if (!read_option(argc, argv, &at, GLOBAL, GLOBAL_FLAGS, &name, &length, &value)) return !names_command(argc, argv, at);
		if (is_called(name, length, "log")) request->log = value;
		if (is_called(name, length, "log-format")) request->log_is_json = strcmp(value, "json") == 0;
	}
	if (at < argc && strcmp(argv[at], "--") == 0) at++;
	if (at >= argc || !is_one_of(argv[at], strlen(argv[at]), MAKES_CONTAINER)) return true;
	const char *verb = argv[at++];
	while (at < argc && is_option(argv[at]) && strcmp(argv[at], "--") != 0) {
		if (!read_option(argc, argv, &at, OF_COMMAND, FLAGS_OF_COMMAND, &name, &length, &value)) return false;
		if (is_called(name, length, "bundle") || is_called(name, length, "b")) request->bundle = value;
	}
	if (at < argc && strcmp(argv[at], "--") == 0) at++;
	/* Without exactly one id the runtime itself says what is wrong. */
	if (at != argc - 1) return true;
	request->verb = verb;
	request->id = argv[at];
	return true;
}
