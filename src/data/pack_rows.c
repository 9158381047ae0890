/* A row is tokenised as the one text that it is, prompt and completion together, as a model will meet it.  A token that
 * holds any byte of the completion is predicted, so one over the seam is too: it is what a completion begins with when
 * the blank before a word belongs to the word's token.  Between words that is where `lathe score` draws the line. */
#include "data/pack_rows.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum lt_row_kind lt_row_kind_of(const char *name)
{
    if (name && !strcmp(name, "completions")) return LT_ROW_COMPLETION;
    return name && !strcmp(name, "pairs") ? LT_ROW_PAIR : LT_ROW_TEXT;
}

void lt_packed_release(struct lt_packed *p)
{
    free(p->id);
    free(p->mask);
    *p = (struct lt_packed){ 0 };
}

static int take_text(const json_t *row, const char *field, struct lt_str *out)
{
    const json_t *v = json_object_get(row, field);
    if (json_is_array(v))
        return lt_fail("\"%s\" is a list; conversations must be made texts first (`lathe show-template`)", field);
    return lt_json_field(row, field, out);
}

static void put(struct lt_packed *p, int32_t id, bool predicted)
{
    p->id[p->count] = id;
    p->mask[p->count] = p->count && predicted;
    p->count++;
}

static int encode(const struct lt_row_coder *c, struct lt_encoder *e, struct lt_str prompt, struct lt_str text,
                  struct lt_packed *out)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    struct lt_buf whole = { 0 };
    lt_buf_put(&whole, prompt.p, prompt.n);
    lt_buf_put(&whole, text.p, text.n);
    int rc = lt_encoder_encode(e, lt_buf_view(&whole), c->flags, NULL, &token, &n, &cap);
    lt_buf_free(&whole);
    if (!rc) {
        *out = (struct lt_packed){ .id = lt_alloc((n + 2) * sizeof *out->id), .mask = lt_alloc(n + 2),
                                   .bytes = text.n };
        if (c->bos >= 0 && (!n || token[0].id != c->bos)) put(out, c->bos, false);
        for (size_t i = 0; i < n; i++) put(out, token[i].id, token[i].end > prompt.n || token[i].begin >= prompt.n);
        if (c->eos >= 0 && (!n || token[n - 1].id != c->eos)) put(out, c->eos, true);
    }
    free(token);
    return rc;
}

static int encode_checked(const struct lt_row_coder *c, struct lt_encoder *e, struct lt_str prompt, struct lt_str text,
                          const char *field, struct lt_packed *out)
{
    if (!prompt.n && !text.n) return lt_fail("\"%s\" is empty and there is no prompt", field);
    if (encode(c, e, prompt, text, out)) return lt_fail("\"%s\": %s", field, lt_error());
    return memchr(out->mask, 1, out->count) ? 0 : lt_fail("\"%s\" has no token to predict", field);
}

int lt_row_encode(const struct lt_row_coder *c, struct lt_encoder *e, struct lt_str row, uint64_t seed,
                  struct lt_packed out[2], uint64_t *key)
{
    static const char *const field[][2] = { [LT_ROW_COMPLETION] = { "completion" },
                                            [LT_ROW_PAIR] = { "chosen", "rejected" } };
    json_t *j = NULL;
    struct lt_str prompt = { "", 0 }, text[2];
    int rc = lt_json_parse("row", row, &j), texts = c->kind == LT_ROW_PAIR ? 2 : 1;
    const json_t *given = json_object_get(j, "prompt");
    if (!rc && given && !json_is_null(given)) rc = take_text(j, "prompt", &prompt);
    for (int i = 0; i < texts && !rc; i++) rc = take_text(j, field[c->kind][i], &text[i]);
    for (int i = 0; i < texts && !rc; i++) rc = encode_checked(c, e, prompt, text[i], field[c->kind][i], &out[i]);
    if (!rc) *key = prompt.n ? lt_hash(prompt.p, prompt.n, seed) : lt_hash(text[0].p, text[0].n, seed);
    json_decref(j);
    return rc ? -1 : 0;
}
