#!/usr/bin/env python3
"""Writes tokenizers.json: what Hugging Face tokenizers (0.23.3) make of tricky texts, stage by stage.

    pip install tokenizers==0.23.3; test/oracle/make_tokenizers.py >test/oracle/tokenizers.json

"words": [stages as in tokenizer.json, [[text, words], ...]]: normalised text cut by the pre-tokeniser.
"encode": [tokenizer.json, [[text, ids], ...]]; "decode": [tokenizer.json, [[ids, text], ...]]."""
import json
import re
from tokenizers import Tokenizer

TEXTS = [
    "Hello, world!  It's 2024-05-06 \t\n\n  done.", " lead and trail ", "a", "   ", "x  y   z", "don't WE'LL I'D 'tis",
    "Ünïcödé ﬁne ① Ⅷ ²3½", "e\u0301a\u0308 \u1e9b\u0323 \u212b İI",
    "日本語テキスト、ー漢字とカナ。 mixed",
    "한국어 조선 \u1112\u1161\u11ab", "مرحبا ٣٤٥ नमस्ते",
    "emoji 👩‍👩‍👧 😀x", "tab\there\r\nnew\rline\u2028sep\u00a0nb\u3000wide",
    "12345 6.7e8 a1b22c333", "price: $5.00 (50%) [a]{b}—‘q’ «r»",
    "▁mark ▁▁ in", "zero\u200bwidth\ufeffbom\u00adsoft\u0007bell\ufffd",
    "foo_bar __init__ a.b.c ...", "<s>x</s> <mask>  y", "ab--cd--", "--", "日a本b", "ẞß ǅ Σς ΑΣ",
]
B = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PLAIN = dict(B, use_regex=False)
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*stages):
    return {"type": "Sequence", "pretokenizers": list(stages)}


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


NORMALIZERS = [{"type": t} for t in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"]] + [
    {"type": "Strip", "strip_left": l, "strip_right": r} for l, r in [(True, False), (False, True), (True, True)]] + [
    replace({"String": " "}, "▁"), replace({"Regex": r"\s+"}, " "), replace({"Regex": "x*"}, "-"),
    {"type": "Prepend", "prepend": "▁"},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
    {"type": "Sequence", "normalizers": [{"type": "NFKC"}, replace({"Regex": " {2,}"}, " "),
                                         {"type": "Prepend", "prepend": "_"}]},
] + [{"type": "BertNormalizer", "clean_text": c, "handle_chinese_chars": h, "strip_accents": s, "lowercase": l}
     for c, h, s, l in [(True, True, None, True), (False, True, None, False), (True, False, False, True),
                        (True, True, True, False)]]
PRES = [{"type": t} for t in ["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts"]] + [
    {"type": "Punctuation", "behavior": b} for b in BEHAVIORS] + [
    {"type": "Digits", "individual_digits": d} for d in (True, False)] + [
    split({"String": "--"}, b, i) for b in BEHAVIORS for i in (False, True)] + [
    split({"Regex": r"\d+|\s"}, b, i) for b in BEHAVIORS for i in (False, True)] + [
    split({"Regex": "e$"}), split({"Regex": r"(?m:\n.)"}), split({"Regex": "z*"}), split({"Regex": r"[^\S ]"}),
    {"type": "CharDelimiterSplit", "delimiter": "-"}, {"type": "FixedLength", "length": 3},
] + [{"type": "Metaspace", "replacement": "▁", "prepend_scheme": s, "split": p}
     for s in ("always", "first", "never") for p in (True, False)] + [
    sequence({"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
                                           "split": True}),
    B, dict(B, add_prefix_space=True), PLAIN,
    sequence({"type": "Punctuation", "behavior": "Contiguous"}, B, {"type": "Digits", "individual_digits": False},
             split({"Regex": "[0-9][0-9][0-9]"})),
    sequence({"type": "Digits", "individual_digits": True}, dict(B, add_prefix_space=True)),
    sequence(split({"Regex": r"[\r\n]"}), split({"Regex": r"\s?\p{L}+"}), {"type": "Digits", "individual_digits": True},
             PLAIN),
]


