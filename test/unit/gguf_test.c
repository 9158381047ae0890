/* GGUF: the container and what is refused, models of every family there and back, tokenizers, types. */
#include "test.h"
#include "base/gguf.h"
#include "lm/generation.h"
#include "model/gguf_model.h"
#include "model/safetensors.h"
#include "surgery/export.h"
#include "surgery/quant_types.h"

#include <math.h>

/* ---- the container ---- */

static int put_floats(void *self, int i, struct lt_writer *to)
{
    (void)self;
    const float x[] = { 1, 2, 3, 4, 5, (float)i };
    lt_writer_put(to, x, sizeof x);
    return 0;
}

/* One of every kind of value and two tensors. */
static void write_sample(const char *path)
{
    struct lt_gguf_out *w = lt_gguf_out_new();
    const struct lt_str words[] = { lt_str("one"), lt_str(""), lt_str("three") };
    lt_gguf_put_str(w, "general.architecture", lt_str("none"));
    lt_gguf_put_u32(w, "a.small", 7);
    lt_gguf_put_u64(w, "a.large", UINT64_MAX);
    lt_gguf_put_f32(w, "a.real", 0.6);
    lt_gguf_put_bool(w, "a.yes", true);
    lt_gguf_put_strings(w, "a.words", words, 3);
    lt_gguf_put_i32s(w, "a.same", (int32_t[]){ -3, -3 }, 2);
    lt_gguf_put_i32s(w, "a.differ", (int32_t[]){ 1, 2 }, 2);
    lt_gguf_put_f32s(w, "a.reals", (float[]){ 0.5f, -2 }, 2);
    assert_true(lt_gguf_has_key(w, "a.yes") && !lt_gguf_has_key(w, "a.no"));
    assert_int_equal(lt_gguf_add(w, "x", 0, 2, (int64_t[]){ 2, 3 }), 0);
    assert_int_equal(lt_gguf_add(w, "y", 0, 1, (int64_t[]){ 6 }), 1);
    assert_ok(lt_gguf_save(w, path, put_floats, NULL));
    lt_gguf_out_free(w);
}

static struct lt_buf sample(void)
{
    char *folder = lt_test_temp();
    struct lt_buf b = { 0 };
    write_sample(lt_test_path(folder, "s.gguf"));
    assert_ok(lt_file_read(lt_test_path(folder, "s.gguf"), &b));
    lt_test_temp_end(folder);
    return b;
}

