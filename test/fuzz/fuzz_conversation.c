/* A saved conversation over arbitrary bytes: what is accepted has messages that can be said, and is the same when it is
 * written and read again. */
#include "decode/chat/conversation.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_conversation c, again;
    char *model = NULL, *other = NULL;
    json_t *options = NULL, *same = NULL;
    lt_conversation_init(&c, 0);
    lt_conversation_init(&again, 0);
    if (!lt_conversation_parse(&c, "input", (struct lt_str){ (const char *)p, n }, &model, &options)) {
        struct lt_buf b = { 0 };
        json_t *all = json_pack("{s:o, s:O, s:O}", "model", json_string(model ? model : ""), "options", options,
                                "messages", c.messages);
        lt_json_put(&b, all);
        assert(!lt_conversation_parse(&again, "written", lt_buf_view(&b), &other, &same));
        assert(json_equal(c.messages, again.messages) && json_equal(options, same));
        int turns = lt_conversation_turns(&c);
        assert(lt_conversation_forget(&c, turns + 1) >= turns);
        lt_conversation_pop(&c);
        json_decref(all);
        lt_buf_free(&b);
    }
    json_decref(options);
    json_decref(same);
    free(model);
    free(other);
    lt_conversation_release(&c);
    lt_conversation_release(&again);
    return 0;
}
