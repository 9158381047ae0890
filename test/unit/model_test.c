/* Model folders and checkpoints that lie: one clear sentence each, and nothing opened. */
#include "test.h"
#include "base/ctx.h"
#include <math.h>
#include <pthread.h>
#include "model/session.h"
#include "model/safetensors.h"

static char *folder;

static int set_up(void **state)
{
    (void)state;
    folder = lt_test_temp();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lt_test_temp_end(folder);
    return 0;
}

static struct lt_model *small(void)
{
    static const char *const size[][2] = { { "vocab_size", "40" },
                                           { "hidden_size", "16" },
                                           { "num_hidden_layers", "2" },
                                           { "num_attention_heads", "4" },
                                           { "max_position_embeddings", "32" } };
    const struct lt_method *arch = lt_method_find("arch", "llama");
    struct lt_options *s = lt_options_new(arch);
    struct lt_model *m;
    for (int i = 0; i < LT_COUNT(size); i++) assert_ok(lt_options_set(s, size[i][0], size[i][1]));
    assert_ok(lt_model_new((const struct lt_arch *)arch, s, 1, NULL, &m));
    return m;
}

static void write_small(void)
{
    struct lt_model *m = small();
    assert_ok(lt_model_save(m, folder, LT_F32));
    lt_model_free(m);
}

static void refused(const char *path, const char *part)
{
    struct lt_model *m;
    if (lt_model_open(path, &m) == 0) {
        lt_model_free(m);
        fail_msg("opened; expected \"%s\"", part);
    }
    if (!strstr(lt_error(), part)) fail_msg("\"%s\" does not hold \"%s\"", lt_error(), part);
    if (strchr(lt_error(), '\n')) fail_msg("more than one line: %s", lt_error());
}

/* The file with its first `from` replaced. */
static void change(const char *name, const char *from, const char *to)
{
    struct lt_buf text = { 0 }, out = { 0 };
    const char *path = lt_test_path(folder, name);
    assert_ok(lt_file_read(path, &text));
    const char *at = strstr(text.p, from);
    if (!at) fail_msg("%s does not hold %s", name, from);
    lt_buf_put(&out, text.p, (size_t)(at - text.p));
    lt_buf_str(&out, to);
    lt_buf_str(&out, at + strlen(from));
    assert_ok(lt_file_save(path, out.p, out.n));
    lt_buf_free(&text);
    lt_buf_free(&out);
}

