/* Arbitrary text through chains that hold every kind of stage; the first byte chooses the chain. */
#include "fuzz_tok.h"

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true}"
#define EMPTY "\"model\":{\"type\":\"BPE\",\"vocab\":" \
              "{\"a\":0,\"b\":1,\"ab\":2,\"\xC4\xA0\":3,\"\xE2\x96\x81\":4,\"<0xC3>\":5}," \
              "\"merges\":[\"a b\"]}}"
static const char *const chains[] = {
    "{\"pre_tokenizer\":" BYTES ",\"decoder\":" BYTES "," EMPTY,
    "{\"normalizer\":{\"type\":\"NFKC\"},\"pre_tokenizer\":{\"type\":\"Whitespace\"},"
    "\"decoder\":{\"type\":\"Metaspace\"}," EMPTY,
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"decoder\":{\"type\":\"WordPiece\"}," EMPTY,
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"Nmt\"},"
    "{\"type\":\"Strip\"},"
    "{\"type\":\"StripAccents\"},{\"type\":\"Lowercase\"},{\"type\":\"Prepend\",\"prepend\":\"a\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" *\"},\"content\":\"b\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\","
    "\"pretokenizers\":[{\"type\":\"Digits\"},{\"type\":\"Punctuation\"},{\"type\":\"UnicodeScripts\"},"
    "{\"type\":\"Metaspace\"},{\"type\":\"FixedLength\",\"length\":2}]},\"decoder\":{\"type\":\"CTC\"}," EMPTY,
    "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" BYTES ",{\"type\":\"Digits\"},{\"type\":\"Split\","
    "\"pattern\":{\"Regex\":\"[a-z]*\"},\"behavior\":\"MergedWithNext\",\"invert\":true}]},\"added_tokens\":["
    "{\"id\":9,\"content\":\"b a\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true,\"normalized\":false}],"
    "\"decoder\":{\"type\":\"BPEDecoder\"}," EMPTY,
    "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\"},"
    "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
    "\"vocab\":[[\"u\",0],[\"a\",-1],[\"ab\",-3],[\"b\",-1.5],[\"\xE2\x96\x81\",-2]]}}",
};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_tokenizer *t;
    if (!n || lt_tok_read_json("chain", lt_str(chains[*p % LT_COUNT(chains)]), &t))
        return 0;
    fuzz_encode(t, (struct lt_str){ (const char *)p + 1, n - 1 });
    lt_tokenizer_free(t);
    return 0;
}
