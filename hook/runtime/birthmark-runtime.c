/* Whether a call concerns a container with birthmark labels, and what becomes of it then. */

#define _GNU_SOURCE
#include "birthmark-runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So the engine writes the name of a label (Go, encoding/json). A name of something else costs one question. */
static const char LABEL[] = "\"birthmark.";
/* Ids of the engine's containers (moby, daemon/names); BuildKit's and containerd's others are different. */
#define ID_LENGTH 64
/* containerd's namespace of the engine's containers: the directory that holds their bundles. */
static const char NAMESPACE[] = "moby";

static bool is_engine_id(const char *id)
{
	return strlen(id) == ID_LENGTH && strspn(id, "0123456789abcdef") == ID_LENGTH;
}

static bool is_engine_bundle(const char *bundle, const char *id)
{
	char tail[sizeof NAMESPACE + ID_LENGTH + 4];
	snprintf(tail, sizeof tail, "/%s/%s", NAMESPACE, id);
	size_t length = strlen(bundle), tail_length = strlen(tail);
	while (length > 1 && bundle[length - 1] == '/') length--;
	return length >= tail_length && strncmp(bundle + length - tail_length, tail, tail_length) == 0;
}

/* A value that begins like the name of a label, e.g. a host's name, is none. What is not clear counts as one. */
static bool names_label(const struct text *state)
{
	const char *at = state->bytes, *end = at + state->length;
	while ((at = memmem(at, (size_t)(end - at), LABEL, sizeof LABEL - 1)) != NULL) {
		at += sizeof LABEL - 1;
		while (at < end && *at != '"' && *at != '\\') at++;
		if (end - at < 2 || *at == '\\' || memchr(",]}", at[1], 3) == NULL) return true;
	}
	return false;
}

/* What the engine says of the container. Returns false for one that has no labels of ours, or is not the engine's. */
static bool is_labelled(const struct settings *settings, const struct request *request, struct text *state)
{
	char path[2 * PATH_MAX];
	snprintf(path, sizeof path, "%s/containers/%s/config.v2.json", settings->data_root, request->id);
	int error = read_file(path, state);
	if (error == ENOENT && is_engine_bundle(request->bundle, request->id)) {
		refuse(request, "the engine keeps its containers elsewhere than birthmark-runtime.conf says; run birthmark engine setup again", "config-invalid");
	}
	if (error == ENOENT) return false;
	if (error != 0) refuse(request, "what the engine says of this container cannot be read, so its labels are not known", "config-invalid");
	return names_label(state);
}

/* A command line that is not understood, perhaps of a newer engine: whose id is in it, and what bundle. */
static bool may_be_labelled(const struct settings *settings, struct request *request, int argc, char *const argv[])
{
	struct text state;
	for (int at = 1; at < argc; at++) {
		if (!is_engine_id(argv[at])) continue;
		request->id = argv[at];
		for (int other = 1; other < argc; other++) {
			if (is_engine_bundle(argv[other], request->id)) request->bundle = argv[other];
		}
		if (is_labelled(settings, request, &state)) return true;
	}
	return false;
}

static void give_identity(const struct settings *settings, const struct request *request)
{
	struct text state, config, answer;
	char path[PATH_MAX + 16];
	if (!is_engine_id(request->id) || !is_labelled(settings, request, &state)) return;
	snprintf(path, sizeof path, "%s/config.json", request->bundle);
	if (read_file(path, &config) != 0) refuse(request, "the config.json of the bundle cannot be read", "config-invalid");
	switch (ask_plugin(settings, request, &state, &config, &answer)) {
	case UNCHANGED:
		return;
	case CHANGED:
		if (replace_file(path, &answer) != 0) refuse(request, "the config.json of the bundle cannot be replaced", "mount-failed");
		return;
	case REFUSED:
		refuse(request, answer.bytes, NULL);
	case UNANSWERED:
		refuse(request, answer.bytes, "plugin-unavailable");
	}
}

int main(int argc, char *argv[], char *environment[])
{
	static struct settings settings;
	struct request request = { NULL, NULL, ".", NULL, false };
	if (argc == 2 && strcmp(argv[1], "--birthmark-version") == 0) return puts("birthmark-runtime " BIRTHMARK_VERSION) < 0;
	bool is_understood = parse_arguments(argc, argv, &request);
	const char *fault = read_settings(&settings);
	if (argc == 4 && strcmp(argv[1], "--ended") == 0) {
		if (fault == NULL) tell_end(&settings, argv[2], argv[3]);
		return 0;
	}
	if (fault != NULL) refuse(&request, fault, "config-invalid");
	if (!is_understood && may_be_labelled(&settings, &request, argc, argv)) refuse(&request, "the engine's call of its runtime is not understood; use a version of birthmark that knows this engine", "config-invalid");
	if (request.verb != NULL) give_identity(&settings, &request);
	execve(settings.runtime, argv, environment);
	refuse(&request, "the runtime that birthmark-runtime.conf names cannot be run", "config-invalid");
}
