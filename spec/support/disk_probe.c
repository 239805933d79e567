/* What a program asks of the disk for its journal, for LD_PRELOAD (Linux).
 *
 * DISK_PROBE   a folder: `log` gets a line per call, and each replaced journal is kept as `old-INODE`
 * DISK_PROBE_KILL   "NAME NUMBER": SIGKILL right after that line of that name, the first is 1
 *
 * While the folder has a file `hold`, fdatasync waits; with a file `fail` it fails. The lines, with inodes:
 *   write INODE SIZE       SIZE is the file's afterwards
 *   mark INODE SYNCED      a write says that so many bytes are synced
 *   sync INODE SIZE        begins
 *   synced INODE SIZE      SIZE is the file's when the sync began
 *   truncate INODE SIZE
 *   rename INODE OLD       OLD is the replaced journal, 0 if there is none
 *   renamed INODE 0, folder 0 0, foldered 0 0
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t raw_write(int fd, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return real(fd, data, size);
}

static const char *folder(void) { return getenv("DISK_PROBE"); }

static void note(const char *name, unsigned long inode, long long bytes) {
  static atomic_int seen;
  static int log = -1;
  if (log < 0) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log", folder());
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  char line[128];
  int length = snprintf(line, sizeof line, "%s %lu %lld\n", name, inode, bytes);
  raw_write(log, line, (size_t)length);
  const char *wish = getenv("DISK_PROBE_KILL");
  char wanted[32];
  int number;
  if (wish && sscanf(wish, "%31s %d", wanted, &number) == 2 && !strcmp(wanted, name) &&
      atomic_fetch_add(&seen, 1) + 1 == number)
    kill(getpid(), SIGKILL);
}

/* 1 for a journal, 2 for a folder, else 0. */
static int kind(int fd, struct stat *found) {
  char link[64], path[PATH_MAX];
  if (!folder() || fstat(fd, found)) return 0;
  if (S_ISDIR(found->st_mode)) return 2;
  if (!S_ISREG(found->st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  return name && !strncmp(name, "/mesh.journal", 13);
}

ssize_t write(int fd, const void *data, size_t size) {
  struct stat found;
  if (fd < 3 || kind(fd, &found) != 1) return raw_write(fd, data, size);
  static const char sign[] = "{\"synced\":";
  const char *at = data, *end = at + size;
  while ((at = memmem(at, (size_t)(end - at), sign, sizeof sign - 1))) {
    at += sizeof sign - 1;
    note("mark", found.st_ino, strtoll(at, NULL, 10));
  }
  const char *wish = getenv("DISK_PROBE_KILL");
  if (wish && !strncmp(wish, "torn", 4)) {
    /* Half of the bytes, and perhaps the end. */
    ssize_t half = raw_write(fd, data, size / 2);
    note("torn", found.st_ino, found.st_size + half);
    ssize_t rest = raw_write(fd, (const char *)data + half, size - (size_t)half);
    return half < 0 || rest < 0 ? -1 : half + rest;
  }
  ssize_t written = raw_write(fd, data, size);
  fstat(fd, &found);
  note("write", found.st_ino, found.st_size);
  return written;
}

static int synced(int fd, int (*real)(int)) {
  struct stat found;
  int what = kind(fd, &found);
  if (!what) return real(fd);
  if (what == 2) found.st_ino = 0, found.st_size = 0;
  note(what == 1 ? "sync" : "folder", found.st_ino, found.st_size);
  char hold[PATH_MAX];
  snprintf(hold, sizeof hold, "%s/hold", folder());
  while (what == 1 && !access(hold, F_OK)) usleep(2000);
  char fail[PATH_MAX];
  snprintf(fail, sizeof fail, "%s/fail", folder());
  if (what == 1 && !access(fail, F_OK)) {
    errno = EIO;
    return -1;
  }
  int result = real(fd);
  if (!result) note(what == 1 ? "synced" : "foldered", found.st_ino, found.st_size);
  return result;
}

int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  return synced(fd, real);
}

int fsync(int fd) {
  REAL(int, "fsync", int);
  return synced(fd, real);
}

int ftruncate64(int fd, off64_t size) {
  REAL(int, "ftruncate64", int, off64_t);
  struct stat found;
  int result = real(fd, size);
  if (kind(fd, &found) == 1) note("truncate", found.st_ino, size);
  return result;
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  struct stat found, replaced;
  if (!folder() || !strstr(from, "mesh.journal.new") || stat(from, &found)) return real(from, to);
  if (stat(to, &replaced)) {
    replaced.st_ino = 0;
  } else {
    /* So its inode is not used again. */
    char old[PATH_MAX];
    snprintf(old, sizeof old, "%s/old-%lu", folder(), (unsigned long)replaced.st_ino);
    link(to, old);
  }
  note("rename", found.st_ino, (long long)replaced.st_ino);
  int result = real(from, to);
  note("renamed", found.st_ino, 0);
  return result;
}
