/* Byte streams for reading: plain, gzip, zstandard, xz, told apart by their first bytes. */
#include "base/io.h"
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { IN_SIZE = 256 << 10, OUT_SIZE = 256 << 10 };

struct lt_stream {
    int fd;
    char *path;
    enum { PLAIN, GZIP, ZSTANDARD, XZ } form;
    z_stream gz;
    ZSTD_DStream *zst;
    lzma_stream xz;
    bool in_frame;                          /* a member or frame has begun and not ended */
    bool finished;                          /* xz: all of them have ended */
    uint64_t taken, size, lines, line_at;   /* line_at: decoded bytes given out by lt_stream_line */
    size_t in_at, in_n, out_at, out_n;
    bool ended;                             /* the file has no more bytes */
    uint8_t *in, *out;
};

/* Reads more of the file when all of `in` is used; at the end, ended is set and in_n is 0. */
static int fill(struct lt_stream *s)
{
    while (s->in_at == s->in_n && !s->ended) {
        ssize_t n = read(s->fd, s->in, IN_SIZE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lt_fail("%s: cannot read: %s", s->path, strerror(errno));
        s->ended = n == 0;
        s->in_at = 0;
        s->in_n = (size_t)n;
        s->taken += (uint64_t)n;
    }
    return 0;
}

/* The first bytes choose the form.  A pipe may give them one at a time. */
static int begin(struct lt_stream *s)
{
    while (s->in_n < 5) {
        ssize_t n = read(s->fd, s->in + s->in_n, IN_SIZE - s->in_n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lt_fail("%s: cannot read: %s", s->path, strerror(errno));
        if (n == 0)
            break;
        s->in_n += (size_t)n;
        s->taken += (uint64_t)n;
    }
    static const uint8_t zst[] = { 0x28, 0xb5, 0x2f, 0xfd };
    bool skippable = s->in_n >= 4 && (s->in[0] & 0xf0) == 0x50 && memcmp(s->in + 1, "\x2a\x4d\x18", 3) == 0;
    if (s->in_n >= 3 && s->in[0] == 0x1f && s->in[1] == 0x8b && s->in[2] == 8) {
        s->form = GZIP;
        if (inflateInit2(&s->gz, 15 + 16) != Z_OK)
            return lt_fail("%s: cannot start decompression", s->path);
    } else if (skippable || (s->in_n >= 4 && memcmp(s->in, zst, 4) == 0)) {
        s->form = ZSTANDARD;
        s->zst = ZSTD_createDStream();
        if (!s->zst)
            return lt_fail("%s: cannot start decompression", s->path);
    } else if (s->in_n >= 5 && memcmp(s->in, "\xFD" "7zXZ", 5) == 0) {
        s->form = XZ;
        if (lzma_stream_decoder(&s->xz, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK)
            return lt_fail("%s: cannot start decompression", s->path);
    }
    return 0;
}

struct lt_stream *lt_stream_open(const char *path)
{
    bool standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        lt_fail("%s: cannot open: %s", path, strerror(errno));
        return NULL;
    }
    struct stat st = { 0 };
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        lt_fail("%s: is a folder; a file was expected", path);
        if (fd)
            close(fd);
        return NULL;
    }
    struct lt_stream *s = lt_calloc(1, sizeof *s);
    s->xz = (lzma_stream)LZMA_STREAM_INIT;
    s->fd = fd;
    s->path = lt_strdup(standard_input ? "standard input" : path);
    s->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    s->in = lt_alloc(IN_SIZE);
    s->out = lt_alloc(OUT_SIZE);
    if (begin(s) == 0)
        return s;
    lt_stream_close(s);
    return NULL;
}

static int cut_short(struct lt_stream *s)
{
    return lt_fail("%s: the compressed data ends early, after %llu bytes: the file is incomplete", s->path,
                   (unsigned long long)lt_stream_position(s));
}

static int damaged(struct lt_stream *s, const char *why)
{
    return lt_fail("%s: the compressed data is damaged near byte %llu: %s", s->path,
                   (unsigned long long)lt_stream_position(s), why);
}

static int64_t read_gzip(struct lt_stream *s, uint8_t *p, size_t n)
{
    s->gz.next_out = p;
    s->gz.avail_out = (unsigned)LT_MIN(n, 1 << 30);
    n = s->gz.avail_out;
    while (s->gz.avail_out == n) {
        if (fill(s))
            return -1;
        if (s->in_at == s->in_n)
            return s->in_frame ? cut_short(s) : 0;
        if (!s->in_frame)                   /* gzip files may follow one another */
            inflateReset(&s->gz);
        s->in_frame = true;
        s->gz.next_in = s->in + s->in_at;
        s->gz.avail_in = (unsigned)(s->in_n - s->in_at);
        int rc = inflate(&s->gz, Z_NO_FLUSH);
        s->in_at = s->in_n - s->gz.avail_in;
        if (rc == Z_STREAM_END)
            s->in_frame = false;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return damaged(s, s->gz.msg ? s->gz.msg : "not gzip data");
    }
    return (int64_t)(n - s->gz.avail_out);
}

static int64_t read_zstd(struct lt_stream *s, uint8_t *p, size_t n)
{
    ZSTD_outBuffer out = { p, n, 0 };
    while (out.pos == 0) {
        if (fill(s))
            return -1;
        ZSTD_inBuffer in = { s->in, s->in_n, s->in_at };
        if (in.pos == in.size && !s->in_frame)
            return 0;
        size_t rc = ZSTD_decompressStream(s->zst, &out, &in);   /* may have more to give without more input */
        if (ZSTD_isError(rc))
            return damaged(s, ZSTD_getErrorName(rc));
        if (in.pos == in.size && s->in_at == in.pos && out.pos == 0 && rc != 0)
            return cut_short(s);
        s->in_at = in.pos;
        s->in_frame = rc != 0;
    }
    return (int64_t)out.pos;
}

static int64_t read_xz(struct lt_stream *s, uint8_t *p, size_t n)
{
    s->xz.next_out = p;
    s->xz.avail_out = n;
    while (s->xz.avail_out == n && !s->finished) {
        if (fill(s))
            return -1;
        bool ended = s->in_at == s->in_n;
        s->xz.next_in = s->in + s->in_at;
        s->xz.avail_in = s->in_n - s->in_at;
        lzma_ret rc = lzma_code(&s->xz, ended ? LZMA_FINISH : LZMA_RUN);
        s->in_at = s->in_n - s->xz.avail_in;
        s->finished = rc == LZMA_STREAM_END;
        if (rc == LZMA_BUF_ERROR && ended)
            return cut_short(s);
        if (rc != LZMA_OK && rc != LZMA_STREAM_END && rc != LZMA_BUF_ERROR)
            return damaged(s, rc == LZMA_MEM_ERROR ? "more memory is needed than there is" : "not xz data");
    }
    return (int64_t)(n - s->xz.avail_out);
}

static int64_t read_plain(struct lt_stream *s, uint8_t *p, size_t n)
{
    if (fill(s))
        return -1;
    n = LT_MIN(n, s->in_n - s->in_at);
    memcpy(p, s->in + s->in_at, n);
    s->in_at += n;
    return (int64_t)n;
}

static int64_t decode(struct lt_stream *s, uint8_t *p, size_t n)
{
    switch (s->form) {
    case GZIP: return read_gzip(s, p, n);
    case ZSTANDARD: return read_zstd(s, p, n);
    case XZ: return read_xz(s, p, n);
    default: return read_plain(s, p, n);
    }
}

int64_t lt_stream_read(struct lt_stream *s, void *p, size_t n)
{
    if (n == 0)
        return 0;
    if (s->out_at == s->out_n)
        return decode(s, p, n);
    n = LT_MIN(n, s->out_n - s->out_at);
    memcpy(p, s->out + s->out_at, n);
    s->out_at += n;
    return (int64_t)n;
}

int lt_stream_line(struct lt_stream *s, struct lt_buf *line, size_t limit, bool strip_cr)
{
    lt_buf_clear(line);
    lt_buf_put(line, "", 0);
    for (bool any = false;; any = true) {
        if (s->out_at == s->out_n) {
            int64_t n = decode(s, s->out, OUT_SIZE);
            if (n < 0)
                return -1;
            s->out_at = 0;
            s->out_n = (size_t)n;
            if (n == 0 && !any)
                return 0;
            if (n == 0)
                break;                      /* the last line has no '\n' */
        }
        const uint8_t *from = s->out + s->out_at, *end = memchr(from, '\n', s->out_n - s->out_at);
        size_t n = end ? (size_t)(end - from) : s->out_n - s->out_at;
        if (n > limit - line->n)
            return lt_fail("%s: line %llu, which begins at byte %llu, is longer than %zu bytes", s->path,
                           (unsigned long long)s->lines + 1, (unsigned long long)s->line_at, limit);
        lt_buf_put(line, from, n);
        s->out_at += n + (end != NULL);
        if (end)
            break;
    }
    s->lines++;
    s->line_at += line->n + 1;
    if (strip_cr && line->n && line->p[line->n - 1] == '\r')
        line->p[--line->n] = 0;
    return 1;
}

uint64_t lt_stream_position(const struct lt_stream *s)
{
    return s->taken - (s->in_n - s->in_at);
}

uint64_t lt_stream_size(const struct lt_stream *s)
{
    return s->size;
}

void lt_stream_close(struct lt_stream *s)
{
    if (!s)
        return;
    if (s->form == GZIP)
        inflateEnd(&s->gz);
    ZSTD_freeDStream(s->zst);
    lzma_end(&s->xz);
    if (s->fd > 0)
        close(s->fd);
    free(s->path);
    free(s->in);
    free(s->out);
    free(s);
}
