/* A saved conversation over arbitrary bytes: what is accepted has messages that can be said, and is written the same
 * after it was written and read. */
#include "decode/chat/conversation.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void put(struct lt_buf *b, const char *model, json_t *options, json_t *messages)
{
    json_t *all = json_pack("{s:s, s:O, s:O}", "model", model ? model : "", "options", options, "messages", messages);
    lt_json_put(b, all);
    json_decref(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_conversation c, again;
    char *model = NULL, *other = NULL;
    json_t *options = NULL, *same = NULL;
    lt_conversation_init(&c, 0);
    lt_conversation_init(&again, 0);
    if (!lt_conversation_parse(&c, "input", (struct lt_str){ (const char *)p, n }, &model, &options)) {
        struct lt_buf b = { 0 }, second = { 0 };
        put(&b, model, options, c.messages);
        assert(!lt_conversation_parse(&again, "written", lt_buf_view(&b), &other, &same));
        put(&second, other, same, again.messages);
        assert(b.n == second.n && !memcmp(b.p, second.p, b.n));
        int turns = lt_conversation_turns(&c);
        assert(lt_conversation_forget(&c, turns + 1) >= turns);
        lt_conversation_pop(&c);
        lt_buf_free(&b);
        lt_buf_free(&second);
    }
    json_decref(options);
    json_decref(same);
    free(model);
    free(other);
    lt_conversation_release(&c);
    lt_conversation_release(&again);
    return 0;
}
