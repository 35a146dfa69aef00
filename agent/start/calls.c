/*
 * The few system calls that the agent needs and its runtime does not offer, as functions of Node-API
 * (node.js.org/api/n-api.html, version 1), which agent/native.ts calls.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

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
int napi_throw_error(napi_env, const char *code, const char *message);

static napi_value fail(napi_env env, const char *what) {
	napi_throw_error(env, what, strerror(errno));
	return NULL;
}

static bool numbers(napi_env env, napi_callback_info info, size_t expected, uint32_t *result) {
	napi_value arguments[2];
	size_t count = expected;
	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != 0 || count < expected) return false;
	for (size_t index = 0; index < expected; index++) {
		if (napi_get_value_uint32(env, arguments[index], &result[index]) != 0) return false;
	}
	return true;
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
	if (numbers(env, info, 1, &pid)) waitpid((pid_t)pid, NULL, WNOHANG);
	return NULL;
}

/*
 * confine(uid, gid): makes the working directory the root of everything that can be named, and gives up
 * whatever rights the user does not have, in all threads. Throws with the name of the call that failed.
 */
static napi_value confine(napi_env env, napi_callback_info info) {
	uint32_t user[2];
	errno = EINVAL;
	if (!numbers(env, info, 2, user)) return fail(env, "arguments");
	if (chroot(".") != 0 || chdir("/") != 0) return fail(env, "chroot");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(env, "prctl");
	if (setgroups(0, NULL) != 0) return fail(env, "setgroups");
	if (setresgid(user[1], user[1], user[1]) != 0) return fail(env, "setgid");
	if (setresuid(user[0], user[0], user[0]) != 0) return fail(env, "setuid");
	/* Whatever keeps this process busy: none outlives the plugin. A change of the user would undo it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail(env, "prctl");
	return NULL;
}

/* noticeRename(directory): SIGIO comes once, after the next rename within the directory of this descriptor or into it. Throws without. */
static napi_value noticeRename(napi_env env, napi_callback_info info) {
	uint32_t directory;
	errno = EINVAL;
	if (!numbers(env, info, 1, &directory)) return fail(env, "arguments");
	if (fcntl((int)directory, F_NOTIFY, DN_RENAME | DN_CREATE) != 0) return fail(env, "fcntl");
	return NULL;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
	static const struct { const char *name; napi_callback call; } functions[] = {{"endedChild", endedChild}, {"reap", reap}, {"confine", confine}, {"noticeRename", noticeRename}};
	for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
		napi_value function;
		if (napi_create_function(env, functions[index].name, strlen(functions[index].name), functions[index].call, NULL, &function) != 0) return NULL;
		if (napi_set_named_property(env, exports, functions[index].name, function) != 0) return NULL;
	}
	return exports;
}
