#include "serve/model_card.h"
#include "base/gguf.h"
#include "model/inspect_model.h"
#include "recipe/history.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

static void set_text(json_t *card, const char *key, struct lt_str s)
{
    json_t *v = s.p ? json_stringn(s.p, s.n) : json_null();
    json_object_set_new(card, key, v ? v : json_null());
}

static void miss(json_t *card, const char *what)
{
    json_t *v = json_string(what);
    if (v) json_array_append_new(json_object_get(card, "missing"), v);
}

/* ---- what its files say ---- */

/* `license: NAME` between the two lines "---" that a model card of a hub begins with. */
static struct lt_str stated_licence(struct lt_str readme)
{
    struct lt_str line;
    if (!lt_str_split(&readme, '\n', &line) || !lt_str_is(line, "---")) return (struct lt_str){ 0 };
    while (lt_str_split(&readme, '\n', &line) && !lt_str_is(line, "---")) {
        if (!lt_str_starts(line, "license:")) continue;
        line = (struct lt_str){ line.p + 8, line.n - 8 };
        while (line.n && strchr(" '\"\r", *line.p)) line = (struct lt_str){ line.p + 1, line.n - 1 };
        while (line.n && strchr(" '\"\r", line.p[line.n - 1])) line.n--;
        if (line.n) return line;
    }
    return (struct lt_str){ 0 };
}

static void put_readme(json_t *card, const char *folder)
{
    struct lt_buf path = { 0 };
    struct lt_file f;
    lt_buf_fmt(&path, "%s/README.md", folder);
    if (!lt_path_exists(path.p)) lt_buf_free(&path);
    else if (lt_file_open(path.p, &f)) miss(card, lt_error());
    else {
        struct lt_str text = { (const char *)f.p, LT_MIN(f.n, LT_MODEL_CARD_README) };
        text.n = lt_utf8_bad(text.p, text.n);
        set_text(card, "licence", stated_licence(text));
        set_text(card, "readme", text);
        lt_file_close(&f);
    }
    lt_buf_free(&path);
}

static void put_gguf_licence(json_t *card, const char *path)
{
    struct lt_gguf *g;
    struct lt_str licence = { 0 };
    if (lt_gguf_open(path, &g)) return;
    if (lt_gguf_str(g, "general.license", &licence) == 1) set_text(card, "licence", licence);
    lt_gguf_free(g);
}

/* ---- the card ---- */

static void put_shapes(json_t *card, const char *path)
{
    struct lt_inspect_options o = { .path = path };
    json_t *shapes = lt_inspect_document(&o);
    if (shapes) json_object_update_missing(card, shapes);
    else miss(card, lt_error());
    json_decref(shapes);
}

static void put_history(json_t *card, const char *path)
{
    json_t *history = lt_history_recorded(path, lt_verb_registered, NULL);
    if (history) json_object_set_new(card, "history", history);
    else miss(card, lt_error());
}

json_t *lt_model_card(const char *name, const char *path, const struct lt_lm *lm, int context, int vocab)
{
    json_t *card = json_pack("{s:n, s:n, s:s, s:s, s:n, s:i, s:n, s:n, s:n, s:[]}", "model", "path", "kind",
                             lm->type->m.name, "kind_brief", lm->type->m.brief, "context", "vocabulary", vocab,
                             "licence", "readme", "history", "missing");
    set_text(card, "model", lt_str(name));
    set_text(card, "path", lt_str(path));
    if (context) json_object_set_new(card, "context", json_integer(context));
    if (!lt_path_exists(path)) {
        miss(card, "the model is no file or folder, so there are no shapes and no run record to tell of");
        return card;
    }
    if (!strcmp(lm->type->m.name, "transformer")) put_shapes(card, path);
    if (lt_path_is_dir(path)) put_readme(card, path);
    else if (lt_gguf_is_file(path)) put_gguf_licence(card, path);
    put_history(card, path);
    return card;
}

void lt_model_card_put_adapter(json_t *card, const char *path)
{
    json_t *about = json_pack("{s:s}", "path", path);
    if (!about || lt_inspect_adapter(path, about)) miss(card, about ? lt_error() : "the adapter's path is not UTF-8");
    json_object_set_new(card, "adapter", about ? about : json_null());
}
