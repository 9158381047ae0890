/* Prompts and generation: a prompt of 512 tokens, then 128 tokens one by one, at the sizes of SmolLM2-135M and
 * TinyLlama-1.1B with random weights, by type of the weights, two threads.
 *
 * Peers run beside it when LLAMA_BENCH names the llama-bench of llama.cpp, IK_BENCH that of ik_llama.cpp, which then
 * repacks the weights as it loads them, and BENCH_GGUF a folder with files SIZE-TYPE.gguf (135M-q8_0.gguf), which all
 * sides then read; a row names the better of the two.  Without a file the weights are made in memory; where 256 does
 * not divide a width, a matrix is then Q8_0 instead of Q4_K.
 *
 * Memory of a shared machine has moods of seconds, so that every round times each side once and then the bandwidth of
 * reads; figures are medians of rounds, the share of the bandwidth too.
 *
 * Arguments: parts of what to keep, as "135M" or "q4_0". */
#include "bench.h"

#include "base/io.h"
#include "base/json.h"
#include "math/ceiling.h"
#include "math/quant.h"
#include "math/row_kernel.h"
#include "model/inspect_model.h"
#include "model/session.h"
#include <string.h>

enum { PROMPT = 512, GENERATE = 128, ROUNDS = 3, THREADS = 2 };

struct size { const char *name, *option[8][2]; };
static const struct size sizes[] = {
    { "135M", { { "vocab_size", "49152" }, { "hidden_size", "576" }, { "intermediate_size", "1536" },
                { "num_hidden_layers", "30" }, { "num_attention_heads", "9" }, { "num_key_value_heads", "3" },
                { "max_position_embeddings", "2048" }, { "tie_word_embeddings", "true" } } },
    { "1.1B", { { "vocab_size", "32000" }, { "hidden_size", "2048" }, { "intermediate_size", "5632" },
                { "num_hidden_layers", "22" }, { "num_attention_heads", "32" }, { "num_key_value_heads", "4" },
                { "max_position_embeddings", "2048" }, { "tie_word_embeddings", "false" } } },
};

struct kind { const char *name; enum lt_dtype type; };
static const struct kind kinds[] = { { "f32", LT_F32 }, { "bf16", LT_BF16 }, { "f16", LT_F16 }, { "q8_0", LT_Q8_0 },
                                     { "q4_0", LT_Q4_0 }, { "q4_K", LT_Q4_K } };

struct ceilings { double f32, bf16, int8; };

static void must(int rc)
{
    if (rc) exit((fprintf(stderr, "bench: %s\n", lt_error()), 1));
}

static struct lt_model *make(const struct size *z, struct lt_ctx *c)
{
    const struct lt_arch *arch = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *s = lt_options_new(&arch->m);
    struct lt_model *m;
    for (int i = 0; i < LT_COUNT(z->option); i++) must(lt_options_set(s, z->option[i][0], z->option[i][1]));
    must(lt_model_new(arch, s, 1, c, &m));
    return m;
}

/* Matrices of `m` in another type, beside its floats: the next type begins from those. */
static void store(struct lt_model *m, enum lt_dtype wish, struct lt_pool *pool, void **copy)
{
    for (int i = 0; i < m->weight_count; i++) {
        struct lt_weight *w = &m->weight[i];
        const int64_t n = lt_weight_count(w);
        enum lt_dtype t = w->rank == 2 ? wish : LT_F32;
        if (w->rank == 2 && w->dim[1] % lt_dtype_block(t)) t = LT_Q8_0;
        copy[i] = NULL;
        w->data = w->master;
        w->type = t;
        if (t == LT_F32) continue;
        w->data = copy[i] = lt_aligned(lt_dtype_bytes(t, n));
        struct lt_quant q = { .type = t, .rows = w->dim[0], .width = w->dim[1] };
        if (lt_dtype_quantised(t)) must(lt_quant_rows(pool, &q, w->master, copy[i]));
        else lt_convert(t, copy[i], LT_F32, w->master, n);
    }
}

/* Tokens a second of one side, by round; 0: it did not run. */
struct side { double prompt[ROUNDS], generate[ROUNDS]; };

static double median(const double *x)
{
    double sorted[ROUNDS];
    memcpy(sorted, x, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof *sorted, bench_order);
    return sorted[ROUNDS / 2];
}

static int32_t likeliest(const float *x, int n)
{
    const float peak = lt_row_kernel()->peak(n, x);
    int best = 0;
    while (best < n - 1 && x[best] != peak) best++;
    return best;
}

static void ours(struct lt_model *m, struct lt_ctx *c, enum lt_compute compute, struct side *we, int r)
{
    int32_t token[PROMPT], next = 1;
    struct lt_session s;
    int vocab;
    const struct lt_session_spec spec = { .compute = compute, .cache = LT_BF16 };
    for (int i = 0; i < PROMPT; i++) token[i] = (int32_t)((i * 7919 + 13) % m->vocab);
    must(lt_model_session(m, c, spec, &s));
    double start = lt_clock();
    must(s.type->feed(s.self, token, PROMPT));
    s.type->logits(s.self, &vocab);
    we->prompt[r] = PROMPT / (lt_clock() - start);
    s.type->close(s.self);
    must(lt_model_session(m, c, spec, &s));
    start = lt_clock();
    for (int i = 0; i < GENERATE; i++) {
        must(s.type->feed(s.self, &next, 1));
        next = likeliest(s.type->logits(s.self, &vocab), vocab);
    }
    we->generate[r] = GENERATE / (lt_clock() - start);
    s.type->close(s.self);
}

