/*
 * Why there is no container. The engine takes what it shows from the last line of the runtime's log whose
 * level is `error` (containerd, getLastRuntimeError); without a log, from stderr.
 */

#define _GNU_SOURCE
#include "birthmark-runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SENTENCE 2048

static void write_escaped(FILE *out, const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\') fprintf(out, "\\%c", *at);
		else if (*at < ' ') fprintf(out, "\\u%04x", *at);
		else fputc(*at, out);
	}
}

void refuse(const struct request *request, const char *sentence, const char *code)
{
	char text[MAX_SENTENCE];
	if (code != NULL) snprintf(text, sizeof text, "birthmark: %s [%s]", sentence, code);
	else snprintf(text, sizeof text, "%s", sentence);
	fprintf(stderr, "%s\n", text);
	/* Also where it is the same as stderr for whoever calls the runtime by hand. */
	FILE *log = request->log != NULL && strcmp(request->log, "/dev/stderr") != 0 ? fopen(request->log, "ae") : NULL;
	if (log != NULL) {
		fputs(request->log_is_json ? "{\"level\":\"error\",\"msg\":\"" : "level=error msg=\"", log);
		write_escaped(log, text);
		fputs(request->log_is_json ? "\"}\n" : "\"\n", log);
		fclose(log);
	}
	exit(EXIT_FAILURE);
}
