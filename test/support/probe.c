/*
 * What a program finds around itself, for stories that compare a container with an identity with one without:
 * arguments, environment, working directory, standard streams, credentials, signals, limits, open files.
 * Whether an identity was there when it began goes to standard error.
 *
 *     probe CODE [ARGUMENTS…]                 exits with CODE
 *     probe --clock [PROGRAM ARGUMENTS…]      prints what time it is, in nanoseconds, and becomes the program
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int byText(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Those lines of a file that begin with one of the words, all of them without words. */
static void show(const char *path, const char *const *words) {
	char line[512];
	FILE *file = fopen(path, "re");
	if (!file) return;
	while (fgets(line, sizeof line, file)) {
		int isWanted = !words;
		for (const char *const *word = words; word && *word; word++) isWanted |= !strncmp(line, *word, strlen(*word));
		if (isWanted) fputs(line, stdout);
	}
	fclose(file);
}

static void showOpenFiles(void) {
	DIR *directory = opendir("/proc/self/fd");
	if (!directory) return;
	for (struct dirent *entry; (entry = readdir(directory)); ) {
		int number = atoi(entry->d_name);
		if (entry->d_name[0] != '.' && number != dirfd(directory)) printf("open file: %d%s\n", number, isatty(number) ? " is a terminal" : "");
	}
	closedir(directory);
}

/* A key and a certificate in one file, and no token any more. */
static int hasIdentity(void) {
	char text[16384] = "";
	FILE *file = fopen("/run/birthmark/identity.pem", "re");
	if (!file) return 0;
	size_t length = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[length] = 0;
	return strstr(text, "PRIVATE KEY-----") && strstr(text, "END CERTIFICATE-----") && access("/run/birthmark/token", F_OK) != 0;
}

int main(int count, char **arguments) {
	static const char *const facts[] = {"Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp:", "CoreDumping", "Cpus_allowed:", NULL};
	char directory[4096] = "";
	if (count > 1 && !strcmp(arguments[1], "--clock")) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		printf("%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
		fflush(stdout);
		return count == 2 ? 0 : execv(arguments[2], arguments + 2);
	}
	fprintf(stderr, "identity: %s\n", hasIdentity() ? "yes" : "no");
	for (int index = 0; index < count; index++) printf("argument: %s\n", arguments[index]);
	size_t variables = 0;
	while (environ[variables]) variables++;
	qsort(environ, variables, sizeof *environ, byText);
	for (size_t index = 0; index < variables; index++) printf("variable: %s\n", environ[index]);
	printf("directory: %s\n", getcwd(directory, sizeof directory) ? directory : "?");
	showOpenFiles();
	show("/proc/self/status", facts);
	show("/proc/self/limits", NULL);
	show("/proc/self/oom_score_adj", NULL);
	fflush(stdout);
	return count > 1 ? atoi(arguments[1]) : 0;
}
