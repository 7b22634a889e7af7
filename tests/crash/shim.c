/* Faults under a process that knows nothing of them: a library that stands between Concord and the C library
 * (LD_PRELOAD). It counts writes, syncs, renames, removals and new files by the class of the file, and at the chosen
 * one kills the process, loses power, answers EIO, or answers ENOSPC until told otherwise. It can also shift the clock.
 *
 * CRASH_SHIM_ROOT   the data folder; nothing outside it is touched
 * CRASH_SHIM_STATE  a folder on the same file system for what this library keeps: `plan` (read at the start), `fired`
 *                   (a line for each fault that happened), `lift` (when it appears, the disk has room again), `undo`,
 *                   `unsynced` (what a killed process left so, for the next one)
 *
 * A plan has one fault a line:
 *   <action> <before|after> <op> <class> <kind> <n>     action: kill power torn eio; kind: -1 for any record
 *   full <bytes>                                        room for so many bytes that lengthen a file
 *   slow <ms>                                           each sync of a file takes so much longer
 *   lies 1                                              syncs are answered and do nothing: such a disk must be found out
 *   skew <ms>                                           added to the wall clock
 *   die 1                                               kill -9 now
 *   seed <number>                                       what of unsynced writes survives a power loss
 *
 * Loss of power: what was written and not synced is lost, whole, in part (by pages of 4096 bytes) or not at all, as the
 * seed says; names made, changed or removed in a folder that was not synced since are undone from some point on. A file
 * whose sync has failed once counts as unsynced for ever, whatever later syncs answer: such pages are gone. kill -9 loses
 * nothing, and what was not synced then is still not when the process is started again.
 * SIGUSR2 is a loss of power from outside. SIGUSR1 has the plan read anew; it is removed once it is in force.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, FAULTS_MAX = 16, HEAD = 21 };

typedef struct {
  char action[8], when[8], op[12], class[12];
  int kind, left;
} fault;

/* A write or truncation that no sync has covered: what was there before. */
typedef struct change {
  struct change *earlier;
  off_t offset, size_before;
  size_t length;
  unsigned char *before;
} change;

typedef struct file {
  struct file *next;
  dev_t device;
  ino_t number;
  int own_fd, has_failed;
  uint64_t kinds;
  change *changes;
} file;

/* A name that no sync of its folder has covered. */
typedef struct name {
  struct name *earlier;
  char op; /* c create, m make folder, r rename, u unlink */
  char path[PATH_MAX], from[PATH_MAX], saved[PATH_MAX];
} name;

