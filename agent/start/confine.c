/*
 * An agent that the node runs (`keep --as UID:GID`, agent/confine.ts) gives up its capabilities before its runtime
 * begins, whoever its user is. A runtime has threads, and rights are those of a thread: once there are several,
 * root could give up its own and not those of the others.
 *
 * The runtime reads its program by a path that may be open to root alone. So the directory of the container
 * becomes the root of file names, and the container's user that of the process, when it is there. The one takes
 * a capability: a child that has it and shares nothing but root and working directory with the agent (clone(2),
 * CLONE_FS) waits for the word, does that one thing and ends. For the other the agent keeps CAP_SETUID, unless
 * it stays root; it is gone with the change of the user, which libc makes in all threads (setresuid(2), nptl(7)).
 */

#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

enum { CAPABILITIES = 64 };

/* Why confinement is impossible; until something else is known, that nobody has asked for it on the command line. */
static const char *failedCall = "arguments";
static int failedBecause = EINVAL;

static int helperSocket = -1;
static pid_t helper;
static uint32_t user[2];

static bool fails(const char *call) {
	failedCall = call;
	failedBecause = errno;
	return false;
}

/* Digits up to `end`. The largest number means "as it is" to the system calls, and is none. */
static bool readId(const char **text, char end, uint32_t *id) {
	uint64_t value = 0;
	const char *digit = *text;
	for (; *digit >= '0' && *digit <= '9' && digit - *text < 10; digit++) value = value * 10 + (uint64_t)(*digit - '0');
	if (digit == *text || *digit != end || value >= UINT32_MAX) return false;
	*id = (uint32_t)value;
	*text = digit + 1;
	return true;
}

static bool readUser(int count, char **arguments) {
	if (count < 2 || strcmp(arguments[1], "keep") != 0) return false;
	for (int index = 2; index + 1 < count; index++) {
		if (strcmp(arguments[index], "--as") != 0) continue;
		const char *text = arguments[index + 1];
		return readId(&text, ':', &user[0]) && readId(&text, '\0', &user[1]);
	}
	return false;
}

/* The child. Only system calls: it is a copy of one thread. */
__attribute__((noreturn)) static void waitAndConfine(int socket) {
	char word;
	int32_t result = 0;
	for (int standard = 0; standard < 3; standard++) close(standard);
	if (read(socket, &word, 1) == 1) {
		if (chroot(".") != 0 || chdir("/") != 0) result = errno;
		if (write(socket, &result, sizeof result) < 0) _exit(1);
	}
	_exit(0);
}

static bool beginHelper(void) {
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fails("socketpair");
	/* No signal tells of its end: children are the business of others. */
	helper = (pid_t)syscall(SYS_clone, CLONE_FS, NULL, NULL, NULL, NULL);
	if (helper < 0) return fails("clone");
	if (helper == 0) {
		close(ends[0]);
		waitAndConfine(ends[1]);
	}
	close(ends[1]);
	helperSocket = ends[0];
	return true;
}

static bool giveUpRights(void) {
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fails("prctl");
	for (int capability = 0; capability < CAPABILITIES && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return fails("capbset");
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return fails("ambient");
	if (setgroups(0, NULL) != 0) return fails("setgroups");
	if (setresgid(user[1], user[1], user[1]) != 0) return fails("setgid");
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3];
	memset(kept, 0, sizeof kept);
	if (user[0] != 0) kept[0].effective = kept[0].permitted = 1u << CAP_SETUID;
	if (syscall(SYS_capset, &header, kept) != 0) return fails("capset");
	return true;
}

__attribute__((constructor)) static void prepare(int count, char **arguments) {
	if (!readUser(count, arguments) || !beginHelper() || giveUpRights()) return;
	/* It ends. */
	close(helperSocket);
	helperSocket = -1;
}

bool confineToWorkingDirectory(const char **call) {
	int32_t result = EPIPE;
	*call = failedCall;
	errno = failedBecause;
	if (helperSocket < 0) return false;
	*call = "chroot";
	if (write(helperSocket, "", 1) != 1 || read(helperSocket, &result, sizeof result) != (ssize_t)sizeof result) result = EPIPE;
	waitpid(helper, NULL, __WALL);
	close(helperSocket);
	helperSocket = -1;
	errno = result;
	if (result != 0) return false;
	*call = "setuid";
	if (user[0] != 0 && setresuid(user[0], user[0], user[0]) != 0) return false;
	/* Whatever keeps this process busy: none outlives the plugin. A change of the user would undo it. */
	*call = "prctl";
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
}
