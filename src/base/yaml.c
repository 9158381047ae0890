#include "base/yaml.h"
#include "base/io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    const char *label;
    yaml_parser_t parser;
    yaml_event_t event;
    struct lt_arena *arena;
    struct lt_map anchors;          /* name -> node */
    int64_t nodes;
};

static int fail_at(const struct reader *r, yaml_mark_t at, const char *what)
{
    return lt_fail("%s: line %zu, column %zu: %s", r->label, at.line + 1, at.column + 1, what);
}

static int next(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event)) return 0;
    const yaml_parser_t *p = &r->parser;
    memset(&r->event, 0, sizeof(r->event));
    if (p->error == YAML_READER_ERROR) return lt_fail("%s: byte %zu: %s", r->label, p->problem_offset, p->problem);
    return fail_at(r, p->problem_mark, p->problem ? p->problem : "not YAML");
}

/* ---- nodes ---- */
static int add_weight(struct reader *r, int64_t weight)
{
    r->nodes += weight;
    if (r->nodes <= LT_YAML_NODES) return 0;
    return fail_at(r, r->event.start_mark, "the document has too many nodes once its aliases are spelt out");
}

static struct lt_yaml *new_node(struct reader *r, enum lt_yaml_kind kind)
{
    struct lt_yaml *y = lt_arena_zero(r->arena, 1, sizeof(*y));
    y->kind = kind;
    y->line = (int)r->event.start_mark.line + 1;
    y->column = (int)r->event.start_mark.column + 1;
    y->weight = 1;
    return y;
}

static int check_tag(struct reader *r, const yaml_char_t *tag)
{
    if (!tag || !strcmp((const char *)tag, YAML_STR_TAG)) return 0;
    return fail_at(r, r->event.start_mark, "tags are not taken here (all but !!str)");
}

static int keep_anchor(struct reader *r, const char *anchor, struct lt_yaml *y)
{
    bool fresh;
    if (anchor) *lt_map_put(&r->anchors, lt_str(anchor), &fresh) = (uint64_t)(uintptr_t)y;
    return 0;
}

static int read_scalar(struct reader *r, struct lt_yaml **out)
{
    const yaml_event_t *e = &r->event;
    struct lt_str text = { (const char *)e->data.scalar.value, e->data.scalar.length };
    if (check_tag(r, e->data.scalar.tag)) return -1;
    if (memchr(text.p, 0, text.n)) return fail_at(r, e->start_mark, "a text may not hold a NUL byte");
    *out = new_node(r, LT_YAML_SCALAR);
    (*out)->text = lt_arena_str(r->arena, text);
    (*out)->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || e->data.scalar.tag;
    return keep_anchor(r, (const char *)e->data.scalar.anchor, *out);
}

static int read_alias(struct reader *r, int depth, struct lt_yaml **out)
{
    const uint64_t *at = lt_map_get(&r->anchors, lt_str((const char *)r->event.data.alias.anchor));
    if (!at) return fail_at(r, r->event.start_mark, "this alias names no anchor before it");
    *out = (struct lt_yaml *)(uintptr_t)*at;
    if (depth + (*out)->height > LT_YAML_DEPTH) return fail_at(r, r->event.start_mark, "nested too deep");
    return add_weight(r, (*out)->weight);
}

static int read_node(struct reader *r, int depth, struct lt_yaml **out);

static void append(struct reader *r, struct lt_yaml *y, struct lt_yaml *key, struct lt_yaml *item)
{
    if ((y->count & (y->count - 1)) == 0) {         /* full at every power of two */
        size_t cap = y->count ? 2 * (size_t)y->count : 1;
        struct lt_yaml **items = lt_arena_take(r->arena, 2 * cap * sizeof(*items)), **keys = items + cap;
        if (y->count) memcpy(items, y->item, (size_t)y->count * sizeof(*items));
        if (y->count) memcpy(keys, y->key, (size_t)y->count * sizeof(*keys));
        y->item = items;
        y->key = keys;
    }
    y->key[y->count] = key;
    y->item[y->count++] = item;
    y->weight += item->weight + (key != NULL);
    y->height = LT_MAX(y->height, item->height + 1);
}

