/* Files and folders: mapping, reading, listing, and writing that leaves nothing half-done. */
#include "base/io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, const char *path, struct lt_buf *out)
{
    for (;;) {
        ssize_t n = read(fd, lt_buf_room(out, 1 << 16), 1 << 16);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lt_fail("%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            break;
        out->n += (size_t)n;
    }
    *lt_buf_room(out, 0) = 0;
    return 0;
}

static int open_for_reading(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return lt_fail("%s: cannot open: %s", path, strerror(errno));
    int rc = fstat(fd, st);
    if (rc)
        lt_fail("%s: cannot look at it: %s", path, strerror(errno));
    else if (S_ISDIR(st->st_mode))
        rc = lt_fail("%s: is a folder; a file was expected", path);
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

/* Weights are read whole for every token: 4 KiB pages would cost a third of the bandwidth.  A file system that keeps
 * large folios maps what it reads, or what was written in whole huge pages, by huge pages; others ignore the wish. */
static void ask_for_huge_pages(void *p, size_t n)
{
#ifdef MADV_HUGEPAGE
    if (n >= LT_HUGE_PAGE)
        madvise(p, n, MADV_HUGEPAGE);
#else
    (void)p, (void)n;
#endif
}

int lt_file_open(const char *path, struct lt_file *out)
{
    struct stat st;
    *out = (struct lt_file){ 0 };
    int fd = open_for_reading(path, &st);
    if (fd < 0)
        return -1;
    if (S_ISREG(st.st_mode) && st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p != MAP_FAILED) {
            ask_for_huge_pages(p, (size_t)st.st_size);
            close(fd);
            *out = (struct lt_file){ .p = p, .n = (size_t)st.st_size, .mapped = true };
            return 0;
        }
    }
    struct lt_buf b = { 0 };
    int rc = read_all(fd, path, &b);
    close(fd);
    if (rc) {
        lt_buf_free(&b);
        return -1;
    }
    *out = (struct lt_file){ .p = (uint8_t *)b.p, .n = b.n };
    return 0;
}

void lt_file_close(struct lt_file *f)
{
    if (f->mapped)
        munmap((void *)f->p, f->n);
    else
        free((void *)f->p);
    *f = (struct lt_file){ 0 };
}

int lt_file_read(const char *path, struct lt_buf *out)
{
    struct stat st;
    int fd = open_for_reading(path, &st);
    if (fd < 0)
        return -1;
    int rc = read_all(fd, path, out);
    close(fd);
    return rc;
}

bool lt_path_exists(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool lt_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool lt_path_named(const char *item, struct lt_str *name, const char **path)
{
    const char *eq = strchr(item, '=');
    bool named = eq && !lt_path_exists(item);
    *name = (struct lt_str){ item, named ? (size_t)(eq - item) : 0 };
    *path = named ? eq + 1 : item;
    return named;
}

int lt_mkdirs(const char *path)
{
    char *p = lt_strdup(path);
    int rc = 0;
    for (char *at = p + 1; rc == 0 && *p; at++) {
        char c = *at;
        if (c != '/' && c != 0)
            continue;
        *at = 0;
        if (mkdir(p, 0777) && (errno != EEXIST || !lt_path_is_dir(p)))
            rc = lt_fail("%s: cannot make the folder: %s", p, strerror(errno));
        *at = c;
        if (c == 0)
            break;
    }
    free(p);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

int lt_list_dir(const char *path, char ***names, int *count)
{
    *names = NULL;
    *count = 0;
    DIR *d = opendir(path);
    if (!d)
        return lt_fail("%s: cannot list the folder: %s", path, strerror(errno));
    for (struct dirent *e; errno = 0, (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if ((*count & (*count - 1)) == 0)
            *names = lt_realloc(*names, LT_MAX(2 * (size_t)*count, 1) * sizeof **names);
        (*names)[(*count)++] = lt_strdup(e->d_name);
    }
    int why = errno;
    closedir(d);
    if (*count)
        qsort(*names, (size_t)*count, sizeof **names, compare_names);
    if (why == 0)
        return 0;
    free_names(*names, *count);
    *names = NULL;
    *count = 0;
    return lt_fail("%s: cannot list the folder: %s", path, strerror(why));
}

static char *join(const char *folder, const char *name)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/%s", folder, name);
    return b.p;
}

int lt_file_remove(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return lt_fail("%s: cannot remove: %s", path, strerror(errno));
}

int lt_remove_tree(const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        return errno == ENOENT ? 0 : lt_fail("%s: cannot remove: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        char **names;
        int count, rc = lt_list_dir(path, &names, &count);
        for (int i = 0; rc == 0 && i < count; i++) {
            char *below = join(path, names[i]);
            rc = lt_remove_tree(below);
            free(below);
        }
        free_names(names, count);
        if (rc)
            return -1;
    }
    if (remove(path))
        return lt_fail("%s: cannot remove: %s", path, strerror(errno));
    return 0;
}
