/* Sentences of arbitrary text: cut into words or not, no character is lost or moved but white space, and none is empty
 * or has two spaces in a row. */
#include "text/document.h"
#include "text/sentence_split.h"
#include "text/tok_char.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void put_visible(struct lt_buf *to, struct lt_str s)
{
    uint32_t c;
    for (size_t i = 0, size; i < s.n; i += size) {
        size = (size_t)lt_utf8_get(s.p + i, &c);
        if (lt_char_class(c) != LT_CHAR_SPACE) lt_buf_put(to, s.p + i, size);
    }
}

static int take(void *to, struct lt_str s, uint64_t words)
{
    uint64_t spaces = 0;
    assert(s.n && s.p[0] != ' ' && s.p[s.n - 1] != ' ');
    for (size_t i = 0; i < s.n; i++) {
        assert(s.p[i] != '\n' && (s.p[i] != ' ' || s.p[i + 1] != ' '));
        spaces += s.p[i] == ' ';
    }
    assert(words == spaces + 1);
    put_visible(to, s);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_str text = { (const char *)p, n };
    struct lt_map known = { 0 };
    struct lt_buf all = { 0 }, got = { 0 };
    if (n > (1 << 16) || lt_text_check(text.p, n) != n) return 0;
    lt_sentence_abbreviations(&known);
    put_visible(&all, text);
    for (int i = 0; i < 4; i++) {
        struct lt_sentence_rules r = { .abbreviations = &known, .lines = i & 1, .tokenize = i & 2 };
        lt_buf_clear(&got);
        assert(!lt_sentence_split(&r, text, take, &got));
        assert(lt_str_eq(lt_buf_view(&got), lt_buf_view(&all)));
    }
    lt_buf_free(&all);
    lt_buf_free(&got);
    lt_map_free(&known);
    return 0;
}
