#include "text/plain_text.h"

#include "base/utf8.h"
#include <string.h>

static const char replacement[] = "\xEF\xBF\xBD";

/* Appends s up to a character that is not all there, and gives back how many bytes are left. */
static size_t put_whole(struct lt_buf *out, struct lt_str s, bool last)
{
    while (s.n) {
        bool good, more;
        size_t n = lt_utf8_part(s.p, s.n, &good, &more);
        if (more && !last) return s.n;
        if (good && *s.p) lt_buf_put(out, s.p, n);
        else lt_buf_str(out, replacement);
        s.p += n;
        s.n -= n;
    }
    return 0;
}

void lt_text_flow_put(struct lt_text_flow *f, struct lt_str piece, bool last, struct lt_buf *out)
{
    struct lt_buf all = { 0 };
    lt_buf_put(&all, f->kept, f->n);
    if (piece.n) lt_buf_put(&all, piece.p, piece.n);
    f->n = put_whole(out, lt_buf_view(&all), last);
    memcpy(f->kept, all.p + all.n - f->n, f->n);
    lt_buf_free(&all);
}

void lt_plain_text(struct lt_buf *b, struct lt_str bytes)
{
    put_whole(b, bytes, true);
}
