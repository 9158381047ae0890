#include "serve/tool_calls.h"
#include "serve/messages.h"
#include <stdlib.h>
#include <string.h>

/* ---- forms ---- */

static const struct lt_tool_form
    hermes = { .name = "hermes", .open = "<tool_call>", .close = "</tool_call>", .key = "arguments" },
    mistral = { .name = "mistral", .open = "[TOOL_CALLS]", .key = "arguments", .list = true, .bare = true },
    llama = { .name = "llama", .key = "parameters" },
    plain = { .name = "plain", .key = "arguments" };

static bool holds(struct lt_str text, const char *word)
{
    return text.n && memmem(text.p, text.n, word, strlen(word));
}

const struct lt_tool_form *lt_tool_form_of(struct lt_str t)
{
    if (!holds(t, "tools")) return NULL;
    if (holds(t, hermes.open)) return &hermes;
    if (holds(t, mistral.open)) return &mistral;
    return holds(t, "\"parameters\": dictionary") ? &llama : &plain;
}

void lt_tool_opening(const struct lt_tool_form *form, struct lt_buf *out)
{
    if (form->open) lt_buf_str(out, form->open);
    if (form->close) lt_buf_char(out, '\n');
}

/* References of a schema that is put below `to` in another; schemas are nested as deep as JSON may be. */
static void move_references(json_t *v, const char *to)
{
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach(v, i, item) move_references(item, to);
    json_object_foreach(v, key, item) {
        const char *ref = !strcmp(key, "$ref") ? json_string_value(item) : NULL;
        if (!ref || *ref != '#') {
            move_references(item, to);
            continue;
        }
        struct lt_buf moved = { 0 };
        lt_buf_fmt(&moved, "#%s%s", to, ref + 1);
        json_string_set(item, moved.p);
        lt_buf_free(&moved);
    }
}

static json_t *call_schema(const struct lt_tool_form *form, const json_t *function, const char *at)
{
    json_t *name = json_object_get(function, "name"), *given = json_object_get(function, "parameters");
    json_t *arguments = json_is_object(given) ? json_deep_copy(given) : json_pack("{s:s}", "type", "object");
    struct lt_buf to = { 0 };
    if (!json_object_size(arguments)) json_object_set_new(arguments, "type", json_string("object"));
    lt_buf_fmt(&to, "%s/properties/%s", at, form->key);
    move_references(arguments, to.p);
    lt_buf_free(&to);
    return json_pack("{s:s, s:{s:{s:O}, s:o}, s:[s,s], s:b}", "type", "object", "properties", "name", "const", name,
                     form->key, arguments, "required", "name", form->key, "additionalProperties", 0);
}

json_t *lt_tool_schema(const struct lt_tool_form *form, const json_t *tools, const char *only, bool parallel)
{
    const char *under = form->list ? "/items" : "";
    json_t *any = json_array(), *tool, *one;
    size_t i;
    json_array_foreach((json_t *)tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        struct lt_buf at = { 0 };
        if (only && strcmp(only, json_string_value(json_object_get(function, "name")))) continue;
        lt_buf_fmt(&at, "%s/anyOf/%zu", under, json_array_size(any));
        json_array_append_new(any, call_schema(form, function, at.p));
        lt_buf_free(&at);
    }
    one = json_pack("{s:o}", "anyOf", any);
    if (!form->list) return one;
    json_t *list = json_pack("{s:s, s:o, s:i}", "type", "array", "items", one, "minItems", 1);
    if (!parallel) json_object_set_new(list, "maxItems", json_integer(1));
    return list;
}

/* ---- reading ---- */

/* TEXT: looking for the opening; BETWEEN: before an object; OBJECT: inside one; ALL_TEXT: no call can come; OVER: what
 * still comes is left out. */