static void test_gguf__values_come_back(void **state)
{
    (void)state;
    struct lt_buf b = sample();
    struct lt_gguf *g;
    assert_ok(lt_gguf_parse(b.p, b.n, "s", &g));
    int64_t v = 0, *ints;
    double x = 0, *reals;
    bool yes = false;
    struct lt_str s = { 0 }, *words;
    uint64_t n;
    assert_int_equal(lt_gguf_int(g, "a.small", 0, 10, &v), 1);
    assert_int_equal(v, 7);
    assert_int_equal(lt_gguf_int(g, "a.same", -5, 5, &v), 1);
    assert_int_equal(v, -3);
    assert_int_equal(lt_gguf_int(g, "a.missing", 0, 1, &v), 0);
    assert_int_equal(v, -3);
    assert_fails(lt_gguf_int(g, "a.large", 0, INT64_MAX, &v), "more than");
    assert_fails(lt_gguf_int(g, "a.small", 0, 6, &v), "from 0 to 6, found 7");
    assert_fails(lt_gguf_int(g, "a.real", 0, 6, &v), "a whole number");
    assert_fails(lt_gguf_int(g, "a.differ", 0, 6, &v), "differs from layer to layer");
    assert_int_equal(lt_gguf_real(g, "a.real", &x), 1);
    assert_true(x == 0.6);
    assert_int_equal(lt_gguf_real(g, "a.small", &x), 1);
    assert_true(x == 7);
    assert_fails(lt_gguf_real(g, "a.words", &x), "a number");
    assert_int_equal(lt_gguf_bool(g, "a.yes", &yes), 1);
    assert_true(yes);
    assert_fails(lt_gguf_bool(g, "a.small", &yes), "true or false");
    assert_int_equal(lt_gguf_str(g, "general.architecture", &s), 1);
    assert_true(lt_str_is(s, "none"));
    assert_fails(lt_gguf_str(g, "a.words", &s), "a text");
    assert_int_equal(lt_gguf_strings(g, "a.words", &words, &n), 1);
    assert_true(n == 3 && lt_str_is(words[0], "one") && !words[1].n && lt_str_is(words[2], "three"));
    assert_int_equal(lt_gguf_ints(g, "a.differ", &ints, &n), 1);
    assert_true(n == 2 && ints[0] == 1 && ints[1] == 2);
    assert_int_equal(lt_gguf_reals(g, "a.reals", &reals, &n), 1);
    assert_true(n == 2 && reals[0] == 0.5 && reals[1] == -2);
    const struct lt_gguf_tensor *t = lt_gguf_find_tensor(g, "y");
    assert_true(t && t->rank == 1 && t->dim[0] == 6 && ((const float *)t->data)[5] == 1);
    t = lt_gguf_find_tensor(g, "x");
    assert_true(t->rank == 2 && t->dim[0] == 2 && t->dim[1] == 3 && ((const float *)t->data)[5] == 0);
    free(words);
    free(ints);
    free(reals);
    lt_gguf_free(g);
    lt_buf_free(&b);
}

/* File `no` of `count`, with one tensor of its number; the first says how many there are. */
static void write_part(const char *path, uint32_t no, uint32_t count, uint32_t tensors)
{
    struct lt_gguf_out *w = lt_gguf_out_new();
    char name[8];
    snprintf(name, sizeof name, "t%u", no);
    if (!no) lt_gguf_put_str(w, "general.architecture", lt_str("none"));
    lt_gguf_put_u32(w, "split.no", no);
    lt_gguf_put_u32(w, "split.count", count);
    lt_gguf_put_u32(w, "split.tensors.count", tensors);
    lt_gguf_add(w, name, 0, 1, (int64_t[]){ 6 });
    assert_ok(lt_gguf_save(w, path, put_floats, NULL));
    lt_gguf_out_free(w);
}

static void test_gguf__split_files_are_one(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_gguf *g;
    for (uint32_t i = 0; i < 3; i++) {
        char name[40];
        snprintf(name, sizeof name, "m-%05u-of-00003.gguf", i + 1);
        write_part(lt_test_path(folder, name), i, 3, 3);
    }
    char first[256];
    snprintf(first, sizeof first, "%s", lt_test_path(folder, "m-00001-of-00003.gguf"));
    assert_ok(lt_gguf_open(first, &g));
    assert_int_equal(g->tensor_count, 3);
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", i);
        const struct lt_gguf_tensor *t = lt_gguf_find_tensor(g, name);
        assert_non_null(t);
        assert_memory_equal(t->data, ((const float[]){ 1, 2, 3, 4, 5 }), 5 * sizeof(float));
    }
    lt_gguf_free(g);
    assert_fails(lt_gguf_open(lt_test_path(folder, "m-00002-of-00003.gguf"), &g), "open the first, whose name ends in "
                                                                                 "-00001-of-00003.gguf");
    struct lt_buf b = { 0 };
    assert_ok(lt_file_read(first, &b));
    assert_fails(lt_gguf_parse(b.p, b.n, "m", &g), "file 1 of 3 of a model, which only opens by the path");
    lt_buf_free(&b);
    write_part(lt_test_path(folder, "m-00003-of-00003.gguf"), 1, 3, 3);
    assert_fails(lt_gguf_open(first, &g), "expected file 3 of 3, found file 2 of 3");
    write_part(lt_test_path(folder, "m-00002-of-00003.gguf"), 0, 3, 3);
    assert_fails(lt_gguf_open(first, &g), "expected file 2 of 3, found file 1 of 3");
    write_part(lt_test_path(folder, "m-00002-of-00003.gguf"), 1, 3, 3);
    write_part(lt_test_path(folder, "m-00003-of-00003.gguf"), 2, 3, 3);
    write_part(first, 0, 3, 4);
    assert_fails(lt_gguf_open(first, &g), "its 3 files hold 3 tensors and should hold 4");
    assert_int_equal(remove(lt_test_path(folder, "m-00002-of-00003.gguf")), 0);
    assert_fails(lt_gguf_open(first, &g), "m-00002-of-00003.gguf");
    lt_test_temp_end(folder);
}

