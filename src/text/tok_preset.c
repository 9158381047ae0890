/* Pre-tokenisers by the names llama.cpp knows them by (tokenizer.ggml.pre), as stages of tokenizer.json: what the
 * models of that name ship. */
#include "text/tokenizer.h"
#include <string.h>

#define PLAIN "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}"
#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define SEQUENCE(stages) "{\"type\":\"Sequence\",\"pretokenizers\":[" stages "]}"
#define SPLIT(pattern) \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern "\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define DIGITS_GPT2 SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}," GPT2)

/* Patterns with the backslashes of JSON. */
#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORD "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"
#define UPPER "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define LOWER "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define SPACES "|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define REST "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*" SPACES
#define REST_SLASH "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*" SPACES
#define CASED(ending) WORD UPPER "*" LOWER "+" ending "|" WORD UPPER "+" LOWER "*" ending
#define LLAMA3 SEQUENCE(SPLIT(ENDINGS "|" WORD "\\\\p{L}+|\\\\p{N}{1,3}" REST) "," PLAIN)
#define QWEN2 SEQUENCE(SPLIT(ENDINGS "|" WORD "\\\\p{L}+|\\\\p{N}" REST) "," PLAIN)
#define BLOOM SPLIT(" ?[^(\\\\s|.,!?\\u2026\\u3002\\uff0c\\u3001\\u0964\\u06d4\\u060c)]+")
#define FALCON SEQUENCE("{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}," GPT2 \
                        ",{\"type\":\"Digits\",\"individual_digits\":false}," SPLIT("[0-9][0-9][0-9]"))

/* X(name, stages), sorted */
#define PRESETS(X) \
    X("bloom", SEQUENCE(BLOOM "," PLAIN)) \
    X("codeshell", DIGITS_GPT2) \
    X("command-r", DIGITS_GPT2) \
    X("dbrx", LLAMA3) \
    X("falcon", FALCON) \
    X("gpt-2", GPT2) \
    X("gpt-4o", SEQUENCE(SPLIT(CASED(ENDINGS "?") "|\\\\p{N}{1,3}" REST_SLASH) "," PLAIN)) \
    X("jais", GPT2) \
    X("llama-bpe", LLAMA3) \
    X("mpt", GPT2) \
    X("olmo", GPT2) \
    X("phi-2", GPT2) \
    X("qwen2", QWEN2) \
    X("refact", DIGITS_GPT2) \
    X("smaug-bpe", LLAMA3) \
    X("smollm", DIGITS_GPT2) \
    X("stablelm2", QWEN2) \
    X("starcoder", DIGITS_GPT2) \
    X("tekken", SEQUENCE(SPLIT(CASED("") "|\\\\p{N}" REST_SLASH) "," PLAIN))

#define ROW(preset, stages) { .name = preset, .json = stages },
#define NAME(preset, stages) preset,
static const struct { const char *name, *json; } presets[] = { PRESETS(ROW) };
static const char *const names[] = { PRESETS(NAME) NULL };

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
