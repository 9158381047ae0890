/* In the default chain what forbids tokens comes before what keeps a few of the likely ones, in whatever order they
 * were asked for: else nothing might be left, or a text be written that is forbidden. */
#include "pieces_tokenizer.h"
#include "decode/chain.h"
#include <math.h>

static const char *const pieces[] = { "</s>", "a", "b", "ab", " ", "12", "c", "ba", " a", "{", "}", "\"", ":" };
enum { PIECES = LT_COUNT(pieces), VOCAB = PIECES + 2, LONGEST = 40 };

struct setting { const char *name, *key, *value; };
static const struct setting cuts[] = {
    { "temperature", "value", "0" }, { "top_k", "k", "1" }, { "min_p", "value", "0.9" }, { "top_p", "value", "0.1" },
    { "typical_p", "value", "0.1" },
};
static const struct setting bans[] = {
    { "filter", "value", "without(c) and length <= 4" }, { "banned_strings", "value", "ab" },
    { "regex", "value", "(ab|c ){1,6}12" }, { "grammar", "value", "root ::= \"a\" | \"b\" root \"12\"" },
    { "json_schema", "value", "{\"enum\":[12,\"ab\",{\"a\":\"c\"}]}" }, { "length", "value", "5" },
    { "logit_bias", "value", "{\"</s>\":\"ban\",\"1\":\"ban\",\"3\":\"ban\"}" },
};
enum { CUTS = LT_COUNT(cuts) };

static void choose(const struct setting *s, struct lt_options **o, struct lt_choice *choice)
{
    const struct lt_method *m = lt_method_find("control", s->name);
    assert_non_null(m);
    *o = lt_options_new(m);
    assert_ok(lt_options_set(*o, s->key, s->value));
    *choice = (struct lt_choice){ m, (void *)lt_options_done(*o) };
    assert_non_null(choice->o);
}

/* Writes at random with the ban after all the cuts, and asks the ban alone about every token.  Tokens written before
 * the end; -1: the chain found nothing that may come. */
static int write_text(const struct setting *ban, bool as_given, uint64_t seed)
{
    struct lt_tokenizer *t = pieces_tokenizer(pieces, PIECES);
    struct lt_lm lm = { &pieces_tokenizer_lm, t };
    struct lt_options *o[CUTS + 1];
    struct lt_choice choice[CUTS + 1];
    for (int i = 0; i < CUTS; i++) choose(&cuts[i], &o[i], &choice[i]);
    choose(ban, &o[CUTS], &choice[CUTS]);
    struct lt_choices all = { choice, CUTS + 1, as_given }, alone = { choice + CUTS, 1, true };
    struct lt_chain *chain, *judge;
    struct lt_rng r = lt_rng_make(seed, "logits");
    int32_t token[LONGEST];
    int n = 0, rc = 0;
    assert_ok(lt_chain_open(&all, &lm, &chain));
    assert_ok(lt_chain_open(&alone, &lm, &judge));
    while (n < LONGEST) {
        float x[VOCAB], y[VOCAB];
        int left = 0, best = 0;
        for (int i = 0; i < VOCAB; i++) x[i] = y[i] = i < PIECES ? (float)(4 * lt_rng_normal(&r)) : -INFINITY;
        struct lt_seq seq = { token, n, 0 };
        assert_ok(lt_chain_apply(judge, seq, y, VOCAB));
        if ((rc = lt_chain_apply(chain, seq, x, VOCAB))) break;
        for (int i = 0; i < VOCAB; i++) {
            left += x[i] > -INFINITY;
            best = x[i] > x[best] ? i : best;
        }
        assert_int_equal(left, 1);
        if (y[best] == -INFINITY) fail_msg("%s: token %d is forbidden after %d tokens", ban->name, best, n);
        for (int i = 0; i < VOCAB; i++) assert_true(y[i] <= y[best]);   /* the likeliest of those allowed */
        if (!best) break;
        token[n++] = best;
        lt_chain_accept(chain, best);
        lt_chain_accept(judge, best);
    }
    lt_chain_free(chain);
    lt_chain_free(judge);
    for (int i = 0; i <= CUTS; i++) lt_options_free(o[i]);
    lt_tokenizer_free(t);
    return rc ? -1 : n;
}

static void test_control_order__what_forbids_comes_first(void **state)
{
    (void)state;
    for (int i = 0; i < LT_COUNT(bans); i++) {
        int stuck = 0, written = 0;
        for (uint64_t seed = 0; seed < 40; seed++) {
            int n = write_text(&bans[i], false, seed);
            if (n < 0) fail_msg("%s: %s", bans[i].name, lt_error());
            written += n;
            stuck += write_text(&bans[i], true, seed) < 0;
        }
        if (!written) fail_msg("%s wrote nothing", bans[i].name);
        if (!stuck) fail_msg("%s: the order as given does as well, so nothing was tested", bans[i].name);
    }
}

/* Those that know the texts of tokens may forbid any of them. */
static void test_control_order__of_every_member(void **state)
{
    (void)state;
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "control")) k++;
    int forbid = 0, others = 1000, count = 0;
    for (const struct lt_method *const *m = k->member; *m; m++) {
        const struct lt_control *c = (const struct lt_control *)*m;
        if (c->open) forbid = LT_MAX(forbid, c->order);
        else others = LT_MIN(others, c->order);
        count += c->open != NULL;
    }
    assert_int_equal(count, LT_COUNT(bans));
    assert_true(forbid < others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_order__what_forbids_comes_first),
        cmocka_unit_test(test_control_order__of_every_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