static int read_list(struct reader *r, int depth, struct lt_yaml *y)
{
    for (;;) {
        struct lt_yaml *item;
        if (next(r)) return -1;
        if (r->event.type == YAML_SEQUENCE_END_EVENT) return 0;
        if (read_node(r, depth, &item)) return -1;
        append(r, y, NULL, item);
    }
}

static int read_pairs(struct reader *r, int depth, struct lt_yaml *y, struct lt_map *seen)
{
    for (;;) {
        struct lt_yaml *key, *item;
        bool fresh;
        if (next(r)) return -1;
        if (r->event.type == YAML_MAPPING_END_EVENT) return 0;
        yaml_mark_t at = r->event.start_mark;
        if (r->event.type != YAML_SCALAR_EVENT) return fail_at(r, at, "expected a key that is a text");
        if (read_node(r, depth, &key)) return -1;
        uint64_t *line = lt_map_put(seen, lt_str(key->text), &fresh);
        if (!fresh)
            return lt_fail("%s: line %d, column %d: the key \"%.80s\" is given twice, first in line %llu", r->label,
                           key->line, key->column, key->text, (unsigned long long)*line);
        *line = (uint64_t)key->line;
        if (next(r) || read_node(r, depth, &item)) return -1;
        append(r, y, key, item);
    }
}

static int read_node(struct reader *r, int depth, struct lt_yaml **out)
{
    if (depth > LT_YAML_DEPTH) return fail_at(r, r->event.start_mark, "nested too deep");
    if (r->event.type == YAML_ALIAS_EVENT) return read_alias(r, depth, out);
    if (add_weight(r, 1)) return -1;
    if (r->event.type == YAML_SCALAR_EVENT) return read_scalar(r, out);
    bool list = r->event.type == YAML_SEQUENCE_START_EVENT;
    const yaml_event_t *e = &r->event;
    if (check_tag(r, list ? e->data.sequence_start.tag : e->data.mapping_start.tag)) return -1;
    const yaml_char_t *name = list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor;
    char *anchor = name ? lt_strdup((const char *)name) : NULL;
    *out = new_node(r, list ? LT_YAML_LIST : LT_YAML_MAP);
    struct lt_map seen = { 0 };
    int rc = list ? read_list(r, depth + 1, *out) : read_pairs(r, depth + 1, *out, &seen);
    lt_map_free(&seen);
    if (rc == 0) keep_anchor(r, anchor, *out);      /* only now: a node cannot hold itself */
    free(anchor);
    return rc;
}

static int read_document(struct reader *r, struct lt_yaml **out)
{
    if (next(r) || next(r)) return -1;              /* the stream begins, the document begins */
    *out = new_node(r, LT_YAML_SCALAR);
    (*out)->text = "";
    if (r->event.type == YAML_STREAM_END_EVENT) return 0;
    if (next(r) || read_node(r, 0, out) || next(r) || next(r)) return -1;
    if (r->event.type == YAML_STREAM_END_EVENT) return 0;
    return fail_at(r, r->event.start_mark, "a second document begins; one was expected");
}

int lt_yaml_parse(const char *label, struct lt_str text, struct lt_arena *a, struct lt_yaml **out)
{
    struct reader r = { .label = label, .arena = a };
    if (text.n > LT_YAML_MAX)
        return lt_fail("%s: %zu bytes of YAML are more than the %d allowed", label, text.n, LT_YAML_MAX);
    if (!yaml_parser_initialize(&r.parser)) return lt_fail("%s: cannot start reading YAML", label);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    int rc = read_document(&r, out);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    lt_map_free(&r.anchors);
    return rc;
}

int lt_yaml_read(const char *path, struct lt_arena *a, struct lt_yaml **out)
{
    struct lt_file f;
    if (lt_file_open(path, &f)) return -1;
    int rc = lt_yaml_parse(path, (struct lt_str){ (const char *)f.p, f.n }, a, out);
    lt_file_close(&f);
    return rc;
}

const struct lt_yaml *lt_yaml_get(const struct lt_yaml *map, const char *key)
{
    for (int i = 0; map->kind == LT_YAML_MAP && i < map->count; i++)
        if (!strcmp(map->key[i]->text, key)) return map->item[i];
    return NULL;
}

