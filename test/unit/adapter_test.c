/* Adapter folders that are refused, each with a sentence that names what is wrong; and reading those that are not. */
#include "adapter_folder.h"
#include "base/json.h"

#include <math.h>

static struct lt_model *make_model(const char *arch)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", arch);
    struct lt_options *o = lt_options_new(&a->m);
    struct lt_model *m;
    bool gpt2 = !strcmp(arch, "gpt2");
    assert_ok(lt_options_json(o, gpt2 ? "{\"vocab_size\": 31, \"n_embd\": 16, \"n_layer\": 2, \"n_head\": 2}"
                                      : "{\"vocab_size\": 31, \"hidden_size\": 16, \"intermediate_size\": 24, "
                                        "\"num_hidden_layers\": 2, \"num_attention_heads\": 2}"));
    assert_ok(lt_model_new(a, o, 3, NULL, &m));
    return m;
}

/* ---- configurations ---- */

static void read_config(const char *text, const char *part)
{
    struct lt_arena a = { 0 };
    const struct lt_adapter_type *type;
    struct lt_options *options;
    const char *base;
    int rc = lt_adapter_config_parse("config", lt_str(text), &a, &type, &options, &base);
    if (!part && rc) fail_msg("%s: %s", text, lt_error());
    if (part && !rc) fail_msg("%s: taken", text);
    if (part && !strstr(lt_error(), part)) fail_msg("%s: \"%s\" does not hold \"%s\"", text, lt_error(), part);
    if (!rc) lt_options_free(options);
    lt_arena_free(&a);
}

#define LORA(more) "{\"peft_type\": \"LORA\", \"r\": 8, \"lora_alpha\": 16" more "}"
static void test_adapter__configurations(void **state)
{
    static const struct { const char *text, *part; } rows[] = {
        { LORA(""), NULL },
        { LORA(", \"task_type\": \"CAUSAL_LM\", \"inference_mode\": true, \"lora_dropout\": 0.1, \"bias\": \"none\""),
          NULL },
        { LORA(", \"modules_to_save\": null, \"layer_replication\": null, \"loftq_config\": {}, \"eva_config\": null"),
          NULL },
        { LORA(", \"modules_to_save\": [], \"new_in_some_version\": null, \"another\": false"), NULL },
        { LORA(", \"init_lora_weights\": \"gaussian\", \"fan_in_fan_out\": true"), NULL },
        { LORA(", \"alpha_pattern\": {\"q_proj\": 2.5}, \"rank_pattern\": {\".*[0-3].mlp.*\": 4}"), NULL },
        { "[]", "expected a JSON object" },
        { "{\"r\": 8}", "\"peft_type\"" },
        { "{\"peft_type\": \"IA3\"}", "peft_type is \"IA3\"" },
        { "{\"peft_type\": \"a name that is much longer than any that there could be\"}", "not supported" },
        { LORA(", \"use_dora\": true"), "\"use_dora\" is true: a magnitude" },
        { LORA(", \"bias\": \"lora_only\""), "\"bias\" is lora_only" },
        { LORA(", \"bias\": \"all\""), "\"bias\" is all" },
        { LORA(", \"modules_to_save\": [\"lm_head\"]"), "\"modules_to_save\" is [\"lm_head\"]" },
        { LORA(", \"layer_replication\": [[0, 1], [0, 1]]"), "\"layer_replication\" is [[0,1],[0,1]]" },
        { LORA(", \"trainable_token_indices\": [3]"), "rows of the embedding" },
        { LORA(", \"alora_invocation_tokens\": [3]"), "begins within a text" },
        { LORA(", \"init_lora_weights\": \"pissa\""), "init_lora_weights is \"pissa\"" },
        { LORA(", \"init_lora_weights\": \"olora\""), "init_lora_weights is \"olora\"" },
        { LORA(", \"new_in_some_version\": true"), "the key \"new_in_some_version\" is not known for lora" },
        { LORA(", \"alpha_pattern\": {\"q\": \"x\"}"), "alpha_pattern: expected a number for \"q\"" },
        { LORA(", \"alpha_pattern\": [1]"), "expected \"alpha_pattern\" to be an object" },
        { LORA(", \"use_rslora\": [1]"), "expected \"use_rslora\" to be" },
        { "{\"peft_type\": \"LORA\", \"r\": 0}", "config: " },
        { "{\"peft_type\": \"LORA\", \"r\": 2.5}", "config: " },
        { "{\"peft_type\": \"LORA\", \"lora_alpha\": \"much\"}", "config: " },
    };
    (void)state;
    for (int i = 0; i < LT_COUNT(rows); i++) read_config(rows[i].text, rows[i].part);
}

