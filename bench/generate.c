/* Writing with a small model, 4 million parameters of which a quarter are embeddings: 8 replies of 64 tokens one after
 * the other and together, and what a token costs beside its products.
 *
 * The peer of "together" is "one after the other", so its ratio is what batching gives.  The peer of "beside the
 * products" is a limit. */
#include "bench.h"

#include "decode/sample.h"
#include "math/gemm.h"
#include "model/session.h"

enum { REPLIES = 8, TOKENS = 64 };

struct setting { struct lt_model *m; struct lt_runner *run; struct lt_ctx *c; int batch; };

static int open_session(void *self, struct lt_session *out)
{
    lt_runner_session(((struct setting *)self)->run, out);
    return 0;
}
static const struct lt_lm_type type = { .m = { .name = "bench" }, .session = open_session };

static struct lt_model *make(const char *json)
{
    const struct lt_arch *arch = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *o = lt_options_new(&arch->m);
    struct lt_model *m;
    if (lt_options_json(o, json) || lt_model_new(arch, o, 1, NULL, &m))
        exit((fprintf(stderr, "%s\n", lt_error()), 1));
    return m;
}

static void open_setting(struct setting *s, enum lt_compute compute)
{
    lt_model_pack(s->m, compute, s->c);
    if (lt_runner_new(s->m, s->c, (struct lt_session_spec){ .compute = compute }, &s->run)) exit(1);
}

static void write_all(void *arg)
{
    struct setting *s = arg;
    struct lt_lm lm = { &type, s };
    struct lt_ask ask[REPLIES];
    struct lt_reply reply[REPLIES];
    int32_t prompt[REPLIES][8];
    for (int i = 0; i < REPLIES; i++) {
        for (int k = 0; k < 8; k++) prompt[i][k] = 100 * i + k;
        ask[i] = (struct lt_ask){ .prompt_ids = prompt[i], .prompt_count = 8, .max_tokens = TOKENS, .seed = 1,
                                  .number = (uint64_t)i };
    }
    struct lt_batcher_how how = { .batch = s->batch };
    if (lt_generate_how(&lm, s->c, &how, ask, REPLIES, reply)) exit((fprintf(stderr, "%s\n", lt_error()), 1));
    for (int i = 0; i < REPLIES; i++) lt_reply_release(&reply[i]);
}

/* The products of one token alone: of all layers, and of the head. */
static void products(void *arg)
{
    struct setting *s = arg;
    static float x[4096], y[65536];
    for (int i = 0; i < s->m->weight_count; i++) {
        const struct lt_weight *w = &s->m->weight[i];
        if (!w->packs.forward) continue;
        lt_gemm(lt_ctx_pool(s->c), &(struct lt_gemm){ .m = 1, .n = w->dim[0], .k = w->dim[1], .a = x, .c = y,
                                                      .packed = w->packs.forward, .compute = w->packed_for });
    }
}

static struct lt_session session;
static int32_t fed;
static void one_token(void *arg)
{
    (void)arg;
    static float row[65536];
    if (fed == 256) {
        fed = 0;
        session.type->rewind(session.self, 256);
    }
    int32_t token = 5;
    fed++;
    if (session.type->feed_many(&(struct lt_feed){ .s = session.self, .token = &token, .n = 1, .row = row, .rows = 1 },
                                1))
        exit((fprintf(stderr, "%s\n", lt_error()), 1));
}

static void replies(int threads)
{
    struct setting s[2];
    struct bench_side side[2];
    char what[64];
    for (int i = 0; i < 2; i++) {
        s[i] = (struct setting){ .c = lt_ctx_new(threads, NULL, NULL), .batch = i ? REPLIES : 1 };
        s[i].m = make("{\"vocab_size\": 4096, \"hidden_size\": 256, \"intermediate_size\": 688, "
                      "\"num_hidden_layers\": 4, \"num_attention_heads\": 4, \"tie_word_embeddings\": true}");
        open_setting(&s[i], LT_COMPUTE_F32);
        side[i] = (struct bench_side){ .name = i ? "together" : "in turn", .run = write_all, .arg = &s[i] };
    }
    bench_race(side, 2, 9, 0.2);
    for (int i = 0; i < 2; i++) {
        snprintf(what, sizeof what, "generate/4M f32, 8 replies %s t%d", side[i].name, threads);
        bench_row(what, "tokens/s", REPLIES * TOKENS / side[i].median, i ? REPLIES * TOKENS / side[0].median : 0,
                  "in turn", "products", 0);
        lt_runner_free(s[i].run);
        lt_model_free(s[i].m);
        lt_ctx_free(s[i].c);
    }
}

static void overhead(int threads)
{
    struct setting s = { .c = lt_ctx_new(threads, NULL, NULL) };
    struct bench_side side[2] = { { .name = "token", .run = one_token, .arg = &s },
                                  { .name = "products", .run = products, .arg = &s } };
    char what[64];
    s.m = make("{\"vocab_size\": 256, \"hidden_size\": 64, \"intermediate_size\": 128, \"num_hidden_layers\": 30, "
               "\"num_attention_heads\": 4, \"num_key_value_heads\": 2}");
    open_setting(&s, LT_COMPUTE_F32);
    lt_runner_session(s.run, &session);
    bench_race(side, 2, 15, 0.1);
    snprintf(what, sizeof what, "generate/token of 30 layers beside the products t%d", threads);
    bench_row(what, "ms", 1e3 * (side[0].median - side[1].median), 0.3, "limit", "-", 0);
    session.type->close(session.self);
    lt_runner_free(s.run);
    lt_model_free(s.m);
    lt_ctx_free(s.c);
}

int main(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        replies(threads);
        overhead(threads);
    }
    return 0;
}
