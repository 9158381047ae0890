#include "serve/spelling.h"
#include "base/utf8.h"
#include "text/tokenizer.h"
#include <string.h>

void lt_spelling_put(struct lt_buf *out, const struct lt_tokenizer *t, int32_t id)
{
    struct lt_buf spelt = { 0 };
    struct lt_str s;
    if (lt_tokenizer_special(t, id) || !lt_tokenizer_bytes(t, id, &s)) s = lt_tokenizer_piece(t, id);
    if (!s.p) s = (struct lt_str){ "", 0 };
    if (lt_text_check(s.p, s.n) < s.n) {
        lt_buf_str(&spelt, "bytes:");
        for (size_t i = 0; i < s.n; i++) lt_buf_fmt(&spelt, "\\x%02x", (unsigned char)s.p[i]);
    }
    lt_json_put_text(out, spelt.n ? lt_buf_view(&spelt) : s);
    lt_buf_free(&spelt);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void lt_spelling_bytes(struct lt_str s, struct lt_buf *out)
{
    const size_t head = strlen("bytes:"), each = strlen("\\x00");
    bool bytes = lt_str_starts(s, "bytes:\\x") && (s.n - head) % each == 0;
    for (size_t i = head; bytes && i < s.n; i += each)
        bytes = s.p[i] == '\\' && s.p[i + 1] == 'x' && hex_digit(s.p[i + 2]) >= 0 && hex_digit(s.p[i + 3]) >= 0;
    if (!bytes) lt_buf_put(out, s.p, s.n);
    for (size_t i = head; bytes && i < s.n; i += each)
        lt_buf_char(out, (char)(hex_digit(s.p[i + 2]) * 16 + hex_digit(s.p[i + 3])));
}
