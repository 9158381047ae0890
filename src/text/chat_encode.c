/* A conversation as tokens in which only the template writes control tokens.
 *
 * What somebody writes may spell "<|im_end|>" or "[/INST]".  Such places are marked before the template sees them, with
 * a character that Unicode promises never to use; where the mark comes out of the template is a place that must not be
 * read as an added token.  A text without such spellings is rendered as it stands. */
#include "text/chat.h"

#include "text/tok.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

enum { MARK_FIRST = 0xD0, MARK_LAST = 0xEF, MARK_SIZE = 3, DEPTH = 128 };   /* U+FDD0 .. U+FDEF: EF B7 90 .. AF */

struct marker {
    const struct lt_tokenizer *t;
    char mark[MARK_SIZE + 1];
    int marks;
    bool too_deep;
};

/* ---- which spellings are guarded ---- */
static bool is_tag(struct lt_str s)
{
    return s.n > 2 && ((s.p[0] == '<' && s.p[s.n - 1] == '>') || (s.p[0] == '[' && s.p[s.n - 1] == ']'));
}

/* Other added tokens (runs of blanks, say) are text like any other.  The assistant's own tags, "</think>", are read. */
static bool is_guarded(const struct lt_tok_added *a, bool own)
{
    return !a->unseen && a->content.n && (a->special || (!own && is_tag(a->content)));
}

static bool spelt_at(const struct lt_tokenizer *t, struct lt_str text, size_t at, bool own)
{
    uint8_t first = (uint8_t)text.p[at];
    if (!t->added_raw.first[first] && !t->added_normal.first[first]) return false;
    for (int i = 0; i < t->s.added_count; i++) {
        const struct lt_tok_added *a = &t->s.added[i];
        if (a->content.n <= text.n - at && text.p[at] == a->content.p[0] && is_guarded(a, own) &&
            !memcmp(text.p + at, a->content.p, a->content.n)) return true;
    }
    return false;
}

/* ---- marking ---- */
/* NULL: nothing to mark. */
static json_t *marked_text(struct marker *m, struct lt_str s, bool own)
{
    struct lt_buf b = { 0 };
    size_t done = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!spelt_at(m->t, s, i, own)) continue;
        lt_buf_put(&b, s.p + done, i - done);
        lt_buf_str(&b, m->mark);
        done = i;
        m->marks++;
    }
    lt_buf_put(&b, s.p + done, s.n - done);
    json_t *out = done || b.n != s.n ? json_stringn(b.p, b.n) : NULL;
    lt_buf_free(&b);
    return out;
}

static json_t *marked(struct marker *m, json_t *v, bool own, int depth);

/* Templates print the names of members too: those of a tool's arguments, say. */
static json_t *marked_object(struct marker *m, json_t *v, bool own, int depth)
{
    json_t *out = json_object(), *one;
    const char *key;
    json_object_foreach(v, key, one) {
        json_t *name = marked_text(m, lt_str(key), own);
        json_object_set_new(out, name ? json_string_value(name) : key, marked(m, one, own, depth + 1));
        json_decref(name);
    }
    return out;
}

static json_t *marked_list(struct marker *m, json_t *v, bool own, int depth)
{
    json_t *out = json_array(), *one;
    size_t i;
    json_array_foreach(v, i, one) json_array_append_new(out, marked(m, one, own, depth + 1));
    return out;
}

/* What is nested too deep is left out: the fault is reported in the end. */
static json_t *marked(struct marker *m, json_t *v, bool own, int depth)
{
    json_t *text = NULL;
    m->too_deep |= depth > DEPTH;
    if (depth > DEPTH) return json_null();
    if (json_is_object(v)) return marked_object(m, v, own, depth);
    if (json_is_array(v)) return marked_list(m, v, own, depth);
    if (json_is_string(v)) text = marked_text(m, (struct lt_str){ json_string_value(v), json_string_length(v) }, own);
    return text ? text : json_incref(v);
}

/* A mark that nothing given holds. */
static int choose_mark(struct marker *m, const struct lt_chat_ask *a)
{
    json_t *given = json_pack("[O, O*, O*]", a->messages, a->tools, a->documents);
    char *all = json_dumps(given, 0);
    int last = MARK_FIRST;
    snprintf(m->mark, sizeof m->mark, "\xEF\xB7%c", (char)(MARK_FIRST - 0x40));
    while (all && last <= MARK_LAST && strstr(all, m->mark)) m->mark[2] = (char)(++last - 0x40);
    bool found = all && last <= MARK_LAST;
    free(all);
    json_decref(given);
    return found ? 0 : lt_misuse("messages: they hold every character from U+FDD0 to U+FDEF, which stand for nothing");
}

static json_t *marked_messages(struct marker *m, const json_t *messages)
{
    json_t *out = json_array(), *one;
    size_t i;
    json_array_foreach((json_t *)messages, i, one) {
        const char *role = json_string_value(json_object_get(one, "role"));
        json_array_append_new(out, marked(m, one, role && !strcmp(role, "assistant"), 0));
    }
    return out;
}

/* Three objects that are the caller's; NULL where nothing was given. */
struct guarded { json_t *messages, *tools, *documents; };

static int guard(struct marker *m, const struct lt_chat_ask *a, struct guarded *g)
{
    if (choose_mark(m, a)) return -1;
    g->messages = marked_messages(m, a->messages);
    g->tools = a->tools ? marked(m, (json_t *)a->tools, false, 0) : NULL;
    g->documents = a->documents ? marked(m, (json_t *)a->documents, false, 0) : NULL;
    return m->too_deep ? lt_misuse("messages, tools or documents: something is nested deeper than %d", DEPTH) : 0;
}

/* Takes the marks out of the text from `from` on; where they stood, counted from there.  free(the result). */
static size_t *unmark(const struct marker *m, struct lt_buf *b, size_t from, size_t *count)
{
    size_t room = 16, to = from, *at = lt_alloc(room * sizeof *at);
    *count = 0;
    for (size_t i = from; i < b->n;) {
        if (b->n - i < MARK_SIZE || memcmp(b->p + i, m->mark, MARK_SIZE)) {
            b->p[to++] = b->p[i++];
            continue;
        }
        if (*count == room) at = lt_realloc(at, (room *= 2) * sizeof *at);
        at[(*count)++] = to - from;
        i += MARK_SIZE;
    }
    b->n = to;
    lt_buf_put(b, "", 0);
    return at;
}

int lt_chat_encode(const struct lt_chat *c, const struct lt_chat_ask *a, const struct lt_tokenizer *t,
                   struct lt_buf *text, struct lt_token **out, size_t *n, size_t *cap)
{
    struct marker m = { .t = t };
    struct lt_chat_ask ask = *a;
    struct guarded g = { NULL, NULL, NULL };
    size_t from = text->n, count = 0;
    if (lt_chat_check(a->messages)) return -1;
    int rc = guard(&m, a, &g);
    if (m.marks) ask.messages = g.messages, ask.tools = g.tools, ask.documents = g.documents;
    if (!rc) rc = lt_chat_render(c, &ask, text, NULL);
    if (!rc) {
        size_t *at = m.marks ? unmark(&m, text, from, &count) : NULL;
        struct lt_encoder *e = lt_encoder_new(t);
        lt_encoder_plain(e, at, count);
        rc = lt_encoder_encode(e, (struct lt_str){ text->p ? text->p + from : "", text->n - from }, 0, NULL, out, n,
                               cap);
        lt_encoder_free(e);
        free(at);
    }
    json_decref(g.messages);
    json_decref(g.tools);
    json_decref(g.documents);
    return rc;
}