static void test_gguf__every_cut_is_refused(void **state)
{
    (void)state;
    struct lt_buf b = sample();
    for (size_t n = 0; n < b.n - 8; n++) {      /* the last tensor ends 8 bytes before its padding does */
        struct lt_gguf *g;
        char *copy = lt_alloc(n + 1);
        memcpy(copy, b.p, n);
        if (lt_gguf_parse(copy, n, "cut", &g) == 0) fail_msg("a file of %zu of %zu bytes was read", n, b.n);
        assert_non_null(strstr(lt_error(), "cut"));
        free(copy);
    }
    lt_buf_free(&b);
}

/* Writes v at the place `after` bytes behind the first place of a text in the file. */
struct damage { const char *text; int after, size; uint64_t v; const char *said; };

static void test_gguf__damage_is_named(void **state)
{
    (void)state;
    static const struct damage row[] = {
        { "GGUF", 0, 1, 'g', "not a GGUF file" },
        { "GGUF", 4, 4, 1, "GGUF version 1" },
        { "GGUF", 4, 4, 0x03000000, "big-endian" },
        { "GGUF", 8, 8, UINT64_MAX, "cut short" },
        { "GGUF", 16, 8, UINT64_MAX, "cut short" },
        { "a.small", -8, 8, UINT64_MAX, "cut short" },
        { "a.small", -8, 8, 0, "empty or not printable" },
        { "a.small", 0, 1, 1, "empty or not printable" },
        { "a.small", 7, 4, 13, "values of type 13" },
        { "a.words", 7 + 4, 4, 9, "arrays of arrays" },
        { "a.words", 7 + 8, 8, UINT64_MAX / 2, "cut short" },
        { "a.words", 7 + 16, 8, UINT64_MAX, "cut short" },
        { "a.yes", 5 + 4, 1, 2, NULL },
        { "a.large", 2, 5, 0x6c6c616d73 /* "small" */, "is there twice" },
        { "x\x02\x00\x00\x00", 1, 4, 5, "has 5 dimensions" },
        { "x\x02\x00\x00\x00", 5, 8, 0, "size 0 of dimension 0" },
        { "x\x02\x00\x00\x00", 5, 8, UINT64_C(1) << 60, "is not possible" },
        { "x\x02\x00\x00\x00", 21, 4, 99, "unknown type 99" },
        { "x\x02\x00\x00\x00", 21, 4, 2, "which blocks of 32 (Q4_0) do not divide" },
        { "x\x02\x00\x00\x00", 25, 8, 1, "expected a multiple of 32" },
        { "x\x02\x00\x00\x00", 25, 8, UINT64_C(1) << 40, "the file is cut short" },
        { "x\x02\x00\x00\x00", 0, 1, 'y', "tensor \"y\" is there twice" },
    };
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct lt_buf b = sample();
        struct lt_gguf *g;
        size_t n = row[i].text[0] == 'x' ? 5 : strlen(row[i].text);
        char *at = memmem(b.p, b.n, row[i].text, n);
        assert_non_null(at);
        for (int k = 0; k < row[i].size; k++) at[row[i].after + k] = (char)(row[i].v >> (8 * k));
        if (!row[i].said) {                     /* a value that is wrong is told when it is asked for */
            bool yes;
            assert_ok(lt_gguf_parse(b.p, b.n, "s", &g));
            assert_fails(lt_gguf_bool(g, "a.yes", &yes), "true or false");
            lt_gguf_free(g);
        } else {
            assert_fails(lt_gguf_parse(b.p, b.n, "s", &g), row[i].said);
        }
        lt_buf_free(&b);
    }
}

