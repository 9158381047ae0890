/* Recipes over arbitrary bytes: refuse with a sentence that is the caller's fault, or accept; nothing runs. */
#include "recipe/recipe.h"
#include "toy_verbs.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const char *item[] = { "x=1", "weigh.scale=2" };
    const struct lt_list overrides = { item, n % 3 };
    struct lt_recipe r;
    if (lt_recipe_parse("input", (struct lt_str){ (const char *)p, n }, &overrides, toy_find, NULL, &r)) {
        assert(lt_error_is_misuse());
        return 0;
    }
    lt_recipe_close(&r);
    return 0;
}
