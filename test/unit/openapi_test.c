/* The description of the server says what the server takes. */
#include "test.h"
#include "base/json.h"
#include "serve/call.h"
#include "serve/openapi.h"

static json_t *described(void)
{
    struct lt_buf b = { 0 };
    json_t *v;
    lt_openapi_put(&b);
    assert_ok(lt_json_parse("openapi.json", lt_buf_view(&b), &v));
    lt_buf_free(&b);
    return v;
}

static json_t *at(json_t *v, const char *const *key)
{
    for (; *key; key++) {
        v = json_object_get(v, *key);
        if (!v) fail_msg("the description has no %s", *key);
    }
    return v;
}
#define AT(v, ...) at(v, (const char *const[]){ __VA_ARGS__, NULL })

static void test_openapi__every_endpoint_is_there(void **state)
{
    json_t *v = described();
    const struct lt_endpoint *e;
    int count = 0;
    (void)state;
    for (; (e = lt_endpoint_at(count)); count++) {
        json_t *is = AT(v, "paths", e->path, strcmp(e->method, "GET") ? "post" : "get");
        assert_string_equal(json_string_value(AT(is, "summary")), e->brief);
        assert_true(e->reply || e->type);
        AT(is, "responses", "200", "content", e->reply ? "application/json" : e->type, "schema");
        if (e->streams) AT(is, "responses", "200", "content", e->streams);
        if (!e->open) AT(is, "responses", "401");
        if (!e->body) continue;
        json_t *ref = AT(is, "requestBody", "content", "application/json", "schema", "$ref");
        assert_string_equal(strrchr(json_string_value(ref), '/') + 1, e->body->name);
    }
    assert_int_equal(json_object_size(AT(v, "paths")), count);
    assert_true(count > 20);
    json_decref(v);
}

static int ignore_number(void *into, const char *field, const struct lt_method *m, const json_t *v, struct lt_fault *f)
{
    (void)into, (void)field, (void)m, (void)v, (void)f;
    return 0;
}

/* Is a field of this name taken?  null is as good as nothing, so only the name matters. */
static bool takes(const struct lt_body *b, const char *key)
{
    struct lt_fault f = { 0 };
    json_t *one = json_pack("{s:n}", key);
    lt_body_take_with(b, NULL, "", one, ignore_number, &f);
    bool is = !f.code || strcmp(f.code, "unknown_field");
    lt_fault_release(&f);
    json_decref(one);
    return is;
}

static void test_openapi__every_field_is_there_and_no_other(void **state)
{
    json_t *v = described();
    const struct lt_endpoint *e;
    (void)state;
    for (int i = 0; (e = lt_endpoint_at(i)); i++) {
        const char *key;
        json_t *one;
        if (!e->body) continue;
        json_t *schema = AT(v, "components", "schemas", e->body->name), *all = AT(schema, "properties");
        assert_true(json_is_false(AT(schema, "additionalProperties")));
        for (const struct lt_field *d = e->body->field; d->key; d++)
            if (lt_field_is_in(e->body, d)) AT(all, d->key, "description");
        json_object_foreach(all, key, one)
            if (!takes(e->body, key)) fail_msg("%s: %s is described and not taken", e->path, key);
        assert_false(takes(e->body, "no such field"));
        const struct lt_method *m;
        for (int k = 0; (m = lt_number_control(k)); k++)
            assert_true(takes(e->body, m->name) == (json_object_get(all, m->name) != NULL));
    }
    json_decref(v);
}

static void test_openapi__a_near_name_is_suggested(void **state)
{
    static const char *const row[][2] = { { "max_token", "max_tokens" }, { "temprature", "temperature" },
                                          { "topk", "top_k" }, { "respons_format", "response_format" } };
    const struct lt_endpoint *e;
    const char *rest;
    (void)state;
    e = lt_endpoint_find("/v1/chat/completions", &rest);
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct lt_fault f = { 0 };
        json_t *one = json_pack("{s:n}", row[i][0]);
        lt_body_take_with(e->body, NULL, "", one, ignore_number, &f);
        assert_non_null(strstr(f.message, row[i][1]));
        lt_fault_release(&f);
        json_decref(one);
    }
}

static void test_openapi__paths_are_found(void **state)
{
    const char *rest;
    (void)state;
    assert_string_equal(lt_endpoint_find("/v1/models", &rest)->path, "/v1/models");
    assert_null(rest);
    assert_string_equal(lt_endpoint_find("/v1/models/a/b", &rest)->path, "/v1/models/{id}");
    assert_string_equal(rest, "a/b");
    assert_null(lt_endpoint_find("/v1/models/", &rest));
    assert_null(lt_endpoint_find("/v1", &rest));
    assert_null(lt_endpoint_find("", &rest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openapi__every_endpoint_is_there),
        cmocka_unit_test(test_openapi__every_field_is_there_and_no_other),
        cmocka_unit_test(test_openapi__a_near_name_is_suggested),
        cmocka_unit_test(test_openapi__paths_are_found),
    };
    return cmocka_run_group_tests_name("openapi", tests, NULL, NULL);
}
