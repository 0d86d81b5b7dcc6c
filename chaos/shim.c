/* What reaches the disk, and in which order: a journal for power cuts (chaos/power.py).
 *
 * Preloaded (LD_PRELOAD) into the process that writes the database. Every write, truncation, sync and removal of the
 * file named by POWER_FILE and of its companions (`-wal`, `-journal`, `-shm`), and every write to `.acks`, is carried
 * out and then noted in the file named by POWER_JOURNAL. From the journal any moment at which the power might have
 * failed can be rebuilt: what was synced before it is on the disk; what was written since may be, in part.
 *
 * A record is a header (struct record, native byte order) followed by `length` bytes for a write, none otherwise:
 *   op 'W' write at `offset`, 'T' truncate to `offset`, 'S' sync done, 'U' unlinked;
 *   file 0 database, 1 -wal, 2 -journal, 3 -shm, 4 .acks.
 * SQLite renames no file and keeps -shm in shared memory, which no power cut survives. A call that fails is not noted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct record {
    uint32_t op, file;
    uint64_t offset, length;
};

static const char *const COMPANIONS[] = {"", "-wal", "-journal", "-shm", ".acks"};
static const char *base;
static size_t base_length;
static int journal = -1;
/* Held from before a call is carried out until it is noted: the journal has the order of the disk. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWER_JOURNAL");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    base = getenv("POWER_FILE");
    base_length = base ? strlen(base) : 0;
    if (path && base)
        journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Which of the watched files a path is; -1 for any other. */
static int file_at(const char *path) {
    if (journal < 0 || strncmp(path, base, base_length) != 0)
        return -1;
    for (int file = 0; file < (int)(sizeof COMPANIONS / sizeof *COMPANIONS); file++)
        if (strcmp(path + base_length, COMPANIONS[file]) == 0)
            return file;
    return -1;
}

static int file_of(int fd) {
    char link[64], path[4096];
    if (journal < 0)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return -1;
    path[length] = '\0';
    return file_at(path);
}

static void put(const void *data, size_t length) {
    /* A journal that is not whole proves nothing. */
    if (real_write(journal, data, length) != (ssize_t)length)
        abort();
}

static void note(char op, int file, uint64_t offset, const void *data, uint64_t length) {
    struct record record = {(uint32_t)op, (uint32_t)file, offset, length};
    put(&record, sizeof record);
    if (length > 0)
        put(data, length);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    int file = file_of(fd);
    if (file < 0)
        return real_pwrite(fd, data, length, offset);
    pthread_mutex_lock(&order);
    ssize_t written = real_pwrite(fd, data, length, offset);
    if (written > 0)
        note('W', file, (uint64_t)offset, data, (uint64_t)written);
    pthread_mutex_unlock(&order);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
    int file = file_of(fd);
    if (file < 0)
        return real_write(fd, data, length);
    pthread_mutex_lock(&order);
    ssize_t written = real_write(fd, data, length);
    if (written > 0)
        note('W', file, (uint64_t)(lseek(fd, 0, SEEK_CUR) - written), data, (uint64_t)written);
    pthread_mutex_unlock(&order);
    return written;
}

/* A call without data: carried out, and noted if it succeeded. */
#define CARRY_OUT(file, call, op, offset)           \
    do {                                            \
        pthread_mutex_lock(&order);                 \
        int failed = (call);                        \
        if (!failed && (file) >= 0)                 \
            note((op), (file), (offset), NULL, 0);  \
        pthread_mutex_unlock(&order);               \
        return failed;                              \
    } while (0)

int ftruncate64(int fd, off64_t length) {
    int file = file_of(fd);
    CARRY_OUT(file, real_ftruncate(fd, length), 'T', (uint64_t)length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fsync(int fd) {
    int file = file_of(fd);
    CARRY_OUT(file, real_fsync(fd), 'S', 0);
}

int fdatasync(int fd) {
    int file = file_of(fd);
    CARRY_OUT(file, real_fdatasync(fd), 'S', 0);
}

int unlink(const char *path) {
    int file = file_at(path);
    CARRY_OUT(file, real_unlink(path), 'U', 0);
}
