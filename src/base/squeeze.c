#include "base/squeeze.h"
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum form { PLAIN, GZIP, ZSTANDARD, XZ };
enum { ROOM = 256 << 10, ZSTD_LEVEL = 3, XZ_LEVEL = 3 };

struct lt_squeeze {
    struct lt_writer w;
    enum form form;
    z_stream gz;
    ZSTD_CStream *zst;
    lzma_stream xz;
    uint8_t *room;
};

static enum form form_of(const char *path)
{
    static const struct { const char *end; enum form form; } known[] = {
        { ".gz", GZIP }, { ".zst", ZSTANDARD }, { ".xz", XZ },
    };
    for (int i = 0; i < LT_COUNT(known); i++)
        if (lt_str_ends(lt_str(path), known[i].end)) return known[i].form;
    return PLAIN;
}

static bool begin(struct lt_squeeze *s)
{
    if (s->form == GZIP) return deflateInit2(&s->gz, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    if (s->form == XZ) return lzma_easy_encoder(&s->xz, XZ_LEVEL, LZMA_CHECK_CRC64) == LZMA_OK;
    if (s->form != ZSTANDARD) return true;
    s->zst = ZSTD_createCStream();
    return s->zst && !ZSTD_isError(ZSTD_initCStream(s->zst, ZSTD_LEVEL));
}

struct lt_squeeze *lt_squeeze_open(const char *path)
{
    struct lt_squeeze *s = lt_calloc(1, sizeof *s);
    s->form = form_of(path);
    if (lt_writer_open(&s->w, path)) {
        free(s);
        return NULL;
    }
    if (s->form != PLAIN) s->room = lt_alloc(ROOM);
    if (begin(s)) return s;
    lt_squeeze_abort(s);
    lt_fail("%s: cannot start to compress", path);
    return NULL;
}

static void lost(struct lt_squeeze *s)
{
    if (!s->w.failed) s->w.failed = EIO;
}

/* One step; true when there is more to get out. */
static bool step_gzip(struct lt_squeeze *s, const uint8_t **p, size_t *n, bool last)
{
    uInt some = (uInt)LT_MIN(*n, (size_t)1 << 30);
    s->gz.next_in = (Bytef *)*p;
    s->gz.avail_in = some;
    s->gz.next_out = s->room;
    s->gz.avail_out = ROOM;
    int rc = deflate(&s->gz, last && some == *n ? Z_FINISH : Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) lost(s);
    *p += some - s->gz.avail_in;
    *n -= some - s->gz.avail_in;
    lt_writer_put(&s->w, s->room, ROOM - s->gz.avail_out);
    return *n || (last ? rc != Z_STREAM_END : s->gz.avail_out == 0);
}

static bool step_zstd(struct lt_squeeze *s, const uint8_t **p, size_t *n, bool last)
{
    ZSTD_inBuffer in = { *p, *n, 0 };
    ZSTD_outBuffer out = { s->room, ROOM, 0 };
    size_t rc = ZSTD_compressStream2(s->zst, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(rc)) lost(s);
    *p += in.pos;
    *n -= in.pos;
    lt_writer_put(&s->w, s->room, out.pos);
    return *n || (last && rc);
}

static bool step_xz(struct lt_squeeze *s, const uint8_t **p, size_t *n, bool last)
{
    s->xz.next_in = *p;
    s->xz.avail_in = *n;
    s->xz.next_out = s->room;
    s->xz.avail_out = ROOM;
    lzma_ret rc = lzma_code(&s->xz, last ? LZMA_FINISH : LZMA_RUN);
    if (rc != LZMA_OK && rc != LZMA_STREAM_END && rc != LZMA_BUF_ERROR) lost(s);
    *p += *n - s->xz.avail_in;
    *n = s->xz.avail_in;
    lt_writer_put(&s->w, s->room, ROOM - s->xz.avail_out);
    return *n || (last && rc != LZMA_STREAM_END);
}

static void squeeze(struct lt_squeeze *s, const uint8_t *p, size_t n, bool last)
{
    bool more = true;
    while (more && !s->w.failed)
        more = s->form == GZIP ? step_gzip(s, &p, &n, last)
             : s->form == ZSTANDARD ? step_zstd(s, &p, &n, last) : step_xz(s, &p, &n, last);
}

void lt_squeeze_put(struct lt_squeeze *s, const void *p, size_t n)
{
    if (s->form == PLAIN) lt_writer_put(&s->w, p, n);
    else if (n) squeeze(s, p, n, false);
}

bool lt_squeeze_failed(const struct lt_squeeze *s)
{
    return s->w.failed;
}

static void release(struct lt_squeeze *s)
{
    if (s->form == GZIP) deflateEnd(&s->gz);
    if (s->form == XZ) lzma_end(&s->xz);
    ZSTD_freeCStream(s->zst);
    free(s->room);
    free(s);
}

int lt_squeeze_commit(struct lt_squeeze *s)
{
    if (s->form != PLAIN) squeeze(s, NULL, 0, true);
    int rc = lt_writer_commit(&s->w);
    release(s);
    return rc;
}

void lt_squeeze_abort(struct lt_squeeze *s)
{
    if (!s) return;
    lt_writer_abort(&s->w);
    release(s);
}
