#include "fault.h"
#include "../test.h"
#include "recipe/recipe.h"
#include <signal.h>
#include <sys/wait.h>

struct fault fault;

static bool takes_away(const char *call)
{
    static const char *const calls[] = { "unlink", "remove", "lstat", "opendir", "readdir", "close" };
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (!strcmp(call, calls[i])) return true;
    return false;
}

bool fault_now(const char *call)
{
    if (!fault.armed) return false;
    int n = ++fault.count;
    bool fails = n == fault.at || (fault.sticky && n > fault.at && !takes_away(call));
    if (!fails) return false;
    if (fault.kills) kill(getpid(), SIGKILL);
    if (!fault.failed) fault.failed = call;
    fault.cleaning |= takes_away(call);
    errno = fault.error;
    return true;
}

/* WRAP(result, name, (parameters), (arguments), value when it fails) */
#define WRAP(type, name, params, args, failure) \
    type __real_##name params; \
    type __wrap_##name params; \
    type __wrap_##name params { return fault_now(#name) ? failure : __real_##name args; }

WRAP(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), -1)
WRAP(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), -1)
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), -1)
WRAP(void *, mmap, (void *a, size_t n, int prot, int flags, int fd, off_t at), (a, n, prot, flags, fd, at), MAP_FAILED)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1)
WRAP(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), -1)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
WRAP(int, unlink, (const char *path), (path), -1)
WRAP(int, remove, (const char *path), (path), -1)
WRAP(int, access, (const char *path, int mode), (path, mode), -1)
WRAP(int, stat, (const char *path, struct stat *st), (path, st), -1)
WRAP(int, lstat, (const char *path, struct stat *st), (path, st), -1)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), -1)
WRAP(char *, realpath, (const char *path, char *out), (path, out), NULL)
WRAP(DIR *, opendir, (const char *path), (path), NULL)
WRAP(struct dirent *, readdir, (DIR *d), (d), NULL)
WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
WRAP(int, fseek, (FILE *f, long at, int from), (f, at, from), -1)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(int, mkstemp, (char *path), (path), -1)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return fault_now("open") ? -1 : __real_open(path, flags, mode);
}

/* Nothing here outlives the test, so nothing has to reach the disk. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)fd;
    return fault_now("fsync") ? -1 : 0;
}

/* A stream remembers that it failed (ferror). */
static void mark(FILE *f)
{
    f->_flags |= _IO_ERR_SEEN;
    errno = fault.error;
}

int __real_vfprintf(FILE *f, const char *fmt, va_list ap);
int __wrap_vfprintf(FILE *f, const char *fmt, va_list ap);
int __wrap_vfprintf(FILE *f, const char *fmt, va_list ap)
{
    if (!fault_now("vfprintf")) return __real_vfprintf(f, fmt, ap);
    mark(f);
    return -1;
}

/* A full disk takes a part. */
size_t __real_fwrite(const void *p, size_t size, size_t n, FILE *f);
size_t __wrap_fwrite(const void *p, size_t size, size_t n, FILE *f);
size_t __wrap_fwrite(const void *p, size_t size, size_t n, FILE *f)
{
    if (!fault_now("fwrite")) return __real_fwrite(p, size, n, f);
    size_t half = __real_fwrite(p, size, n / 2, f);
    mark(f);
    return half;
}

/* Closing gives the file back even when it says that it failed. */
int __real_fclose(FILE *f);
int __wrap_fclose(FILE *f);
int __wrap_fclose(FILE *f)
{
    bool fails = fault_now("fclose");
    int rc = __real_fclose(f);
    if (fails) errno = fault.error;
    return fails ? EOF : rc;
}

int __real_fflush(FILE *f);
int __wrap_fflush(FILE *f);
int __wrap_fflush(FILE *f)
{
    bool fails = fault_now("fflush");
    int rc = __real_fflush(f);
    if (fails) mark(f);
    return fails ? EOF : rc;
}

/* ---- looking around ---- */
static int open_descriptors(void)
{
    char **names;
    int count;
    assert_ok(lt_list_dir("/proc/self/fd", &names, &count));
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    return count;
}

/* The first temporary file or folder below `path`; "": none. */
static void find_temporary(const char *path, char found[512])
{
    char **names;
    int count;
    assert_ok(lt_list_dir(path, &names, &count));
    for (int i = 0; i < count; i++) {
        char below[512];
        snprintf(below, sizeof(below), "%s/%s", path, names[i]);
        if (lt_glob(".*.tmp", names[i])) strcpy(found, below);
        else if (lt_path_is_dir(below)) find_temporary(below, found);
        free(names[i]);
    }
    free(names);
}

static void hash(const char *path, char hex[33])
{
    strcpy(hex, "nothing");
    if (lt_path_exists(path)) assert_ok(lt_hash_path(path, hex, NULL));
}

/* ---- the run ---- */
struct expectation { char before[33], after[33]; };

static void empty_folder(const char *dir)
{
    assert_int_equal(chdir("/"), 0);
    assert_ok(lt_remove_tree(dir));
    assert_ok(lt_mkdirs(dir));
    assert_int_equal(chdir(dir), 0);
}