/* ---- models ---- */

static const char *const families[][2] = {
    { "llama", NULL }, { "llama", "tie_word_embeddings=true" }, { "llama", "attention_bias=true" },
    { "llama", "rope_scaling_type=linear,rope_scaling_factor=2" }, { "llama", "head_dim=16" },
    { "llama", "rope_scaling_type=llama3,rope_scaling_factor=4,rope_scaling_original_max_position_embeddings=16" },
    { "mistral", "sliding_window=6" }, { "qwen2", NULL }, { "olmo2", NULL }, { "gpt2", NULL },
    { "gpt2", "tie_word_embeddings=false" }, { "stablelm", "use_qkv_bias=true" },
    { "stablelm", "use_parallel_residual=true" }, { "phi", "partial_rotary_factor=0.4" },
};

static struct lt_model *make(const char *arch, const char *more)
{
    static const char *const size[][2] = {
        { "vocab_size", "64" }, { "hidden_size", "40" }, { "num_hidden_layers", "2" }, { "num_attention_heads", "4" },
        { "max_position_embeddings", "32" }, { "intermediate_size", "48" },
    };
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", arch);
    struct lt_options *s = lt_options_new(&a->m);
    for (int i = 0; i < LT_COUNT(size); i++)
        if (!more || !strstr(more, size[i][0])) assert_ok(lt_options_set(s, size[i][0], size[i][1]));
    struct lt_str rest = { more, more ? strlen(more) : 0 }, part, key;
    while (rest.p && rest.n && lt_str_split(&rest, ',', &part)) {
        char k[96], v[32];
        lt_str_split(&part, '=', &key);
        snprintf(k, sizeof k, "%.*s", (int)key.n, key.p);
        snprintf(v, sizeof v, "%.*s", (int)part.n, part.p);
        assert_ok(lt_options_set(s, k, v));
    }
    struct lt_model *m;
    assert_ok(lt_model_new(a, s, 3, NULL, &m));
    struct lt_rng r = lt_rng_make(1, "vectors");        /* biases and norms that matter */
    for (int i = 0; i < m->weight_count; i++)
        for (int64_t k = 0; m->weight[i].rank == 1 && k < m->weight[i].dim[0]; k++)
            m->weight[i].master[k] += (float)(lt_rng_unit(&r) - 0.5);
    return m;
}

static void logits(struct lt_model *m, float *out)
{
    enum { N = 20 };
    int32_t token[N], pos[N];
    for (int i = 0; i < N; i++) {
        token[i] = (i * 13 + 5) % 64;
        pos[i] = i;
    }
    const int64_t seq_row[2] = { 0, N };
    const struct lt_batch b = { .rows = N, .token = token, .pos = pos, .seq_count = 1, .seq_row = seq_row };
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    struct lt_tensor *x = m->arch->forward(m->o, m, g, &b);
    assert_non_null(x);
    memcpy(out, lt_model_logits(g, m, x)->data, N * 64 * sizeof(float));
    lt_graph_free(g);
}

static void export_as(const char *folder, const char *path)
{
    struct lt_source s;
    struct lt_export e;
    assert_ok(lt_source_open(folder, NULL, &s));
    assert_ok(lt_export_begin(&s, &e));
    for (int i = 0; i < e.plan.count; i++)
        if (lt_export_is_plain(&e, i)) e.type[i] = LT_F32;
    assert_ok(lt_export_save(&e, NULL, path));
    lt_export_release(&e);
    lt_source_release(&s);
}

