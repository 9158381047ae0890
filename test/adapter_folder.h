/* A PEFT folder of a LoRA adapter for a model, its numbers drawn from a seed. */
#ifndef LT_TEST_ADAPTER_FOLDER_H
#define LT_TEST_ADAPTER_FOLDER_H

#include "test.h"
#include "model/adapter.h"
#include "model/safetensors.h"

/* Of the linear layers whose name fits the pattern.  scale 0: B is zero. */
static inline void adapter_folder(const char *folder, const struct lt_model *m, const char *pattern, int r,
                                  double scale, enum lt_dtype type)
{
    struct lt_safetensor *tensor = lt_calloc(2 * (size_t)m->weight_count, sizeof *tensor);
    struct lt_arena a = { 0 };
    int count = 0;
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        if (w->rank != 2 || w->layer < 0 || !lt_glob(pattern, w->name)) continue;
        const int64_t in = w->dim[w->transposed ? 0 : 1], out = w->dim[w->transposed ? 1 : 0];
        for (int k = 0; k < 2; k++) {
            struct lt_safetensor *t = &tensor[count++];
            *t = (struct lt_safetensor){ .type = LT_F32, .rank = 2, .dim = { k ? out : r, k ? r : in },
                                         .count = (k ? out : in) * r };
            t->name = lt_arena_fmt(&a, "base_model.model.%.*s.lora_%c.weight", (int)strlen(w->name) - 7, w->name,
                                   k ? 'B' : 'A');
            float *x = lt_arena_take(&a, (size_t)t->count * sizeof *x);
            struct lt_rng rng = lt_rng_make((uint64_t)r, t->name);
            for (int64_t j = 0; j < t->count; j++) x[j] = (float)((k ? scale : 0.3) * lt_rng_normal(&rng));
            t->data = x;
        }
    }
    char config[256];
    int n = snprintf(config, sizeof config,
                     "{\"peft_type\": \"LORA\", \"r\": %d, \"lora_alpha\": %d, \"bias\": \"none\"}", r, r);
    assert_true(count > 0);
    assert_ok(lt_mkdirs(folder));
    assert_ok(lt_file_save(lt_test_path(folder, "adapter_config.json"), config, (size_t)n));
    assert_ok(lt_safetensors_save(lt_test_path(folder, "adapter_model.safetensors"), tensor, count, type));
    lt_arena_free(&a);
    free(tensor);
}

#endif
