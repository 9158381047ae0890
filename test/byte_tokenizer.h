#ifndef LT_BYTE_TOKENIZER_H
#define LT_BYTE_TOKENIZER_H

#include "test.h"
#include "text/tokenizer.h"

/* A byte-level tokenizer of 256 one-byte pieces and an end token, in a file of its own. */
static inline char *byte_tokenizer(const char *folder)
{
    struct lt_str piece[257];
    struct lt_buf spelt[256];
    memset(spelt, 0, sizeof spelt);
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        lt_tok_spell(&spelt[i], (struct lt_str){ &byte, 1 });
        piece[i] = lt_buf_view(&spelt[i]);
    }
    piece[256] = lt_str("<|endoftext|>");
    struct lt_tok_added end = { .id = 256, .content = piece[256], .special = true };
    struct lt_tok_spec spec = {
        .kind = LT_TOK_BPE, .count = 257, .piece = piece, .added = &end, .added_count = 1,
        .pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
        .decoder = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
        .bos = 256, .eos = 256, .unk_id = -1,
    };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&spec, &t));
    char *path = lt_strdup(lt_test_path(folder, "tokenizer.json"));
    assert_ok(lt_tokenizer_save(t, path));
    lt_tokenizer_free(t);
    for (int i = 0; i < 256; i++) lt_buf_free(&spelt[i]);
    return path;
}

#endif
