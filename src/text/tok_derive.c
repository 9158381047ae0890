/* What readers share: base64, and the merges of a vocabulary that comes without them.
 *
 * Tiktoken, sentencepiece and llama2.c join the two neighbours whose union is the best piece, whatever the two are:
 * that is a merge for every way to cut a piece in two pieces, all of the piece's rank. */
#include "text/tok_derive.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

static int sextet(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52
         : c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool lt_tok_base64(struct lt_str s, struct lt_buf *out)
{
    if (s.n % 4)
        return false;
    for (size_t i = 0; i < s.n; i += 4) {
        int pad = i + 4 == s.n ? (s.p[i + 3] == '=') + (s.p[i + 3] == '=' && s.p[i + 2] == '=') : 0, v[4];
        for (int k = 0; k < 4; k++) {
            v[k] = k < 4 - pad ? sextet(s.p[i + (size_t)k]) : 0;
            if (v[k] < 0)
                return false;
        }
        uint32_t bits = (uint32_t)v[0] << 18 | (uint32_t)v[1] << 12 | (uint32_t)v[2] << 6 | (uint32_t)v[3];
        const char bytes[3] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };
        lt_buf_put(out, bytes, 3 - (size_t)pad);
    }
    return true;
}

void lt_tok_derive_merges(const struct lt_str *piece, int32_t count, const uint32_t *rank, struct lt_tok_merges *out)
{
    struct lt_tok_index x;
    size_t cap = 0;
    *out = (struct lt_tok_merges){ 0 };
    lt_tok_index_build(&x, piece, count);
    for (int32_t id = 0; id < count; id++) {
        struct lt_str p = piece[id];
        if (!p.n || rank[id] == UINT32_MAX || p.n > LT_TOK_DERIVE_MAX)
            continue;
        for (size_t cut = (size_t)lt_utf8_size(p.p[0]); cut < p.n; cut += (size_t)lt_utf8_size(p.p[cut])) {
            int32_t left = lt_tok_index_find(&x, p.p, cut);
            int32_t right = left >= 0 ? lt_tok_index_find(&x, p.p + cut, p.n - cut) : -1;
            if (right < 0 || rank[left] == UINT32_MAX || rank[right] == UINT32_MAX)
                continue;
            if (out->count == cap) {
                cap = cap ? 2 * cap : 1024;
                out->merge = lt_realloc(out->merge, cap * sizeof *out->merge);
            }
            out->merge[out->count++] = (struct lt_tok_merge){ left, right, id, rank[id] };
        }
    }
    lt_tok_index_free(&x);
}

static int by_score(const void *a, const void *b, void *ctx)
{
    const double *score = ctx;
    double x = score[*(const int32_t *)a], y = score[*(const int32_t *)b];
    return (x < y) - (x > y);
}

void lt_tok_rank_scores(double *score, int32_t count, uint32_t *rank)
{
    int32_t *order = lt_alloc((size_t)count * sizeof *order);
    for (int32_t i = 0; i < count; i++)
        order[i] = i;
    lt_sort(order, (size_t)count, sizeof *order, by_score, score);
    uint32_t r = 0;
    for (int32_t i = 0; i < count; i++) {
        r += i && score[order[i]] < score[order[i - 1]];
        if (rank[order[i]] != UINT32_MAX)
            rank[order[i]] = r;
    }
    free(order);
}

/* ---- sentencepiece's stages ---- */
#define MARK "\xE2\x96\x81"

void lt_tok_put_base64(struct lt_buf *b, struct lt_str s)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++) v = v << 8 | (i + k < s.n ? (uint8_t)s.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++) lt_buf_char(b, i + k > s.n ? '=' : digit[v >> (18 - 6 * k) & 63]);
    }
}

void lt_tok_spm_normalizer(struct lt_str charsmap, bool extra_spaces, bool prefix, struct lt_buf *b)
{
    lt_buf_str(b, "{\"type\":\"Sequence\",\"normalizers\":[");
    if (charsmap.n) {
        lt_buf_str(b, "{\"type\":\"Precompiled\",\"match\":\"longest\",\"precompiled_charsmap\":\"");
        lt_tok_put_base64(b, charsmap);
        lt_buf_str(b, "\"},");
    }
    if (extra_spaces)
        lt_buf_str(b, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\A +| +(?= )\"},\"content\":\"\"},");
    if (prefix) lt_buf_str(b, "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"},");
    lt_buf_str(b, "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}");
    if (extra_spaces)                           /* a mark in the text is a space too, at its end */
        lt_buf_str(b, ",{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?<!" MARK ")" MARK "++\\\\z\"},"
                      "\"content\":\"\"}");
    lt_buf_str(b, "]}");
}

#define SPACES "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"" MARK "\"}," \
               "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
const char *lt_tok_spm_decoder(bool prefix)
{
    return prefix ? SPACES ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}" : SPACES "]}";
}
