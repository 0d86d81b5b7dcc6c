/* A disk that takes longer to sync (bench/slow_disk.py): preloaded (LD_PRELOAD) into a process, each of its fsync and
 * fdatasync takes SLOW_SYNC_US microseconds more.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static useconds_t longer;
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void) {
    const char *given = getenv("SLOW_SYNC_US");
    longer = given ? (useconds_t)atoi(given) : 0;
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

int fsync(int fd) {
    usleep(longer);
    return real_fsync(fd);
}

int fdatasync(int fd) {
    usleep(longer);
    return real_fdatasync(fd);
}
