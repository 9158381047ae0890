/* The thread pool: every chunk once, in any number of threads, many runs in a row. */
#include "test.h"
#include <stdatomic.h>

struct tally { _Atomic int *count; };

static void tick(void *arg, int64_t chunk)
{
    struct tally *t = arg;
    atomic_fetch_add(&t->count[chunk], 1);
}

static void test_pool__runs_every_chunk_once(void **state)
{
    (void)state;
    enum { CHUNKS = 300 };
    for (int threads = 1; threads <= 5; threads++) {
        struct lt_pool *p = lt_pool_new(threads);
        assert_int_equal(lt_pool_threads(p), threads);
        for (int round = 0; round < 300; round++) {
            _Atomic int count[CHUNKS] = { 0 };
            int n = round % CHUNKS;
            lt_pool_run(p, n, tick, &(struct tally){ count });
            for (int i = 0; i < CHUNKS; i++)
                assert_int_equal(count[i], i < n);
            if (round % 100 == 50)
                usleep(2000);                   /* let the workers fall asleep */
        }
        lt_pool_free(p);
    }
}

static void test_pool__null_is_the_caller(void **state)
{
    (void)state;
    _Atomic int count[4] = { 0 };
    lt_pool_run(NULL, 4, tick, &(struct tally){ count });
    assert_int_equal(count[0] + count[1] + count[2] + count[3], 4);
    assert_int_equal(lt_pool_threads(NULL), 1);
    lt_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__runs_every_chunk_once),
        cmocka_unit_test(test_pool__null_is_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
