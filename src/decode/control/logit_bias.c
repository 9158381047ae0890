/* Numbers added to the logits of chosen tokens, as OpenAI's logit_bias.
 *
 *     lathe generate MODEL --prompt "Once" --logit_bias '{"50256": -100, " the": 2.5}'
 *     lathe generate MODEL --prompt "Once" --logit_bias 50256=ban --logit_bias " the=2.5" */
#include "base/json.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 1 << 20 };

struct options { struct lt_list value; };
struct entry { int32_t id; float bias; };
struct state { struct entry *entry; int count; };
struct reading { const struct lt_tokenizer *t; int32_t known; struct state *out; };  /* known: ids are below it */

static int add(const struct reading *r, int64_t id, double bias)
{
    struct state *s = r->out;
    if (id < 0 || id >= r->known)
        return lt_misuse("logit_bias: token %lld is not among the %d of the model", (long long)id, (int)r->known);
    for (int i = 0; i < s->count; i++)
        if (s->entry[i].id == id) return lt_misuse("logit_bias: token %lld is given twice", (long long)id);
    if (s->count == ENTRIES_MAX) return lt_misuse("logit_bias: more than %d tokens", ENTRIES_MAX);
    if ((s->count & (s->count - 1)) == 0)
        s->entry = lt_realloc(s->entry, (size_t)LT_MAX(2 * s->count, 1) * sizeof *s->entry);
    s->entry[s->count++] = (struct entry){ (int32_t)id, (float)bias };
    return 0;
}

/* Every token that adds exactly this text, or is a special token spelt so. */
static int add_text(const struct reading *r, struct lt_str text, double bias)
{
    int before = r->out->count;
    if (!r->t) return lt_misuse("logit_bias: the model has no tokenizer: name tokens by their numbers");
    for (int32_t id = 0; text.n && id < lt_tokenizer_vocab(r->t); id++) {
        struct lt_str is = { 0 };
        if (lt_tokenizer_special(r->t, id)) is = lt_tokenizer_piece(r->t, id);
        else if (!lt_tokenizer_bytes(r->t, id, &is)) continue;
        if (lt_str_eq(is, text) && add(r, id, bias)) return -1;
    }
    if (r->out->count > before) return 0;
    return lt_misuse("logit_bias: \"%.*s\" is not one token of the model; `lathe tokenizer encode` shows how it is "
                     "cut, and banned_strings forbids texts of any length", (int)LT_MIN(text.n, 80), text.p);
}

static int add_key(const struct reading *r, struct lt_str key, double bias)
{
    int64_t id;
    return !lt_str_int(key, &id) ? add(r, id, bias) : add_text(r, key, bias);
}

static int check_bias(double bias)
{
    if (bias == -INFINITY || (bias >= -100 && bias <= 100)) return 0;
    return lt_misuse("logit_bias: expected a number from -100 to 100, or -inf or ban, found %g", bias);
}

static int read_bias(struct lt_str text, double *out)
{
    if (lt_str_is(text, "ban")) *out = -INFINITY;
    else if (lt_str_real(text, out))
        return lt_misuse("logit_bias: expected a number from -100 to 100, or -inf or ban, found \"%.*s\"",
                         (int)LT_MIN(text.n, 80), text.p);
    return check_bias(*out);
}

static int read_object(const struct reading *r, const char *text)
{
    json_t *object;
    const char *key;
    json_t *v;
    int rc = 0;
    if (lt_json_parse("logit_bias", lt_str(text), &object)) return lt_misuse("%s", lt_error());
    json_object_foreach(object, key, v) {
        double bias = json_is_number(v) ? json_number_value(v) : 0;
        if (json_is_string(v)) rc = read_bias(lt_str(json_string_value(v)), &bias);
        else rc = json_is_number(v) ? check_bias(bias) : lt_misuse("logit_bias: \"%s\": expected a number", key);
        if (!rc) rc = add_key(r, lt_str(key), bias);
        if (rc) break;
    }
    json_decref(object);
    return rc;
}

/* TOKEN=BIAS; a token in double quotes is a text even where it looks like a number. */
static int read_pair(const struct reading *r, const char *text)
{
    const char *eq = strrchr(text, '=');
    double bias;
    if (!eq || eq == text)
        return lt_misuse("logit_bias: expected TOKEN=BIAS or a JSON object, found \"%s\"", text);
    struct lt_str key = { text, (size_t)(eq - text) };
    if (read_bias(lt_str(eq + 1), &bias)) return -1;
    if (key.n > 2 && key.p[0] == '"' && key.p[key.n - 1] == '"')
        return add_text(r, (struct lt_str){ key.p + 1, key.n - 2 }, bias);
    return add_key(r, key, bias);
}

/* Logits that the model gives; -1: lt_error. */
static int32_t vocab_of(struct lt_lm *lm)
{
    struct lt_session s = { 0 };
    if (lm->type->session(lm->self, &s)) return -1;
    int vocab = lt_session_vocab(&s);
    lt_session_close(&s);
    return vocab;
}

static int bias_open(const void *v, void *st, struct lt_lm *lm)
{
    const struct options *o = v;
    struct reading r = { .t = lt_lm_tokenizer(lm), .out = st };
    r.known = r.t ? lt_tokenizer_vocab(r.t) : vocab_of(lm);
    if (r.known < 0) return -1;
    for (int i = 0; i < o->value.count; i++) {
        const char *text = o->value.item[i];
        if (*text == '{' ? read_object(&r, text) : read_pair(&r, text)) {
            free(r.out->entry);
            return -1;
        }
    }
    return 0;
}

static void bias_apply(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct state *s = st;
    (void)v, (void)seq;
    for (int i = 0; i < s->count; i++)
        if (s->entry[i].id < vocab) logits[s->entry[i].id] += s->entry[i].bias;
}

static int bias_fork(void *dst, const void *src)
{
    struct state *to = dst;
    const struct state *from = src;
    to->count = from->count;
    to->entry = lt_alloc((size_t)LT_MAX(from->count, 1) * sizeof *to->entry);
    if (from->count) memcpy(to->entry, from->entry, (size_t)from->count * sizeof *to->entry);
    return 0;
}

static void bias_close(void *st) { free(((struct state *)st)->entry); }

static const struct lt_opt rows[] = {
    { .key = "value", .help = "TOKEN=BIAS, or a JSON object of them; a token is a number or its text", .type = LT_LIST,
      .at = offsetof(struct options, value), .flags = LT_TEXTS },
    { 0 },
};
const struct lt_control lt_control_logit_bias = {
    .m = { .name = "logit_bias", .brief = "adds a number to the logits of chosen tokens",
           .size = sizeof(struct options), .opts = rows,
           .doc = "logit = logit + bias, from -100 to 100; -inf and ban forbid the token.  A text stands for every\n"
                  "token that adds exactly it (\" the\" with its space), in quotes where it looks like a number.\n"
                  "example: lathe generate MODEL --logit_bias '{\"50256\": -100, \" the\": 2.5}'\n"
                  "     or: lathe generate MODEL --logit_bias 50256=ban --logit_bias ' the=2.5'" },
    .order = 5, .state = sizeof(struct state), .open = bias_open, .apply = bias_apply, .fork = bias_fork,
    .close = bias_close,
};
