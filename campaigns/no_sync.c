/* Preloaded into rowkeeper, to show what its syncs are for.
 *
 * NO_SYNC=PART    fsync and fdatasync of files whose path contains PART (or "all") do nothing, and say that they did.
 * KILL_AT=PART:N  the N-th sync of such a file is where the process dies (kill -9): after its writes, before the sync.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_of(int fd, const char *part)
{
    char link[64], path[4096];
    if (strcmp(part, "all") == 0)
        return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return 0;
    path[len] = 0;
    return strstr(path, part) != NULL;
}

static int sync_with(long call, int fd)
{
    static int seen;
    const char *lazy = getenv("NO_SYNC"), *deadly = getenv("KILL_AT");
    if (deadly) {
        char part[256];
        int n;
        if (sscanf(deadly, "%255[^:]:%d", part, &n) == 2 && is_of(fd, part) && ++seen == n)
            kill(getpid(), SIGKILL);
    }
    if (lazy && is_of(fd, lazy))
        return 0;
    return syscall(call, fd);
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }
