/* Loaded before the C library: counts the calls on files of one folder, and lets one of them fail.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[1024];
static char failed[32]; /* name of the call that was let fail */
static long calls, target;
static int number; /* errno; 0: read or write half */
static int armed;

void faults_arm(const char* path, long which, int error) {
  snprintf(folder, sizeof folder, "%s", path);
  calls = 0, target = which, number = error, failed[0] = 0, armed = 1;
}

long faults_disarm(void) {
  armed = 0;
  return calls;
}

const char* faults_failed(void) { return failed; }

static int inside(const char* path) { return path && strncmp(path, folder, strlen(folder)) == 0; }

static int opened(int file) {
  char link[64], path[1100];
  int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (length < 0)
    return 0;
  path[length] = 0;
  return inside(path);
}

/* Systems interrupt what waits, shorten what transfers, and lack space for what creates. */
static int hit(const char* name, int ours) {
  if (!armed || !ours || calls++ != target)
    return 0;
  int transfers = !strcmp(name, "read") || !strcmp(name, "write");
  int waits = transfers || !strcmp(name, "open") || !strcmp(name, "fsync");
  int creates = !strcmp(name, "open") || !strcmp(name, "mkdir") || !strcmp(name, "rename");
  int opens = !strcmp(name, "open") || !strcmp(name, "opendir");
  if ((number == 0 && !transfers) || (number == EINTR && !waits) || (number == EMFILE && !opens) ||
      (number == EACCES && (transfers || !strcmp(name, "fsync"))) ||
      (number == ENOSPC && !creates && strcmp(name, "write")))
    return 0;
  snprintf(failed, sizeof failed, "%s", name);
  errno = number;
  return 1;
}

#define REAL(name, result, ...)       \
  static result (*real)(__VA_ARGS__); \
  if (!real)                          \
  real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define OPEN(name)                                                      \
  int name(const char* path, int flags, ...) {                          \
    va_list list;                                                       \
    va_start(list, flags);                                              \
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, int) : 0; \
    va_end(list);                                                       \
    REAL(name, int, const char*, int, ...);                             \
    return hit("open", inside(path)) ? -1 : real(path, flags, mode);    \
  }
OPEN(open)
OPEN(open64)

#define TRANSFER(name, buffer)                                         \
  ssize_t name(int file, buffer data, size_t size) {                   \
    REAL(name, ssize_t, int, buffer, size_t);                          \
    if (!hit(#name, armed && opened(file)))                            \
      return real(file, data, size);                                   \
    return number ? -1 : real(file, data, size > 1 ? size / 2 : size); \
  }
TRANSFER(read, void*)
TRANSFER(write, const void*)

#define ONE_PATH(name, word, more, arguments, ...)                   \
  int name(const char* path __VA_OPT__(, ) __VA_ARGS__) {            \
    REAL(name, int, const char* __VA_OPT__(, ) __VA_ARGS__);         \
    return hit(word, inside(path)) ? -1 : real(path more arguments); \
  }
#define COMMA ,
ONE_PATH(unlink, "unlink", , )
ONE_PATH(rmdir, "unlink", , )
ONE_PATH(mkdir, "mkdir", COMMA, mode, mode_t mode)
ONE_PATH(chmod, "chmod", COMMA, mode, mode_t mode)
ONE_PATH(access, "access", COMMA, mode, int mode)
ONE_PATH(rename, "rename", COMMA, other, const char* other)
ONE_PATH(stat, "stat", COMMA, found, struct stat* found)
ONE_PATH(lstat, "stat", COMMA, found, struct stat* found)
ONE_PATH(stat64, "stat", COMMA, found, struct stat64* found)
ONE_PATH(lstat64, "stat", COMMA, found, struct stat64* found)

#define ONE_FILE(name, word, more, arguments, ...)                            \
  int name(int file __VA_OPT__(, ) __VA_ARGS__) {                             \
    REAL(name, int, int __VA_OPT__(, ) __VA_ARGS__);                          \
    return hit(word, armed && opened(file)) ? -1 : real(file more arguments); \
  }
ONE_FILE(fsync, "fsync", , )
ONE_FILE(flock, "flock", COMMA, operation, int operation)
ONE_FILE(fstat, "stat", COMMA, found, struct stat* found)
ONE_FILE(fstat64, "stat", COMMA, found, struct stat64* found)

#define MAP(name)                                                                   \
  void* name(void* at, size_t size, int access, int flags, int file, off_t start) { \
    REAL(name, void*, void*, size_t, int, int, int, off_t);                         \
    if (hit("mmap", armed && file >= 0 && opened(file)))                            \
      return MAP_FAILED;                                                            \
    return real(at, size, access, flags, file, start);                              \
  }
MAP(mmap)
MAP(mmap64)

struct dir;
struct dir* opendir(const char* path) {
  REAL(opendir, struct dir*, const char*);
  return hit("opendir", inside(path)) ? NULL : real(path);
}