/* ---- tensors ---- */

enum { NUMBERS = 4 * 64 };
struct given { const char *name; int64_t dim[2]; float value; };

static void write_tensors(const char *folder, const char *config, const struct given *g, int count)
{
    static float number[8][NUMBERS];
    struct lt_safetensor t[8];
    assert_in_range(count, 0, 8);
    for (int i = 0; i < count; i++) {
        t[i] = (struct lt_safetensor){ .name = g[i].name, .type = LT_F32, .rank = 2,
                                       .dim = { g[i].dim[0], g[i].dim[1] }, .count = g[i].dim[0] * g[i].dim[1],
                                       .data = number[i] };
        for (int k = 0; k < NUMBERS; k++) number[i][k] = g[i].value;
    }
    assert_ok(lt_mkdirs(folder));
    assert_ok(lt_file_save(lt_test_path(folder, "adapter_config.json"), config, strlen(config)));
    assert_ok(lt_safetensors_save(lt_test_path(folder, "adapter_model.safetensors"), t, count, LT_F32));
}

#define IN(layer, name) "base_model.model.model.layers." layer "." name
#define PLAIN "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"base_model_name_or_path\": \"some/base\"}"
#define Q IN("0", "self_attn.q_proj")
struct wrong { const char *config, *part; struct given g[4]; int count; };
static const struct wrong wrongs[] = {
    { PLAIN, "there are no tensors", { { 0 } }, 0 },
    { PLAIN, "\"" Q ".lora_B.weight\" is missing", { { Q ".lora_A.weight", { 4, 16 }, 1 } }, 1 },
    { PLAIN, "\"" Q ".lora_A.weight\" is missing", { { Q ".lora_B.weight", { 16, 4 }, 1 } }, 1 },
    { PLAIN, "changes nothing: what it adds is 0 in all of its 1 modules, first in model.layers.0.self_attn.q_proj",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, 0 } }, 2 },
    { "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 0}", "changes nothing",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, 1 } }, 2 },
    { PLAIN, "number 0 of the tensor \"" Q ".lora_B.weight\" is nan",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, NAN } }, 2 },
    { PLAIN, "is inf", { { Q ".lora_A.weight", { 4, 16 }, INFINITY }, { Q ".lora_B.weight", { 16, 4 }, 1 } }, 2 },
    { PLAIN, "\"" Q ".lora_A.weight\" has the shape (3, 16); expected (4, any)",
      { { Q ".lora_A.weight", { 3, 16 }, 1 }, { Q ".lora_B.weight", { 16, 3 }, 1 } }, 2 },
    { PLAIN, "has the shape (16, 3); expected (any, 4)",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 3 }, 1 } }, 2 },
    { PLAIN, "has the shape (4, 15); expected (4, 16), as model.layers.0.self_attn.q_proj.weight has in this model; "
             "was the adapter made for another one, some/base?",
      { { Q ".lora_A.weight", { 4, 15 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, 1 } }, 2 },
    { PLAIN, "changes model.layers.0.self_attn.qproj, which is no part of this model: llama has no weight "
             "\"model.layers.0.self_attn.qproj.weight\"; did you mean \"model.layers.0.self_attn.q_proj.weight\"?",
      { { IN("0", "self_attn.qproj.lora_A.weight"), { 4, 16 }, 1 },
        { IN("0", "self_attn.qproj.lora_B.weight"), { 16, 4 }, 1 } }, 2 },
    { PLAIN, "changes model.layers.7.self_attn.q_proj, which is no part of this model",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, 1 },
        { IN("7", "self_attn.q_proj.lora_A.weight"), { 4, 16 }, 1 },
        { IN("7", "self_attn.q_proj.lora_B.weight"), { 16, 4 }, 1 } }, 4 },
    { PLAIN, "\"base_model.model.model.layers.0.self_attn.q_proj.inner.lora_A.default.weight\" is not understood: "
             "expected base_model.model.MODULE.lora_A.weight",
      { { IN("0", "self_attn.q_proj.inner.lora_A.default.weight"), { 4, 16 }, 1 } }, 1 },
    { PLAIN, "\"model.layers.0.self_attn.q_proj.lora_A.weight\" is not understood",
      { { "model.layers.0.self_attn.q_proj.lora_A.weight", { 4, 16 }, 1 } }, 1 },
    { PLAIN, "lora_magnitude_vector\" is not understood", { { Q ".lora_magnitude_vector", { 1, 16 }, 1 } }, 1 },
    { PLAIN, "changes an embedding", { { "base_model.model.model.embed_tokens.lora_embedding_A", { 4, 16 }, 1 } }, 1 },
    { PLAIN, "changes lm_head, which is no linear layer within the model's blocks",
      { { "base_model.model.lm_head.lora_A.weight", { 4, 16 }, 1 },
        { "base_model.model.lm_head.lora_B.weight", { 31, 4 }, 1 } }, 2 },
    { PLAIN, "changes model.layers.0.input_layernorm",
      { { IN("0", "input_layernorm.lora_A.weight"), { 4, 16 }, 1 },
        { IN("0", "input_layernorm.lora_B.weight"), { 16, 4 }, 1 } }, 2 },
    { PLAIN, "are the same weight of the model",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, 1 },
        { "base_model.model.layers.0.self_attn.q_proj.lora_A.weight", { 4, 16 }, 1 },
        { "base_model.model.layers.0.self_attn.q_proj.lora_B.weight", { 16, 4 }, 1 } }, 4 },
    { "{\"peft_type\": \"LORA\", \"r\": 4, \"alpha_pattern\": {\"(\": 3}}", "alpha_pattern: ",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, 1 } }, 2 },
    { "{\"peft_type\": \"LORA\", \"r\": 4, \"rank_pattern\": {\"q_proj\": 0}}", "rank_pattern: expected a whole number",
      { { Q ".lora_A.weight", { 4, 16 }, 1 }, { Q ".lora_B.weight", { 16, 4 }, 1 } }, 2 },
};