enum where { TEXT, BETWEEN, OBJECT, ALL_TEXT, OVER };
enum part { KEY, COLON, VALUE, COMMA };         /* of the object's own members */
struct slice { size_t from, n; };               /* of held; from 0: none, as a brace stands before all of them */
struct lt_tool_reader {
    const struct lt_tool_form *form;
    const json_t *tools;
    bool forced;
    int most, calls;
    struct lt_buf held;                         /* bytes that are not given away */
    size_t at;                                  /* how far they are looked through */
    enum where where;
    bool begun;                                 /* something other than white space has come */
    bool called;                                /* since the last opening */
    /* the object, as its bytes pass */
    int depth;
    enum part part;
    bool in_text, escaped, bad, ended;
    size_t text_from;
    struct slice key, name, value, arguments;
    size_t given;                               /* of the arguments, an offset; 0: the call is not announced */
};
struct out { lt_tool_put *put; void *self; };

struct lt_tool_reader *lt_tool_reader_new(const struct lt_tool_form *form, const json_t *tools, bool forced, int most)
{
    struct lt_tool_reader *r = lt_calloc(1, sizeof *r);
    *r = (struct lt_tool_reader){ .form = form, .tools = tools, .forced = forced, .most = most,
                                  .where = forced ? BETWEEN : TEXT };
    return r;
}

void lt_tool_reader_free(struct lt_tool_reader *r)
{
    if (!r) return;
    lt_buf_free(&r->held);
    free(r);
}

