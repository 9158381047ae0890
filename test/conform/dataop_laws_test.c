/* Laws of every operator on documents, because it is in the list: nothing is lost or invented, order stays, and a
 * second pass over what stayed drops nothing more, but for thirds, which are cut anew. */
#include "test.h"
#include "data/op_chain.h"
#include "ngram/ngram.h"
#include <math.h>

enum { DOCUMENTS = 60 };
struct kept { struct lt_buf text[DOCUMENTS], added[DOCUMENTS]; uint64_t number[DOCUMENTS]; int count; };

static int keep(void *self, const struct lt_doc *d)
{
    struct kept *k = self;
    assert_true(k->count < DOCUMENTS);
    assert_null(d->why);
    lt_buf_put(&k->text[k->count], d->text.p, d->text.n);
    lt_buf_put(&k->added[k->count], d->added.p, d->added.n);
    k->number[k->count++] = d->number;
    return 0;
}

static void release(struct kept *k)
{
    for (int i = 0; i < k->count; i++) {
        lt_buf_free(&k->text[i]);
        lt_buf_free(&k->added[i]);
    }
    k->count = 0;
}

/* Texts of one to five of six words, some of them twice. */
static void write_texts(struct lt_buf *out)
{
    static const char *const word[] = { "the", "cat", "sat", "on", "zebra", "mat" };
    struct lt_rng r = lt_rng_make(7, "documents");
    for (int i = 0; i < DOCUMENTS; i++) {
        int n = 1 + (int)lt_rng_below(&r, 5);
        for (int k = 0; k < n; k++)
            lt_buf_fmt(&out[i], "%s%s", k ? i % 2 ? "\n" : " " : "", word[lt_rng_below(&r, 6)]);
    }
}

/* Options with which the operator drops something; one that is not here has to be added. */
static const struct { const char *name, *key[4], *value[4]; } settings[] = {
    { "exact_dedup", { NULL }, { NULL } },
    { "length", { "min_words", "max_words" }, { "2", "4" } },
    { "perplexity", { "model", "max" }, { "MODEL", "6" } },
    { "perplexity", { "model", "keep" }, { "MODEL", "head,tail" } },
};

static struct lt_options *options_of(const struct lt_method *m, int i, const char *model)
{
    struct lt_options *s = lt_options_new(m);
    for (int k = 0; k < 4 && settings[i].key[k]; k++)
        assert_ok(lt_options_set(s, settings[i].key[k], strcmp(settings[i].value[k], "MODEL") ? settings[i].value[k]
                                                                                             : model));
    return s;
}

static uint64_t pass(const struct lt_choices *ops, const struct lt_buf *text, const uint64_t *number, int n,
                     struct kept *out)
{
    struct lt_op_chain *c;
    const char *name, *why;
    uint64_t given, dropped, part, sum = 0;
    assert_ok(lt_op_chain_open(ops, NULL, keep, out, &c));
    for (int i = 0; i < n; i++) {
        struct lt_doc d = { .text = lt_buf_view(&text[i]), .id = lt_str("id"), .source = "memory",
                            .number = number ? number[i] : (uint64_t)i };
        assert_ok(lt_op_chain_push(c, &d));
    }
    assert_ok(lt_op_chain_finish(c));
    assert_true(lt_op_chain_count(c, 0, &name, &given, &dropped));
    assert_string_equal(name, ops->item[0].method->name);
    for (uint32_t j = 0; lt_op_chain_why(c, 0, j, &why, &part); j++) sum += part;
    assert_int_equal(sum, dropped);
    assert_int_equal(given, n);
    assert_int_equal(dropped + (uint64_t)out->count, n);
    lt_op_chain_close(c);
    return dropped;
}

