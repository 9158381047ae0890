"""Masks of JSON Schemas along texts: lathe against llguidance, one thread each, over the same tokens.

Needs the data folder and a Python with `llguidance`, `tokenizers` and `numpy` ($PYTHON); says so and measures nothing
otherwise.  The schemas are those of test/oracle/json_schema.json and a few as servers get them; each text starts anew.
The first mask counts from the schema's text on, with the tokenizer ready on both sides.  Microseconds."""
import json, os, statistics, subprocess, sys, tempfile, time

MODELS = "llama-2", "gpt2"
ROUNDS = 3
data = os.environ.get("LATHE_DATA", "../shared/data")
CALL = {"type": "object", "properties": {"name": {"enum": ["get_weather", "search"]}, "arguments": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 40}, "days": {"type": "integer",
    "minimum": 1, "maximum": 14}}, "required": ["city", "days"], "additionalProperties": False}},
    "required": ["name", "arguments"], "additionalProperties": False}
PERSON = {"type": "object", "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100}, "email": {"type": "string", "format": "email"},
    "born": {"type": "string", "format": "date"}, "summary": {"type": "string", "maxLength": 500},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 30}, "maxItems": 10},
    "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"type": "string",
                "pattern": "^[0-9]{5}$"}}, "required": ["street"], "additionalProperties": False}},
    "required": ["name"], "additionalProperties": False}
REAL = [
    (CALL, ['{"name":"get_weather","arguments":{"city":"Santiago de Compostela","days":3}}']),
    (PERSON, [json.dumps({"name": "Ada Lovelace", "email": "ada@example.com", "born": "1815-12-10", "summary":
        "An English mathematician and writer, chiefly known for her work on the Analytical Engine, a proposed "
        "mechanical general-purpose computer.", "tags": ["mathematics", "computing"],
        "address": {"street": "12 St James's Square", "zip": "10115"}}, separators=(",", ":"))]),
    ({}, ['{"a": [1, 2, {"b": null}], "text": "The quick brown fox jumps over the lazy dog."}']),
]


def ours(tokenizer, cases):
    program = f"{os.environ.get('BUILD', 'build')}/bench/grammar_masks"
    return [float(x) for x in subprocess.run([program, tokenizer, cases], stdout=subprocess.PIPE, check=True,
                                             text=True).stdout.split()]


def peer(tokenizer, vocab, cases):
    import llguidance, llguidance.numpy
    first, every = [], []
    mask = llguidance.numpy.allocate_token_bitmask(1, vocab)
    for case in cases:
        schema = json.dumps(case["schema"])
        for tokens in case["tokens"]:
            start = time.perf_counter()
            matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_json_schema(schema))
            if matcher.is_error():
                continue
            llguidance.numpy.fill_next_token_bitmask(matcher, mask, 0)
            first.append(time.perf_counter() - start)
            for token in tokens:
                start = time.perf_counter()
                if not matcher.consume_token(token):
                    break
                llguidance.numpy.fill_next_token_bitmask(matcher, mask, 0)
                every.append(time.perf_counter() - start)
    every.sort()
    return [1e6 * x for x in (statistics.median(first), max(first), statistics.median(every), statistics.mean(every),
                              every[len(every) * 99 // 100])]


def race(model, folder, rows):
    import llguidance
    from tokenizers import Tokenizer
    packed = f"{data}/tokenizers/hf/{model}/tokenizer.json.zst"
    plain = subprocess.run(["zstd", "-dcq", packed], stdout=subprocess.PIPE, check=True).stdout.decode()
    theirs = Tokenizer.from_str(plain)
    vocab = theirs.get_vocab_size()
    path, cases = f"{folder}/tokenizer.json", []
    open(path, "w").write(plain)
    for schema, texts in rows:
        # the text as a model would write it: no prefix blank, which some tokenizers put first
        cases.append({"schema": schema, "tokens": [pieces(theirs, text) for text in texts]})
    open(f"{folder}/cases.json", "w").write(json.dumps(cases))
    other = llguidance.LLTokenizer(plain)
    mine, his = [], []
    for _ in range(ROUNDS):
        mine.append(ours(path, f"{folder}/cases.json"))
        his.append(peer(other, vocab, cases))
    a = [statistics.median(x) for x in zip(*mine)]
    b = [statistics.median(x) for x in zip(*his)]
    name = f"llguidance {llguidance.__version__}" if hasattr(llguidance, "__version__") else "llguidance"
    print(f"grammar/{model}, trie of {vocab} tokens\tus\t{a[0]:.0f}\t-\t-\t-\t-\t-")
    for i, what in enumerate(("first mask, median", "first mask, worst", "mask, median", "mask, mean", "mask, 99 %")):
        print(f"grammar/{model}, {what}\tus\t{a[i + 1]:.2f}\t{b[i]:.2f}\t{name}\t{a[i + 1] / b[i]:.3f}\t-\t-",
              flush=True)


def pieces(tokenizer, text):
    """Tokens that spell the text and nothing else: what comes after a mark that ends a line."""
    mark = tokenizer.encode("\n", add_special_tokens=False).ids
    ids = tokenizer.encode("\n" + text, add_special_tokens=False).ids
    return ids[len(mark):] if ids[:len(mark)] == mark else tokenizer.encode(text, add_special_tokens=False).ids


def main():
    try:
        import llguidance, numpy, tokenizers  # noqa: F401
    except ImportError as e:
        return print(f"grammar: {e.name} is not there; set PYTHON", file=sys.stderr)
    if not os.path.isdir(f"{data}/tokenizers"):
        return print(f"grammar: no {data}/tokenizers", file=sys.stderr)
    rows = [(row["schema"], row["taken"]) for row in json.load(open("test/oracle/json_schema.json")) if "taken" in row]
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            race(model, folder, REAL + rows)


main()