static bool is_white(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static size_t white(const struct lt_tool_reader *r)
{
    size_t n = 0;
    while (n < r->held.n && is_white(r->held.p[n])) n++;
    return n;
}

static void drop(struct lt_tool_reader *r, size_t n)
{
    if (n) memmove(r->held.p, r->held.p + n, r->held.n - n);
    r->held.n -= n;
    r->at = 0;
}

static void give_text(struct lt_tool_reader *r, size_t n, const struct out *o)
{
    if (n) o->put(o->self, LT_TOOL_TEXT, (struct lt_str){ r->held.p, n });
    drop(r, n);
}

/* What was looked through and taken for a call, or (separators) for what stands between two, is none. */
static bool revert(struct lt_tool_reader *r, bool separators, const struct out *o)
{
    if (r->forced || separators) drop(r, r->at);
    else give_text(r, r->at, o);
    r->where = r->form->open ? TEXT : ALL_TEXT;
    return true;
}

/* ---- an object ---- */

static bool key_is(const struct lt_tool_reader *r, const char *word)
{
    return lt_str_is((struct lt_str){ r->held.p + r->key.from, r->key.n }, word);
}

static void value_begins(struct lt_tool_reader *r, size_t at)
{
    r->value = (struct slice){ at, 0 };
    if (r->arguments.from || !(key_is(r, "arguments") || key_is(r, "parameters"))) return;
    r->arguments = r->value;
    r->bad |= r->held.p[at] != '{';
}

static json_t *name_of(const struct lt_tool_reader *r)
{
    return json_loadb(r->held.p + r->name.from, r->name.n, JSON_DECODE_ANY, NULL);
}

static void value_ends(struct lt_tool_reader *r, size_t end)
{
    r->value.n = end - r->value.from;
    if (r->arguments.from == r->value.from) r->arguments.n = r->value.n;
    if (key_is(r, "name") && !r->name.from) {
        r->name = r->value;
        json_t *name = name_of(r);
        struct lt_str text = { json_string_value(name), json_string_length(name) };
        r->bad |= !text.p || !lt_tools_find(r->tools, text);
        json_decref(name);
    }
    r->value = (struct slice){ 0, 0 };
    r->part = COMMA;
}

static void text_byte(struct lt_tool_reader *r, char c)
{
    if (r->escaped) r->escaped = false;
    else if (c == '\\') r->escaped = true;
    else if (c == '"') {
        r->in_text = false;
        if (r->depth == 1 && r->part == VALUE) value_ends(r, r->at + 1);
        else if (r->depth == 1 && r->part == KEY) {
            r->key = (struct slice){ r->text_from + 1, r->at - r->text_from - 1 };
            r->part = COLON;
        }
    }
}

static void object_byte(struct lt_tool_reader *r)
{
    char c = r->held.p[r->at];
    bool own = r->depth == 1, begins = own && r->part == VALUE && !r->value.from;
    if (r->in_text) text_byte(r, c);
    else if (c == '}' || c == ']') {
        if (own && r->value.from) value_ends(r, r->at);
        r->depth--;
        r->ended = !r->depth;
        if (r->depth == 1 && r->value.from) value_ends(r, r->at + 1);
    } else if (own && c == ':') r->part = r->part == COLON ? VALUE : r->part;
    else if (own && c == ',') {
        if (r->value.from) value_ends(r, r->at);
        r->part = KEY;
    } else if (!is_white(c)) {
        if (begins) value_begins(r, r->at);
        r->depth += c == '{' || c == '[';
        r->in_text = c == '"';
        if (r->in_text) r->text_from = r->at;
    }
    r->at++;
}

static void begin_object(struct lt_tool_reader *r)
{
    r->where = OBJECT;
    r->depth = 0;
    r->part = KEY;
    r->in_text = r->escaped = r->bad = r->ended = false;
    r->key = r->name = r->value = r->arguments = (struct slice){ 0, 0 };
    r->given = 0;
}

/* The call and what there is of its arguments. */
static void give_call(struct lt_tool_reader *r, const struct out *o)
{
    if (!r->name.from || (!r->arguments.from && !r->ended)) return;
    if (!r->given) {
        json_t *name = name_of(r);
        o->put(o->self, LT_TOOL_CALL, (struct lt_str){ json_string_value(name), json_string_length(name) });
        json_decref(name);
        r->given = r->arguments.from ? r->arguments.from : r->at;
        if (!r->arguments.from) o->put(o->self, LT_TOOL_ARGUMENTS, lt_str("{}"));
    }
    size_t end = !r->arguments.from ? r->given : r->arguments.n ? r->arguments.from + r->arguments.n : r->at;
    if (end > r->given) o->put(o->self, LT_TOOL_ARGUMENTS, (struct lt_str){ r->held.p + r->given, end - r->given });
    r->given = end;
}

static bool read_object(struct lt_tool_reader *r, bool last, const struct out *o)
{
    while (r->at < r->held.n && !r->ended && !r->bad) object_byte(r);
    if (!r->bad) give_call(r, o);
    if ((r->bad || r->ended || last) && !r->given) return revert(r, false, o);
    if (!r->ended) return false;
    r->calls++;
    r->called = true;
    drop(r, r->at);
    r->where = r->calls < r->most ? BETWEEN : OVER;
    return true;
}

/* ---- around objects ---- */

/* Of word at `at`: 1 it stands there, 0 not, -1 it may yet. */
static int stands(const struct lt_tool_reader *r, size_t at, const char *word)
{
    size_t n = strlen(word), have = LT_MIN(n, r->held.n - at);
    if (memcmp(r->held.p + at, word, have)) return 0;
    return have == n ? 1 : -1;
}

static bool read_between(struct lt_tool_reader *r, bool last, const struct out *o)
{
    while (r->at < r->held.n && (is_white(r->held.p[r->at]) || strchr(",[]", r->held.p[r->at]))) r->at++;
    if (r->at == r->held.n) {
        if (last) revert(r, r->called, o);
        return false;
    }
    if (r->held.p[r->at] == '{') {
        begin_object(r);
        return true;
    }
    int closes = r->form->close && r->called ? stands(r, r->at, r->form->close) : 0;
    if (closes < 0 && !last) return false;
    if (closes > 0) {
        drop(r, r->at + strlen(r->form->close));
        r->where = TEXT;
        return true;
    }
    return revert(r, r->called, o);
}

static bool read_text(struct lt_tool_reader *r, bool last, const struct out *o)
{
    const struct lt_tool_form *form = r->form;
    if (r->called) drop(r, white(r));
    if (!r->held.n) return false;
    size_t blank = white(r), keep = 0;
    if (blank == r->held.n && !r->begun && !last) return false;
    int opens = form->open && !r->begun ? stands(r, blank, form->open) : 0;
    if (opens < 0 && !last) return false;
    bool bare = !r->begun && opens <= 0 && (!form->open || form->bare) && blank < r->held.n;
    if (bare && r->held.p[blank] == (form->list ? '[' : '{')) {
        r->begun = true;
        r->at = blank;
        r->where = BETWEEN;
        return true;
    }
    const char *open = form->open ? memmem(r->held.p, r->held.n, form->open, strlen(form->open)) : NULL;
    if (open) {
        size_t before = (size_t)(open - r->held.p);
        bool nothing = !r->begun && blank == before;            /* white space that goes with the call, if it is one */
        if (!nothing) give_text(r, before, o);
        r->begun = true;
        r->called = false;
        r->at = (nothing ? before : 0) + strlen(form->open);
        r->where = BETWEEN;
        return true;
    }
    r->begun |= blank < r->held.n;
    for (size_t k = form->open && !last ? LT_MIN(strlen(form->open) - 1, r->held.n) : 0; k && !keep; k--)
        if (!memcmp(r->held.p + r->held.n - k, form->open, k)) keep = k;
    if (r->held.n > keep) r->called = false;
    give_text(r, r->held.n - keep, o);
    if (!form->open) r->where = ALL_TEXT;
    return false;
}

void lt_tool_reader_push(struct lt_tool_reader *r, struct lt_str piece, bool last, lt_tool_put *put, void *self)
{
    struct out o = { put, self };
    bool more = true;
    if (piece.n) lt_buf_put(&r->held, piece.p, piece.n);
    while (more) {
        more = false;
        switch (r->where) {
        case TEXT: more = read_text(r, last, &o); break;
        case BETWEEN: more = read_between(r, last, &o); break;
        case OBJECT: more = read_object(r, last, &o); break;
        case ALL_TEXT: give_text(r, r->held.n, &o); break;
        case OVER: drop(r, r->held.n); break;
        }
    }
}

/* ---- what was read ---- */

void lt_heard_put(void *self, enum lt_tool_event what, struct lt_str text)
{
    struct lt_heard *h = self;
    if (what == LT_TOOL_TEXT) lt_buf_put(&h->text, text.p, text.n);
    else if (what == LT_TOOL_ARGUMENTS) lt_buf_put(&h->call[h->calls - 1].arguments, text.p, text.n);
    else {
        h->call = lt_realloc(h->call, (size_t)(h->calls + 1) * sizeof *h->call);
        struct lt_heard_call *c = &h->call[h->calls++];
        *c = (struct lt_heard_call){ 0 };
        lt_buf_put(&c->name, text.p, text.n);
    }
}

void lt_heard_release(struct lt_heard *h)
{
    for (int i = 0; i < h->calls; i++) {
        lt_buf_free(&h->call[i].name);
        lt_buf_free(&h->call[i].arguments);
    }
    free(h->call);
    lt_buf_free(&h->text);
    *h = (struct lt_heard){ 0 };
}

/* ---- of a request ---- */

struct lt_tool_reader *lt_request_tool_reader(const struct lt_request *q)
{
    if (!q->tool_form) return NULL;
    return lt_tool_reader_new(q->tool_form, q->tools, q->tool_choice >= LT_TOOLS_REQUIRED,
                              q->parallel_tool_calls ? INT32_MAX : 1);
}

int lt_request_bind_tools(struct lt_request *q, struct lt_str chat_template, struct lt_fault *f)
{
    if (q->tool_choice == LT_TOOLS_NONE) q->tools = NULL;
    if (!q->tools) return 0;
    q->tool_form = lt_tool_form_of(chat_template);
    if (!q->tool_form)
        return lt_fault_set(f, 400, "tools", "unsupported_value", "tools: the model's chat template does not take any; "
                            "start the server with one that does: --chat_template");
    if (q->tool_choice < LT_TOOLS_REQUIRED) return 0;
    json_t *schema = lt_tool_schema(q->tool_form, q->tools, q->tool_name, q->parallel_tool_calls);
    int rc = lt_request_schema(q, "tool_choice", schema, f);
    json_decref(schema);
    return rc;
}
