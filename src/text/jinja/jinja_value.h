/* Values of a template while it runs: Python's, as far as templates see them.  They live in the arena of the run and
 * are not changed once made, but for namespaces. */
#ifndef LT_JINJA_VALUE_H
#define LT_JINJA_VALUE_H

#include "base/json.h"

enum lt_jv_type {
    LT_JV_UNDEFINED,                /* s: what was looked for */
    LT_JV_NONE, LT_JV_BOOL, LT_JV_INT, LT_JV_REAL, LT_JV_STR, LT_JV_LIST, LT_JV_DICT,
    LT_JV_NAMESPACE,                /* dict, which `set` changes */
    LT_JV_MACRO, LT_JV_FUNCTION, LT_JV_METHOD, LT_JV_LOOP
};
struct lt_jnode;
struct lt_jinja_function;
struct lt_jinja_frame;
struct lt_jv {
    enum lt_jv_type type;
    bool markup;                    /* STR, of safe or escape: + escapes what is put beside it (Python's Markup) */
    union {
        bool b;
        int64_t i;
        double r;
        struct lt_str s;
        struct lt_jv_list *list;
        struct lt_jv_dict *dict;
        struct lt_jv_macro *macro;
        const struct lt_jinja_function *function;
        struct lt_jv_method *method;
        struct lt_jv_loop *loop;
    };
};
struct lt_jv_list { struct lt_jv *at; size_t n, cap; int height; };    /* height: levels below, for bounds */
struct lt_jv_pair { struct lt_jv key, value; };
struct lt_jv_dict { struct lt_jv_pair *at; size_t n, cap; int height; };
struct lt_jv_macro { const struct lt_jnode *node; struct lt_jinja_frame *frame; };
struct lt_jv_method { struct lt_jv self; const struct lt_jinja_function *function; };
struct lt_jv_loop { const struct lt_jv_list *over; size_t at; int depth; struct lt_jv changed; bool has_changed; };

static inline struct lt_jv lt_jv_undefined(struct lt_str name)
{
    return (struct lt_jv){ .type = LT_JV_UNDEFINED, .s = name };
}
static inline struct lt_jv lt_jv_none(void) { return (struct lt_jv){ .type = LT_JV_NONE }; }
static inline struct lt_jv lt_jv_bool(bool b) { return (struct lt_jv){ .type = LT_JV_BOOL, .b = b }; }
static inline struct lt_jv lt_jv_int(int64_t i) { return (struct lt_jv){ .type = LT_JV_INT, .i = i }; }
static inline struct lt_jv lt_jv_real(double r) { return (struct lt_jv){ .type = LT_JV_REAL, .r = r }; }
static inline struct lt_jv lt_jv_str(struct lt_str s) { return (struct lt_jv){ .type = LT_JV_STR, .s = s }; }
struct lt_jv lt_jv_text(struct lt_arena *a, struct lt_str s);           /* copies */
struct lt_jv lt_jv_list(struct lt_arena *a);                            /* empty */
void lt_jv_push(struct lt_arena *a, struct lt_jv list, struct lt_jv v); /* while it is being made */
struct lt_jv lt_jv_dict(struct lt_arena *a);
void lt_jv_put(struct lt_arena *a, struct lt_jv dict, struct lt_jv key, struct lt_jv v);    /* replaces an equal key */
const struct lt_jv *lt_jv_get(struct lt_jv dict, struct lt_jv key);     /* NULL: no such key */
const struct lt_jv *lt_jv_member(struct lt_jv dict, struct lt_str key);
/* JSON as values; texts are borrowed from the document.  Nesting is bounded by the parser of JSON. */
struct lt_jv lt_jv_from_json(struct lt_arena *a, const json_t *j);

int lt_jv_height(struct lt_jv v);                                       /* 0 of what is no list or mapping */
const char *lt_jv_type_name(struct lt_jv v);                            /* "a text", "a list" */
bool lt_jv_true(struct lt_jv v);
bool lt_jv_number(struct lt_jv v, double *out);                         /* INT, REAL and BOOL */
bool lt_jv_equal(struct lt_jv a, struct lt_jv b);
/* -1, 0, 1 in *out; false when the two have no order. */
bool lt_jv_order(struct lt_jv a, struct lt_jv b, int *out);
/* What str() and repr() of Python give. */
void lt_jv_print(struct lt_buf *b, struct lt_jv v);
void lt_jv_repr(struct lt_buf *b, struct lt_jv v);
/* json.dumps(v, ensure_ascii=False); indent < 0: on one line.  -1: the value has no JSON. */
struct lt_jv_dump { int indent; bool sort_keys; const char *item, *key; };      /* separators; NULL: json's own */
int lt_jv_json(struct lt_buf *b, struct lt_jv v, const struct lt_jv_dump *how);

#endif