static void check_failure(const struct fault_scenario *s, int n)
{
    const char *e = lt_error();
    if (!*e || !strcmp(e, "no error") || strchr(e, '\n'))
        fail_msg("%s, call %d (%s): told as \"%s\"", s->name, n, fault.failed, e);
    static const char *const tell[] = { "open", "fwrite", "fflush", "fsync", "fclose", "rename", "mkdir", "vfprintf" };
    for (int i = 0; i < LT_COUNT(tell) && !fault.sticky; i++)   /* else a later call may be what is told */
        if (!strcmp(fault.failed, tell[i]) && !strstr(e, strerror(fault.error)))
            fail_msg("%s, call %d (%s): \"%s\" does not say why", s->name, n, fault.failed, e);
}

/* One run with call n failing; false when the scenario makes fewer calls. */
static bool fail_call(const struct fault_scenario *s, const char *dir, const struct expectation *x, int n, int error,
                      bool sticky)
{
    char hex[33], left[512] = "";
    empty_folder(dir);
    s->setup();
    int descriptors = open_descriptors();
    lt_fail("no error");
    fault = (struct fault){ .armed = true, .sticky = sticky, .at = n, .error = error };
    int rc = s->act();
    fault.armed = false;
    if (!fault.failed) {
        if (rc) fail_msg("%s fails without a fault: %s", s->name, lt_error());
        return false;
    }
    if (rc) check_failure(s, n);
    if (open_descriptors() != descriptors) fail_msg("%s, call %d (%s): a file stays open", s->name, n, fault.failed);
    find_temporary(".", left);
    if (*left && !fault.cleaning) fail_msg("%s, call %d (%s): %s stays", s->name, n, fault.failed, left);
    if (!s->made) return true;
    hash(s->made, hex);
    /* A path that cannot be looked at passes for no folder; in earnest the next call on it fails too and tells. */
    if (rc == 0 && !fault.sticky && !strcmp(fault.failed, "stat")) return true;
    bool whole = !strcmp(hex, x->after) || (rc && (s->grows || !strcmp(hex, x->before)));
    if (!whole)
        fail_msg("%s, call %d (%s, %s), result %d: %s is neither the old nor the new one", s->name, n, fault.failed,
                 strerror(error), rc, s->made);
    if (s->act()) fail_msg("%s, after call %d (%s) failed: not even then: %s", s->name, n, fault.failed, lt_error());
    hash(s->made, hex);
    if (strcmp(hex, x->after))
        fail_msg("%s, after call %d (%s) failed: something else is made", s->name, n, fault.failed);
    return true;
}

void fault_run(const struct fault_scenario *s, int stride)
{
    if (__real_access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);      /* thousands of small files */
    char *dir = lt_test_temp();
    struct expectation x = { "", "" };
    empty_folder(dir);
    s->setup();
    if (s->made) hash(s->made, x.before);
    assert_ok(s->act());
    if (s->made) hash(s->made, x.after);
    static const struct { int error; bool sticky; } modes[] = { { EIO, false }, { ENOSPC, true }, { EROFS, true } };
    for (int m = 0; m < LT_COUNT(modes); m++) {
        int n = 1 + m % stride;
        while (fail_call(s, dir, &x, n, modes[m].error, modes[m].sticky)) n += stride;
        if (n <= 1 + m % stride) fail_msg("%s: no call was made to fail", s->name);
    }
    assert_int_equal(chdir("/"), 0);
    lt_test_temp_end(dir);
}

/* Runs act in a child that is killed at call n; false when it makes fewer calls and ends by itself. */
static bool killed_at(const struct fault_scenario *s, int n)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fault = (struct fault){ .armed = true, .kills = true, .at = n };
        _exit(s->act() ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return true;
    if (WEXITSTATUS(status)) fail_msg("%s fails in a child that is not killed", s->name);
    return false;
}

void fault_kill(const struct fault_scenario *s, int stride)
{
    if (__real_access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
    char *dir = lt_test_temp(), hex[33];
    struct expectation x = { "", "" };
    empty_folder(dir);
    s->setup();
    hash(s->made, x.before);
    assert_ok(s->act());
    hash(s->made, x.after);
    for (int n = 1;; n += stride) {
        empty_folder(dir);
        s->setup();
        if (!killed_at(s, n)) break;
        hash(s->made, hex);
        if (!s->grows && strcmp(hex, x.before) && strcmp(hex, x.after))
            fail_msg("%s, killed at call %d: %s is neither the old nor the new one", s->name, n, s->made);
        if (s->act()) fail_msg("%s, after a kill at call %d: %s", s->name, n, lt_error());
        hash(s->made, hex);
        if (strcmp(hex, x.after)) fail_msg("%s, after a kill at call %d: something else is made", s->name, n);
    }
    assert_int_equal(chdir("/"), 0);
    lt_test_temp_end(dir);
}

void fault_save(const char *path, const char *text) { assert_ok(lt_file_save(path, text, strlen(text))); }

int fault_verb(const char *verb, const char *json)
{
    const struct lt_verb *v = lt_verb_registered(NULL, verb);
    assert_non_null(v);
    struct lt_options *s = lt_options_new(&v->m);
    if (lt_options_json(s, json)) fail_msg("%s", lt_error());
    int rc = lt_record_run(v, s, NULL);
    lt_options_free(s);
    return rc;
}
