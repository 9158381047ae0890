/* Writing: everything goes under a temporary name beside the final one, is flushed to the disk, then renamed. */
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return lt_strdup(".");
    struct lt_buf b = { 0 };
    lt_buf_put(&b, path, slash == path ? 1 : (size_t)(slash - path));
    return b.p;
}

/* ".NAME.PID.TRY.tmp" beside path: two writers, in one process or in two, never share a name. */
static char *temp_name(const char *path, int try)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct lt_buf b = { 0 };
    lt_buf_put(&b, path, (size_t)(name - path));
    lt_buf_fmt(&b, ".%s.%ld.%d.tmp", name, (long)getpid(), try);
    return b.p;
}

/* The rename itself must reach the disk too; a file system that cannot flush a folder is no reason to fail. */
static void sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static void sync_folder_of(const char *path)
{
    char *folder = folder_of(path);
    sync_path(folder);
    free(folder);
}

/* Standard output is whatever the caller was given, a file included: it must be written on, never replaced. */
static bool is_stdout(const char *path)
{
    return !strcmp(path, "-") || !strcmp(path, "/dev/stdout");
}

static int open_temp(struct lt_writer *w)
{
    struct stat st;
    if (is_stdout(w->path))
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    if (stat(w->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (stat(w->path, &st) == 0 && !S_ISREG(st.st_mode))
        return open(w->path, O_WRONLY | O_CLOEXEC);
    for (int try = 0;; try++) {
        w->temp = temp_name(w->path, try);
        int fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0)
            return fd;
        free(w->temp);
        w->temp = NULL;
        if (errno != EEXIST)
            return -1;
    }
}

static void writer_end(struct lt_writer *w)
{
    if (w->f)
        fclose(w->f);
    free(w->path);
    free(w->temp);
    free(w->room);
    *w = (struct lt_writer){ 0 };
}

int lt_writer_open(struct lt_writer *w, const char *path)
{
    *w = (struct lt_writer){ .path = lt_strdup(path) };
    int fd = open_temp(w);
    if (fd >= 0 && (w->f = fdopen(fd, "wb"))) {
        if (w->temp) {                  /* whole huge pages at a time, which may then be mapped as such */
            w->room = lt_alloc(LT_HUGE_PAGE);           /* the C library would take a page, whatever it is told */
            setvbuf(w->f, w->room, _IOFBF, LT_HUGE_PAGE);
        }
        return 0;
    }
    lt_fail("%s: cannot write: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    lt_writer_abort(w);
    return -1;
}

void lt_writer_put(struct lt_writer *w, const void *p, size_t n)
{
    if (w->failed || n == 0)
        return;
    if (fwrite(p, 1, n, w->f) != n)
        w->failed = errno ? errno : EIO;
    w->written += n;
}

void lt_writer_fmt(struct lt_writer *w, const char *fmt, ...)
{
    if (w->failed)
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = vfprintf(w->f, fmt, ap);
    va_end(ap);
    if (n < 0)
        w->failed = errno ? errno : EIO;
    else
        w->written += (uint64_t)n;
}

int lt_writer_flush(struct lt_writer *w)
{
    if (!w->failed && fflush(w->f))
        w->failed = errno ? errno : EIO;
    return w->failed ? lt_fail("%s: cannot write: %s", w->path, strerror(w->failed)) : 0;
}

int lt_writer_commit(struct lt_writer *w)
{
    if (!w->failed && fflush(w->f))
        w->failed = errno;
    if (!w->failed && w->temp && fsync(fileno(w->f)))
        w->failed = errno;
    if (fclose(w->f) && !w->failed)
        w->failed = errno;
    w->f = NULL;
    if (!w->failed && w->temp && rename(w->temp, w->path))
        w->failed = errno;
    if (w->failed) {
        lt_fail("%s: cannot write: %s", w->path, strerror(w->failed));
        lt_writer_abort(w);
        return -1;
    }
    if (w->temp)
        sync_folder_of(w->path);
    writer_end(w);
    return 0;
}

void lt_writer_abort(struct lt_writer *w)
{
    if (w->temp)
        unlink(w->temp);
    writer_end(w);
}

int lt_file_save(const char *path, const void *p, size_t n)
{
    struct lt_writer w;
    if (lt_writer_open(&w, path))
        return -1;
    lt_writer_put(&w, p, n);
    return lt_writer_commit(&w);
}

int lt_file_move(const char *from, const char *to)
{
    if (rename(from, to))
        return lt_fail("%s: cannot write: %s", to, strerror(errno));
    sync_folder_of(to);
    return 0;
}

/* Replacing the folder somebody stands in would take more away than they meant to give. */
static int refuse_ancestor(const char *path)
{
    char *real = realpath(path, NULL), *here = real ? realpath(".", NULL) : NULL;
    size_t n = real ? strlen(real) : 0;
    bool above = here && strncmp(real, here, n) == 0 && (n == 1 || here[n] == 0 || here[n] == '/');
    free(real);
    free(here);
    return above ? lt_fail("%s: is the current folder or one above it; name a folder to make or replace", path) : 0;
}

int lt_folder_guard(const char *path, const char *marker)
{
    if (!lt_path_exists(path))
        return 0;
    if (!lt_path_is_dir(path))
        return lt_fail("%s: is a file; a folder was expected", path);
    char **names;
    int count;
    bool marked = false;
    if (lt_list_dir(path, &names, &count))
        return -1;
    for (int i = 0; i < count; i++) {
        marked |= !strcmp(names[i], marker);
        free(names[i]);
    }
    free(names);
    if (marked || count == 0)
        return 0;
    return lt_fail("%s: holds other things (no %s) and would be replaced; name a new folder, or empty it", path,
                   marker);
}

/* The folders above path, as mkdir -p makes them. */
static int make_parents(const char *path)
{
    char *folder = folder_of(path);
    int rc = lt_mkdirs(folder);
    free(folder);
    return rc;
}

int lt_folder_open(struct lt_folder *d, const char *path)
{
    *d = (struct lt_folder){ 0 };
    if (refuse_ancestor(path))
        return -1;
    if (lt_path_exists(path) && !lt_path_is_dir(path))
        return lt_fail("%s: is a file; a folder was expected", path);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    struct lt_buf b = { 0 };
    lt_buf_put(&b, path, n);
    d->path = b.p;
    if (make_parents(d->path)) {
        lt_folder_abort(d);
        return -1;
    }
    for (int try = 0;; try++) {
        d->temp = temp_name(d->path, try);
        if (mkdir(d->temp, 0777) == 0)
            return 0;
        int why = errno;
        free(d->temp);
        d->temp = NULL;
        if (why == EEXIST)
            continue;
        lt_fail("%s: cannot make the folder: %s", path, strerror(why));
        lt_folder_abort(d);
        return -1;
    }
}

static void sync_tree(const char *path)
{
    char **names;
    int count;
    if (lt_path_is_dir(path) && lt_list_dir(path, &names, &count) == 0) {
        for (int i = 0; i < count; i++) {
            struct lt_buf b = { 0 };
            lt_buf_fmt(&b, "%s/%s", path, names[i]);
            sync_tree(b.p);
            lt_buf_free(&b);
            free(names[i]);
        }
        free(names);
    }
    sync_path(path);
}

/* Puts temp in the place of path; what was there before lies under temp afterwards, or is gone. */
static int swap_in(const char *temp, const char *path)
{
    if (!lt_path_exists(path))
        return rename(temp, path);
#ifdef RENAME_EXCHANGE
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
#endif
    char *old = temp_name(path, -1);
    for (int try = -2; try > -100 && lt_path_exists(old); try--) {
        free(old);
        old = temp_name(path, try);
    }
    int rc = rename(path, old);
    if (rc == 0 && (rc = rename(temp, path))) {
        int why = errno;
        rename(old, path);
        errno = why;
    } else if (rc == 0) {
        lt_remove_tree(old);
    }
    free(old);
    return rc;
}

int lt_folder_commit(struct lt_folder *d)
{
    sync_tree(d->temp);
    int rc = 0;
    if (swap_in(d->temp, d->path))
        rc = lt_fail("%s: cannot put the new folder in place: %s", d->path, strerror(errno));
    else
        sync_folder_of(d->path);
    lt_folder_abort(d);
    return rc;
}

void lt_folder_abort(struct lt_folder *d)
{
    if (d->temp)
        lt_remove_tree(d->temp);
    free(d->path);
    free(d->temp);
    *d = (struct lt_folder){ 0 };
}
