/* A training run small enough for tests: shards drawn from a seed, a model of two layers, options by words. */
#ifndef LT_TEST_TINY_RUN_H
#define LT_TEST_TINY_RUN_H

#include "data/shard.h"
#include "test.h"
#include "train/train.h"

enum { TINY_VOCAB = 48 };

/* A language with something to learn: the next token is mostly a fixed function of the last. */
static inline void tiny_split(const char *folder, const char *split, int documents)
{
    struct lt_shard_writer *w;
    struct lt_shard_totals totals;
    struct lt_rng r = lt_rng_make(5, split);
    assert_ok(lt_shard_writer_open(folder, split, TINY_VOCAB, "00000000000000000000000000000000", LT_SHARD_TOKENS, &w));
    for (int d = 0; d < documents; d++) {
        int32_t id[120];
        int n = 20 + (int)lt_rng_below(&r, 100);
        id[0] = 0;
        for (int i = 1; i < n; i++)
            id[i] = lt_rng_below(&r, 4) ? (id[i - 1] * 7 + 11) % TINY_VOCAB : (int32_t)lt_rng_below(&r, TINY_VOCAB);
        assert_ok(lt_shard_write(w, id, (size_t)n, (size_t)n * 3));
    }
    assert_ok(lt_shard_writer_commit(w, &totals));
}

static inline char *tiny_data(const char *folder)
{
    char *data = lt_strdup(lt_test_path(folder, "shards"));
    assert_ok(lt_mkdirs(data));
    tiny_split(data, "train", 60);
    tiny_split(data, "validation", 4);
    return data;
}

/* Pairs after a prompt of some tokens: what is chosen goes on by that function, what is rejected as it likes. */
static inline void tiny_pair_split(const char *folder, const char *split, int pairs)
{
    struct lt_shard_writer *w;
    struct lt_shard_totals totals;
    struct lt_rng r = lt_rng_make(6, split);
    assert_ok(lt_shard_writer_open(folder, split, TINY_VOCAB, "00000000000000000000000000000000", LT_SHARD_TOKENS, &w));
    lt_shard_writer_mask(w, true);
    for (int p = 0; p < pairs; p++) {
        int32_t id[2][24];
        uint8_t mask[24];
        int prompt = 1 + (int)lt_rng_below(&r, 5), n = prompt + 4 + (int)lt_rng_below(&r, 15);
        for (int i = 0; i < n; i++) {
            mask[i] = i >= prompt;
            id[1][i] = (int32_t)lt_rng_below(&r, TINY_VOCAB);
            id[0][i] = i < prompt ? id[1][i] : (id[0][i - 1] * 7 + 11) % TINY_VOCAB;
        }
        for (int k = 0; k < 2; k++) assert_ok(lt_shard_write_masked(w, id[k], mask, (size_t)n, (size_t)n * 3));
    }
    assert_ok(lt_shard_writer_commit(w, &totals));
}

static inline char *tiny_pairs(const char *folder)
{
    char *data = lt_strdup(lt_test_path(folder, "pairs"));
    assert_ok(lt_mkdirs(data));
    tiny_pair_split(data, "train", 120);
    tiny_pair_split(data, "validation", 40);
    return data;
}

static const struct lt_method tiny_method = { .name = "train", .size = sizeof(struct lt_train_options),
                                              .opts = lt_train_rows };

/* Trains with further words, "--key value ...", ending with NULL; a later word does not replace an earlier one. */
static inline int tiny_train_in(struct lt_ctx *c, const char *data, const char *output, const char *const *words)
{
    struct lt_options *s = lt_options_new(&tiny_method);
    int count = 0;
    while (words[count]) count++;
    assert_ok(lt_options_set(s, "data", data));
    assert_ok(lt_options_set(s, "output", output));
    assert_ok(lt_options_args(s, count, (char **)words));
    const void *o = lt_options_done(s);
    int rc = o ? lt_train(o, c) : -1;
    lt_options_free(s);
    return rc;
}

static inline int tiny_train(int threads, const char *data, const char *output, const char *const *words)
{
    struct lt_ctx *c = lt_ctx_new(threads, NULL, NULL);
    int rc = tiny_train_in(c, data, output, words);
    lt_ctx_free(c);
    return rc;
}
#define TINY_MODEL "--arch", "llama", "--hidden_size", "32", "--num_hidden_layers", "2", "--num_attention_heads", "4"
#define TINY_DATA "--max_length", "32", "--lr", "0.01"

#endif
