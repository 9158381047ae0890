/* LoRA adapters against peft: logits of small models of every family whose weights, and whose adapters' tensors, are a
 * formula (test/oracle/make_adapters.py); on the model as it is, on a GGUF file of it, and folded into it. */
#include "formula_model.h"
#include "test.h"
#include "base/json.h"
#include "model/safetensors.h"
#include "model/session.h"
#include "surgery/surgery.h"

#include <math.h>

enum { TOKENS_MAX = 64, TENSORS_MAX = 128 };
struct figures {
    const json_t *root;
    const char *name, *folder;      /* folder: of the adapter */
    struct lt_model *m;
    int32_t token[TOKENS_MAX]; int tokens;
};

static struct lt_model *make_model(const struct figures *f)
{
    const struct lt_arch *arch;
    struct lt_options *options;
    struct lt_generation gen;
    struct lt_model *m = NULL;
    char *config = json_dumps(json_object_get(f->root, "config"), 0);
    lt_generation_init(&gen);
    if (lt_config_parse(f->name, lt_str(config), &arch, &options, &gen) || lt_model_new(arch, options, 1, NULL, &m))
        fail_msg("%s", lt_error());
    free(config);
    lt_formula_fill(m);
    return m;
}

static void write_adapter(const struct figures *f)
{
    struct lt_safetensor tensor[TENSORS_MAX];
    int count = 0;
    const char *name;
    json_t *shape;
    char *config = json_dumps(json_object_get(f->root, "adapter"), 0);
    json_object_foreach(json_object_get(f->root, "tensors"), name, shape) {
        struct lt_safetensor *t = &tensor[count++];
        assert_true(count < TENSORS_MAX);
        *t = (struct lt_safetensor){ .name = name, .type = LT_F32, .rank = 2, .count = 1 };
        for (int i = 0; i < 2; i++) {
            t->dim[i] = json_integer_value(json_array_get(shape, (size_t)i));
            t->count *= t->dim[i];
        }
        float *x = lt_alloc((size_t)t->count * sizeof *x);
        lt_formula_values(name, 2, t->count, x);
        t->data = x;
    }
    assert_ok(lt_mkdirs(f->folder));
    assert_ok(lt_file_save(lt_test_path(f->folder, "adapter_config.json"), config, strlen(config)));
    assert_ok(lt_safetensors_save(lt_test_path(f->folder, "adapter_model.safetensors"), tensor, count, LT_F32));
    for (int i = 0; i < count; i++) free((void *)tensor[i].data);
    free(config);
}

/* How far logits are from peft's; a may be NULL. */
static double distance(const struct figures *f, struct lt_model *m, struct lt_adapter *a)
{
    const json_t *at = json_object_get(f->root, "at"), *want = json_object_get(f->root, "logits");
    struct lt_adapter_named one = { "one", a };
    struct lt_adapters all = { &one, 1, a ? 0 : -1 };
    struct lt_session s;
    double worst = 0;
    int vocab, fed = 0;
    assert_ok(lt_model_session(m, NULL, (struct lt_session_spec){ .adapters = a ? &all : NULL }, &s));
    for (size_t i = 0; i < json_array_size(at); i++) {
        int upto = (int)json_integer_value(json_array_get(at, i)) + 1;
        assert_ok(s.type->feed(s.self, f->token + fed, upto - fed));
        fed = upto;
        const float *have = s.type->logits(s.self, &vocab);
        assert_int_equal(vocab, json_array_size(json_array_get(want, i)));
        for (int v = 0; v < vocab; v++)
            worst = fmax(worst, fabs((double)have[v]
                                     - json_number_value(json_array_get(json_array_get(want, i), (size_t)v))));
    }
    s.type->close(s.self);
    return worst;
}

static void each(void (*check)(struct figures *f, const char *temp))
{
    json_t *all;
    char *temp = lt_test_temp();
    assert_ok(lt_json_read("test/oracle/adapters.json", &all));
    assert_true(json_array_size(all) >= 10);
    for (size_t i = 0; i < json_array_size(all); i++) {
        struct figures f = { .root = json_array_get(all, i), .folder = lt_strdup(lt_test_path(temp, "adapter")) };
        const json_t *token = json_object_get(f.root, "tokens");
        f.name = json_string_value(json_object_get(f.root, "name"));
        f.tokens = (int)json_array_size(token);
        assert_in_range(f.tokens, 1, TOKENS_MAX);
        for (int k = 0; k < f.tokens; k++) f.token[k] = (int32_t)json_integer_value(json_array_get(token, (size_t)k));
        f.m = make_model(&f);
        write_adapter(&f);
        check(&f, temp);
        lt_model_free(f.m);
        free((void *)f.folder);
    }
    json_decref(all);
    lt_test_temp_end(temp);
}

static void near(const struct figures *f, const char *what, double d, double most)
{
    if (!(d < most)) fail_msg("%s: %s: a logit is off by %g", f->name, what, d);
}

static void compare(struct figures *f, const char *temp)
{
    struct lt_adapter *a;
    (void)temp;
    assert_ok(lt_adapter_open(f->folder, f->m, &a));
    near(f, "applied", distance(f, f->m, a), 1e-5);
    assert_true(distance(f, f->m, NULL) > 1e-3);        /* it changes something */
    lt_adapter_free(a);
}

static void test_peft__logits_agree_with_peft(void **state)
{
    (void)state;
    each(compare);
}

static void fold(struct figures *f, const char *temp)
{
    struct lt_adapter *a;
    (void)temp;
    assert_ok(lt_adapter_open(f->folder, f->m, &a));
    assert_ok(lt_adapter_fold(a, f->m, LT_F32, false, NULL));
    near(f, "folded", distance(f, f->m, NULL), 1e-5);
    lt_adapter_free(a);
}

static void test_peft__folded_weights_agree_with_peft(void **state)
{
    (void)state;
    each(fold);
}

/* The names of an adapter are Hugging Face's, and rotary rows lie in another order in the file. */
static void through_gguf(struct figures *f, const char *temp)
{
    struct lt_adapter *a;
    struct lt_model *m;
    const char *folder = lt_test_path(temp, "model"), *file = lt_test_path(temp, "model.gguf");
    struct lt_convert_options o = { .input = folder, .output = file, .outtype = "auto", .tokenizer_form = "none",
                                    .max_shard_size = "5GB", .check = "never", .json = true };
    if (!strcmp(f->m->arch->m.name, "gpt_neox")) return;            /* GGUF files of it are not read */
    assert_ok(lt_model_save(f->m, folder, LT_F32));
    int out = dup(1);
    assert_non_null(freopen("/dev/null", "w", stdout));
    assert_ok(lt_convert_run(&o, NULL));
    fflush(stdout);
    dup2(out, 1);
    close(out);
    assert_ok(lt_model_open(file, &m));
    assert_ok(lt_adapter_open(f->folder, m, &a));
    near(f, "on a GGUF file", distance(f, m, a), 1e-5);
    assert_ok(lt_adapter_fold(a, m, LT_F32, false, NULL));
    near(f, "folded into a GGUF file's weights", distance(f, m, NULL), 1e-5);
    lt_adapter_free(a);
    lt_model_free(m);
}

static void test_peft__gguf_files_take_the_same_adapters(void **state)
{
    (void)state;
    each(through_gguf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peft__logits_agree_with_peft),
        cmocka_unit_test(test_peft__folded_weights_agree_with_peft),
        cmocka_unit_test(test_peft__gguf_files_take_the_same_adapters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
