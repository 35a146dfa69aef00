/* See confine.c. */

#pragma once
#include <stdbool.h>

/*
 * Makes the working directory the root of everything that can be named, and the user of the command line the
 * only one, for all threads. To be called once.
 *
 * Returns false, with errno and the call that failed, when that did not succeed or the rights were not given up.
 */
bool confineToWorkingDirectory(const char **call);