static void test_model__configurations_that_lie(void **state)
{
    (void)state;
    static const struct { const char *from, *to, *part; } row[] = {
        { "{", "", "config.json" },
        { "\"llama\"", "\"lama\"", "did you mean \"llama\"" },
        { "\"llama\"", "7", "\"model_type\" is missing" },
        { "LlamaForCausalLM", "LlamaForSequenceClassification", "another head" },
        { "\"hidden_size\": 16", "\"hidden_size\": -16", "from 1 to" },
        { "\"hidden_size\": 16", "\"hidden_size\": 1e300", "whole number" },
        { "\"hidden_size\": 16", "\"hidden_size\": 99999999999", "from 1 to" },
        { "\"hidden_size\": 16", "\"hidden_size\": \"wide\"", "whole number" },
        { "\"hidden_size\": 16", "\"hidden_size\": [16]", "\"hidden_size\" to be a number" },
        { "\"hidden_size\": 16", "\"hidden_size\": 16, \"hidden_size\": 16", "config.json" },
        { "\"hidden_size\": 16,", "", "\"hidden_size\" is missing" },
        { "\"hidden_size\": 16", "\"hidden_size\": 32", "(40, 16)" },
        { "\"vocab_size\": 40", "\"vocab_size\": 41", "implies (41, 16)" },
        { "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "belongs to no weight" },
        { "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "model.layers.2" },
        { "\"num_key_value_heads\": 4", "\"num_key_value_heads\": 3", "evenly" },
        { "\"head_dim\": 4", "\"head_dim\": 5", "in pairs" },
        { "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": NaN", "config.json" },
        { "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": \"nan\"", "rms_norm_eps" },
        { "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": -1", "from 0 to 1" },
        { "\"rope_theta\": 10000.0", "\"rope_theta\": 0", "rope_theta" },
        { "\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2}", "rope_scaling_type" },
        { "\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"linear\", \"mscale\": 2}", "mscale" },
        { "\"hidden_act\": \"silu\"", "\"hidden_act\": \"swoosh\"", "swoosh" },
        { "\"mlp_bias\": false", "\"mlp_bias\": \"maybe\"", "true or false" },
        { "\"mlp_bias\": false", "\"mlp_bias\": false, \"logit_scale\": 3.0", "\"logit_scale\" is not known" },
        { "\"mlp_bias\": false", "\"quantization_config\": {\"bits\": 4}", "quantized" },
        { "\"mlp_bias\": false", "\"is_encoder_decoder\": true", "false alone" },
        { "\"mlp_bias\": false", "\"layer_types\": [\"sliding_attention\"]", "sliding" },
        { "\"eos_token_id\": null", "\"eos_token_id\": \"</s>\"", "token id" },
        { "\"eos_token_id\": null", "\"eos_token_id\": [1, -7]", "token id" },
    };
    for (int i = 0; i < LT_COUNT(row); i++) {
        write_small();
        change("config.json", row[i].from, row[i].to);
        refused(folder, row[i].part);
    }
}

static void test_model__keys_that_change_nothing_are_passed_over(void **state)
{
    (void)state;
    struct lt_model *m;
    write_small();
    change(
        "config.json", "\"mlp_bias\": false",
        "\"_name_or_path\": \"x\", \"transformers_version\": \"9\", \"use_cache\": true, \"attention_dropout\": 0.1,"
        "\"pretraining_tp\": 1, \"something\": null, \"other\": false, \"is_llama_config\": true, "
        "\"rope_interleaved\": false,"
        "\"transformers.js_config\": {\"kv_cache_dtype\": {\"fp16\": \"float16\"}}, \"layer_types\": "
        "[\"full_attention\"]");
    assert_ok(lt_model_open(folder, &m));
    lt_model_free(m);
}

static void test_model__weights_that_lie(void **state)
{
    (void)state;
    struct lt_model *m = small();
    int count = m->weight_count;
    struct lt_safetensor *t = lt_calloc((size_t)count + 1, sizeof *t);
    int8_t whole[16] = { 0 };
    for (int i = 0; i < count; i++) {
        const struct lt_weight *w = &m->weight[i];
        t[i] = (struct lt_safetensor){ .name = w->name,
                                       .type = LT_F32,
                                       .rank = w->rank,
                                       .dim = { w->dim[0], w->dim[1] },
                                       .count = lt_weight_count(w),
                                       .data = w->data };
    }
    write_small();
    const char *path = lt_test_path(folder, "model.safetensors");
    assert_ok(lt_safetensors_save(path, t, count - 1, LT_F32));
    refused(folder, "is missing from the file");
    t[count] = (struct lt_safetensor){
        .name = "stray", .type = LT_I8, .rank = 1, .dim = { 16 }, .count = 16, .data = whole
    };
    assert_ok(lt_safetensors_save(path, t, count + 1, LT_F32));
    refused(folder, "\"stray\" belongs to no weight");
    t[count].name = "model.layers.0.self_attn.rotary_emb.inv_freq";
    assert_ok(lt_safetensors_save(path, t, count + 1, LT_F32));
    struct lt_model *n;
    assert_ok(lt_model_open(folder, &n));
    lt_model_free(n);
    t[1].type = LT_I8;
    t[1].data = whole;
    assert_ok(lt_safetensors_save(path, t, count, LT_F32));
    refused(folder, "stored as I8");
    assert_ok(lt_file_save(path, "short", 5));
    refused(folder, "too few");
    assert_int_equal(unlink(path), 0);
    refused(folder, "model.safetensors");
    free(t);
    lt_model_free(m);
}

static void test_model__shards(void **state)
{
    (void)state;
    struct lt_model *m = small(), *n;
    struct lt_buf index = { 0 };
    assert_ok(lt_model_save(m, folder, LT_F32));
    assert_int_equal(unlink(lt_test_path(folder, "model.safetensors")), 0);
    lt_buf_str(&index, "{\"metadata\": {}, \"weight_map\": {");
    for (int part = 0, i = 0; part < 3; part++) {
        struct lt_safetensor t[32];
        char name[32];
        int count = 0, last = m->weight_count * (part + 1) / 3;
        snprintf(name, sizeof name, "part-%d.safetensors", part);
        for (; i < last; i++) {
            const struct lt_weight *w = &m->weight[i];
            t[count++] = (struct lt_safetensor){ .name = w->name, .type = LT_F32, .rank = w->rank,
                                                 .dim = { w->dim[0], w->dim[1] }, .count = lt_weight_count(w),
                                                 .data = w->data };
            lt_buf_fmt(&index, "%s\"%s\": \"%s\"", i ? ", " : "", w->name, name);
        }
        assert_ok(lt_safetensors_save(lt_test_path(folder, name), t, count, LT_F32));
    }
    lt_buf_str(&index, "}}");
    assert_ok(lt_file_save(lt_test_path(folder, "model.safetensors.index.json"), index.p, index.n));
    assert_ok(lt_model_open(folder, &n));
    assert_int_equal(n->weight_count, m->weight_count);
    for (int i = 0; i < m->weight_count; i++)
        assert_memory_equal(n->weight[i].data, m->weight[i].data, (size_t)lt_weight_count(&m->weight[i]) * 4);
    lt_model_free(n);
    assert_int_equal(unlink(lt_test_path(folder, "part-1.safetensors")), 0);
    refused(folder, "part-1.safetensors");
    lt_buf_free(&index);
    lt_model_free(m);
}

static void test_model__saved_in_shards(void **state)
{
    (void)state;
    struct lt_model *m = small(), *n;
    for (int round = 0; round < 3; round++) {       /* over nothing, over shards, and over a single file */
        if (round == 2) assert_ok(lt_model_save(m, folder, LT_F32));
        assert_ok(lt_model_save_shards(m, folder, LT_F32, 3000));
        assert_false(lt_path_exists(lt_test_path(folder, "model.safetensors")));
        assert_ok(lt_model_open(folder, &n));
        assert_true(n->files->file_count > 2);
        for (int i = 0; i < m->weight_count; i++)
            assert_memory_equal(n->weight[i].data, m->weight[i].data, (size_t)lt_weight_count(&m->weight[i]) * 4);
        lt_model_free(n);
    }
    assert_ok(lt_model_save(m, folder, LT_F32));
    assert_false(lt_path_exists(lt_test_path(folder, "model.safetensors.index.json")));
    assert_ok(lt_model_open(folder, &n));
    assert_int_equal(n->files->file_count, 1);
    lt_model_free(n);
    lt_model_free(m);
}

/* A link to itself is there and cannot be looked at, whoever asks: no file of that name would be another thing. */
static void test_model__optional_files_that_cannot_be_looked_at(void **state)
{
    (void)state;
    static const char *const name[] = { "generation_config.json", "tokenizer.json" };
    for (int i = 0; i < LT_COUNT(name); i++) {
        struct lt_lm lm = { 0 };
        write_small();
        const char *path = lt_test_path(folder, name[i]);
        unlink(path);
        assert_int_equal(symlink(name[i], path), 0);
        assert_fails(lt_lm_open(folder, NULL, &lm), name[i]);
        assert_int_equal(unlink(path), 0);
        assert_ok(lt_lm_open(folder, NULL, &lm));
        lt_lm_close(&lm);
    }
}

static void test_model__what_is_no_model(void **state)
{
    (void)state;
    refused(lt_test_path(folder, "absent"), "absent");
    refused(folder, "config.json");
    assert_ok(lt_file_save(lt_test_path(folder, "text"), "hello", 5));
    refused(lt_test_path(folder, "text"), "expected a model folder");
    assert_ok(lt_file_save(lt_test_path(folder, "config.json"), "", 0));
    refused(folder, "config.json");
    write_small();
    assert_ok(lt_file_save(lt_test_path(folder, "generation_config.json"), "[]", 2));
    refused(folder, "generation_config.json");
}

static void test_model__saved_where_nothing_can_be_written(void **state)
{
    (void)state;
    struct lt_model *m = small();
    assert_ok(lt_file_save(lt_test_path(folder, "file"), "x", 1));
    assert_fails(lt_model_save(m, lt_test_path(folder, "file/inside"), LT_F32), "file");
    lt_model_free(m);
}

static void test_model__names_are_suggested(void **state)
{
    (void)state;
    struct lt_model *m = small();
    assert_non_null(lt_model_weight(m, "model.norm.weight"));
    assert_null(lt_model_weight(m, "model.norms.weight"));
    assert_non_null(strstr(lt_error(), "did you mean \"model.norm.weight\""));
    lt_model_free(m);
}

static void test_model__new_models_of_impossible_sizes(void **state)
{
    (void)state;
    static const char *const row[][3] = { { "num_key_value_heads", "3", "evenly" },
                                          { "head_dim", "7", "in pairs" },
                                          { "num_attention_heads", "0", "from 1" },
                                          { "hidden_size", "1048576", "1e11" } };
    const struct lt_method *arch = lt_method_find("arch", "llama");
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct lt_options *s = lt_options_new(arch);
        struct lt_model *m;
        assert_ok(lt_options_set(s, row[i][0], row[i][1]));
        assert_fails(lt_model_new((const struct lt_arch *)arch, s, 1, NULL, &m), row[i][2]);
    }
}

static double deviation(const struct lt_weight *w, double *mean)
{
    int64_t n = lt_weight_count(w);
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)w->master[i];
        square += (double)w->master[i] * (double)w->master[i];
    }
    *mean = sum / (double)n;
    return sqrt(square / (double)n - *mean * *mean);
}

static void test_model__new_weights_are_normal(void **state)
{
    (void)state;
    struct lt_options *o = lt_options_new(lt_method_find("arch", "llama"));
    struct lt_model *m;
    double mean;
    assert_ok(lt_options_json(o, "{\"num_hidden_layers\": 8, \"initializer_range\": 0.04, \"vocab_size\": 100}"));
    assert_ok(lt_model_new((const struct lt_arch *)lt_method_find("arch", "llama"), o, 1, NULL, &m));
    assert_true(fabs(deviation(lt_model_weight(m, "model.layers.3.self_attn.q_proj.weight"), &mean) - 0.04) < 0.0005);
    assert_true(fabs(mean) < 0.0005);
    assert_true(fabs(deviation(lt_model_weight(m, "model.layers.3.self_attn.o_proj.weight"), &mean) - 0.01) < 0.0002);
    assert_true(deviation(lt_model_weight(m, "model.norm.weight"), &mean) == 0 && mean == 1);
    const struct lt_weight *w = lt_model_weight(m, "model.layers.3.mlp.up_proj.weight");
    double even = 0, far = 0;       /* numbers of a pair do not go together; one in 370 lies beyond three deviations */
    for (int64_t i = 0; i + 1 < lt_weight_count(w); i += 2) {
        even += (double)w->master[i] * (double)w->master[i + 1] / (0.04 * 0.04);
        far += fabsf(w->master[i]) > 0.12f;
    }
    assert_true(fabs(even / (double)(lt_weight_count(w) / 2)) < 0.02);
    assert_true(fabs(far / (double)(lt_weight_count(w) / 2) - 0.0027) < 0.0008);
    lt_model_free(m);
}

static void test_model__generation_settings(void **state)
{
    (void)state;
    struct lt_generation g, h;
    const char *config = "{\"eos_token_id\": 9, \"pad_token_id\": 3}";
    const char *text = "{\"eos_token_id\": [5, 7], \"bos_token_id\": 1, \"pad_token_id\": -1, \"do_sample\": true, "
                       "\"temperature\": 0.7, \"top_k\": 40, \"unknown\": {}}";
    lt_generation_init(&g);
    assert_false(lt_generation_ends(&g, 0));
    assert_ok(lt_generation_parse("x", lt_str(text), &g));
    assert_true(lt_generation_ends(&g, 5) && lt_generation_ends(&g, 7) && !lt_generation_ends(&g, 6));
    assert_ok(lt_generation_save(&g, folder));
    assert_ok(lt_file_save(lt_test_path(folder, "config.json"), config, strlen(config)));
    assert_ok(lt_generation_read(folder, &h));
    assert_int_equal(h.eos_count, 2);
    assert_int_equal(h.eos[1], 7);
    assert_int_equal(h.bos, 1);
    assert_int_equal(h.pad, 3);         /* of config.json, as generation_config.json does not say */
    assert_true(h.sample && h.temperature == 0.7 && h.top_k == 40 && isnan(h.top_p) && h.max_new_tokens == -1);
    static const char *const bad[][2] = {
        { "[]", "object" },
        { "{", "x" },
        { "{\"temperature\": -1}", "from 0" },
        { "{\"temperature\": \"hot\"}", "from 0" },
        { "{\"top_p\": 1.5}", "from 0 to 1" },
        { "{\"bos_token_id\": 4294967296}", "token id" },
        { "{\"eos_token_id\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", "17 ids" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) assert_fails(lt_generation_parse("x", lt_str(bad[i][0]), &g), bad[i][1]);
}

/* ---- llama2.c ---- */

enum { DIM = 8, HIDDEN = 12, LAYERS = 2, HEADS = 2, KV = 1, VOCAB = 10, LENGTH = 6 };

static size_t llama2c_size(bool tied, bool first)
{
    size_t kv = DIM / HEADS * KV, layer = 2 * DIM + 2 * DIM * DIM + 2 * DIM * kv + 3 * DIM * HIDDEN;
    size_t n = VOCAB * DIM + LAYERS * layer + DIM + (first ? 0 : LENGTH * (DIM / HEADS)) + (tied ? 0 : VOCAB * DIM);
    return (first ? 256 : 28) + 4 * n;
}

/* A checkpoint whose floats count upward from -1 in small steps. */
static uint8_t *llama2c(bool tied, bool first, size_t *size)
{
    *size = llama2c_size(tied, first);
    uint8_t *p = lt_calloc(1, *size);
    int32_t head[] = { 0x616b3432, 1, DIM, HIDDEN, LAYERS, HEADS, KV, !tied && !first ? -VOCAB : VOCAB, LENGTH };
    if (first) {
        memcpy(p, head, sizeof head);
        p[sizeof head] = tied;
    } else {
        memcpy(p, head + 2, 28);
    }
    size_t from = first ? 256 : 28;
    for (size_t i = 0; from + 4 * i < *size; i++) {
        float f = -1 + (float)(i % 977) / 488;
        memcpy(p + from + 4 * i, &f, 4);
    }
    return p;
}

static void test_model__checkpoints_of_llama2c(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        size_t n;
        bool tied = way & 1, first = way & 2;
        uint8_t *p = llama2c(tied, first, &n);
        struct lt_model *m;
        struct lt_session s;
        int vocab;
        assert_ok(lt_model_parse_llama2c("x", p, n, &m));
        assert_int_equal(m->tied, tied);
        assert_int_equal(m->kv_heads, KV);
        const float *embed = lt_model_weight(m, "model.embed_tokens.weight")->data;
        size_t norms = first ? (size_t)(2 * LAYERS + 1) * DIM : 0;
        assert_memory_equal(embed, p + (first ? 256 : 28) + 4 * norms, 4 * VOCAB * DIM);
        const struct lt_weight *q = lt_model_weight(m, "model.layers.1.self_attn.q_proj.weight");
        size_t before = VOCAB * DIM + norms + (first ? 0 : LAYERS * DIM) + DIM * DIM;
        const uint8_t *stored = p + (first ? 256 : 28) + 4 * before;
        assert_memory_equal((const float *)q->data + DIM, stored + 4 * 2 * DIM, 4 * DIM);       /* row 1 was row 2 */
        assert_memory_equal((const float *)q->data + 2 * DIM, stored + 4 * DIM, 4 * DIM);
        assert_ok(lt_model_session(m, NULL, (struct lt_session_spec){ 0 }, &s));
        assert_ok(s.type->feed(s.self, (int32_t[]){ 1, 2 }, 2));
        assert_non_null(s.type->logits(s.self, &vocab));
        assert_int_equal(vocab, VOCAB);
        s.type->close(s.self);
        lt_model_free(m);
        assert_fails(lt_model_parse_llama2c("x", p, n - 1, &m), "x");
        free(p);
    }
}

static void test_model__checkpoints_of_llama2c_that_lie(void **state)
{
    (void)state;
    static const struct { int at; int32_t value; const char *part; } row[] = {
        { 0, 0, "width of 0" }, { 0, -8, "width of -8" }, { 0, 16, "implies" }, { 2, 5000, "layer count" },
        { 3, 3, "3 heads" }, { 4, 4, "key-value" }, { 5, INT32_MIN, "vocabulary" }, { 5, 1 << 30, "vocabulary" },
        { 6, 7, "implies" },
    };
    for (int i = 0; i < LT_COUNT(row); i++) {
        size_t n;
        uint8_t *p = llama2c(true, false, &n);
        struct lt_model *m;
        memcpy(p + 4 * row[i].at, &row[i].value, 4);
        assert_fails(lt_model_parse_llama2c("x", p, n, &m), row[i].part);
        free(p);
    }
    size_t n;
    uint8_t *p = llama2c(true, true, &n);
    struct lt_model *m;
    p[4] = 2;
    assert_fails(lt_model_parse_llama2c("x", p, n, &m), "version 2");
    assert_fails(lt_model_parse_llama2c("x", p, 40, &m), "cut short");
    assert_fails(lt_model_parse_llama2c("x", p, 5, &m), "too few");
    free(p);
}

/* ---- the back end ---- */

static void test_model__another_models_tokenizer(void **state)
{
    (void)state;
    struct lt_buf text = { 0 };
    struct lt_lm lm;
    write_small();
    assert_ok(lt_lm_open(folder, NULL, &lm));
    assert_null(lm.type->tokenizer(lm.self));
    lt_lm_close(&lm);
    for (int count = 40; count <= 41; count++) {
        lt_buf_clear(&text);
        lt_buf_str(&text, "{\"version\": \"1.0\", \"added_tokens\": [], \"model\": {\"type\": \"WordLevel\", "
                          "\"unk_token\": \"w0\", \"vocab\": {");
        for (int i = 0; i < count; i++) lt_buf_fmt(&text, "%s\"w%d\": %d", i ? ", " : "", i, i);
        lt_buf_str(&text, "}}}");
        assert_ok(lt_file_save(lt_test_path(folder, "tokenizer.json"), text.p, text.n));
        if (count == 40) {
            assert_ok(lt_lm_open(folder, NULL, &lm));
            assert_int_equal(lt_tokenizer_vocab(lm.type->tokenizer(lm.self)), 40);
            lt_lm_close(&lm);
        } else {
            assert_fails(lt_lm_open(folder, NULL, &lm), "another model's tokenizer");
        }
    }
    lt_buf_free(&text);
}

struct reader { struct lt_model *m; int32_t first; float logits[40]; };

static void *read_on(void *arg)
{
    struct reader *r = arg;
    struct lt_ctx *c = lt_ctx_new(1, NULL, NULL);
    struct lt_session s;
    int vocab;
    if (lt_model_session(r->m, c, (struct lt_session_spec){ 0 }, &s)) return NULL;
    for (int32_t i = 0; i < 30; i++) {
        int32_t token = (r->first + 7 * i) % 40;
        const float *x = s.type->feed(s.self, &token, 1) ? NULL : s.type->logits(s.self, &vocab);
        if (x) memcpy(r->logits, x, sizeof r->logits);
    }
    s.type->close(s.self);
    lt_ctx_free(c);
    return NULL;
}

static void test_model__sessions_of_several_threads_share_a_model(void **state)
{
    (void)state;
    struct lt_model *m = small();
    struct reader alone[3], together[3];
    pthread_t thread[3];
    for (int i = 0; i < 3; i++) {
        alone[i] = together[i] = (struct reader){ .m = m, .first = i };
        read_on(&alone[i]);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&thread[i], NULL, read_on, &together[i]), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < 3; i++) assert_memory_equal(alone[i].logits, together[i].logits, sizeof alone[i].logits);
    assert_memory_not_equal(alone[0].logits, alone[1].logits, sizeof alone[0].logits);
    lt_model_free(m);
}

