/* Packing: shards hold what the documents say, between the tokens that begin and end them. */
#include "test.h"
#include "data/corpus.h"
#include "data/pack.h"

struct packed { char *folder, *input, *tokenizer, *output; };

/* A corpus with an empty document, one in other letters, one with the spelling of a special token; its tokenizer. */
static struct packed prepare(int documents)
{
    struct packed p = { .folder = lt_test_temp() };
    struct lt_buf b = { 0 };
    for (int i = 0; i < documents; i++)
        lt_buf_fmt(&b, "{\"text\": \"Document %d tells of %d sheep.%s\"}\n", i, i * 7919 % 100,
                   i % 3 ? "" : " \xC3\x85 <|endoftext|> \\n\\n end");
    lt_buf_str(&b, "{\"text\": \"\"}\n");
    p.input = lt_strdup(lt_test_path(p.folder, "input.jsonl"));
    p.tokenizer = lt_strdup(lt_test_path(p.folder, "tokenizer.json"));
    p.output = lt_strdup(lt_test_path(p.folder, "shards"));
    assert_ok(lt_file_save(p.input, b.p, b.n));
    lt_buf_free(&b);
    const struct lt_tokenizer_trainer *bpe = (const struct lt_tokenizer_trainer *)lt_method_find("tokenizer", "bpe");
    struct lt_options *s = lt_options_new(&bpe->m);
    assert_ok(lt_options_set(s, "vocab_size", "300"));
    const char *file = p.input;
    struct lt_tokenizer *t;
    assert_ok(bpe->train(lt_options_done(s), NULL, &(struct lt_list){ .item = &file, .count = 1 }, &t));
    assert_ok(lt_tokenizer_save(t, p.tokenizer));
    lt_tokenizer_free(t);
    lt_options_free(s);
    return p;
}

static void end(struct packed *p)
{
    free(p->input);
    free(p->tokenizer);
    free(p->output);
    lt_test_temp_end(p->folder);
}

static int pack(const struct packed *p, double validation, const char *around, bool parse_special, int threads)
{
    const char *file = p->input;
    struct lt_pack_options o = {
        .input = { .item = &file, .count = 1 }, .docs = { .format = "auto", .field = "text" },
        .tokenizer = p->tokenizer, .output = p->output, .bos = around, .eos = around, .validation = validation,
        .shard_tokens = 500, .parse_special = parse_special,
    };
    struct lt_ctx *c = lt_ctx_new(threads, NULL, NULL);
    int rc = lt_pack_run(&o, c);
    lt_ctx_free(c);
    return rc;
}

/* The texts of a split, in order, one a line of `out` with its size in front; -1 for a missing begin or end token. */
static int read_back(const struct packed *p, const char *split, bool around, struct lt_buf *out)
{
    struct lt_corpus c = { 0 };
    struct lt_tokenizer *t;
    assert_ok(lt_corpus_add(&c, p->output, split));
    assert_ok(lt_tokenizer_open(p->tokenizer, &t));
    int rc = 0;
    for (uint64_t i = 0; i < c.documents && rc == 0; i++) {
        uint64_t from, to;
        lt_corpus_document(&c, i, &from, &to);
        int32_t *id = lt_alloc((to - from) * sizeof *id);
        size_t n = (size_t)(to - from);
        assert_ok(lt_corpus_copy(&c, from, n, id));
        if (around && (id[0] != lt_tokenizer_bos(t) || id[n - 1] != lt_tokenizer_eos(t)))
            rc = -1;
        char *text = NULL;
        size_t size = 0;
        assert_ok(lt_tokenizer_decode(t, id + around, n - 2 * around, true, &text, &size));
        lt_buf_fmt(out, "%.*s|%zu\n", (int)size, text, size);
        free(text);
        free(id);
    }
    lt_tokenizer_free(t);
    lt_corpus_release(&c);
    return rc;
}

static void expected(int documents, struct lt_buf *out)
{
    for (int i = 0; i < documents; i++) {
        struct lt_buf b = { 0 };
        lt_buf_fmt(&b, "Document %d tells of %d sheep.%s", i, i * 7919 % 100,
                   i % 3 ? "" : " \xC3\x85 <|endoftext|> \n\n end");
        lt_buf_fmt(out, "%s|%zu\n", b.p, b.n);
        lt_buf_free(&b);
    }
}

static void test_pack__documents_come_back(void **state)
{
    (void)state;
    struct packed p = prepare(100);
    for (int around = 0; around < 2; around++) {
        for (int special = 0; special < 2; special++) {
            struct lt_buf got = { 0 }, want = { 0 };
            assert_ok(pack(&p, 0, around ? "auto" : "no", special, 1 + 2 * special));
            assert_ok(read_back(&p, "train", around, &got));
            expected(100, &want);
            assert_string_equal(got.p, want.p);
            lt_buf_free(&got);
            lt_buf_free(&want);
        }
    }
    end(&p);
}

static int count_lines(const struct lt_buf *b, const char *line)
{
    int n = 0;
    for (const char *at = b->p; at && (at = strstr(at, line)); at++)
        n++;
    return n;
}

static void test_pack__splits_share_no_document(void **state)
{
    (void)state;
    struct packed p = prepare(100);
    struct lt_buf train = { 0 }, validation = { 0 };
    assert_ok(pack(&p, 0.2, "auto", false, 2));
    assert_ok(read_back(&p, "train", true, &train));
    assert_ok(read_back(&p, "validation", true, &validation));
    int held = 0;
    for (int i = 0; i < 100; i++) {
        char line[64];
        snprintf(line, sizeof line, "Document %d tells", i);
        assert_int_equal(count_lines(&train, line) + count_lines(&validation, line), 1);
        held += count_lines(&validation, line);
    }
    assert_true(held >= 8 && held <= 36);           /* 20 expected; beyond 4 standard deviations is a bug */
    lt_buf_free(&train);
    lt_buf_free(&validation);
    end(&p);
}

static void test_pack__a_failure_leaves_the_old_folder(void **state)
{
    (void)state;
    struct packed p = prepare(20);
    assert_ok(pack(&p, 0, "auto", false, 1));
    assert_ok(lt_file_save(p.input, "{\"text\": \"fine\"}\n{\"text\": 3}\n", 29));
    assert_fails(pack(&p, 0, "auto", false, 1), "line 2");
    struct lt_buf got = { 0 }, want = { 0 };
    assert_ok(read_back(&p, "train", true, &got));
    expected(20, &want);
    assert_string_equal(got.p, want.p);
    lt_buf_free(&got);
    lt_buf_free(&want);
    char **name;
    int count;
    assert_ok(lt_list_dir(p.folder, &name, &count));
    for (int i = 0; i < count; i++) {
        assert_null(strstr(name[i], ".tmp"));
        free(name[i]);
    }
    free(name);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack__documents_come_back),
        cmocka_unit_test(test_pack__splits_share_no_document),
        cmocka_unit_test(test_pack__a_failure_leaves_the_old_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