PRESETS = {  # the stages of these names, as the models ship them
    "llama-bpe": sequence(split({"Regex": ENDINGS + r"\p{N}{1,3}" + REST}), PLAIN),
    "qwen2": sequence(split({"Regex": ENDINGS + r"\p{N}" + REST}, "Removed", True), PLAIN),
    "bloom": sequence(split({"Regex": r" ?[^(\s|.,!?…。，、।۔،)]+"}), PLAIN),
    "gpt-4o": sequence(split({"Regex": "|".join([
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"])}), PLAIN),
    "starcoder": sequence({"type": "Digits", "individual_digits": True}, B), "gpt-2": B,
}


def tokenizer(model=None, **stages):
    j = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
         "pre_tokenizer": None, "post_processor": None, "decoder": None,
         "model": model or {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}}
    j.update(stages)
    return j


def words(stages):
    t = Tokenizer.from_str(json.dumps(tokenizer(**stages)))
    out = []
    for text in TEXTS:
        x = t.normalizer.normalize_str(text) if t.normalizer else text
        w = [a for a, _ in t.pre_tokenizer.pre_tokenize_str(x)] if t.pre_tokenizer else [x]
        out.append([text, [a for a in w if a]])
    return [stages, out]


def ids(pieces):
    return {p: i for i, p in enumerate(pieces)}


def bpe(merges, singles, **options):
    pieces = list(singles)
    prefix = options.get("continuing_subword_prefix") or ""
    for a, b in merges:
        joined = a + (b[len(prefix):] if prefix and b.startswith(prefix) else b)
        if joined not in pieces:
            pieces.append(joined)
    return dict({"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                 "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                 "vocab": ids(pieces), "merges": [f"{a} {b}" for a, b in merges]}, **options)


ASCII = [chr(c) for c in range(33, 127)]
PAIRS = [("l", "o"), ("i", "n"), ("e", "r"), ("lo", "w"), ("low", "er"), ("a", "a"), ("aa", "a"), ("a", "aa"),
         ("in", "g")]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
WORDS = "the low lower lowest newer wider aaaa aaaaaaa kinging ñoño 日本 x"
ADDED = [
    {"id": 102, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
     "special": True},
    {"id": 103, "content": "<mask>", "single_word": False, "lstrip": True, "rstrip": True, "normalized": False,
     "special": True},
    {"id": 104, "content": "new", "single_word": True, "lstrip": False, "rstrip": False, "normalized": False,
     "special": False},
    {"id": 105, "content": "Wid", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True,
     "special": False},
    {"id": 106, "content": "<s><s>", "single_word": False, "lstrip": False, "rstrip": True, "normalized": False,
     "special": True},
]
SPACE = {"type": "WhitespaceSplit"}
LOGS = [["<unk>", 0.0], ["▁", -3.0], ["l", -4.0], ["o", -4.5], ["w", -5.0], ["e", -4.0], ["r", -4.0], ["lo", -5.0],
        ["low", -6.0], ["er", -5.5], ["▁low", -5.5], ["▁lower",
                                                      -9.0], ["a", -3.0], ["aa", -5.0], ["aaa", -8.0], ["n", -4.0]]
META = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a", "type_id": 0}},
                                                     {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "b", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"a": {"id": "a", "ids": [1, 2], "tokens": ["\"", "#"]},
                               "b": {"id": "b", "ids": [3], "tokens": ["$"]}}}
ENCODE = [
    tokenizer(bpe(PAIRS, ASCII), pre_tokenizer=SPACE),
    tokenizer(bpe(PAIRS, ["?"] + ASCII[:30] + ASCII[31:], unk_token="?"), pre_tokenizer=SPACE),
    tokenizer(bpe(PAIRS, ["?"] + ASCII[:30] + ASCII[31:], unk_token="?", fuse_unk=True), pre_tokenizer=SPACE),
    tokenizer(bpe(PAIRS, ["?"] + BYTES + ASCII[:30] + ASCII[31:], unk_token="?", byte_fallback=True, fuse_unk=True),
              pre_tokenizer=SPACE),
    tokenizer(bpe(PAIRS, ASCII + ["lowest"], ignore_merges=True), pre_tokenizer=SPACE),
    tokenizer(bpe([("l", "##o"), ("##e", "##r"), ("lo", "##w"), ("low", "##er")], ASCII + ["##" + c for c in ASCII],
                  continuing_subword_prefix="##"), pre_tokenizer=SPACE),
    tokenizer(bpe([("l", "o"), ("e", "r</w>"), ("lo", "w</w>"), ("low", "er</w>"), ("lo", "w")],
                  ASCII + [c + "</w>" for c in ASCII],
                  end_of_word_suffix="</w>"), pre_tokenizer=SPACE),
    tokenizer(bpe(PAIRS, ASCII), pre_tokenizer=SPACE, added_tokens=ADDED, normalizer={"type": "Lowercase"},
              post_processor=TEMPLATE),
    tokenizer(bpe(PAIRS, ASCII), pre_tokenizer=SPACE, post_processor={"type": "Sequence", "processors": [B, TEMPLATE]}),
    tokenizer(bpe(PAIRS, ASCII), pre_tokenizer=SPACE, post_processor={"type": "BertProcessing", "sep": ["a", 64],
        "cls": ["b", 65]}),
    tokenizer(bpe(PAIRS, ASCII), pre_tokenizer=SPACE, post_processor={"type": "RobertaProcessing", "sep": ["a", 64],
        "cls": ["b", 65],
              "trim_offsets": True, "add_prefix_space": False}),
    tokenizer({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
               "max_input_chars_per_word": 8,
               "vocab": ids(["[UNK]", "low", "##er", "##est", "the", "new", "##e", "##r", "a", "##a", "##aa", "ñ",
                             "##o", "##ñ", "x"])},
              pre_tokenizer={"type": "BertPreTokenizer"}),
    tokenizer({"type": "WordLevel", "unk_token": "?", "vocab": ids(["?", "low", "日本"])}, pre_tokenizer=SPACE),
    tokenizer({"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": LOGS}, pre_tokenizer=META),
    tokenizer({"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": LOGS + [[b, -20.0] for b in BYTES]},
              pre_tokenizer=META),
]
ENCODE_TEXTS = [WORDS, "", " ", "low", "low lower", "<s> low<mask> x<s><s>  wid Wid Widlow newx new, new",
                "日本日本 low ñ", "a" * 17]
CHAINS = [
    None, {"type": "ByteFallback"}, {"type": "Fuse"}, B, {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": False}, META, dict(META, prepend_scheme="never"),
    {"type": "BPEDecoder", "suffix": "</w>"}, {"type": "Strip", "content": "a", "start": 1, "stop": 0},
    {"type": "Strip", "content": "b", "start": 0, "stop": 1},
    replace({"String": "▁"}, " "), replace({"Regex": "[ab]+"}, "-"),
    {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    {"type": "Sequence", "decoders": [replace({"String": "▁"}, " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                                      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 2}]},
    {"type": "Sequence", "decoders": [{"type": "Fuse"}, replace({"String": "ab"}, "=")]},
]
PIECES = ["a", "b", "▁a", "▁▁", "##b", "c</w>", "<pad>", "|", ".", "n't", "Ġd", "<0x41>", "<0xC3>", "<0xA9>",
          "ab", "'s", " ", "<s>", "do", "not", "▁"]
SEQUENCES = [[0, 1, 2], [2, 0, 4, 8], [0, 0, 6, 0, 7, 7, 1, 1], [3, 2, 20, 0], [5, 0, 5], [10, 10, 11, 0], [12, 13, 11],
             [17, 0, 17],
             [18, 9, 8, 15], [18, 19, 0, 8], [16, 0, 16], [16, 16, 0, 16, 16,
                                                           16], [], [14, 0, 1, 14], [17, 2], [6, 6, 17]]
SPECIAL = [dict(ADDED[0], id=17)]


def encode(j):
    t = Tokenizer.from_str(json.dumps(j))
    return [j, [[x, t.encode(x).ids] for x in ENCODE_TEXTS]]


def decode(chain):
    j = tokenizer({"type": "WordLevel", "vocab": ids(PIECES), "unk_token": "a"}, decoder=chain, added_tokens=SPECIAL)
    t = Tokenizer.from_str(json.dumps(j))
    rows = []
    for s in SEQUENCES:
        try:
            rows.append([s, t.decode(s), t.decode(s, skip_special_tokens=False)])
        except BaseException:  # Strip panics where nothing is left to strip from
            pass
    return [j, rows]


result = {"words": [words({"normalizer": n}) for n in NORMALIZERS] + [words({"pre_tokenizer": p}) for p in PRES] +
          [[{"pre_tokenizer": k}, words({"pre_tokenizer": v})[1]] for k, v in PRESETS.items()],
          "encode": [encode(j) for j in ENCODE], "decode": [decode(c) for c in CHAINS]}


def wrapped(value, width=118):
    """JSON in lines of at most `width` columns where its strings allow it."""
    line, out = "", []
    for part in re.findall(r'"(?:[^"\\]|\\.)*"[:,]?|[^"\s,]+,?|,', json.dumps(value, ensure_ascii=False)):
        if line and len((line + part).encode()) > width:
            out.append(line)
            line = ""
        line += part
    return "\n".join(out + [line])


print(wrapped(result))
