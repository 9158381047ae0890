/* Bodies of /grammar/next over arbitrary bytes, and the place of a fault: a sentence, a NUL, the text it speaks of. */
#include "serve/grammar_next.h"
#include "text/tokenizer.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct lt_tokenizer *make_tokenizer(void)
{
    static const char *const word[] = { "a", "b", "ab", "{", "}", "\"", "0", ":", "<e>" };
    enum { COUNT = LT_COUNT(word) };
    struct lt_str piece[COUNT];
    for (int i = 0; i < COUNT; i++) piece[i] = lt_str(word[i]);
    struct lt_tok_added end = { .id = COUNT - 1, .content = piece[COUNT - 1], .special = true };
    struct lt_tok_spec spec = { .kind = LT_TOK_BPE, .count = COUNT, .piece = piece, .added = &end, .added_count = 1,
                                .bos = -1, .eos = COUNT - 1, .unk_id = -1 };
    struct lt_tokenizer *t;
    int rc = lt_tokenizer_build(&spec, &t);
    assert(rc == 0);
    return t;
}

static void ask(struct lt_str body)
{
    struct lt_tokenizer *t = make_tokenizer();
    struct lt_grammar_ask a;
    struct lt_fault f = { 0 };
    struct lt_buf out = { 0 };
    json_t *reply;
    int rc = lt_grammar_ask_parse(&a, body, &f);
    if (!rc) rc = lt_grammar_ask_answer(&a, t, &out, &f);
    assert(!rc == !f.status);
    if (!rc) {
        rc = lt_json_parse("reply", lt_buf_view(&out), &reply);
        assert(rc == 0);
        json_decref(reply);
    }
    lt_grammar_ask_release(&a);
    lt_fault_release(&f);
    lt_buf_free(&out);
    lt_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const uint8_t *cut = n ? memchr(p, 0, n) : NULL;
    ask((struct lt_str){ (const char *)p, n });
    if (!cut) return 0;
    size_t rest = n - (size_t)(cut + 1 - p);
    char *text = malloc(rest + 1);                      /* of its own, so that a byte too far is noticed */
    memcpy(text, cut + 1, rest);
    struct lt_grammar_place at = lt_grammar_place((const char *)p, (struct lt_str){ text, rest });
    assert(at.line >= 0 && at.column >= 0);
    free(text);
    return 0;
}
