/* Weights by the formula of test/oracle/model_weights.py, and the one number its scripts keep of all gradients. */
#ifndef LT_TEST_FORMULA_MODEL_H
#define LT_TEST_FORMULA_MODEL_H

#include "model/model.h"

static inline uint64_t lt_formula_hash(const char *name)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 0x100000001B3u;
    return h;
}

static inline double lt_formula_uniform(uint64_t base, uint64_t i)
{
    uint64_t z = base + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 40) / (1 << 24) - 0.5;
}

static inline void lt_formula_values(const char *name, int rank, int64_t n, float *to)
{
    uint64_t base = lt_formula_hash(name);
    bool norm = rank == 1 && lt_str_ends(lt_str(name), ".weight");
    for (int64_t i = 0; i < n; i++) {
        double u = lt_formula_uniform(base, (uint64_t)i);
        to[i] = (float)(norm ? 1 + u : 0.5 * u);
    }
}

static inline void lt_formula_fill(struct lt_model *m)
{
    for (int w = 0; w < m->weight_count; w++)
        lt_formula_values(m->weight[w].name, m->weight[w].rank, lt_weight_count(&m->weight[w]), m->weight[w].master);
}

/* Of the loss whose gradients the model holds, along one direction through all weights. */
static inline double lt_formula_slope(const struct lt_model *m)
{
    double sum = 0;
    for (int w = 0; w < m->weight_count; w++) {
        const struct lt_weight *x = &m->weight[w];
        struct lt_buf name = { 0 };
        lt_buf_fmt(&name, "%s/", x->name);
        uint64_t base = lt_formula_hash(name.p);
        for (int64_t i = 0; i < lt_weight_count(x); i++)
            sum += (double)x->grad[i] * lt_formula_uniform(base, (uint64_t)i);
        lt_buf_free(&name);
    }
    return sum;
}

#endif