static fault faults[FAULTS_MAX];
static int fault_count, active, lies, skew_ms, slow_ms, undo_number;
static long long room = -1;
static uint64_t seed = 1;
static char root[PATH_MAX], state[PATH_MAX];
static file *files;
static name *names;
static int wake[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(ret, fn, ...) \
  static ret (*real_##fn)(__VA_ARGS__); \
  static void find_##fn(void) { \
    if (!real_##fn) real_##fn = dlsym(RTLD_NEXT, #fn); \
  }
REAL(int, open64, const char *, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite64, int, const void *, size_t, off_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, ftruncate64, int, off_t)
REAL(int, rename, const char *, const char *)
REAL(int, unlink, const char *)
REAL(int, mkdir, const char *, mode_t)
REAL(int, clock_gettime, clockid_t, struct timespec *)
#define FIND(fn) find_##fn()

static uint64_t chance(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

/* --- where a path belongs --- */

static int inside(const char *path) {
  size_t length = strlen(root);
  return length && !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static int path_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return inside(path);
}

static int absolute(const char *given, char *path) {
  if (given[0] == '/') {
    snprintf(path, PATH_MAX, "%s", given);
  } else {
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return 0;
    if (snprintf(path, PATH_MAX, "%s/%s", here, given) >= PATH_MAX) return 0;
  }
  return inside(path);
}

static const char *class_of(const char *path) {
  const char *last = strrchr(path, '/');
  last = last ? last + 1 : path;
  if (strstr(last, ".sha256")) return "seal";
  if (strstr(last, ".journal") || !strcmp(last, "journal") || !strcmp(last, "entries")) return "journal";
  if (strstr(path, "/tile/") || !strcmp(last, "tile")) return "tile";
  if (!strncmp(last, "checkpoint", 10)) return "checkpoint";
  if (!strncmp(last, "head", 4)) return "head";
  if (strstr(last, "index.redb")) return "index";
  if (strstr(last, "tables.redb")) return "tables";
  if (strstr(path, "/state/") || !strcmp(last, "state")) return "sled";
  if (strstr(path, "/originals")) return "original";
  return "other";
}

static void parent_of(const char *path, char *parent) {
  snprintf(parent, PATH_MAX, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash) *slash = 0;
}

/* --- what no sync has covered --- */

static file *file_of(const struct stat *about) {
  for (file *it = files; it; it = it->next)
    if (it->number == about->st_ino && it->device == about->st_dev) return it;
  file *made = calloc(1, sizeof *made);
  made->number = about->st_ino;
  made->device = about->st_dev;
  made->own_fd = -1;
  made->next = files;
  return files = made;
}

static void note_change(int fd, file *of, off_t offset, size_t length, off_t size) {
  if (of->own_fd < 0) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    FIND(open64);
    of->own_fd = real_open64(link, O_RDWR | O_CLOEXEC);
  }
  change *made = calloc(1, sizeof *made);
  made->offset = offset;
  made->size_before = size;
  made->length = offset < size ? (size_t)(size - offset) : 0;
  if (made->length > length) made->length = length;
  made->before = malloc(made->length + 1);
  if (made->length) made->length = (size_t)pread(of->own_fd, made->before, made->length, offset);
  made->earlier = of->changes;
  of->changes = made;
}

static void forget_changes(file *of) {
  while (of->changes) {
    change *it = of->changes;
    of->changes = it->earlier;
    free(it->before);
    free(it);
  }
  if (of->own_fd >= 0) close(of->own_fd);
  of->own_fd = -1;
}

static name *note_name(char op, const char *path) {
  name *made = calloc(1, sizeof *made);
  made->op = op;
  snprintf(made->path, PATH_MAX, "%s", path);
  made->earlier = names;
  return names = made;
}

static void save_old(name *of) {
  snprintf(of->saved, PATH_MAX, "%.3000s/undo/%d", state, undo_number++);
  if (link(of->path, of->saved)) of->saved[0] = 0;
}

static void forget_names(const char *folder) {
  char parent[PATH_MAX];
  for (name **it = &names; *it;) {
    parent_of((*it)->path, parent);
    if (strcmp(parent, folder)) {
      it = &(*it)->earlier;
      continue;
    }
    name *gone = *it;
    *it = gone->earlier;
    FIND(unlink);
    if (gone->saved[0]) real_unlink(gone->saved);
    free(gone);
  }
}

/* --- loss of power --- */

static void lose_changes(file *of) {
  struct stat about;
  if (!of->changes || of->own_fd < 0 || fstat(of->own_fd, &about)) return;
  int mode = (int)(chance() % 4);
  if (mode == 0) return;
  size_t size = (size_t)about.st_size, most = size;
  for (change *it = of->changes; it; it = it->earlier)
    if ((size_t)it->size_before > most) most = (size_t)it->size_before;
  unsigned char *now = calloc(1, most + 1), *old = calloc(1, most + 1);
  if (pread(of->own_fd, now, size, 0) < 0) return;
  memcpy(old, now, size);
  off_t old_size = about.st_size;
  for (change *it = of->changes; it; it = it->earlier) {
    if (it->size_before < old_size) memset(old + it->size_before, 0, (size_t)(old_size - it->size_before));
    old_size = it->size_before;
    if (it->length) memcpy(old + it->offset, it->before, it->length);
  }
  off_t end = old_size;
  if (mode != 1) {
    /* Some pages reached the disk and some did not; the length may have. */
    if (chance() % 4) end = about.st_size;
    for (size_t at = 0; at < most; at += PAGE) {
      size_t length = most - at < PAGE ? most - at : PAGE;
      if (chance() % 2) memcpy(old + at, now + at, length);
    }
  }
  FIND(ftruncate64);
  FIND(pwrite64);
  if (real_ftruncate64(of->own_fd, 0) || real_ftruncate64(of->own_fd, end)) return;
  for (off_t done = 0; done < end;) {
    ssize_t count = real_pwrite64(of->own_fd, old + done, (size_t)(end - done), done);
    if (count <= 0) return;
    done += count;
  }
}

static void lose_name(name *it) {
  char aside[PATH_MAX], parent[PATH_MAX];
  FIND(rename);
  FIND(unlink);
  FIND(mkdir);
  parent_of(it->path, parent);
  real_mkdir(parent, 0700);
  snprintf(aside, sizeof aside, "%.3000s/undo/lost-%d", state, undo_number++);
  if (it->op == 'c' || it->op == 'm') real_rename(it->path, aside);
  if (it->op == 'r') real_rename(it->path, it->from);
  if (it->saved[0]) real_rename(it->saved, it->path);
}

/* --- what a killed process leaves to the machine --- */

static void kept_at(char *path) { snprintf(path, PATH_MAX, "%.4000s/unsynced", state); }

static void put(FILE *kept, const void *bytes, size_t length) {
  if (length && fwrite(bytes, length, 1, kept) != 1) abort();
}

static int take(FILE *kept, void *bytes, size_t length) { return !length || fread(bytes, length, 1, kept) == 1; }

/* Newest first, as the lists are. */
static void keep_unsynced(void) {
  char path[PATH_MAX], link[64];
  kept_at(path);
  FILE *kept = fopen(path, "we");
  if (!kept) abort();
  for (file *it = files; it; it = it->next) {
    int count = 0;
    for (change *one = it->changes; one; one = one->earlier) count++;
    snprintf(link, sizeof link, "/proc/self/fd/%d", it->own_fd);
    ssize_t length = count && it->own_fd >= 0 ? readlink(link, path, PATH_MAX - 1) : -1;
    if (length < 0) continue;
    path[length] = 0;
    put(kept, "f", 1);
    put(kept, path, sizeof path);
    put(kept, &count, sizeof count);
    for (change *one = it->changes; one; one = one->earlier) {
      put(kept, one, sizeof *one);
      put(kept, one->before, one->length);
    }
  }
  for (name *it = names; it; it = it->earlier) {
    put(kept, "n", 1);
    put(kept, it, sizeof *it);
  }
  if (fclose(kept)) abort();
}

static void find_unsynced(void) {
  char path[PATH_MAX], sort;
  kept_at(path);
  FILE *kept = fopen(path, "re");
  if (!kept) return;
  FIND(open64);
  FIND(unlink);
  real_unlink(path);
  name **next_name = &names;
  while (take(kept, &sort, 1)) {
    if (sort == 'n') {
      name *made = calloc(1, sizeof *made);
      if (!take(kept, made, sizeof *made)) abort();
      made->earlier = NULL;
      *next_name = made;
      next_name = &made->earlier;
      continue;
    }
    int count;
    struct stat about;
    if (!take(kept, path, sizeof path) || !take(kept, &count, sizeof count)) abort();
    int fd = real_open64(path, O_RDWR | O_CLOEXEC);
    file gone = { 0 }, *of = fd >= 0 && !fstat(fd, &about) ? file_of(&about) : &gone;
    of->own_fd = fd;
    for (change **next = &of->changes; count > 0; count--) {
      change *made = calloc(1, sizeof *made);
      if (!take(kept, made, sizeof *made)) abort();
      made->earlier = NULL;
      made->before = malloc(made->length + 1);
      if (!take(kept, made->before, made->length)) abort();
      *next = made;
      next = &made->earlier;
    }
  }
  fclose(kept);
}

static void die(int with_power) {
  if (!with_power) keep_unsynced();
  if (with_power) {
    for (file *it = files; it; it = it->next) lose_changes(it);
    size_t count = 0;
    for (name *it = names; it; it = it->earlier) count++;
    size_t lost = chance() % 2 ? count : (count ? chance() % (count + 1) : 0);
    for (name *it = names; it && lost; it = it->earlier, lost--) lose_name(it);
  }
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* --- faults --- */

static void tell(const fault *it) {
  char path[PATH_MAX], line[128];
  snprintf(path, sizeof path, "%.4000s/fired", state);
  FIND(open64);
  FIND(write);
  int fd = real_open64(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int length = snprintf(line, sizeof line, "%s %s %s %s %d\n", it->action, it->when, it->op, it->class, it->kind);
  if (fd >= 0 && real_write(fd, line, (size_t)length) < 0) abort();
  close(fd);
}

/* Counts an event; gives the fault that is due, if it does not end the process here. */
static fault *due(const char *when, const char *op, const char *class, uint64_t kinds) {
  for (int place = 0; place < fault_count; place++) {
    fault *it = &faults[place];
    if (strcmp(it->when, when) || strcmp(it->op, op) || strcmp(it->class, class)) continue;
    if (it->kind >= 0 && !(kinds >> it->kind & 1)) continue;
    if (it->left <= 0 || --it->left) continue;
    tell(it);
    if (!strcmp(it->action, "kill")) die(0);
    if (!strcmp(it->action, "power")) die(1);
    return it;
  }
  return NULL;
}

/* Says whether the disk has no room for so many bytes more. */
static int is_full(size_t more) {
  if (room < 0) return 0;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%.4000s/lift", state);
  if (!access(path, F_OK)) {
    room = -1;
    return 0;
  }
  if (room > 0 && (long long)more <= room) {
    room -= (long long)more;
    return 0;
  }
  static int told;
  fault it = { "full", "at", "write", "any", -1, 0 };
  if (!told++) tell(&it);
  room = 0;
  return 1;
}

static uint64_t kinds_in(const unsigned char *bytes, size_t length) {
  uint64_t kinds = 0;
  while (length >= HEAD) {
    uint32_t payload;
    memcpy(&payload, bytes + 4, 4);
    if (bytes[20] < 64) kinds |= 1ull << bytes[20];
    if (payload > length - HEAD) break;
    bytes += HEAD + payload;
    length -= HEAD + payload;
  }
  return kinds;
}

/* --- the calls --- */

static ssize_t written(int fd, const void *bytes, size_t length, off_t at, int is_placed) {
  FIND(write);
  FIND(pwrite64);
  struct stat about;
  char path[PATH_MAX];
  if (!active || fstat(fd, &about) || !S_ISREG(about.st_mode) || !path_of(fd, path))
    return is_placed ? real_pwrite64(fd, bytes, length, at) : real_write(fd, bytes, length);
  pthread_mutex_lock(&lock);
  const char *class = class_of(path);
  file *of = file_of(&about);
  int is_append = fcntl(fd, F_GETFL) & O_APPEND;
  off_t offset = is_placed ? at : is_append ? about.st_size : lseek(fd, 0, SEEK_CUR);
  uint64_t kinds = strcmp(class, "journal") ? 0 : kinds_in(bytes, length);
  if (kinds) of->kinds = kinds;
  off_t longer = offset + (off_t)length - about.st_size;
  if (longer > 0 && is_full((size_t)longer)) {
    pthread_mutex_unlock(&lock);
    errno = ENOSPC;
    return -1;
  }
  fault *it = due("before", "write", class, kinds);
  note_change(fd, of, offset, length, about.st_size);
  if (it && !strcmp(it->action, "torn")) {
    size_t part = length ? (size_t)(chance() % length) : 0;
    if (real_pwrite64(fd, bytes, part, offset) < 0) abort();
    die(1);
  }
  ssize_t count = is_placed ? real_pwrite64(fd, bytes, length, at) : real_write(fd, bytes, length);
  due("after", "write", class, kinds);
  pthread_mutex_unlock(&lock);
  return count;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, 0, 0); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at, 1); }

static int synced(int fd, int is_data) {
  FIND(fsync);
  FIND(fdatasync);
  struct stat about;
  char path[PATH_MAX];
  if (!active || fstat(fd, &about) || !path_of(fd, path)) return is_data ? real_fdatasync(fd) : real_fsync(fd);
  if (slow_ms) usleep((useconds_t)slow_ms * 1000);
  pthread_mutex_lock(&lock);
  const char *class = class_of(path), *op = S_ISDIR(about.st_mode) ? "sync-folder" : "sync";
  file *of = S_ISDIR(about.st_mode) ? NULL : file_of(&about);
  fault *it = due("before", op, class, of ? of->kinds : 0);
  int answer = -1;
  if (it && !strcmp(it->action, "eio")) {
    errno = EIO;
    /* An engine writes the same pages again, and those are on the disk. */
    if (of) of->has_failed = strcmp(class, "sled") && strcmp(class, "index") && strcmp(class, "tables");
  } else {
    answer = is_data ? real_fdatasync(fd) : real_fsync(fd);
    if (of && !lies && !of->has_failed) forget_changes(of);
    if (!of && !lies) forget_names(path);
    due("after", op, class, of ? of->kinds : 0);
  }
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return answer;
}

int fsync(int fd) { return synced(fd, 0); }
int fdatasync(int fd) { return synced(fd, 1); }

int ftruncate64(int fd, off_t size) {
  FIND(ftruncate64);
  struct stat about;
  char path[PATH_MAX];
  if (!active || fstat(fd, &about) || !path_of(fd, path)) return real_ftruncate64(fd, size);
  pthread_mutex_lock(&lock);
  file *of = file_of(&about);
  if (size > about.st_size && is_full((size_t)(size - about.st_size))) {
    pthread_mutex_unlock(&lock);
    errno = ENOSPC;
    return -1;
  }
  due("before", "truncate", class_of(path), 0);
  note_change(fd, of, size, size < about.st_size ? (size_t)(about.st_size - size) : 0, about.st_size);
  int answer = real_ftruncate64(fd, size);
  due("after", "truncate", class_of(path), 0);
  pthread_mutex_unlock(&lock);
  return answer;
}

int open64(const char *given, int flags, ...) {
  FIND(open64);
  mode_t mode = 0;
  if (flags & (O_CREAT | __O_TMPFILE)) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  char path[PATH_MAX];
  if (!active || !(flags & (O_CREAT | O_TRUNC)) || !absolute(given, path)) return real_open64(given, flags, mode);
  struct stat about;
  pthread_mutex_lock(&lock);
  int is_new = lstat(path, &about) != 0;
  const char *class = class_of(path);
  if (is_new) {
    if (room == 0 && is_full(1)) {
      pthread_mutex_unlock(&lock);
      errno = ENOSPC;
      return -1;
    }
    due("before", "create", class, 0);
  }
  if (!is_new && (flags & O_TRUNC) && about.st_size > 0) {
    int fd = real_open64(given, O_RDWR | O_CLOEXEC);
    if (fd >= 0) note_change(fd, file_of(&about), 0, (size_t)about.st_size, about.st_size);
    if (fd >= 0) close(fd);
  }
  int fd = real_open64(given, flags, mode);
  if (fd >= 0 && is_new) {
    note_name('c', path);
    due("after", "create", class, 0);
  }
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return fd;
}

int rename(const char *from, const char *to) {
  FIND(rename);
  char old[PATH_MAX], path[PATH_MAX];
  if (!active || !absolute(to, path) || !absolute(from, old)) return real_rename(from, to);
  pthread_mutex_lock(&lock);
  due("before", "rename", class_of(path), 0);
  name *made = note_name('r', path);
  snprintf(made->from, PATH_MAX, "%s", old);
  save_old(made);
  int answer = real_rename(from, to);
  due("after", "rename", class_of(path), 0);
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return answer;
}

int unlink(const char *given) {
  FIND(unlink);
  char path[PATH_MAX];
  if (!active || !absolute(given, path) || access(path, F_OK)) return real_unlink(given);
  pthread_mutex_lock(&lock);
  due("before", "unlink", class_of(path), 0);
  save_old(note_name('u', path));
  int answer = real_unlink(given);
  due("after", "unlink", class_of(path), 0);
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return answer;
}

int mkdir(const char *given, mode_t mode) {
  FIND(mkdir);
  char path[PATH_MAX];
  int answer = real_mkdir(given, mode), error = errno;
  if (active && !answer && absolute(given, path)) {
    pthread_mutex_lock(&lock);
    note_name('m', path);
    pthread_mutex_unlock(&lock);
  }
  errno = error;
  return answer;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  FIND(clock_gettime);
  int answer = real_clock_gettime(clock, at);
  if (!answer && skew_ms && clock == CLOCK_REALTIME) {
    long long ns = (long long)at->tv_nsec + (long long)(skew_ms % 1000) * 1000000;
    at->tv_sec += skew_ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
    at->tv_nsec = (long)(ns < 0 ? ns + 1000000000 : ns % 1000000000);
  }
  return answer;
}

/* --- the start --- */

static void read_plan(void) {
  char path[PATH_MAX], line[256], word[16];
  snprintf(path, sizeof path, "%.4000s/plan", state);
  FILE *plan = fopen(path, "re");
  if (!plan) return;
  while (fgets(line, sizeof line, plan)) {
    long long number;
    if (sscanf(line, "%15s %lld", word, &number) == 2) {
      if (!strcmp(word, "full")) room = number;
      if (!strcmp(word, "slow")) slow_ms = (int)number;
      if (!strcmp(word, "lies")) lies = (int)number;
      if (!strcmp(word, "skew")) skew_ms = (int)number;
      if (!strcmp(word, "seed")) seed = (uint64_t)number | 1;
      if (!strcmp(word, "die")) die(0);
      continue;
    }
    fault *it = &faults[fault_count < FAULTS_MAX ? fault_count : FAULTS_MAX - 1];
    int found = sscanf(line, "%7s %7s %11s %11s %d %d", it->action, it->when, it->op, it->class, &it->kind, &it->left);
    if (found == 6 && fault_count < FAULTS_MAX) fault_count++;
  }
  fclose(plan);
  FIND(unlink);
  real_unlink(path);
}

static void on_signal(int signal) {
  syscall(SYS_write, wake[1], signal == SIGUSR2 ? "p" : "r", 1);
}

static void *wait_for_signal(void *nothing) {
  for (;;) {
    char byte;
    if (read(wake[0], &byte, 1) != 1) continue;
    pthread_mutex_lock(&lock);
    if (byte == 'p') {
      fault it = { "power", "at", "signal", "any", -1, 0 };
      tell(&it);
      die(1);
    }
    fault_count = 0;
    room = -1;
    read_plan();
    pthread_mutex_unlock(&lock);
  }
  return nothing;
}

__attribute__((constructor)) static void begin(void) {
  const char *given_root = getenv("CRASH_SHIM_ROOT"), *given_state = getenv("CRASH_SHIM_STATE");
  unsetenv("LD_PRELOAD"); /* the processes that it starts are left alone */
  if (!given_root || !given_state) return;
  snprintf(root, sizeof root, "%s", given_root);
  snprintf(state, sizeof state, "%s", given_state);
  struct rlimit limit;
  if (!getrlimit(RLIMIT_NOFILE, &limit)) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  char undo[PATH_MAX];
  snprintf(undo, sizeof undo, "%.4000s/undo", state);
  FIND(mkdir);
  real_mkdir(undo, 0700);
  undo_number = (int)(getpid() % 30000) * 60000;
  find_unsynced();
  if (pipe2(wake, O_CLOEXEC)) abort();
  signal(SIGUSR1, on_signal);
  signal(SIGUSR2, on_signal);
  read_plan(); /* once the plan is gone, signals are heard */
  active = 1;
  pthread_t thread;
  if (pthread_create(&thread, NULL, wait_for_signal, NULL)) abort();
  pthread_detach(thread);
}
