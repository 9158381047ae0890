/* The verbs of the main job on a few lines of text, with the Nth call into the system failing. */
#include "fault.h"
#include "test.h"

static void texts(void)
{
    assert_ok(lt_mkdirs("text"));
    for (int i = 0; i < 6; i++) {
        struct lt_buf b = { 0 };
        for (int k = 0; k < 12; k++) lt_buf_fmt(&b, "Line %d of text %d is not line %d of text %d.\n", k, i, k + 1, i);
        char name[32];
        snprintf(name, sizeof(name), "text/%d.txt", i);
        fault_save(name, b.p);
        lt_buf_free(&b);
    }
}

static int train_tokenizer(void)
{
    return fault_verb("tokenizer-train", "{\"input\": [\"text\"], \"output\": \"tok\","
                                         " \"method\": {\"vocab_size\": 270}}");
}

static void tokenizer(void)
{
    texts();
    assert_ok(train_tokenizer());
}

static int pack(void)
{
    return fault_verb("pack", "{\"input\": [\"text\"], \"output\": \"shards\", \"tokenizer\": \"tok\","
                              " \"validation\": 0.3}");
}

static void shards(void)
{
    tokenizer();
    assert_ok(pack());
}

static int train(void)
{
    return fault_verb("train", "{\"data\": [\"shards\"], \"output\": \"model\", \"max_steps\": 2, \"save_steps\": 1,"
                               " \"eval_steps\": 2, \"batch_size\": 1, \"max_length\": 16, \"arch\": "
                               "{\"name\": \"llama\", \"hidden_size\": 16,"
                               " \"intermediate_size\": 16, \"num_hidden_layers\": 1, \"num_attention_heads\": 2}}");
}

static void model(void)
{
    shards();
    assert_ok(train());
}

static int perplexity(void)
{
    return fault_verb("perplexity", "{\"model\": \"model\", \"input\": [\"text/0.txt\"], \"output\": \"ppl.json\"}");
}

static int generate(void)
{
    return fault_verb("generate", "{\"model\": \"model\", \"prompt\": \"Line\", \"max_tokens\": 4,"
                                  " \"output\": \"out.txt\"}");
}

/* More words than can be counted in a mebibyte at once. */
static void many_words(void)
{
    struct lt_buf b = { 0 };
    struct lt_rng r = lt_rng_make(1, "words");
    for (int i = 1; i <= 80000; i++) lt_buf_fmt(&b, "w%d%c", (int)lt_rng_below(&r, 40), i % 20 ? ' ' : '\n');
    fault_save("words.txt", b.p);
    lt_buf_free(&b);
}

static int estimate(void)
{
    return fault_verb("ngram-build", "{\"input\": [\"words.txt\"], \"output\": \"words.arpa\", \"order\": 3,"
                                     " \"memory\": \"1M\", \"temp_dir\": \".\"}");
}

static void test_fault__tokenizer_train(void **state)
{
    (void)state;
    fault_run(&(struct fault_scenario){ "training a tokenizer", texts, train_tokenizer, "tok", false }, 5);
}

static void test_fault__pack(void **state)
{
    (void)state;
    fault_run(&(struct fault_scenario){ "packing", tokenizer, pack, "shards", false }, 5);
}

static void test_fault__ngram_build(void **state)
{
    (void)state;
    fault_run(&(struct fault_scenario){ "estimating n-grams", many_words, estimate, "words.arpa", false }, 41);
    fault_kill(&(struct fault_scenario){ "estimating n-grams", many_words, estimate, "words.arpa", false }, 131);
}

static void test_fault__train(void **state)
{
    (void)state;
    fault_run(&(struct fault_scenario){ "training", shards, train, "model", true }, 23);
}

static void test_fault__use(void **state)
{
    (void)state;
    fault_run(&(struct fault_scenario){ "measuring", model, perplexity, "ppl.json", false }, 13);
    fault_run(&(struct fault_scenario){ "writing text", model, generate, "out.txt", false }, 13);
}

static void test_fault__killed(void **state)
{
    (void)state;
    fault_kill(&(struct fault_scenario){ "training a tokenizer", texts, train_tokenizer, "tok", false }, 11);
    fault_kill(&(struct fault_scenario){ "packing", tokenizer, pack, "shards", false }, 11);
    fault_kill(&(struct fault_scenario){ "training", shards, train, "model", true }, 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault__tokenizer_train),
        cmocka_unit_test(test_fault__pack),
        cmocka_unit_test(test_fault__ngram_build),
        cmocka_unit_test(test_fault__train),
        cmocka_unit_test(test_fault__use),
        cmocka_unit_test(test_fault__killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
