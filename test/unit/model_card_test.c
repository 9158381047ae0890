/* What is told of a model that is served. */
#include "serve/model_card.h"
#include "model/model.h"
#include "test.h"

static void save(const char *folder, const char *name, const char *text)
{
    assert_ok(lt_file_save(lt_test_path(folder, name), text, strlen(text)));
}

static json_t *card_of(const char *path)
{
    struct lt_lm lm;
    assert_ok(lt_lm_open(path, NULL, &lm));
    json_t *card = lt_model_card("name", path, &lm, 32, 40);
    lt_lm_close(&lm);
    return card;
}

static const char *text(const json_t *j, const char *key) { return json_string_value(json_object_get(j, key)); }
static bool absent(const json_t *j, const char *key) { return json_is_null(json_object_get(j, key)); }

static void make_model(const char *folder)
{
    static const char *const size[][2] = { { "vocab_size", "40" }, { "hidden_size", "16" },
                                           { "num_hidden_layers", "2" }, { "num_attention_heads", "4" },
                                           { "max_position_embeddings", "32" } };
    const struct lt_method *arch = lt_method_find("arch", "llama");
    struct lt_options *s = lt_options_new(arch);
    struct lt_model *m;
    for (int i = 0; i < LT_COUNT(size); i++) assert_ok(lt_options_set(s, size[i][0], size[i][1]));
    assert_ok(lt_model_new((const struct lt_arch *)arch, s, 1, NULL, &m));
    assert_ok(lt_model_save(m, folder, LT_F32));
    lt_model_free(m);
}

static void test_model_card__a_folder_and_what_it_says(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    make_model(folder);
    save(folder, "README.md", "---\ntags: x\nlicense: 'apache-2.0'\r\n---\n# A model\n\xff");
    json_t *card = card_of(folder);
    assert_string_equal(text(card, "model"), "name");
    assert_string_equal(text(card, "kind"), "transformer");
    assert_string_equal(text(card, "licence"), "apache-2.0");
    assert_string_equal(text(card, "readme"), "---\ntags: x\nlicense: 'apache-2.0'\r\n---\n# A model\n");
    assert_int_equal(json_integer_value(json_object_get(card, "context")), 32);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(card, "architecture"), "layers")), 2);
    assert_true(absent(card, "history"));
    const char *missing = json_string_value(json_array_get(json_object_get(card, "missing"), 0));
    assert_non_null(strstr(missing, "has no run record"));
    json_decref(card);
    save(folder, "README.md", "license: mit\n");       /* not where a card has it */
    card = card_of(folder);
    assert_true(absent(card, "licence"));
    assert_string_equal(text(card, "readme"), "license: mit\n");
    json_decref(card);
    lt_test_temp_end(folder);
}

static void test_model_card__the_record_of_a_run(void **state)
{
    (void)state;
    char *folder = lt_test_temp(), *model = lt_strdup(lt_test_path(folder, "made"));
    struct lt_options *s = lt_options_new(lt_method_find("verb", "convert"));
    assert_ok(lt_options_set(s, "model", lt_test_path(folder, "first")));
    assert_ok(lt_options_set(s, "output", model));
    make_model(lt_test_path(folder, "first"));
    make_model(model);
    assert_non_null(lt_options_done(s));
    char *record = lt_record_make("convert", s);
    assert_ok(lt_record_write(record, model));
    lt_options_free(s);
    free(record);
    json_t *card = card_of(model), *history = json_object_get(card, "history");
    assert_string_equal(text(history, "verb"), "convert");
    assert_non_null(strstr(text(history, "command"), "lathe convert"));
    assert_string_equal(text(json_array_get(json_object_get(history, "outputs"), 0), "now"), "not read");
    json_decref(card);
    free(model);
    lt_test_temp_end(folder);
}

static void test_model_card__a_model_without_files(void **state)
{
    (void)state;
    json_t *card = card_of("fake:vocab=9");
    assert_string_equal(text(card, "kind"), "fake");
    assert_string_equal(text(card, "path"), "fake:vocab=9");
    assert_true(absent(card, "history") && absent(card, "licence"));
    assert_null(json_object_get(card, "architecture"));
    assert_int_equal(json_array_size(json_object_get(card, "missing")), 1);
    json_decref(card);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_card__a_folder_and_what_it_says),
        cmocka_unit_test(test_model_card__the_record_of_a_run),
        cmocka_unit_test(test_model_card__a_model_without_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