/* A peer prints with -o json a list of runs, each with n_prompt, n_gen and avg_ts; lines before it are talk. */
static void peer(const char *program, const char *more, const char *name, struct side *side, int r)
{
    const char *folder = getenv("BENCH_GGUF");
    struct lt_buf text = { 0 };
    char command[1024], block[4096];
    if (!program || !folder) return;
    snprintf(command, sizeof command, "'%s' -m '%s/%s.gguf' -p %d -n %d -t %d -r 1 -o json %s", program, folder, name,
             PROMPT, GENERATE, THREADS, more);
    FILE *f = popen(command, "r");
    size_t n;
    while (f && (n = fread(block, 1, sizeof block, f)) > 0) lt_buf_put(&text, block, n);
    const bool fine = f && pclose(f) == 0;
    lt_buf_put(&text, "", 1);
    const char *list = strstr((const char *)text.p, "[\n");
    json_t *all = fine && list ? json_loads(list, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *run = json_array_get(all, i);
        const double v = json_number_value(json_object_get(run, "avg_ts"));
        (json_integer_value(json_object_get(run, "n_gen")) ? side->generate : side->prompt)[r] = v;
    }
    if (side->prompt[r] <= 0 || side->generate[r] <= 0)
        fprintf(stderr, "bench: %s gave no speeds for %s in round %d: its medians are too low\n", program, name, r + 1);
    json_decref(all);
    lt_buf_free(&text);
}

/* Bytes of weights that a token reads: all but the rows of an embedding that is not the head as well. */
static double bytes_read(const struct lt_model *m)
{
    double n = 0;
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        if (w->layer >= 0 || !strcmp(w->name, m->head_name)) n += (double)lt_dtype_bytes(w->type, lt_weight_count(w));
    }
    return n;
}

static void row(const char *what, double we, double llama, double ik, const char *bound, double share)
{
    bench_row(what, "tokens/s", we, ik > llama ? ik : llama, ik > llama ? "ik_llama.cpp" : "llama.cpp", bound, share);
}

static void rows(const char *name, struct lt_model *m, const struct kind *k, struct lt_ctx *c,
                 const struct ceilings *top)
{
    struct side we = { 0 }, llama = { 0 }, ik = { 0 };
    const bool bytes = lt_dtype_quantised(k->type), bf16 = k->type == LT_BF16 || k->type == LT_F16;
    const double peak = bytes ? top->int8 : bf16 ? top->bf16 : top->f32;
    /* The head sees the last token alone. */
    const double head = 2 * (double)m->vocab * (double)m->width;
    const double flops = lt_model_flops(m, PROMPT) - head * (PROMPT - 1) / PROMPT;
    double share[ROUNDS];
    char what[96];
    for (int r = 0; r < ROUNDS; r++) {
        ours(m, c, bf16 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32, &we, r);
        share[r] = we.generate[r] * bytes_read(m) / bench_memory(lt_ctx_pool(c)).read;
        peer(getenv("LLAMA_BENCH"), "", name, &llama, r);
        peer(getenv("IK_BENCH"), "-rtr 1", name, &ik, r);
    }
    snprintf(what, sizeof what, "inference/%s prompt %d", name, PROMPT);
    row(what, median(we.prompt), median(llama.prompt), median(ik.prompt),
        bytes ? "int8 peak" : bf16 ? "bf16 peak" : "f32 peak", peak > 0 ? median(we.prompt) * flops / peak : 0);
    snprintf(what, sizeof what, "inference/%s generate %d", name, GENERATE);
    row(what, median(we.generate), median(llama.generate), median(ik.generate), "memory read", median(share));
}

/* The model of the file that peers read; NULL: there is none. */
static struct lt_model *from_file(const char *name)
{
    const char *folder = getenv("BENCH_GGUF");
    char path[1024];
    struct lt_model *m = NULL;
    if (!folder) return NULL;
    snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
    if (!lt_path_exists(path)) return NULL;
    must(lt_model_open(path, &m));
    return m;
}

static void run_from_memory(struct lt_model *m, const char *name, const struct kind *k, struct lt_ctx *c,
                            const struct ceilings *top)
{
    void **copy = lt_calloc((size_t)m->weight_count, sizeof *copy);
    store(m, k->type, lt_ctx_pool(c), copy);
    rows(name, m, k, c, top);
    for (int w = 0; w < m->weight_count; w++) free(copy[w]);
    free(copy);
}

static bool wanted(const char *name, int argc, char **argv)
{
    bool keep = argc < 2;
    for (int i = 1; i < argc; i++) keep |= strstr(name, argv[i]) != NULL;
    return keep;
}

int main(int argc, char **argv)
{
    struct lt_ctx *c = lt_ctx_new(THREADS, NULL, NULL);
    struct lt_pool *pool = lt_ctx_pool(c);
    const struct ceilings top = { lt_peak_flops(pool, LT_COMPUTE_F32), lt_peak_flops(pool, LT_COMPUTE_BF16),
                                  bench_peak_int8(pool) };
    for (int i = 0; i < LT_COUNT(sizes); i++) {
        struct lt_model *m = NULL;
        for (int j = 0; j < LT_COUNT(kinds); j++) {
            char name[32];
            snprintf(name, sizeof name, "%s-%s", sizes[i].name, kinds[j].name);
            if (!wanted(name, argc, argv)) continue;
            struct lt_model *file = from_file(name);
            if (file) {
                rows(name, file, &kinds[j], c, &top);
                lt_model_free(file);
                continue;
            }
            if (!m) m = make(&sizes[i], c);
            run_from_memory(m, name, &kinds[j], c, &top);
        }
        lt_model_free(m);
    }
    lt_ctx_free(c);
    return 0;
}
