#include "base/spill.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_MIN = 4 << 10, BLOCK_MAX = 128 << 10, BLOCKS = 1024 };    /* a block is about 1 / BLOCKS of the memory */

struct lt_spill {
    const char *folder;
    size_t block, limit, used;          /* bytes */
    int fd;                             /* -1: no file yet */
    uint64_t blocks, written;           /* of the file; bytes ever written to it */
    uint64_t *spare;                    /* blocks of the file that were given back */
    size_t spare_count, spare_cap;
    char *failed;                       /* the first failure; NULL: none */
};

struct lt_spill *lt_spill_new(const char *folder, size_t memory)
{
    struct lt_spill *s = lt_calloc(1, sizeof *s);
    s->folder = folder;
    s->limit = memory;
    s->block = BLOCK_MIN;
    while (s->block < BLOCK_MAX && s->block < memory / BLOCKS) s->block *= 2;
    s->fd = -1;
    return s;
}

void lt_spill_limit(struct lt_spill *s, size_t memory)
{
    s->limit = memory;
}

size_t lt_spill_block(const struct lt_spill *s)
{
    return s->block;
}

uint64_t lt_spill_written(const struct lt_spill *s)
{
    return s->written;
}

int lt_spill_check(const struct lt_spill *s)
{
    return s->failed ? lt_fail("%s", s->failed) : 0;
}

void lt_spill_free(struct lt_spill *s)
{
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    free(s->spare);
    free(s->failed);
    free(s);
}

static void fail(struct lt_spill *s, const char *what, int error)
{
    if (s->failed) return;
    lt_fail("%s: cannot %s a temporary file: %s; --temp_dir names another folder for it", s->folder, what,
            strerror(error));
    s->failed = lt_strdup(lt_error());
}

/* The file system may not know files without a name; then the name goes at once. */
static int open_file(const char *folder)
{
    int fd = -1;
#ifdef O_TMPFILE
    fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
#endif
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
    struct lt_buf name = { 0 };
    lt_buf_fmt(&name, "%s/.lathe-XXXXXX", folder);
    fd = mkstemp(name.p);
    if (fd >= 0 && unlink(name.p)) {
        close(fd);
        fd = -1;
    }
    lt_buf_free(&name);
    return fd;
}

/* A block of the file that holds these bytes. */
static uint64_t write_block(struct lt_spill *s, const uint8_t *p)
{
    if (s->fd < 0 && (s->fd = open_file(s->folder)) < 0) {
        fail(s, "make", errno);
        return 0;
    }
    uint64_t at = s->spare_count ? s->spare[--s->spare_count] : s->blocks++;
    for (size_t done = 0; done < s->block;) {
        ssize_t n = pwrite(s->fd, p + done, s->block - done, (off_t)(at * s->block + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            fail(s, "write", n ? errno : ENOSPC);
            return at;
        }
        done += (size_t)n;
    }
    s->written += s->block;
    return at;
}

static bool read_block(struct lt_spill *s, uint64_t at, uint8_t *to)
{
    for (size_t done = 0; done < s->block && !s->failed;) {
        ssize_t n = pread(s->fd, to + done, s->block - done, (off_t)(at * s->block + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) fail(s, "read", n ? errno : EIO);
        else done += (size_t)n;
    }
    return !s->failed;
}

void lt_spool_init(struct lt_spool *s, struct lt_spill *home)
{
    *s = (struct lt_spool){ .home = home };
}

void lt_spool_turn(struct lt_spool *s)
{
    struct lt_spill *h = s->home;
    if (s->tail && h->failed) {
        s->to = s->tail;                        /* what is lost is never believed */
        return;
    }
    if (s->tail) {
        if (s->count == s->cap) {
            s->cap = s->cap ? 2 * s->cap : 8;
            s->block = lt_realloc(s->block, s->cap * sizeof *s->block);
        }
        bool stays = h->used + h->block <= h->limit;
        if (stays) h->used += h->block;
        s->block[s->count++] = stays ? (struct lt_spool_block){ .memory = s->tail }
                                     : (struct lt_spool_block){ .at = write_block(h, s->tail) };
        if (stays) s->tail = NULL;
    }
    if (!s->tail) s->tail = lt_alloc(h->block);
    s->to = s->tail;
    s->end = s->tail + h->block;
}

uint64_t lt_spool_bytes(const struct lt_spool *s)
{
    return s->count * (s->home ? s->home->block : 0) + (uint64_t)(s->to - s->tail);
}

static void give_back(struct lt_spill *h, uint64_t at)
{
    if (h->spare_count == h->spare_cap) {
        h->spare_cap = h->spare_cap ? 2 * h->spare_cap : 64;
        h->spare = lt_realloc(h->spare, h->spare_cap * sizeof *h->spare);
    }
    h->spare[h->spare_count++] = at;
}

void lt_spool_free(struct lt_spool *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->block[i].memory) {
            give_back(s->home, s->block[i].at);
            continue;
        }
        free(s->block[i].memory);
        s->home->used -= s->home->block;
    }
    free(s->block);
    free(s->tail);
    *s = (struct lt_spool){ 0 };
}

void lt_spool_read(struct lt_spool_reader *r, const struct lt_spool *s)
{
    *r = (struct lt_spool_reader){ .s = s };
}

bool lt_spool_more(struct lt_spool_reader *r)
{
    if (!r->s || r->next > r->s->count) return false;
    const struct lt_spool *s = r->s;
    size_t i = r->next++;
    if (i == s->count) {
        r->p = s->tail;
        r->end = s->to;
        return r->p != r->end;
    }
    r->p = s->block[i].memory;
    if (!r->p) {
        if (!r->buffer) r->buffer = lt_alloc(s->home->block);
        if (!read_block(s->home, s->block[i].at, r->buffer)) {
            r->next = SIZE_MAX;
            r->p = r->end = NULL;
            return false;
        }
        r->p = r->buffer;
    }
    r->end = r->p + s->home->block;
    return true;
}

size_t lt_spool_get_many(struct lt_spool_reader *r, void *to, size_t n)
{
    size_t done = 0;
    while (done < n && (r->p != r->end || lt_spool_more(r))) {
        size_t some = LT_MIN(n - done, (size_t)(r->end - r->p) / 4);
        memcpy((uint8_t *)to + 4 * done, r->p, 4 * some);
        r->p += 4 * some;
        done += some;
    }
    return done;
}

void lt_spool_read_end(struct lt_spool_reader *r)
{
    free(r->buffer);
    *r = (struct lt_spool_reader){ 0 };
}
