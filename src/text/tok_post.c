/* Post-processors: the tokens put before and after a text.  Only single texts are encoded, so a template comes down to
 * two lists of ids.  ByteLevel and Roberta's trim_offsets is not applied: the offsets of a token are those of all its
 * bytes, white space included. */
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static int push(int32_t **list, int *count, json_t *id)
{
    int64_t v = json_is_integer(id) ? json_integer_value(id) : -1;
    if (v < 0 || v >= LT_TOK_IDS_MAX)
        return lt_fail("post_processor: a token id must be a whole number from 0 to %d", LT_TOK_IDS_MAX - 1);
    if (*count == MOST)
        return lt_fail("post_processor: more than %d tokens are added", MOST);
    *list = lt_realloc(*list, (size_t)(*count + 1) * sizeof **list);
    (*list)[(*count)++] = (int32_t)v;
    return 0;
}

static int add_template(json_t *j, struct lt_tok_post *out)
{
    json_t *single = json_object_get(j, "single"), *specials = json_object_get(j, "special_tokens"), *item;
    if (!json_is_array(single))
        return lt_fail("post_processor: TemplateProcessing needs a list \"single\"");
    bool after = false;
    for (size_t i = 0; i < json_array_size(single); i++) {
        item = json_array_get(single, i);
        if (json_object_get(item, "Sequence")) {
            if (after)
                return lt_fail("post_processor: the template holds the text twice");
            after = true;
            continue;
        }
        const char *name = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
        json_t *ids = name ? json_object_get(json_object_get(specials, name), "ids") : NULL;
        if (!json_is_array(ids))
            return lt_fail("post_processor: single[%zu] is not a token of \"special_tokens\"", i);
        for (size_t k = 0; k < json_array_size(ids); k++)
            if (after ? push(&out->after, &out->after_count, json_array_get(ids, k))
                      : push(&out->before, &out->before_count, json_array_get(ids, k)))
                return -1;
    }
    return after ? 0 : lt_fail("post_processor: the template leaves out the text");
}

/* BertProcessing and RobertaProcessing: ["[SEP]", 102]. */
static int add_pair(json_t *j, struct lt_tok_post *out)
{
    return push(&out->before, &out->before_count, json_array_get(json_object_get(j, "cls"), 1)) ||
           push(&out->after, &out->after_count, json_array_get(json_object_get(j, "sep"), 1)) ? -1 : 0;
}

/* Later stages enclose earlier ones: before = later before + earlier before. */
static void enclose(struct lt_tok_post *out, const struct lt_tok_post *outer)
{
    struct lt_tok_post sum = { .before_count = outer->before_count + out->before_count,
                               .after_count = out->after_count + outer->after_count };
    sum.before = lt_alloc((size_t)sum.before_count * sizeof *sum.before);
    sum.after = lt_alloc((size_t)sum.after_count * sizeof *sum.after);
    for (int i = 0; i < sum.before_count; i++)
        sum.before[i] = i < outer->before_count ? outer->before[i] : out->before[i - outer->before_count];
    for (int i = 0; i < sum.after_count; i++)
        sum.after[i] = i < out->after_count ? out->after[i] : outer->after[i - out->after_count];
    lt_tok_post_free(out);
    *out = sum;
}

static int build(json_t *j, struct lt_tok_post *out, int depth)
{
    const char *name = lt_tok_stage_type(j, "post_processor");
    if (!name)
        return -1;
    if (strcmp(name, "ByteLevel") == 0)
        return 0;
    if (strcmp(name, "TemplateProcessing") == 0)
        return add_template(j, out);
    if (strcmp(name, "BertProcessing") == 0 || strcmp(name, "RobertaProcessing") == 0)
        return add_pair(j, out);
    if (strcmp(name, "Sequence"))
        return lt_tok_stage_unknown("post_processor", name);
    json_t *list = json_object_get(j, "processors");
    if (!json_is_array(list) || depth > 8 || json_array_size(list) > 64)
        return lt_fail("post_processor: Sequence needs a list \"processors\" of at most 64, nested at most 8 deep");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct lt_tok_post outer = { 0 };
        int rc = build(json_array_get(list, i), &outer, depth + 1);
        if (rc == 0 && (out->before_count + outer.before_count > MOST || out->after_count + outer.after_count > MOST))
            rc = lt_fail("post_processor: more than %d tokens are added", MOST);
        if (rc == 0)
            enclose(out, &outer);
        lt_tok_post_free(&outer);
        if (rc)
            return -1;
    }
    return 0;
}

int lt_tok_post_build(json_t *j, struct lt_tok_post *out)
{
    *out = (struct lt_tok_post){ 0 };
    return j && !json_is_null(j) ? build(j, out, 0) : 0;
}

void lt_tok_post_free(struct lt_tok_post *p)
{
    free(p->before);
    free(p->after);
    *p = (struct lt_tok_post){ 0 };
}