static void same_file(const char *a, const char *b)
{
    struct lt_buf x = { 0 }, y = { 0 };
    assert_ok(lt_file_read(a, &x));
    assert_ok(lt_file_read(b, &y));
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
    lt_buf_free(&x);
    lt_buf_free(&y);
}

static void there_and_back(const char *folder, int family, enum lt_dtype type)
{
    static float want[20 * 64], got[20 * 64];
    struct lt_model *m = make(families[family][0], families[family][1]), *n;
    const char *first = lt_test_path(folder, "first"), *second = lt_test_path(folder, "second");
    const char *file = lt_test_path(folder, "m.gguf");
    assert_ok(lt_model_save(m, first, type));
    lt_model_free(m);
    export_as(first, file);
    assert_ok(lt_model_open(first, &m));
    assert_ok(lt_model_open(file, &n));
    assert_string_equal(m->arch->m.name, n->arch->m.name);
    logits(m, want);
    logits(n, got);
    if (memcmp(want, got, sizeof want)) fail_msg("%s, %s: other logits", families[family][0], families[family][1]);
    assert_ok(lt_model_save(n, second, type));
    same_file(lt_test_path(folder, "first/model.safetensors"), lt_test_path(folder, "second/model.safetensors"));
    lt_model_free(m);
    lt_model_free(n);
    assert_ok(lt_model_open(second, &m));
    logits(m, got);
    assert_memory_equal(want, got, sizeof want);
    /* A run that goes on from a file trains what a run from the folder trains. */
    assert_ok(lt_model_open(file, &n));
    assert_ok(lt_model_train(m));
    assert_ok(lt_model_train(n));
    for (int i = 0; i < m->weight_count; i++)
        assert_memory_equal(m->weight[i].master, n->weight[i].master,
                            (size_t)lt_weight_count(&m->weight[i]) * sizeof(float));
    lt_model_free(m);
    lt_model_free(n);
}

static void test_gguf__models_there_and_back_are_the_same(void **state)
{
    (void)state;
    static const enum lt_dtype type[] = { LT_F32, LT_BF16, LT_F16 };
    char *folder = lt_test_temp();
    for (int i = 0; i < LT_COUNT(families); i++)
        for (int t = 0; t < LT_COUNT(type); t++) there_and_back(folder, i, type[t]);
    lt_test_temp_end(folder);
}

static void test_gguf__what_a_family_cannot_say_is_refused(void **state)
{
    (void)state;
    static const struct { const char *arch, *more, *said; } row[] = {
        { "gpt_neox", NULL, "GGUF files of gpt_neox are not written" },
        { "olmo", NULL, "GGUF files of olmo are not written" },
        { "llama", "hidden_act=relu", "one activation, silu" },
        { "gpt2", "activation_function=gelu", "one activation, gelu_new" },
        { "gpt2", "scale_attn_by_inverse_layer_idx=true", "scale_attn_by_inverse_layer_idx" },
        { "qwen2", "use_sliding_window=true,sliding_window=4,max_window_layers=0", "sliding window" },
        { "qwen2", "rope_scaling_type=llama3,rope_scaling_factor=2", "for llama alone" },
    };
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct lt_source s = { .m = make(row[i].arch, row[i].more) };
        struct lt_export e;
        assert_fails(lt_export_begin(&s, &e), row[i].said);
        lt_export_release(&e);
        lt_source_release(&s);
    }
}

