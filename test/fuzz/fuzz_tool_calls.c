/* Texts of models over arbitrary bytes: read in pieces and whole they give the same, and nothing is lost but what
 * stands between calls.  The first byte chooses the form, the second how the text is cut. */
#include "serve/tool_calls.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void hear(struct lt_tool_reader *r, struct lt_str text, size_t part, struct lt_heard *h)
{
    *h = (struct lt_heard){ 0 };
    for (size_t at = 0; at < text.n; at += part) {
        struct lt_str piece = { text.p + at, LT_MIN(part, text.n - at) };
        lt_tool_reader_push(r, piece, at + part >= text.n, lt_heard_put, h);
    }
    lt_tool_reader_push(r, lt_str(""), true, lt_heard_put, h);
    lt_tool_reader_free(r);
}

static bool same(const struct lt_buf *a, const struct lt_buf *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->p, b->p, a->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const form[] = { "{{ tools }}<tool_call>", "{{ tools }}[TOOL_CALLS]", "{{ tools }}",
                                        "{{ tools }}\"parameters\": dictionary" };
    if (n < 2) return 0;
    json_t *tools = json_pack("[{s:{s:s}}, {s:{s:s}}]", "function", "name", "now", "function", "name", "add");
    const struct lt_tool_form *as = lt_tool_form_of(lt_str(form[p[0] % 4]));
    bool forced = p[0] & 4;
    int most = p[0] & 8 ? 1 : INT32_MAX;
    struct lt_str text = { (const char *)p + 2, n - 2 };
    struct lt_heard whole, parts;
    hear(lt_tool_reader_new(as, tools, forced, most), text, LT_MAX(text.n, 1), &whole);
    hear(lt_tool_reader_new(as, tools, forced, most), text, 1 + p[1] % 9, &parts);
    assert(whole.calls == parts.calls && whole.calls <= most && same(&whole.text, &parts.text));
    for (int i = 0; i < whole.calls; i++) {
        assert(same(&whole.call[i].name, &parts.call[i].name));
        assert(same(&whole.call[i].arguments, &parts.call[i].arguments));
    }
    if (!whole.calls && !forced) assert(whole.text.n == text.n && (!text.n || !memcmp(whole.text.p, text.p, text.n)));
    lt_heard_release(&whole);
    lt_heard_release(&parts);
    json_decref(tools);
    return 0;
}
