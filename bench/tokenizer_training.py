"""Training a 32k byte-level BPE on 103 MB of novels: lathe against Hugging Face tokenizers, two threads each.

Needs the data folder and a Python with `tokenizers` ($PYTHON); says so and measures nothing otherwise.  Ours is the
whole program, from compressed files to tokenizer.json; the peer gets its texts in memory, and only training counts.
The peer's memory includes those texts.  Both sides run three times in turn; the median counts."""
import json, os, resource, statistics, subprocess, sys, tempfile, time

VOCAB, THREADS, ROUNDS = 32000, "2", 3
data = os.environ.get("LATHE_DATA", "../shared/data")
files = [f"{data}/text/eltec-{language}.jsonl.zst" for language in ("eng", "fra")]


def texts():
    lines = b"".join(subprocess.run(["zstd", "-dcq", f], stdout=subprocess.PIPE, check=True).stdout for f in files)
    return [json.loads(line)["text"] for line in lines.splitlines()]


def peer(documents, out):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    level = pre_tokenizers.ByteLevel
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, min_frequency=2, special_tokens=["<|endoftext|>"],
                                  initial_alphabet=level.alphabet(), show_progress=False)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = level(add_prefix_space=False)
    start = time.perf_counter()
    tokenizer.train_from_iterator(documents, trainer)
    seconds = time.perf_counter() - start
    tokenizer.save(out)
    return seconds


def in_child(run, whose):
    """Seconds that run() returns and the peak memory of the process it ran in, in MiB."""
    read, write = os.pipe()
    if os.fork() == 0:
        seconds = run()
        peak = resource.getrusage(whose).ru_maxrss
        os.write(write, f"{seconds} {peak / 1024}".encode())
        os._exit(0)
    os.close(write)
    os.wait()
    with os.fdopen(read) as answer:
        return [float(x) for x in answer.read().split()]


def ours(out):
    program = f"{os.environ.get('BUILD', 'build')}/lathe"
    start = time.perf_counter()
    subprocess.run([program, "tokenizer", "train", *files, "--output", out, "--method.vocab_size", str(VOCAB),
                    "--threads", THREADS, "--quiet"], check=True)
    return time.perf_counter() - start


def merges(path):
    with open(path) as f:
        return [m if isinstance(m, str) else " ".join(m) for m in json.load(f)["model"]["merges"]]


def main():
    os.environ["RAYON_NUM_THREADS"] = THREADS
    try:
        import tokenizers
    except ImportError:
        print("tokenizer_training: no tokenizers in this Python (set PYTHON); nothing measured", file=sys.stderr)
        return
    if not all(os.path.exists(f) for f in files):
        print(f"tokenizer_training: {files[0]} is not there (set LATHE_DATA); nothing measured", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = f"{folder}/ours.json", f"{folder}/peer.json"
        # A process counts what the one it was forked from held, so ours is weighed before this one grows.
        peak = in_child(lambda: ours(mine), resource.RUSAGE_CHILDREN)[1]
        documents = texts()
        rounds = [(in_child(lambda: ours(mine), resource.RUSAGE_CHILDREN),
                   in_child(lambda: peer(documents, theirs), resource.RUSAGE_SELF)) for _ in range(ROUNDS)]
        same = sum(a == b for a, b in zip(merges(mine), merges(theirs))) / len(merges(theirs))
    megabytes = sum(len(d.encode()) for d in documents) / 1e6
    speed = [megabytes / statistics.median(r[side][0] for r in rounds) for side in (0, 1)]
    memory = [peak, statistics.median(r[1][1] for r in rounds)]
    name = f"tokenizers {tokenizers.__version__}"
    rows = ("32k BPE", "MB/s", speed), ("peak memory", "MiB", memory), ("equal merges", "%", [100 * same, 100])
    for what, unit, (mine, theirs) in rows:
        print(f"tokenizer training/{what}", unit, f"{mine:.4g}", f"{theirs:.4g}", name, f"{mine / theirs:.3f}", "-",
              "-", sep="\t", flush=True)


main()