static void test_adapter__nothing_is_passed_over(void **state)
{
    (void)state;
    char *temp = lt_test_temp();
    struct lt_model *m = make_model("llama");
    for (int i = 0; i < LT_COUNT(wrongs); i++) {
        struct lt_adapter *a;
        const struct wrong *w = &wrongs[i];
        write_tensors(temp, w->config, w->g, w->count);
        if (!lt_adapter_open(temp, m, &a)) fail_msg("opened what should have said \"%s\"", w->part);
        if (!strstr(lt_error(), w->part)) fail_msg("\"%s\" does not hold \"%s\"", lt_error(), w->part);
        if (!strstr(lt_error(), temp)) fail_msg("\"%s\" does not name the folder", lt_error());
    }
    lt_model_free(m);
    lt_test_temp_end(temp);
}

static void test_adapter__folders_that_are_none(void **state)
{
    (void)state;
    char *temp = lt_test_temp();
    struct lt_adapter *a;
    assert_fails(lt_adapter_read(lt_test_path(temp, "nowhere"), &a), "there is no such adapter");
    assert_fails(lt_adapter_read(temp, &a), "expected a folder with adapter_config.json");
    assert_ok(lt_file_save(lt_test_path(temp, "adapter_config.json"), PLAIN, strlen(PLAIN)));
    assert_fails(lt_adapter_read(temp, &a), "adapter_model.safetensors");
    assert_ok(lt_file_save(lt_test_path(temp, "adapter_model.bin"), "x", 1));
    assert_fails(lt_adapter_read(temp, &a), "pickle");
    lt_test_temp_end(temp);
}

/* ---- what is read ---- */

