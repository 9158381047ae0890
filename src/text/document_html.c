/* The visible text of an HTML page, by gumbo (the HTML5 parsing algorithm). */
#include "text/document.h"

#include <gumbo.h>
#include <string.h>
#include <strings.h>

/* Gumbo takes its memory from an arena that goes at once: its own release recurses as deep as the page nests. */
static void *take(void *arena, size_t size) { return lt_arena_take(arena, size); }
static void keep(void *arena, void *p) { (void)arena, (void)p; }

static bool hidden_tag(GumboTag t)
{
    switch (t) {
    case GUMBO_TAG_HEAD: case GUMBO_TAG_SCRIPT: case GUMBO_TAG_STYLE: case GUMBO_TAG_NAV: case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE: case GUMBO_TAG_SVG: case GUMBO_TAG_MATH: case GUMBO_TAG_BUTTON: case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA: case GUMBO_TAG_IFRAME: case GUMBO_TAG_OBJECT: case GUMBO_TAG_AUDIO: case GUMBO_TAG_VIDEO:
        return true;
    default:
        return false;
    }
}

static bool block_tag(GumboTag t)
{
    switch (t) {
    case GUMBO_TAG_ADDRESS: case GUMBO_TAG_ARTICLE: case GUMBO_TAG_ASIDE: case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_BODY: case GUMBO_TAG_CAPTION: case GUMBO_TAG_CENTER: case GUMBO_TAG_DD: case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_DL: case GUMBO_TAG_DT: case GUMBO_TAG_FIELDSET: case GUMBO_TAG_FIGCAPTION: case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FOOTER: case GUMBO_TAG_FORM: case GUMBO_TAG_H1: case GUMBO_TAG_H2: case GUMBO_TAG_H3:
    case GUMBO_TAG_H4: case GUMBO_TAG_H5: case GUMBO_TAG_H6: case GUMBO_TAG_HEADER: case GUMBO_TAG_HR:
    case GUMBO_TAG_HTML: case GUMBO_TAG_LI: case GUMBO_TAG_MAIN: case GUMBO_TAG_MENU: case GUMBO_TAG_OL:
    case GUMBO_TAG_P: case GUMBO_TAG_PRE: case GUMBO_TAG_SECTION: case GUMBO_TAG_SUMMARY: case GUMBO_TAG_TABLE:
    case GUMBO_TAG_TBODY: case GUMBO_TAG_TFOOT: case GUMBO_TAG_THEAD: case GUMBO_TAG_TR: case GUMBO_TAG_UL:
        return true;
    default:
        return false;
    }
}

/* Documentation tools mark page navigation by a class that begins or ends with "nav" (navheader, docnav). */
static bool navigation_class(const char *class)
{
    struct lt_str rest = lt_str(class), word;
    while (lt_str_split(&rest, ' ', &word))
        if (lt_str_starts(word, "nav") || lt_str_ends(word, "nav")) return true;
    return false;
}

static bool hidden(const GumboElement *e)
{
    if (hidden_tag(e->tag)) return true;
    const GumboAttribute *role = gumbo_get_attribute(&e->attributes, "role");
    const GumboAttribute *class = gumbo_get_attribute(&e->attributes, "class");
    if (gumbo_get_attribute(&e->attributes, "hidden")) return true;
    return (role && !strcasecmp(role->value, "navigation")) || (class && navigation_class(class->value));
}

/* What separates the text so far from the next word. */
enum gap { GAP_NONE, GAP_SPACE, GAP_CELL, GAP_LINE, GAP_PARAGRAPH };
struct writer { struct lt_buf *out; size_t start; enum gap gap; int pre; };

static void gap(struct writer *w, enum gap g) { w->gap = LT_MAX(w->gap, g); }

static void close_gap(struct writer *w)
{
    static const char *const text[] = {
        [GAP_NONE] = "", [GAP_SPACE] = " ", [GAP_CELL] = "\t", [GAP_LINE] = "\n", [GAP_PARAGRAPH] = "\n\n",
    };
    if (w->out->n > w->start) lt_buf_str(w->out, text[w->gap]);
    w->gap = GAP_NONE;
}

static bool white(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

static void put_text(struct writer *w, const char *s)
{
    if (w->pre) {
        size_t n = strlen(s);
        size_t kept = n;
        while (kept && s[kept - 1] == '\n') kept--;
        if (!kept) { gap(w, n ? GAP_LINE : GAP_NONE); return; }
        close_gap(w);
        lt_buf_put(w->out, s, kept);
        if (kept < n) gap(w, GAP_LINE);
        return;
    }
    while (*s) {
        const char *end = s;
        while (*end && !white(*end)) end++;
        if (end > s) {
            close_gap(w);
            lt_buf_put(w->out, s, (size_t)(end - s));
        }
        for (s = end; white(*s); s++) gap(w, GAP_SPACE);
    }
}

static void enter(struct writer *w, const GumboElement *e)
{
    if (e->tag == GUMBO_TAG_BR) gap(w, GAP_LINE);
    else if (e->tag == GUMBO_TAG_TD || e->tag == GUMBO_TAG_TH) gap(w, GAP_CELL);
    else if (e->tag == GUMBO_TAG_TR) gap(w, GAP_LINE);
    else if (block_tag(e->tag)) gap(w, GAP_PARAGRAPH);
    if (e->tag == GUMBO_TAG_PRE) w->pre++;
}

static void leave(struct writer *w, const GumboElement *e)
{
    if (e->tag == GUMBO_TAG_PRE) w->pre--;
    if (e->tag == GUMBO_TAG_TR) gap(w, GAP_LINE);
    else if (block_tag(e->tag)) gap(w, GAP_PARAGRAPH);
}

/* The node after n in reading order; elements are left on the way up.  Without recursion, as pages nest deep. */
static const GumboNode *after(struct writer *w, const GumboNode *n, const GumboNode *root)
{
    while (n != root) {
        const GumboNode *up = n->parent;    /* root is an element, so every node above is one */
        const GumboElement *e = &up->v.element;
        if (n->index_within_parent + 1 < e->children.length) return e->children.data[n->index_within_parent + 1];
        leave(w, e);
        n = up;
    }
    return NULL;
}

static void walk(struct writer *w, const GumboNode *root)
{
    const GumboNode *n = root;
    while (n) {
        bool element = n->type == GUMBO_NODE_ELEMENT || n->type == GUMBO_NODE_TEMPLATE;
        if (element && !hidden(&n->v.element)) {
            enter(w, &n->v.element);
            if (n->v.element.children.length) {
                n = n->v.element.children.data[0];
                continue;
            }
            leave(w, &n->v.element);
        } else if (n->type == GUMBO_NODE_TEXT || n->type == GUMBO_NODE_WHITESPACE || n->type == GUMBO_NODE_CDATA) {
            put_text(w, n->v.text.text);
        }
        n = after(w, n, root);
    }
}

int lt_html_text(struct lt_str page, struct lt_buf *out)
{
    struct lt_arena memory = { 0 };
    GumboOptions o = kGumboDefaultOptions;
    o.allocator = take;
    o.deallocator = keep;
    o.userdata = &memory;
    o.max_errors = 0;
    const GumboOutput *tree = gumbo_parse_with_options(&o, page.p, page.n);
    if (!tree) {
        lt_arena_free(&memory);
        return lt_fail("cannot be parsed as HTML");
    }
    struct writer w = { .out = out, .start = out->n };
    walk(&w, tree->root);
    if (out->n > w.start) lt_buf_char(out, '\n');
    lt_arena_free(&memory);
    return 0;
}
