/*
 * birthmark-runtime.conf, beside the executable: lines `name=value`, written by `birthmark engine setup`.
 *
 *     runtime=/usr/bin/runc
 *     data-root=/var/lib/docker
 *     socket=/run/birthmark/hook.sock
 */

#define _GNU_SOURCE
#include "birthmark-runtime.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char SUFFIX[] = ".conf";
/* So the kernel calls a program in whose place there is another since it was started (proc_pid_exe(5)). */
static const char REPLACED[] = " (deleted)";

/* Copies the value of one line. Returns false when it is no absolute path. */
static bool set(char *target, const char *value, size_t length)
{
	if (length == 0 || length >= PATH_MAX || value[0] != '/' || target[0] != '\0') return false;
	memcpy(target, value, length);
	target[length] = '\0';
	return true;
}

static bool read_line(struct settings *settings, const char *line, size_t length)
{
	const struct { const char *name; char *target; } known[] = {
		{ "runtime=", settings->runtime },
		{ "data-root=", settings->data_root },
		{ "socket=", settings->socket },
	};
	if (length == 0 || line[0] == '#') return true;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		size_t name_length = strlen(known[i].name);
		if (length > name_length && strncmp(line, known[i].name, name_length) == 0) return set(known[i].target, line + name_length, length - name_length);
	}
	return false;
}

const char *read_settings(struct settings *settings)
{
	char path[PATH_MAX + sizeof SUFFIX];
	struct text text;
	ssize_t length = readlink("/proc/self/exe", settings->executable, sizeof settings->executable - 1);
	if (length < 0) return "the executable birthmark-runtime cannot find itself; mount /proc";
	size_t rest = (size_t)length - (sizeof REPLACED - 1);
	if ((size_t)length > sizeof REPLACED - 1 && memcmp(settings->executable + rest, REPLACED, sizeof REPLACED - 1) == 0) length = (ssize_t)rest;
	settings->executable[length] = '\0';
	snprintf(path, sizeof path, "%s%s", settings->executable, SUFFIX);
	if (read_file(path, &text) != 0) return "the file birthmark-runtime.conf beside birthmark-runtime cannot be read; run birthmark engine setup again";
	for (const char *line = text.bytes, *end = text.bytes + text.length; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t line_length = (size_t)((newline != NULL ? newline : end) - line);
		if (!read_line(settings, line, line_length)) return "the file birthmark-runtime.conf has a line that is not understood; run birthmark engine setup again";
		line += line_length + 1;
	}
	if (settings->runtime[0] == '\0' || settings->data_root[0] == '\0' || settings->socket[0] == '\0') {
		return "the file birthmark-runtime.conf lacks one of runtime, data-root and socket; run birthmark engine setup again";
	}
	return NULL;
}
