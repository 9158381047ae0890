/* What an adapter's folder holds, and how much it changes each module. */
#include "model/adapter.h"
#include "model/inspect_model.h"

#include <math.h>
#include <stdlib.h>

static json_t *module_row(const struct lt_adapter *a, const struct lt_adapter_part *p, double norm)
{
    json_t *row = json_pack("{s:s, s:f}", "module", p->module, "scale", p->scale);
    for (int k = 0; a->type->tensor[k]; k++) {
        json_t *shape = json_array();
        for (int i = 0; i < p->w[k].rank; i++) json_array_append_new(shape, json_integer(p->w[k].dim[i]));
        json_object_set_new(row, a->type->tensor[k], shape);
    }
    json_object_set_new(row, "delta_norm", json_real(norm));
    return row;
}

int lt_inspect_adapter(const char *path, json_t *root)
{
    struct lt_adapter *a;
    json_t *options = NULL, *modules = json_array();
    double squares = 0;
    if (lt_adapter_read(path, &a)) {
        json_decref(modules);
        return -1;
    }
    for (int i = 0; i < a->parts; i++) {
        double norm = a->type->norm(&a->part[i]);
        squares += norm * norm;
        json_array_append_new(modules, module_row(a, &a->part[i], norm));
    }
    char *resolved = lt_options_resolved(a->options, true);
    int rc = lt_json_parse("options", lt_str(resolved), &options);
    free(resolved);
    json_t *about = json_pack("{s:s, s:s?, s:I, s:i, s:f}", "type", a->type->m.name, "made_for", a->base, "parameters",
                              (json_int_t)lt_adapter_numbers(a), "modules", a->parts, "delta_norm", sqrt(squares));
    json_object_set_new(root, "adapter", about);
    json_object_set_new(root, "options", options);
    json_object_set_new(root, "modules", modules);
    lt_adapter_free(a);
    return rc;
}

static void put_cell(struct lt_buf *b, const json_t *v)
{
    if (json_is_string(v)) lt_buf_str(b, json_string_value(v));
    else if (json_is_real(v)) lt_buf_fmt(b, "%.6g", json_real_value(v));
    for (size_t i = 0; i < json_array_size(v); i++)
        lt_buf_fmt(b, "%s%" JSON_INTEGER_FORMAT "%s", i ? ", " : "(", json_integer_value(json_array_get(v, i)),
                   i + 1 == json_array_size(v) ? ")" : "");
}

void lt_inspect_put_modules(struct lt_buf *b, const json_t *modules)
{
    const char *key;
    json_t *v;
    for (size_t i = 0; i < json_array_size(modules); i++) {
        json_t *row = json_array_get(modules, i);
        bool first = true;
        if (!i) {
            lt_buf_char(b, '\n');
            json_object_foreach(row, key, v) {
                lt_buf_fmt(b, "%s%s", first ? "" : "\t", key);
                first = false;
            }
            lt_buf_char(b, '\n');
            first = true;
        }
        json_object_foreach(row, key, v) {
            if (!first) lt_buf_char(b, '\t');
            first = false;
            put_cell(b, v);
        }
        lt_buf_char(b, '\n');
    }
}
