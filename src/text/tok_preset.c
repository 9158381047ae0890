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
/* Letters with case as DeepSeek's pattern lists them: those of Unicode 11 but for some scripts. */
#define CASED_LETTERS "A-Za-z" \
    "\\u00b5\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u01ba\\u01bc-\\u01bf\\u01c4-\\u0293\\u0295-\\u02af" \
    "\\u0370-\\u0373\\u0376\\u0377\\u037b-\\u037d\\u037f\\u0386\\u0388-\\u038a\\u038c\\u038e-\\u03a1" \
    "\\u03a3-\\u03f5\\u03f7-\\u0481\\u048a-\\u052f\\u0531-\\u0556\\u10a0-\\u10c5\\u13a0-\\u13f5" \
    "\\u13f8-\\u13fd\\u1c90-\\u1cba\\u1cbd-\\u1cbf\\u1d00-\\u1d2b\\u1d6b-\\u1d77\\u1d79-\\u1d9a" \
    "\\u1e00-\\u1f15\\u1f18-\\u1f1d\\u1f20-\\u1f45\\u1f48-\\u1f4d\\u1f50-\\u1f57\\u1f59\\u1f5b\\u1f5d" \
    "\\u1f5f-\\u1f7d\\u1f80-\\u1fb4\\u1fb6-\\u1fbc\\u1fbe\\u1fc2-\\u1fc4\\u1fc6-\\u1fcc\\u1fd0-\\u1fd3" \
    "\\u1fd6-\\u1fdb\\u1fe0-\\u1fec\\u1ff2-\\u1ff4\\u1ff6-\\u1ffc\\u2102\\u2107\\u210a-\\u2113\\u2115" \
    "\\u2119-\\u211d\\u2124\\u2126\\u2128\\u212a-\\u212d\\u212f-\\u2134\\u2139\\u213c-\\u213f" \
    "\\u2145-\\u2149\\u214e\\u2183\\u2184\\u2c00-\\u2c7b\\u2c7e-\\u2ce4\\u2ceb-\\u2cee\\u2cf2\\u2cf3" \
    "\\ua640-\\ua66d\\ua680-\\ua69b\\ua722-\\ua76f\\ua771-\\ua787\\ua78b-\\ua78e\\uab70-\\uabbf" \
    "\\ufb00-\\ufb06\\ufb13-\\ufb17\\uff21-\\uff3a\\uff41-\\uff5a\\ud801\\udc00-\\ud801\\udc4f" \
    "\\ud801\\udcb0-\\ud801\\udcd3\\ud801\\udcd8-\\ud801\\udcfb\\ud803\\udc80-\\ud803\\udcb2" \
    "\\ud803\\udcc0-\\ud803\\udcf2\\ud806\\udca0-\\ud806\\udcdf\\ud83a\\udd00-\\ud83a\\udd43"
#define DEEPSEEK SEQUENCE(SPLIT("[\\r\\n]") "," SPLIT("\\\\s?[" CASED_LETTERS "]+") "," \
                          SPLIT("\\\\s?[!-/:-~\\uff01-\\uff0f\\uff1a-\\uff5e\\u2018-\\u201f\\u3000-\\u3002]+") "," \
                          SPLIT("\\\\s+$") "," SPLIT("[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+") "," \
                          "{\"type\":\"Digits\",\"individual_digits\":true}," PLAIN)
#define FALCON SEQUENCE("{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}," GPT2 \
                        ",{\"type\":\"Digits\",\"individual_digits\":false}," SPLIT("[0-9][0-9][0-9]"))

/* X(name, stages), sorted */
#define PRESETS(X) \
    X("bloom", SEQUENCE(BLOOM "," PLAIN)) \
    X("codeshell", DIGITS_GPT2) \
    X("command-r", DIGITS_GPT2) \
    X("dbrx", LLAMA3) \
    X("deepseek-llm", DEEPSEEK) \
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

bool lt_tok_preset_whole(const char *name)
{
    return !strcmp(name, "llama-bpe") || !strcmp(name, "tekken");
}

const char *const *lt_tok_presets(void)
{
    return names;
}
