/* Saved sessions over arbitrary bytes: refused, or the session goes on.  Identity and checksum are made right first, so
 * that what lies behind them is reached too. */
#include "lm/feed.h"
#include "model/session.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { IDENTITY = 16, EMPTY = 56, TAIL = 8 };

static struct lt_model *small(void)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *o = lt_options_new(&a->m);
    struct lt_model *m;
    if (lt_options_json(o, "{\"vocab_size\": 9, \"hidden_size\": 4, \"intermediate_size\": 4, \"num_hidden_layers\": 1,"
                           " \"num_attention_heads\": 1, \"max_position_embeddings\": 40}")
        || lt_model_new(a, o, 1, NULL, &m))
        return NULL;
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_model *m = small();
    struct lt_session s;
    struct lt_buf empty = { 0 }, b = { 0 };
    int vocab;
    assert(m && n < 1 << 20);
    assert(!lt_model_session(m, NULL, (struct lt_session_spec){ .cache = n && p[0] == 'B' ? LT_I8 : LT_F32 }, &s));
    lt_session_write(&s, &empty);
    lt_buf_put(&b, p, n);
    if (n >= EMPTY) {
        b.p[0] = 'L';
        memcpy(b.p + IDENTITY, empty.p + IDENTITY, 8);
        uint64_t sum = lt_hash(b.p, n - TAIL, 0);
        memcpy(b.p + n - TAIL, &sum, sizeof sum);
    }
    if (!lt_session_parse(&s, "input", (const uint8_t *)b.p, n)) {
        assert(s.type->count(s.self) == 0 || s.type->logits(s.self, &vocab));
    } else {
        assert(s.type->count(s.self) == 0);
    }
    lt_session_close(&s);
    lt_buf_free(&b);
    lt_buf_free(&empty);
    lt_model_free(m);
    return 0;
}
