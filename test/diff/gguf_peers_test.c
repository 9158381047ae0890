/* GGUF files against the programs that read and write them elsewhere: files of the `gguf` package give the logits of
 * transformers (test/oracle/make_gguf.py), and, where LATHE_ORACLE_PYTHON names a Python that has both, files of ours
 * are read there. */
#include "test.h"
#include "model/gguf_model.h"

#include <math.h>

enum { TOKENS_MAX = 32, VOCAB = 16 };

static void last_logits(struct lt_model *m, const int32_t *token, int n, float *out)
{
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    int32_t pos[TOKENS_MAX];
    for (int i = 0; i < n; i++) pos[i] = i;
    const int64_t seq_row[2] = { 0, n };
    const struct lt_batch b = { .rows = n, .token = token, .pos = pos, .seq_count = 1, .seq_row = seq_row };
    struct lt_tensor *x = m->arch->forward(m->o, m, g, &b);
    if (!x) fail_msg("%s", lt_error());
    const struct lt_tensor *y = lt_model_logits(g, m, x);
    memcpy(out, (const float *)y->data + (n - 1) * m->vocab, (size_t)m->vocab * sizeof *out);
    lt_graph_free(g);
}

/* Whole numbers or reals between spaces. */
static int numbers(struct lt_str text, double *out, int most)
{
    struct lt_str part;
    int n = 0;
    while (n < most && text.p && lt_str_split(&text, ' ', &part)) assert_ok(lt_str_real(part, &out[n++]));
    return n;
}

static void test_gguf_peers__files_of_the_gguf_package_give_the_logits_of_transformers(void **state)
{
    (void)state;
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read("test/oracle/gguf.tsv", &text));
    struct lt_str rest = lt_buf_view(&text), line;
    int count = 0;
    while (rest.p && lt_str_split(&rest, '\n', &line)) {
        struct lt_str name, tokens;
        double id[TOKENS_MAX], want[VOCAB];
        int32_t token[TOKENS_MAX];
        float got[VOCAB];
        char path[256];
        if (!line.n) continue;
        lt_str_split(&line, '\t', &name);
        lt_str_split(&line, '\t', &tokens);
        int n = numbers(tokens, id, TOKENS_MAX);
        assert_int_equal(numbers(line, want, VOCAB), VOCAB);
        for (int i = 0; i < n; i++) token[i] = (int32_t)id[i];
        snprintf(path, sizeof path, "test/fuzz/corpus/gguf/%.*s", (int)name.n, name.p);
        struct lt_model *m;
        assert_ok(lt_model_open(path, &m));
        last_logits(m, token, n, got);
        /* Products with quantised weights round their inputs to 8 bits. */
        double most = strstr(path, "-q") ? 0.05 : 2e-5;
        for (int i = 0; i < VOCAB; i++)
            if (!(fabs((double)got[i] - want[i]) < most))
                fail_msg("%s: logit %d is %g, transformers has %g", path, i, (double)got[i], want[i]);
        lt_model_free(m);
        count++;
    }
    assert_int_equal(count, 12);
    lt_buf_free(&text);
}

static void test_gguf_peers__files_of_ours_are_read_by_gguf_and_transformers(void **state)
{
    (void)state;
    const char *python = getenv("LATHE_ORACLE_PYTHON");
    if (!python) {
        fprintf(stderr, "SKIP: LATHE_ORACLE_PYTHON names no Python with gguf and transformers\n");
        skip();
    }
    struct lt_buf command = { 0 };
    lt_buf_fmt(&command, "'%s' test/oracle/check_gguf.py '%s' >&2", python, getenv("LATHE") ? getenv("LATHE")
                                                                                           : "build/lathe");
    int rc = system(command.p);
    lt_buf_free(&command);
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_peers__files_of_the_gguf_package_give_the_logits_of_transformers),
        cmocka_unit_test(test_gguf_peers__files_of_ours_are_read_by_gguf_and_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
