/* A model of arithmetic over bytes that knows the control tokens of a chat template. */
#ifndef LT_TEST_CHAT_MODEL_H
#define LT_TEST_CHAT_MODEL_H

#include "test.h"
#include "text/tokenizer.h"

enum { CHAT_END = 256, CHAT_START, CHAT_THINK, CHAT_BLANKS, CHAT_NORMAL, CHAT_VOCAB };
#define CHAT_TEMPLATE "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}" \
                      "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"

/* tokenizer.json in the folder, and the template; the text ends with the token of this name if it is "</s>". */
static inline void chat_tokenizer_with(const char *folder, const char *end)
{
    const struct lt_tok_added added[] = {
        { .id = CHAT_END, .content = lt_str(end), .special = true },
        { .id = CHAT_START, .content = { "<|start|>", 9 }, .special = true },
        { .id = CHAT_THINK, .content = { "</think>", 8 } },
        { .id = CHAT_BLANKS, .content = { "    ", 4 }, .normalized = true },
        { .id = CHAT_NORMAL, .content = { "[INST]", 6 }, .special = true, .normalized = true },
    };
    struct lt_str piece[CHAT_VOCAB];
    struct lt_buf spelt[256];
    memset(spelt, 0, sizeof spelt);
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        lt_tok_spell(&spelt[i], (struct lt_str){ &byte, 1 });
        piece[i] = lt_buf_view(&spelt[i]);
    }
    for (int i = 256; i < CHAT_VOCAB; i++) piece[i] = added[i - 256].content;
    struct lt_tok_spec spec = {
        .kind = LT_TOK_BPE, .count = CHAT_VOCAB, .piece = piece, .added = added, .added_count = CHAT_VOCAB - 256,
        .pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
        .decoder = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
        .bos = -1, .eos = -2, .unk_id = -1,
    };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&spec, &t));
    assert_ok(lt_tokenizer_save(t, lt_test_path(folder, "tokenizer.json")));
    lt_tokenizer_free(t);
    for (int i = 0; i < 256; i++) lt_buf_free(&spelt[i]);
    assert_ok(lt_file_save(lt_test_path(folder, "chat.jinja"), CHAT_TEMPLATE, strlen(CHAT_TEMPLATE)));
}

static inline void chat_tokenizer(const char *folder) { chat_tokenizer_with(folder, "</s>"); }

#endif
