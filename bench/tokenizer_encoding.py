"""Encoding English with the tokenizers of the data folder: lathe against Hugging Face tokenizers, one thread each.

Needs the data folder and a Python with `tokenizers` ($PYTHON); says so and measures nothing otherwise.  Both get the
same paragraphs of novels; processor time counts, so other work on the machine weighs less.  Ours starts each round with
an empty cache.  The two run in turn; the median of the rounds counts, and the number of tokens must agree."""
import json, os, statistics, subprocess, sys, tempfile, time

ROUNDS, BYTES, PEER_BYTES = 5, 20_000_000, 4_000_000
MODELS = "gpt2", "dolma2", "gpt-neox-20b", "llama-2", "bert-base-uncased", "t5-base"
os.environ["RAYON_NUM_THREADS"] = "1"           # read when the library loads
os.environ["TOKENIZERS_PARALLELISM"] = "false"
data = os.environ.get("LATHE_DATA", "../shared/data")
novels = f"{data}/text/eltec-eng.jsonl.zst"


def text():
    lines = subprocess.run(["zstd", "-dcq", novels], stdout=subprocess.PIPE, check=True).stdout.splitlines()
    return "\n\n".join(json.loads(line)["text"] for line in lines[:60])[:BYTES]


def ours(tokenizer, path):
    program = f"{os.environ.get('BUILD', 'build')}/bench/encode_text"
    seconds, tokens = subprocess.run([program, tokenizer, path], stdout=subprocess.PIPE, check=True).stdout.split()
    return float(seconds), int(tokens)


def peer(tokenizer, paragraphs):
    start = time.process_time()
    encoded = tokenizer.encode_batch(paragraphs, add_special_tokens=False)
    return time.process_time() - start, sum(len(e.ids) for e in encoded)


def race(model, whole, folder):
    from tokenizers import Tokenizer, __version__
    packed = f"{data}/tokenizers/hf/{model}/tokenizer.json.zst"
    plain = subprocess.run(["zstd", "-dcq", packed], stdout=subprocess.PIPE, check=True).stdout.decode()
    theirs = Tokenizer.from_str(plain)
    theirs.no_truncation()
    theirs.no_padding()
    part = whole[:PEER_BYTES]
    paths = f"{folder}/whole", f"{folder}/part"
    for path, content in zip(paths, (whole, part)):
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write(content)
    if ours(packed, paths[1])[1] != peer(theirs, part.split("\n\n"))[1]:
        sys.exit(f"tokenizer_encoding: {model}: the numbers of tokens differ")
    rounds = [(ours(packed, paths[0])[0], peer(theirs, part.split("\n\n"))[0]) for _ in range(ROUNDS)]
    mib = [len(x.encode()) / 2**20 for x in (whole, part)]
    speed = [mib[side] / statistics.median(r[side] for r in rounds) for side in (0, 1)]
    print(f"tokenizer encoding/{model}", "MiB/s", f"{speed[0]:.4g}", f"{speed[1]:.4g}", f"tokenizers {__version__}",
          f"{speed[0] / speed[1]:.3f}", "-", "-", sep="\t", flush=True)


def main():
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        print("tokenizer_encoding: no tokenizers in this Python (set PYTHON); nothing measured", file=sys.stderr)
        return
    if not os.path.exists(novels):
        print(f"tokenizer_encoding: {novels} is not there (set LATHE_DATA); nothing measured", file=sys.stderr)
        return
    whole = text()
    with tempfile.TemporaryDirectory() as folder:
        for model in sys.argv[1:] or MODELS:
            race(model, whole, folder)


main()
