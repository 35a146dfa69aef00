/* Files whole, in and out. */

#define _GNU_SOURCE
#include "birthmark-runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int read_file(const char *path, struct text *text)
{
	struct stat status;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (file < 0) return errno;
	int error = fstat(file, &status) != 0 ? errno : !S_ISREG(status.st_mode) ? EINVAL : status.st_size > MAX_FILE_BYTES ? EFBIG : 0;
	text->length = 0;
	text->bytes = error == 0 ? malloc((size_t)status.st_size + 1) : NULL;
	if (error == 0 && text->bytes == NULL) error = ENOMEM;
	while (error == 0 && text->length < (size_t)status.st_size) {
		ssize_t count = read(file, text->bytes + text->length, (size_t)status.st_size - text->length);
		if (count > 0) text->length += (size_t)count;
		else if (count == 0) break;
		else if (errno != EINTR) error = errno;
	}
	close(file);
	return error;
}

int replace_file(const char *path, const struct text *text)
{
	char temporary[PATH_MAX + 64];
	struct stat status;
	if (stat(path, &status) != 0) return errno;
	snprintf(temporary, sizeof temporary, "%s.birthmark.%d", path, (int)getpid());
	int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0) return errno;
	int error = 0;
	for (size_t written = 0; error == 0 && written < text->length;) {
		ssize_t count = write(file, text->bytes + written, text->length - written);
		if (count >= 0) written += (size_t)count;
		else if (errno != EINTR) error = errno;
	}
	if (error == 0 && (fchown(file, status.st_uid, status.st_gid) != 0 || fchmod(file, status.st_mode & 07777) != 0)) error = errno;
	if (close(file) != 0 && error == 0) error = errno;
	if (error == 0 && rename(temporary, path) != 0) error = errno;
	if (error != 0) unlink(temporary);
	return error;
}