static void test_adapter__scales(void **state)
{
    (void)state;
    char *temp = lt_test_temp();
    struct lt_model *m = make_model("llama");
    struct lt_adapter *a;
    const struct given g[] = {
        { Q ".lora_A.weight", { 4, 16 }, 1 },
        { Q ".lora_B.weight", { 16, 4 }, 1 },
        { IN("1", "self_attn.q_proj.lora_A.weight"), { 2, 16 }, 1 },
        { IN("1", "self_attn.q_proj.lora_B.weight"), { 16, 2 }, 1 },
        { IN("1", "mlp.up_proj.lora_A.weight"), { 4, 16 }, 1 }, { IN("1", "mlp.up_proj.lora_B.weight"), { 24, 4 }, 1 },
    };
    write_tensors(temp, "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 6, \"use_rslora\": true, "
                        "\"rank_pattern\": {\"layers.1.*q_proj\": 2}, \"alpha_pattern\": {\"_proj\": 9, "
                        "\"up_proj\": 3, \"p_proj\": 5}}", g, 6);
    assert_ok(lt_adapter_open(temp, m, &a));
    assert_int_equal(a->parts, 3);
    for (int i = 0; i < 3; i++) {
        const struct lt_adapter_part *p = &a->part[i];
        bool up = strstr(p->module, "up_proj") != NULL, second = strstr(p->module, "layers.1.self") != NULL;
        assert_true(fabs(p->scale - (up ? 3.0 : 6.0) / sqrt(second ? 2 : 4)) < 1e-12);
        assert_string_equal(m->weight[p->weight].name + strlen(p->module), ".weight");
    }
    assert_int_equal(lt_adapter_numbers(a), 4 * 32 + 2 * 32 + 4 * 40);
    lt_adapter_free(a);
    lt_model_free(m);
    lt_test_temp_end(temp);
}

/* A weight that lies (in, out), and an adapter of the model without its head. */
static void test_adapter__other_names_and_orders(void **state)
{
    (void)state;
    char *temp = lt_test_temp();
    struct lt_model *m = make_model("gpt2");
    struct lt_adapter *a;
    const struct given g[] = { { "base_model.model.h.0.attn.c_attn.lora_A.weight", { 4, 16 }, 1 },
                               { "base_model.model.h.0.attn.c_attn.lora_B.weight", { 48, 4 }, 1 } };
    write_tensors(temp, PLAIN, g, 2);
    assert_ok(lt_adapter_open(temp, m, &a));
    assert_string_equal(m->weight[a->part[0].weight].name, "transformer.h.0.attn.c_attn.weight");
    assert_string_equal(a->base, "some/base");
    const float *w = m->weight[a->part[0].weight].data;
    float before = w[16 * 48 - 1];
    assert_ok(lt_adapter_fold(a, m, LT_F32, false, NULL));
    w = m->weight[a->part[0].weight].data;
    assert_true(fabsf(w[16 * 48 - 1] - before - 8) < 1e-5f);        /* 8 / 4 of four products of ones */
    lt_adapter_free(a);
    lt_model_free(m);
    lt_test_temp_end(temp);
}

/* The content decides, not the place. */
static void test_adapter__identity(void **state)
{
    (void)state;
    char *temp = lt_test_temp();
    struct lt_adapter *a;
    uint64_t seen[4];
    for (int i = 0; i < 4; i++) {
        const struct given g[] = { { Q ".lora_A.weight", { 4, 16 }, 1 },
                                   { Q ".lora_B.weight", { 16, 4 }, i == 2 ? 2 : 1 } };
        const char *folder = lt_test_path(temp, i == 1 ? "elsewhere" : "here");
        write_tensors(folder, i == 3 ? "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 9}" : PLAIN, g, 2);
        assert_ok(lt_adapter_read(folder, &a));
        seen[i] = a->identity;
        lt_adapter_free(a);
    }
    assert_true(seen[0] == seen[1] && seen[0] != seen[2] && seen[0] != seen[3]);
    lt_test_temp_end(temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapter__configurations),
        cmocka_unit_test(test_adapter__nothing_is_passed_over),
        cmocka_unit_test(test_adapter__folders_that_are_none),
        cmocka_unit_test(test_adapter__scales),
        cmocka_unit_test(test_adapter__other_names_and_orders),
        cmocka_unit_test(test_adapter__identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
