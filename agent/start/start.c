/*
 * Runs in the agent's process before its runtime does: a shared library that the executable needs.
 *
 * The environment of a container is its application's. The runtime would take settings from it (options, a
 * debugger port, a shell instead of the agent), and end at one that it does not know, though the application
 * may run on the same runtime. So the runtime gets to see neither those variables nor the settings of its
 * memory allocator, and gets settings of ours, which nothing else can give it: no compiler at run time and
 * one thread that collects garbage, which takes a fifth less memory, fewer threads and a shorter start.
 *
 * Whatever the agent starts gets the environment of the container as it was, byte for byte, and the
 * application its arguments too: the runtime would replace what is no UTF-8. Only settings of the loader come
 * by another name, since it reads them before anything of ours runs (plugin/hook/spec.ts), and get back theirs.
 */

#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* agent/supervise.ts has the same name: `command` is what the agent itself sees, `application` is given to the application alone. */
static char marker[] = "BIRTHMARK_START=command";
static const char markerOfApplication[] = "BIRTHMARK_START=application";

static char withoutCompiler[] = "BUN_JSC_useJIT=0", oneCollector[] = "BUN_JSC_numberOfGCMarkers=1";
/* The agent says itself when garbage is to be collected; memory goes back to the system at once, not by a thread that looks for it. */
static char withoutTimer[] = "BUN_GC_TIMER_DISABLE=1", withoutThread[] = "MIMALLOC_PURGE_DELAY=0";
static char *const settings[] = {marker, withoutCompiler, oneCollector, withoutTimer, withoutThread};
static const char *const ofRuntime[] = {"BUN_", "NODE_", "MIMALLOC_", "BIRTHMARK_START=", "BIRTHMARK_LD_"};
static const char ofLoader[] = "BIRTHMARK_LD_";

extern char **environ;

static char **containerEnvironment;
/* after the `--` of the command line; NULL without one */
static char **applicationArguments;

static int isOfRuntime(const char *variable) {
	for (size_t index = 0; index < LENGTH(ofRuntime); index++) {
		if (strncmp(variable, ofRuntime[index], strlen(ofRuntime[index])) == 0) return 1;
	}
	return 0;
}

/* Of shared libraries these get what main() gets (glibc, elf/dl-init.c), and run before those of the executable. */
__attribute__((constructor)) static void start(int count, char **arguments, char **variables) {
	size_t given = 0, kept = 0;
	while (variables[given] != NULL) given++;
	char **seen = malloc((given + LENGTH(settings) + 1) * sizeof *seen);
	if (seen == NULL) abort();
	for (size_t index = 0; index < given; index++) {
		if (!isOfRuntime(variables[index])) seen[kept++] = variables[index];
	}
	for (size_t index = 0; index < LENGTH(settings); index++) seen[kept++] = settings[index];
	seen[kept] = NULL;
	environ = seen;
	for (size_t index = 0; index < given; index++) {
		if (strncmp(variables[index], ofLoader, strlen(ofLoader)) == 0) variables[index] += strlen(ofLoader) - strlen("LD_");
	}
	containerEnvironment = variables;
	for (int index = 1; index < count && applicationArguments == NULL; index++) {
		if (strcmp(arguments[index], "--") == 0) applicationArguments = arguments + index + 1;
	}
}

static int has(char *const variables[], const char *wanted) {
	for (size_t index = 0; variables != NULL && variables[index] != NULL; index++) {
		if (strcmp(variables[index], wanted) == 0) return 1;
	}
	return 0;
}

/* In place of libc's. Runs between vfork and exec: nothing here may allocate or lock. */
__attribute__((visibility("default"))) int execve(const char *path, char *const arguments[], char *const variables[]) {
	if (applicationArguments != NULL && has(variables, markerOfApplication)) {
		arguments = applicationArguments;
		variables = containerEnvironment;
	} else if (has(variables, marker)) {
		variables = containerEnvironment;
	}
	return (int)syscall(SYS_execve, path, arguments, variables);
}