static void test_gguf__numbers_that_half_precision_cannot_hold_are_refused(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_source s = { .m = make("llama", NULL) };
    struct lt_export e;
    lt_buf_str(&s.name, "big");
    lt_model_weight(s.m, "model.layers.1.mlp.up_proj.weight")->master[7] = 70000;
    assert_ok(lt_export_begin(&s, &e));
    for (int i = 0; i < e.plan.count; i++)
        if (!lt_export_is_plain(&e, i)) e.type[i] = LT_F16;
    assert_fails(lt_export_save(&e, NULL, lt_test_path(folder, "m.gguf")),
                 "blk.1.ffn_up.weight holds 70000, and f16 ends at 65504");
    assert_false(lt_path_exists(lt_test_path(folder, "m.gguf")));
    lt_export_release(&e);
    lt_source_release(&s);
    lt_test_temp_end(folder);
}

static void test_gguf__sampling_comes_back(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_source s = { .m = make("llama", NULL) };
    struct lt_export e;
    struct lt_generation g;
    lt_buf_str(&s.name, "m");
    s.m->generation.sample = true;
    s.m->generation.temperature = 0.6;
    s.m->generation.top_k = 20;
    s.m->generation.top_p = 0.95;
    assert_ok(lt_export_begin(&s, &e));
    assert_ok(lt_export_save(&e, NULL, lt_test_path(folder, "m.gguf")));
    assert_ok(lt_generation_read(lt_test_path(folder, "m.gguf"), &g));
    assert_true(g.sample && g.temperature == 0.6 && g.top_k == 20 && g.top_p == 0.95 && isnan(g.repetition_penalty));
    lt_export_release(&e);
    lt_source_release(&s);
    lt_test_temp_end(folder);
}

/* Keys that would change what is computed, in a file that is otherwise a model. */
static void test_gguf__keys_and_tensors_nobody_knows_are_refused(void **state)
{
    (void)state;
    struct lt_buf b = { 0 };
    struct lt_model *m;
    assert_ok(lt_file_read("test/fuzz/corpus/gguf/llama", &b));
    static const struct { const char *text, *put, *said; } row[] = {
        { "llama.rope.freq_base", "llama.rope.freq_bass", "llama.rope.freq_bass is not known for llama" },
        { "llama.block_count", "llama.block_counx", "the key llama.block_count is missing" },
        { "blk.0.attn_q.weight", "blk.0.attn_x.weight", "tensor blk.0.attn_q.weight is missing" },
        { "output_norm.weight", "output_norm.weighs", "tensor output_norm.weight is missing" },
        { "token_embd.weight", "token_embd.weighs", "not a language model" },
    };
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct lt_buf copy = { 0 };
        lt_buf_put(&copy, b.p, b.n);
        char *at = memmem(copy.p, copy.n, row[i].text, strlen(row[i].text));
        assert_non_null(at);
        memcpy(at, row[i].put, strlen(row[i].put));
        assert_fails(lt_model_parse_gguf("m", (const uint8_t *)copy.p, copy.n, &m), row[i].said);
        lt_buf_free(&copy);
    }
    lt_buf_free(&b);
}

/* ---- types ---- */

static void types_of(const struct lt_source *s, const struct lt_type_rules *r, struct lt_export *e,
                     struct lt_type_counts *n)
{
    assert_ok(lt_export_begin(s, e));
    assert_ok(lt_choose_types(r, e, n));
}

static enum lt_dtype type_of(const struct lt_export *e, const char *name)
{
    for (int i = 0; i < e->plan.count; i++)
        if (!strcmp(e->plan.part[i].name, name)) return e->type[i];
    fail_msg("there is no tensor %s", name);
    return LT_F32;
}