static void check_member(const struct lt_method *m, int i, const char *model)
{
    struct lt_options *s = options_of(m, i, model);
    const void *o = lt_options_done(s);
    if (!o) fail_msg("%s: %s", m->name, lt_error());
    struct lt_choice choice = { m, (void *)o };
    struct lt_choices ops = { &choice, 1, true };
    struct lt_buf text[DOCUMENTS] = { 0 };
    struct kept first = { 0 }, again = { 0 };
    write_texts(text);
    if (!pass(&ops, text, NULL, DOCUMENTS, &first)) fail_msg("%s drops nothing", m->name);
    if (!first.count) fail_msg("%s drops everything", m->name);
    for (int k = 0; k < first.count; k++) {
        if (k && first.number[k - 1] >= first.number[k]) fail_msg("%s changes the order", m->name);
        assert_true(lt_str_eq(lt_buf_view(&first.text[k]), lt_buf_view(&text[first.number[k]])));
    }
    bool thirds = settings[i].key[1] && !strcmp(settings[i].key[1], "keep");
    if (!thirds && pass(&ops, first.text, first.number, first.count, &again))
        fail_msg("%s drops more of what it kept before", m->name);
    for (int k = 0; k < again.count; k++)
        assert_true(lt_str_eq(lt_buf_view(&first.added[k]), lt_buf_view(&again.added[k])));
    release(&first);
    release(&again);
    for (int k = 0; k < DOCUMENTS; k++) lt_buf_free(&text[k]);
    lt_options_free(s);
}

static const char arpa[] =
    "\\data\\\nngram 1=6\n\n\\1-grams:\n-2 <unk>\n-99 <s>\n-1 </s>\n-0.3 the\n-0.5 cat\n-0.7 sat\n\n\\end\\\n";

static void test_dataop_laws__every_member(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *model = lt_test_path(folder, "m.arpa");
    assert_ok(lt_file_save(model, arpa, sizeof arpa - 1));
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "dataop")) k++;
    for (const struct lt_method *const *m = k->member; *m; m++) {
        int found = 0;
        for (int i = 0; i < LT_COUNT(settings); i++) {
            if (strcmp(settings[i].name, (*m)->name)) continue;
            check_member(*m, i, model);
            found++;
        }
        if (!found) fail_msg("%s: say here with which options it drops something", (*m)->name);
    }
    lt_test_temp_end(folder);
}

/* The figure is that of the model, and thirds are thirds. */
static void test_dataop_laws__perplexity(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *model = lt_test_path(folder, "m.arpa");
    assert_ok(lt_file_save(model, arpa, sizeof arpa - 1));
    const struct lt_method *m = lt_method_find("dataop", "perplexity");
    struct lt_options *s = lt_options_new(m);
    assert_ok(lt_options_set(s, "model", model));
    assert_ok(lt_options_set(s, "keep", "head,middle,tail"));
    struct lt_choice choice = { m, (void *)lt_options_done(s) };
    struct lt_choices ops = { &choice, 1, true };
    static const char *const texts[] = { "the cat", "sat", "the\n\nfish", "the", "cat cat cat" };
    static const double logp[] = { -0.4, -0.7, -1.15, -0.3, -0.5 };     /* mean log10 p */
    static const char *const third[] = { "head", "middle", "tail", "head", "middle" };
    struct lt_buf text[DOCUMENTS] = { 0 };
    struct kept out = { 0 };
    for (int i = 0; i < LT_COUNT(texts); i++) lt_buf_str(&text[i], texts[i]);
    assert_int_equal(pass(&ops, text, NULL, LT_COUNT(texts), &out), 0);
    for (int i = 0; i < out.count; i++) {
        double p;
        char bucket[16];
        assert_int_equal(sscanf(out.added[i].p, ",\"perplexity\":%lf,\"bucket\":\"%15[a-z]\"", &p, bucket), 2);
        assert_true(fabs(log10(p) + logp[i]) < 1e-6);
        assert_string_equal(bucket, third[i]);
    }
    release(&out);
    for (int i = 0; i < LT_COUNT(texts); i++) lt_buf_free(&text[i]);
    lt_options_free(s);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dataop_laws__every_member),
        cmocka_unit_test(test_dataop_laws__perplexity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
