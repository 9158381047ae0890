/* What all stages share: reading their JSON members, texts with origins. */
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

const char *lt_tok_stage_type(json_t *j, const char *what)
{
    const char *type = json_string_value(json_object_get(j, "type"));
    if (!type)
        lt_fail("%s: an object with a \"type\" was expected", what);
    return type;
}

int lt_tok_stage_unknown(const char *what, const char *type)
{
    return lt_fail("%s: the type \"%.60s\" is not known", what, type);
}

static const void *row_of(const struct lt_tok_stages *s, const char *name)
{
    for (int i = 0; i < s->rows; i++) {
        const void *row = (const char *)s->row + (size_t)i * s->size;
        if (!strcmp(*(const char *const *)row, name)) return row;
    }
    return NULL;
}

static int read_stages(const struct lt_tok_stages *s, json_t *j, void *self, int depth, int *count)
{
    const char *name = lt_tok_stage_type(j, s->what);
    if (!name) return -1;
    if (strcmp(name, "Sequence")) {
        const void *row = row_of(s, name);
        if (!row) return lt_tok_stage_unknown(s->what, name);
        return ++*count > 64 ? lt_fail("%s: more than 64 stages", s->what) : s->add(self, row, j);
    }
    json_t *list = json_object_get(j, s->list);
    if (!json_is_array(list) || depth > 8)
        return lt_fail("%s: Sequence needs a list \"%s\", nested at most 8 deep", s->what, s->list);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_stages(s, json_array_get(list, i), self, depth + 1, count)) return -1;
    return 0;
}

int lt_tok_stages_read(const struct lt_tok_stages *s, json_t *j, void *self)
{
    int count = 0;
    return read_stages(s, j, self, 0, &count);
}

struct lt_str lt_tok_own(struct lt_str s)
{
    return (struct lt_str){ s.n ? memcpy(lt_alloc(s.n), s.p, s.n) : NULL, s.n };
}

static const char *type_of(json_t *j)
{
    const char *type = json_string_value(json_object_get(j, "type"));
    return type ? type : "stage";
}

int lt_tok_get_bool(json_t *j, const char *key, bool absent, bool *out)
{
    json_t *v = json_object_get(j, key);
    if (v && !json_is_null(v) && !json_is_boolean(v))
        return lt_fail("%.60s: \"%s\" must be true or false", type_of(j), key);
    *out = v && !json_is_null(v) ? json_is_true(v) : absent;
    return 0;
}

int lt_tok_get_str(json_t *j, const char *key, const char *absent, struct lt_str *out)
{
    json_t *v = json_object_get(j, key);
    if ((!v || json_is_null(v)) && absent) {
        *out = lt_str(absent);
        return 0;
    }
    if (!json_is_string(v))
        return lt_fail("%.60s: \"%s\" must be a string", type_of(j), key);
    *out = (struct lt_str){ json_string_value(v), json_string_length(v) };
    return 0;
}

int lt_tok_get_int(json_t *j, const char *key, int64_t absent, int64_t min, int64_t max, int64_t *out)
{
    json_t *v = json_object_get(j, key);
    *out = absent;
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return lt_fail("%.60s: \"%s\" must be a whole number from %lld to %lld", type_of(j), key, (long long)min,
                       (long long)max);
    *out = json_integer_value(v);
    return 0;
}

int lt_tok_get_pattern(json_t *j, const char *key, struct lt_str *literal, struct lt_tok_regex **regex)
{
    json_t *v = json_object_get(j, key), *s = json_object_get(v, "String"), *r = json_object_get(v, "Regex");
    *literal = (struct lt_str){ NULL, 0 };
    *regex = NULL;
    if (json_is_string(v))
        s = v;
    if (json_is_string(s)) {
        *literal = (struct lt_str){ json_string_value(s), json_string_length(s) };
        return 0;
    }
    if (!json_is_string(r))
        return lt_fail("%.60s: \"%s\" must be {\"String\": ...} or {\"Regex\": ...}", type_of(j), key);
    *regex = lt_tok_regex_new((struct lt_str){ json_string_value(r), json_string_length(r) });
    return *regex ? 0 : lt_fail("%.60s: %s", type_of(j), lt_error());
}

/* ---- texts ---- */
void lt_tok_text_clear(struct lt_tok_text *t)
{
    lt_buf_clear(&t->b);
}

static void more(struct lt_tok_text *t, size_t n)
{
    lt_buf_room(&t->b, n);
    if (t->cap < t->b.cap) {
        t->cap = t->b.cap;
        t->from = lt_realloc(t->from, t->cap * sizeof *t->from);
        t->to = lt_realloc(t->to, t->cap * sizeof *t->to);
    }
}

void lt_tok_text_put(struct lt_tok_text *t, const char *p, size_t n, uint32_t from, uint32_t to)
{
    if (t->cap < t->b.n + n + 1)
        more(t, n);
    for (size_t i = 0; i < n; i++) {
        t->b.p[t->b.n + i] = p[i];
        t->from[t->b.n + i] = from;
        t->to[t->b.n + i] = to;
    }
    t->b.n += n;
}

void lt_tok_text_copy(struct lt_tok_text *t, const struct lt_tok_view *v, size_t begin, size_t end)
{
    size_t n = end - begin, at = t->b.n;
    if (t->cap < at + n + 1)
        more(t, n);
    if (!n)
        return;
    memcpy(t->b.p + at, v->p + begin, n);
    if (v->from) {
        memcpy(t->from + at, v->from + begin, n * sizeof *t->from);
        memcpy(t->to + at, v->to + begin, n * sizeof *t->to);
    } else {
        for (size_t i = 0; i < n; i++) {
            t->from[at + i] = v->base + (uint32_t)(begin + i);
            t->to[at + i] = v->base + (uint32_t)(begin + i) + 1;
        }
    }
    t->b.n += n;
}

struct lt_tok_view lt_tok_text_view(const struct lt_tok_text *t, uint32_t base)
{
    return (struct lt_tok_view){ t->b.p ? t->b.p : "", t->b.n, t->from, t->to, base };
}

void lt_tok_text_free(struct lt_tok_text *t)
{
    lt_buf_free(&t->b);
    free(t->from);
    free(t->to);
    *t = (struct lt_tok_text){ 0 };
}

void *lt_tok_room(struct lt_tok_model_scratch *s, int which, size_t size)
{
    if (s->cap[which] < size) {
        free(s->p[which]);
        s->cap[which] = size + size / 4;
        s->p[which] = lt_alloc(s->cap[which]);
    }
    return s->p[which];
}
