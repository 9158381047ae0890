#include "base/xz.h"
#include "base/ctx.h"
#include <lzma.h>

static int squeeze(struct lt_ctx *c, lzma_stream *z, struct lt_str text)
{
    enum { STEP = 1 << 20 };
    uint8_t sink[1 << 16];
    struct lt_progress p;
    lzma_ret rc = LZMA_OK;
    lt_progress_begin(c, &p, "xz", "bytes", (double)text.n);
    for (size_t at = 0; rc == LZMA_OK && !lt_ctx_interrupted(c);) {
        if (!z->avail_in && at < text.n) {
            z->next_in = (const uint8_t *)text.p + at;
            z->avail_in = LT_MIN((size_t)STEP, text.n - at);
            at += z->avail_in;
        }
        z->next_out = sink;
        z->avail_out = sizeof sink;
        rc = lzma_code(z, at == text.n ? LZMA_FINISH : LZMA_RUN);
        lt_progress_at(&p, (double)z->total_in, NULL);
    }
    lt_progress_end(&p);
    if (rc == LZMA_STREAM_END) return 0;
    return lt_ctx_interrupted(c) ? lt_fail("interrupted while compressing") : lt_fail("xz: error %d", (int)rc);
}

int lt_xz_size(struct lt_ctx *c, struct lt_str text, uint64_t *bytes)
{
    lzma_options_lzma o;
    lzma_stream z = LZMA_STREAM_INIT;
    if (lzma_lzma_preset(&o, 9 | LZMA_PRESET_EXTREME)) return lt_fail("xz: no preset 9");
    uint32_t whole = (uint32_t)LT_MIN(text.n + 4096, (size_t)o.dict_size);      /* a longer dictionary finds no more */
    o.dict_size = LT_MAX(whole, (uint32_t)LZMA_DICT_SIZE_MIN);
    lzma_filter filter[] = { { .id = LZMA_FILTER_LZMA2, .options = &o }, { .id = LZMA_VLI_UNKNOWN } };
    if (lzma_stream_encoder(&z, filter, LZMA_CHECK_CRC32) != LZMA_OK) return lt_fail("xz: cannot start the encoder");
    int rc = squeeze(c, &z, text);
    *bytes = z.total_out;
    lzma_end(&z);
    return rc;
}
