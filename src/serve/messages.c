#include "serve/messages.h"
#include <stdio.h>
#include <string.h>

/* ---- messages ---- */

struct at { size_t message; struct lt_fault *f; };

static int wrong(const struct at *at, const char *where, const char *expected)
{
    char param[80];
    snprintf(param, sizeof param, "messages[%zu]%s", at->message, where);
    return lt_fault_set(at->f, 400, param, "invalid_value", "%s: expected %s", param, expected);
}

static int join_parts(const struct at *at, json_t *message, const json_t *parts)
{
    struct lt_buf text = { 0 };
    size_t i;
    json_t *part;
    lt_buf_put(&text, "", 0);
    json_array_foreach((json_t *)parts, i, part) {
        const json_t *t = json_object_get(part, "text");
        const char *type = json_string_value(json_object_get(part, "type"));
        if (!type || strcmp(type, "text") || !json_is_string(t)) {
            lt_buf_free(&text);
            return wrong(at, ".content", "parts of type text; images, sound and files are not read");
        }
        if (i) lt_buf_char(&text, '\n');
        lt_buf_put(&text, json_string_value(t), json_string_length(t));
    }
    json_object_set_new(message, "content", json_stringn(text.p, text.n));
    lt_buf_free(&text);
    return 0;
}

/* Texts that are no JSON object stay as they are: the template decides. */
static int read_call(const struct at *at, json_t *call)
{
    json_t *function = json_object_get(call, "function"), *arguments = json_object_get(function, "arguments");
    json_t *object;
    if (!json_is_string(json_object_get(function, "name")))
        return wrong(at, ".tool_calls", "calls {\"function\": {\"name\", \"arguments\"}}");
    if (!json_object_get(call, "type")) json_object_set_new(call, "type", json_string("function"));
    if (!json_is_string(arguments)) return 0;
    struct lt_str text = { json_string_value(arguments), json_string_length(arguments) };
    if (lt_json_parse("arguments", text, &object)) return 0;
    if (json_is_object(object)) json_object_set(function, "arguments", object);
    json_decref(object);
    return 0;
}

static int read_message(const struct at *at, json_t *m)
{
    if (!json_is_object(m)) return wrong(at, "", "an object");
    json_t *role = json_object_get(m, "role"), *content = json_object_get(m, "content"), *call;
    json_t *calls = json_object_get(m, "tool_calls");
    size_t i;
    if (!json_is_string(role)) return wrong(at, ".role", "a text");
    if (json_array_size(json_object_get(m, "images"))) return wrong(at, ".images", "none: images are not read");
    if (calls && !json_is_null(calls) && !json_is_array(calls)) return wrong(at, ".tool_calls", "a list");
    json_array_foreach(calls, i, call)
        if (read_call(at, call)) return -1;
    if (json_is_array(content)) return join_parts(at, m, content);
    bool none = !content || json_is_null(content);
    if (none ? json_array_size(calls) > 0 : json_is_string(content)) return 0;
    return wrong(at, ".content", "a text or a list of parts");
}

int lt_messages_take(const json_t *messages, json_t **out, struct lt_fault *f)
{
    struct at at = { 0, f };
    if (!json_is_array(messages) || !json_array_size(messages))
        return lt_fault_set(f, 400, "messages", "invalid_value", "messages: expected a list of {\"role\", "
                            "\"content\"}, found %s", json_is_array(messages) ? "an empty one" : "something else");
    *out = json_deep_copy(messages);
    for (; at.message < json_array_size(*out); at.message++)
        if (read_message(&at, json_array_get(*out, at.message))) return -1;
    return 0;
}

/* ---- tools ---- */

const json_t *lt_tools_find(const json_t *tools, struct lt_str name)
{
    size_t i;
    json_t *tool;
    json_array_foreach((json_t *)tools, i, tool) {
        const json_t *function = json_object_get(tool, "function"), *is = json_object_get(function, "name");
        if (lt_str_eq((struct lt_str){ json_string_value(is), json_string_length(is) }, name)) return function;
    }
    return NULL;
}

static int wrong_tool(size_t i, const char *what, struct lt_fault *f)
{
    return lt_fault_set(f, 400, "tools", "invalid_value", "tools[%zu]%s", i, what);
}

int lt_tools_check(const json_t *tools, struct lt_fault *f)
{
    size_t i;
    json_t *tool;
    if (!json_is_array(tools)) return lt_wrong_type(f, "tools", "a list", tools);
    if (json_array_size(tools) > LT_TOOLS_MOST)
        return lt_fault_set(f, 400, "tools", "invalid_value", "tools: expected at most %d, found %zu", LT_TOOLS_MOST,
                            json_array_size(tools));
    json_array_foreach((json_t *)tools, i, tool) {
        const json_t *function = json_object_get(tool, "function"), *name = json_object_get(function, "name");
        const json_t *type = json_object_get(tool, "type"), *schema = json_object_get(function, "parameters");
        if (type && (!json_is_string(type) || strcmp(json_string_value(type), "function")))
            return wrong_tool(i, ".type: expected function", f);
        if (!json_is_string(name) || !json_string_length(name))
            return wrong_tool(i, ": expected {\"type\": \"function\", \"function\": {\"name\": ...}}", f);
        if (schema && !json_is_null(schema) && !json_is_object(schema))
            return wrong_tool(i, ".function.parameters: expected an object", f);
        if (lt_tools_find(tools, (struct lt_str){ json_string_value(name), json_string_length(name) }) != function)
            return wrong_tool(i, ".function.name: another tool has it", f);
    }
    return 0;
}
