#include "base/compress.h"
#include "base/io.h"
#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { OUT_SIZE = 256 << 10, XZ_LEVEL = 6, ZSTD_LEVEL = 3, GZIP_WINDOW = 15 + 16, GZIP_MEMORY = 8 };

struct lt_compressor {
    struct lt_writer w;
    enum { PLAIN, GZIP, ZSTANDARD, XZ } form;
    z_stream gz;
    ZSTD_CStream *zst;
    lzma_stream xz;
    uint8_t *out;
};

static void release(struct lt_compressor *z)
{
    if (z->form == GZIP) deflateEnd(&z->gz);
    ZSTD_freeCStream(z->zst);
    lzma_end(&z->xz);
    free(z->out);
    free(z);
}

static bool start(struct lt_compressor *z)
{
    switch (z->form) {
    case PLAIN: return true;
    case GZIP: return deflateInit2(&z->gz, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                                   Z_DEFAULT_STRATEGY) == Z_OK;
    case ZSTANDARD:
        z->zst = ZSTD_createCStream();
        return z->zst && !ZSTD_isError(ZSTD_initCStream(z->zst, ZSTD_LEVEL));
    case XZ: return lzma_easy_encoder(&z->xz, XZ_LEVEL, LZMA_CHECK_CRC64) == LZMA_OK;
    }
    return false;
}

struct lt_compressor *lt_compressor_open(const char *path)
{
    static const char *const end[] = { [GZIP] = ".gz", [ZSTANDARD] = ".zst", [XZ] = ".xz" };
    struct lt_compressor *z = lt_calloc(1, sizeof *z);
    z->xz = (lzma_stream)LZMA_STREAM_INIT;
    if (lt_writer_open(&z->w, path)) {
        free(z);
        return NULL;
    }
    for (int i = GZIP; i <= XZ; i++)
        if (lt_str_ends(lt_str(path), end[i])) z->form = i;
    z->out = lt_alloc(OUT_SIZE);
    if (start(z)) return z;
    lt_compressor_abort(z);
    lt_fail("%s: cannot start compression", path);
    return NULL;
}

/* One call of the compressor over what is left of p; true: call again.  *failed on an error. */
static bool turn(struct lt_compressor *z, const uint8_t **p, size_t *n, bool last, bool *failed)
{
    size_t made = 0, taken = *n;
    bool more = false;
    if (z->form == GZIP) {
        z->gz.next_in = (Bytef *)(uintptr_t)*p;
        taken = z->gz.avail_in = (unsigned)LT_MIN(*n, (size_t)1 << 30);
        z->gz.next_out = z->out;
        z->gz.avail_out = OUT_SIZE;
        int rc = deflate(&z->gz, last && taken == *n ? Z_FINISH : Z_NO_FLUSH);
        *failed = rc == Z_STREAM_ERROR;
        taken -= z->gz.avail_in;
        made = OUT_SIZE - z->gz.avail_out;
        more = last ? rc != Z_STREAM_END : !z->gz.avail_out;
    } else if (z->form == ZSTANDARD) {
        ZSTD_inBuffer in = { *p, *n, 0 };
        ZSTD_outBuffer out = { z->out, OUT_SIZE, 0 };
        size_t rc = ZSTD_compressStream2(z->zst, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        *failed = ZSTD_isError(rc);
        taken = in.pos;
        made = out.pos;
        more = last ? rc != 0 : out.pos == OUT_SIZE;
    } else {
        z->xz.next_in = *p;
        z->xz.avail_in = *n;
        z->xz.next_out = z->out;
        z->xz.avail_out = OUT_SIZE;
        lzma_ret rc = lzma_code(&z->xz, last ? LZMA_FINISH : LZMA_RUN);
        *failed = rc != LZMA_OK && rc != LZMA_STREAM_END && rc != LZMA_BUF_ERROR;
        taken -= z->xz.avail_in;
        made = OUT_SIZE - z->xz.avail_out;
        more = last ? rc != LZMA_STREAM_END : !z->xz.avail_out;
    }
    lt_writer_put(&z->w, z->out, made);
    *p += taken;
    *n -= taken;
    return !*failed && (more || *n);
}

static int squeeze(struct lt_compressor *z, const void *p, size_t n, bool last)
{
    const uint8_t *from = p;
    bool failed = false;
    while (turn(z, &from, &n, last, &failed)) continue;
    return failed ? lt_fail("%s: compression failed", z->w.path) : 0;
}

int lt_compressor_put(struct lt_compressor *z, const void *p, size_t n)
{
    if (!n) return 0;
    if (z->form != PLAIN) return squeeze(z, p, n, false);
    lt_writer_put(&z->w, p, n);
    return 0;
}

int lt_compressor_commit(struct lt_compressor *z)
{
    if (z->form != PLAIN && squeeze(z, "", 0, true)) {
        lt_compressor_abort(z);
        return -1;
    }
    int rc = lt_writer_commit(&z->w);
    release(z);
    return rc;
}

void lt_compressor_abort(struct lt_compressor *z)
{
    lt_writer_abort(&z->w);
    release(z);
}