static void test_model__long_texts_cross_passes(void **state)
{
    (void)state;
    struct lt_options *o = lt_options_new(lt_method_find("arch", "llama"));
    struct lt_model *m;
    struct lt_session s;
    int32_t token[700];
    float whole[700], parts[700];
    assert_ok(lt_options_json(o, "{\"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 1, "
                                 "\"num_attention_heads\": 2, \"max_position_embeddings\": 700}"));
    assert_ok(lt_model_new((const struct lt_arch *)lt_method_find("arch", "llama"), o, 1, NULL, &m));
    for (int i = 0; i < 700; i++) token[i] = i * 7 % 40;
    assert_ok(lt_model_session(m, NULL, (struct lt_session_spec){ 0 }, &s));
    assert_ok(s.type->score(s.self, token, 700, whole, NULL));
    assert_ok(s.type->rewind(s.self, 700));
    for (int i = 0; i < 700; i += 100) assert_ok(s.type->score(s.self, token + i, 100, parts + i, NULL));
    assert_memory_equal(whole, parts, sizeof whole);
    s.type->close(s.self);
    lt_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model__configurations_that_lie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__keys_that_change_nothing_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__weights_that_lie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__saved_in_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__optional_files_that_cannot_be_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__what_is_no_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__saved_where_nothing_can_be_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__names_are_suggested, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__new_models_of_impossible_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__generation_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__new_weights_are_normal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__checkpoints_of_llama2c, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__checkpoints_of_llama2c_that_lie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__another_models_tokenizer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__sessions_of_several_threads_share_a_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model__long_texts_cross_passes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
