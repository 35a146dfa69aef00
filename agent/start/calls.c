/*
 * The few system calls that the agent needs and its runtime does not offer, as functions of Node-API
 * (node.js.org/api/n-api.html, version 1), which agent/native.ts calls.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

/* Of node_api.h, as much as is used; the executable exports these. */
typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_create_function(napi_env, const char *name, size_t length, napi_callback, void *data, napi_value *result);
int napi_set_named_property(napi_env, napi_value object, const char *name, napi_value value);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *count, napi_value *arguments, napi_value *self, void **data);
int napi_get_value_uint32(napi_env, napi_value, uint32_t *result);
int napi_create_int32(napi_env, int32_t, napi_value *result);
int napi_create_array(napi_env, napi_value *result);
int napi_set_element(napi_env, napi_value array, uint32_t index, napi_value element);
int napi_throw_error(napi_env, const char *code, const char *message);

static napi_value fail(napi_env env, const char *what) {
	napi_throw_error(env, what, strerror(errno));
	return NULL;
}

static bool number(napi_env env, napi_callback_info info, uint32_t *result) {
	napi_value argument;
	size_t count = 1;
	return napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == 0 && count >= 1 && napi_get_value_uint32(env, argument, result) == 0;
}

/* endedChild(): the id of a child that has ended and that nobody has waited for, 0 when there is none. */
static napi_value endedChild(napi_env env, napi_callback_info info) {
	(void)info;
	napi_value result = NULL;
	siginfo_t child;
	memset(&child, 0, sizeof child);
	if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) != 0) child.si_pid = 0;
	napi_create_int32(env, child.si_pid, &result);
	return result;
}

/* reap(pid) */
static napi_value reap(napi_env env, napi_callback_info info) {
	uint32_t pid;
	if (number(env, info, &pid)) waitpid((pid_t)pid, NULL, WNOHANG);
	return NULL;
}

/* confine(): makes the working directory the root of everything that can be named, the user of the command line the only one. Throws with the name of the call that failed. */
static napi_value confine(napi_env env, napi_callback_info info) {
	(void)info;
	const char *call;
	return confineToWorkingDirectory(&call) ? NULL : fail(env, call);
}

/* noticeRename(directory): SIGIO comes once, after the next rename within the directory of this descriptor or into it. Throws without. */
static napi_value noticeRename(napi_env env, napi_callback_info info) {
	uint32_t directory;
	errno = EINVAL;
	if (!number(env, info, &directory)) return fail(env, "arguments");
	if (fcntl((int)directory, F_NOTIFY, DN_RENAME | DN_CREATE) != 0) return fail(env, "fcntl");
	return NULL;
}

/* socketPair(): the descriptors of two connected sockets, which whoever takes them closes. Throws without. */
static napi_value socketPair(napi_env env, napi_callback_info info) {
	(void)info;
	int ends[2];
	napi_value result = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return fail(env, "socketpair");
	napi_create_array(env, &result);
	for (uint32_t index = 0; index < 2; index++) {
		napi_value end;
		napi_create_int32(env, ends[index], &end);
		napi_set_element(env, result, index, end);
	}
	return result;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
	static const struct { const char *name; napi_callback call; } functions[] = {{"endedChild", endedChild}, {"reap", reap}, {"confine", confine}, {"noticeRename", noticeRename}, {"socketPair", socketPair}};
	for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
		napi_value function;
		if (napi_create_function(env, functions[index].name, strlen(functions[index].name), functions[index].call, NULL, &function) != 0) return NULL;
		if (napi_set_named_property(env, exports, functions[index].name, function) != 0) return NULL;
	}
	return exports;
}
