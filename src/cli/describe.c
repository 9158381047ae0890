/* Every kind, method and option row as JSON, for programs that show or check options. */
#include "base/json.h"
#include "base/option.h"
#include "cli/cli.h"

static const char *const type_name[] = {
    [LT_INT] = "int", [LT_REAL] = "real", [LT_BOOL] = "bool", [LT_STR] = "str", [LT_LIST] = "list",
    [LT_METHOD] = "method", [LT_METHODS] = "methods",
};

static void put_text(struct lt_buf *b, const char *key, const char *value)
{
    if (!value) return;
    lt_buf_fmt(b, ", \"%s\": ", key);
    lt_json_put_text(b, lt_str(value));
}

static void put_flag(struct lt_buf *b, const char *key, bool on)
{
    if (on) lt_buf_fmt(b, ", \"%s\": true", key);
}

static void put_row(struct lt_buf *b, const struct lt_opt *r)
{
    lt_buf_fmt(b, "{\"key\": \"%s\", \"type\": \"%s\"", r->key, type_name[r->type]);
    put_text(b, "help", r->help);
    if (r->type == LT_INT || r->type == LT_REAL) {
        lt_buf_str(b, ", \"default\": ");
        lt_json_put_real(b, r->dflt);
    }
    if (r->type == LT_BOOL) lt_buf_fmt(b, ", \"default\": %s", r->dflt != 0 ? "true" : "false");
    if ((r->type == LT_INT || r->type == LT_REAL) && !(r->min == 0 && r->max == 0)) {
        lt_buf_str(b, ", \"min\": ");
        lt_json_put_real(b, r->min);
        lt_buf_str(b, ", \"max\": ");
        lt_json_put_real(b, r->max);
    }
    put_text(b, r->flags & LT_ENUM ? "one_of" : r->type == LT_STR ? "default" : "kind", r->text);
    put_text(b, "alias", r->alias);
    put_flag(b, "required", r->flags & LT_NEED);
    put_flag(b, "positional", r->flags & LT_ARG);
    put_flag(b, "input", r->flags & LT_IN);
    put_flag(b, "output", r->flags & LT_OUT);
    put_flag(b, "free", r->flags & LT_FREE);
    lt_buf_char(b, '}');
}

static void put_rows(struct lt_buf *b, const struct lt_opt *rows)
{
    lt_buf_char(b, '[');
    for (const struct lt_opt *r = rows; r && r->key; r++) {
        if (r > rows) lt_buf_str(b, ", ");
        put_row(b, r);
    }
    lt_buf_char(b, ']');
}

static void put_method(struct lt_buf *b, const struct lt_method *m)
{
    lt_buf_fmt(b, "\n    {\"name\": \"%s\"", m->name);
    put_text(b, "brief", m->brief);
    put_text(b, "paper", m->paper);
    put_text(b, "doc", m->doc);
    lt_buf_str(b, ", \"options\": ");
    put_rows(b, m->opts);
    lt_buf_char(b, '}');
}

void lt_cli_put_json(struct lt_buf *b)
{
    lt_buf_str(b, "{\"version\": \"" LATHE_VERSION "\", \"common\": ");
    put_rows(b, lt_cli_common_rows);
    lt_buf_str(b, ", \"kinds\": [");
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        lt_buf_fmt(b, "%s\n  {\"name\": \"%s\"", k == lt_kinds() ? "" : ",", k->name);
        put_text(b, "brief", k->brief);
        lt_buf_str(b, ", \"members\": [");
        for (const struct lt_method *const *m = k->member; *m; m++) {
            if (m > k->member) lt_buf_char(b, ',');
            put_method(b, *m);
        }
        lt_buf_str(b, "]}");
    }
    lt_buf_str(b, "]}\n");
}