/* ---- the core schema ---- */
static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(text, *words)) return true;
    return false;
}

bool lt_yaml_is_null(const struct lt_yaml *y)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };
    return y->kind == LT_YAML_SCALAR && !y->quoted && is_one_of(y->text, words);
}

static bool is_truth(const char *text, bool *value)
{
    static const char *const yes[] = { "true", "True", "TRUE", NULL };
    static const char *const no[] = { "false", "False", "FALSE", NULL };
    *value = is_one_of(text, yes);
    return *value || is_one_of(text, no);
}

static size_t digits(const char *p, const char *set) { return strspn(p, set); }

/* [-+]?[0-9]+, 0o[0-7]+ and 0x[0-9a-fA-F]+; *base 0: not a whole number.  Returns where the digits begin. */
static const char *whole(const char *text, int *base)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t n = digits(p, "0123456789");
    *base = n && !p[n] ? 10 : 0;
    if (*base) return text;
    if (!strncmp(text, "0o", 2) && (n = digits(text + 2, "01234567")) && !text[2 + n]) *base = 8;
    if (!strncmp(text, "0x", 2) && (n = digits(text + 2, "0123456789abcdefABCDEF")) && !text[2 + n]) *base = 16;
    return text + 2;
}

/* [-+]? ( \.[0-9]+ | [0-9]+ (\.[0-9]*)? ) ([eE][-+]?[0-9]+)? */
static bool is_real(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t before = digits(p, "0123456789"), after = 0;
    p += before;
    if (*p == '.') p += 1 + (after = digits(p + 1, "0123456789"));
    if (before + after == 0) return false;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        if (!digits(p, "0123456789")) return false;
        p += digits(p, "0123456789");
    }
    return !*p;
}

/* .inf and .nan in their spellings; NULL: neither. */
static const char *special(const char *text)
{
    static const char *const inf[] = { ".inf", ".Inf", ".INF", NULL }, *const nan[] = { ".nan", ".NaN", ".NAN", NULL };
    const char *p = text + (*text == '-' || *text == '+');
    if (is_one_of(p, inf)) return *text == '-' ? "-inf" : "inf";
    return is_one_of(text, nan) ? "nan" : NULL;
}

const char *lt_yaml_value(const struct lt_yaml *y, struct lt_arena *a)
{
    bool truth;
    int base;
    if (y->quoted) return y->text;
    if (is_truth(y->text, &truth)) return truth ? "true" : "false";
    const char *p = whole(y->text, &base);
    if (base > 10 || base == 8) {
        errno = 0;
        long long n = strtoll(p, NULL, base);
        return errno ? y->text : lt_arena_fmt(a, "%lld", n);
    }
    return special(y->text) ? special(y->text) : y->text;
}

static json_t *scalar_json(const char *label, const struct lt_yaml *y)
{
    bool truth;
    int base;
    if (y->quoted) return json_string(y->text);
    if (lt_yaml_is_null(y)) return json_null();
    if (is_truth(y->text, &truth)) return json_boolean(truth);
    const char *p = whole(y->text, &base);
    errno = 0;
    long long n = base ? strtoll(p, NULL, base) : 0;
    if (base && !errno) return json_integer(n);
    if (special(y->text) || base || is_real(y->text)) {
        double v;
        if (base <= 10 && !special(y->text) && lt_str_real(lt_str(y->text), &v) == 0) return json_real(v);
        lt_fail("%s: line %d, column %d: the number \"%.80s\" cannot be written as JSON", label, y->line, y->column,
                y->text);
        return NULL;
    }
    return json_string(y->text);
}

json_t *lt_yaml_json(const char *label, const struct lt_yaml *y)
{
    if (y->kind == LT_YAML_SCALAR) return scalar_json(label, y);
    json_t *j = y->kind == LT_YAML_MAP ? json_object() : json_array();
    for (int i = 0; i < y->count; i++) {
        json_t *item = lt_yaml_json(label, y->item[i]);
        if (!item) {
            json_decref(j);
            return NULL;
        }
        if (y->kind == LT_YAML_MAP) json_object_set_new(j, y->key[i]->text, item);
        else json_array_append_new(j, item);
    }
    return j;
}