static void test_gguf__types_follow_rules_and_are_never_replaced(void **state)
{
    (void)state;
    struct lt_source s = { .m = make("llama", "hidden_size=256,intermediate_size=288,num_hidden_layers=8") };
    struct lt_export e;
    struct lt_type_counts n;
    struct lt_list none = { 0 };
    struct lt_list rules = { (const char *[]){ "attn_v=q5_k", "blk.0.*=q8_0", "ffn_down=q8_0" }, 3 };
    struct lt_type_rules r = { .type = "Q4_K_M", .rules = &none, .fallback = "refuse" };
    assert_ok(lt_export_begin(&s, &e));
    assert_fails(lt_choose_types(&r, &e, &n), "blk.0.ffn_down.weight has rows of 288, which blocks of 256");
    lt_export_release(&e);
    r.fallback = "q4_0";
    types_of(&s, &r, &e, &n);
    assert_int_equal(n.fallen, 8);
    assert_int_equal(type_of(&e, "blk.0.ffn_down.weight"), LT_Q4_0);
    assert_int_equal(type_of(&e, "blk.0.attn_v.weight"), LT_Q6_K);      /* the first eighth */
    assert_int_equal(type_of(&e, "blk.1.attn_v.weight"), LT_Q4_K);
    assert_int_equal(type_of(&e, "blk.3.attn_v.weight"), LT_Q6_K);      /* every third */
    assert_int_equal(type_of(&e, "blk.7.attn_v.weight"), LT_Q6_K);      /* the last eighth */
    assert_int_equal(type_of(&e, "blk.0.attn_q.weight"), LT_Q4_K);
    assert_int_equal(type_of(&e, "blk.0.attn_norm.weight"), LT_F32);
    assert_int_equal(type_of(&e, "output.weight"), LT_Q6_K);
    lt_export_release(&e);
    r.fallback = "llama.cpp";
    types_of(&s, &r, &e, &n);
    assert_int_equal(n.fallen, 8);
    assert_int_equal(type_of(&e, "blk.0.ffn_down.weight"), LT_Q8_0);    /* for Q6_K */
    assert_int_equal(type_of(&e, "blk.1.ffn_down.weight"), LT_Q5_0);    /* for Q4_K */
    lt_export_release(&e);
    r = (struct lt_type_rules){ .type = "q4_k", .rules = &rules, .fallback = "refuse", .pure = true };
    types_of(&s, &r, &e, &n);
    assert_int_equal(type_of(&e, "blk.0.attn_v.weight"), LT_Q8_0);
    assert_int_equal(type_of(&e, "blk.1.attn_v.weight"), LT_Q5_K);
    assert_int_equal(type_of(&e, "output.weight"), LT_Q4_K);
    assert_int_equal(type_of(&e, "blk.0.attn_norm.weight"), LT_F32);
    lt_export_release(&e);
    static const struct { const char *type, *rule, *said; } wrong[] = {
        { "q3_k", NULL, "the type \"q3_k\" is unknown" },
        { "q8_0", "attn_v", "expected PATTERN=TYPE" },
        { "q8_0", "attn_v=q9", "the type \"q9\" of a tensor is unknown" },
        { "q8_0", "nowhere=q8_0", "no matrix of the model has a name like \"nowhere\"" },
    };
    for (int i = 0; i < LT_COUNT(wrong); i++) {
        struct lt_list one = { (const char *[]){ wrong[i].rule }, wrong[i].rule != NULL };
        r = (struct lt_type_rules){ .type = wrong[i].type, .rules = &one, .fallback = "q8_0" };
        assert_ok(lt_export_begin(&s, &e));
        assert_fails(lt_choose_types(&r, &e, &n), wrong[i].said);
        lt_export_release(&e);
    }
    lt_source_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf__values_come_back),
        cmocka_unit_test(test_gguf__split_files_are_one), cmocka_unit_test(test_gguf__every_cut_is_refused),
        cmocka_unit_test(test_gguf__damage_is_named),
        cmocka_unit_test(test_gguf__models_there_and_back_are_the_same),
        cmocka_unit_test(test_gguf__what_a_family_cannot_say_is_refused),
        cmocka_unit_test(test_gguf__numbers_that_half_precision_cannot_hold_are_refused),
        cmocka_unit_test(test_gguf__sampling_comes_back),
        cmocka_unit_test(test_gguf__keys_and_tensors_nobody_knows_are_refused),
        cmocka_unit_test(test_gguf__types_follow_rules_and_are_never_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
