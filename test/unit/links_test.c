/* Links and what they lead to, with tables of any size, against looking everything up. */
#include "test.h"
#include "ngram/links.h"

enum { VALUES = 30000, LINKS = 90000 };

static void test_links__follow(void **state)
{
    (void)state;
    static const size_t room[] = { 1 << 20, 50000, 1 };
    static const size_t memory[] = { 1 << 24, 100000, 0 };
    for (int i = 0; i < LT_COUNT(room); i++) {
        struct lt_spill *home = lt_spill_new("/tmp", memory[i]);
        struct lt_spool value, link, out;
        struct lt_spool_reader r, l;
        struct lt_rng rng = lt_rng_make(1, "links");
        lt_spool_init(&value, home);
        lt_spool_init(&link, home);
        for (uint32_t k = 0; k < VALUES; k++) lt_spool_put_u32(&value, 3 * k + 1);
        for (uint32_t k = 0; k < LINKS; k++) lt_spool_put_u32(&link, (uint32_t)lt_rng_below(&rng, VALUES));
        assert_ok(lt_links_follow(&link, LINKS, &value, VALUES, room[i], NULL, &out));
        lt_spool_read(&r, &out);
        lt_spool_read(&l, &link);
        for (uint32_t k = 0; k < LINKS; k++) assert_int_equal(lt_spool_get_u32(&r), 3 * lt_spool_get_u32(&l) + 1);
        assert_false(lt_spool_more(&r));
        lt_spool_read_end(&r);
        lt_spool_read_end(&l);
        lt_spool_free(&value);
        lt_spool_free(&link);
        lt_spool_free(&out);
        lt_spill_free(home);
    }
}

/* ---- levels of a random text ---- */
static void make_levels(struct lt_levels *l, struct lt_spill *home, int order, uint32_t words)
{
    struct lt_counter t;
    struct lt_rng r = lt_rng_make(2, "levels");
    struct lt_keeping keep = { { 0 }, NULL };
    lt_counter_init(&t, order, NULL, home, 1 << 24);
    for (int i = 0; i < 3000; i++) {
        assert_ok(lt_counter_add(&t, LT_TEXT_BOS, words));
        for (uint64_t n = lt_rng_below(&r, 15); n; n--) {
            double u = lt_rng_unit(&r);
            assert_ok(lt_counter_add(&t, 3 + (uint32_t)((words - 3) * u * u), words));
        }
        assert_ok(lt_counter_add(&t, LT_TEXT_EOS, words));
    }
    assert_ok(lt_counter_finish(&t, words));
    assert_ok(lt_levels_build(l, &t, words, &keep));
    lt_counter_release(&t);
}

/* Every n-gram of a level as words, less the first `from` of them. */
static void spell(const struct lt_levels *l, int level, int from, struct lt_map *m, struct lt_str *key)
{
    struct lt_path p;
    lt_path_begin(&p, l, level);
    for (uint64_t i = 0; i < l->level[level].n; i++) {
        lt_path_next(&p);
        struct lt_str words = { (const char *)(p.word + from), (size_t)(level + 1 - from) * sizeof *p.word };
        uint64_t *at = lt_map_put(m, words, NULL);
        if (!from) *at = i;
        else key[i] = m->entry[(size_t)((char *)at - (char *)m->entry) / sizeof *m->entry].key;
    }
    lt_path_end(&p);
}

static void check_level(const struct lt_levels *l, int level, const struct lt_spool *links,
                        const struct lt_spool *before)
{
    struct lt_map below = { 0 }, ends = { 0 };
    struct lt_str *end = lt_calloc(l->level[level].n, sizeof *end);
    uint32_t *count = lt_calloc(l->level[level - 1].n, sizeof *count);
    struct lt_spool_reader r;
    spell(l, level - 1, 0, &below, NULL);
    spell(l, level, 1, &ends, end);
    lt_spool_read(&r, links);
    for (uint64_t i = 0; i < l->level[level].n; i++) {
        const uint64_t *want = lt_map_get(&below, end[i]);
        assert_non_null(want);
        assert_int_equal(lt_spool_get_u32(&r), *want);
        count[*want]++;
    }
    assert_false(lt_spool_more(&r));
    lt_spool_read_end(&r);
    lt_spool_read(&r, before);
    for (uint64_t i = 0; i < l->level[level - 1].n; i++) assert_int_equal(lt_spool_get_u32(&r), count[i]);
    assert_false(lt_spool_more(&r));
    lt_spool_read_end(&r);
    lt_map_free(&below);
    lt_map_free(&ends);
    free(end);
    free(count);
}

static void test_links__find(void **state)
{
    (void)state;
    static const size_t room[] = { 1 << 24, 60000, 1 };
    for (int i = 0; i < LT_COUNT(room); i++) {
        struct lt_spill *home = lt_spill_new("/tmp", i == 2 ? 0 : 1 << 24);
        struct lt_levels l;
        struct lt_spool links = { 0 }, next, before;
        make_levels(&l, home, 5, i == 2 ? 60 : 2000);
        for (int level = 1; level < 5; level++) {
            assert_ok(lt_links_find(&l, level, &links, room[i], NULL, &next, &before));
            check_level(&l, level, &next, &before);
            lt_spool_free(&links);
            lt_spool_free(&before);
            links = next;
        }
        lt_spool_free(&links);
        lt_levels_release(&l);
        lt_spill_free(home);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links__follow),
        cmocka_unit_test(test_links__find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
