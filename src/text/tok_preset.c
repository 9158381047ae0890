/* Pre-tokenisers by the names llama.cpp knows them by (tokenizer.ggml.pre). */
#include "text/tokenizer.h"
#include <string.h>

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}"
#define SPLIT(pattern) \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define SEQUENCE(stages) "{\"type\":\"Sequence\",\"pretokenizers\":[" stages "]}"
#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"
#define REST "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"

static const struct { const char *name, *json; } presets[] = {
    { "falcon", SEQUENCE("{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}," GPT2
                         ",{\"type\":\"Digits\",\"individual_digits\":false}," SPLIT("[0-9][0-9][0-9]")) },
    { "gpt-2", GPT2 },
    { "llama-bpe", SEQUENCE(SPLIT(ENDINGS "\\\\p{N}{1,3}" REST) "," BYTES) },
    { "qwen2", SEQUENCE(SPLIT(ENDINGS "\\\\p{N}" REST) "," BYTES) },
    { "smollm", SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}," GPT2) },
    { "starcoder", SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}," GPT2) },
};
static const char *const names[] = { "falcon", "gpt-2", "llama-bpe", "qwen2", "smollm", "starcoder", NULL };
_Static_assert(LT_COUNT(presets) + 1 == LT_COUNT(names), "one name a preset");

const char *lt_tok_preset(const char *name)
{
    for (int i = 0; i < LT_COUNT(presets); i++)
        if (strcmp(presets[i].name, name) == 0)
            return presets[i].json;
    struct lt_buf all = { 0 };
    for (int i = 0; i < LT_COUNT(presets); i++)
        lt_buf_fmt(&all, i ? ", %s" : "%s", presets[i].name);
    lt_misuse("there is no pre-tokenizer \"%s\"; known are %s", name, all.p);
    lt_buf_free(&all);
    return NULL;
}

const char *const *lt_tok_presets(void)
{
    return names;
}
