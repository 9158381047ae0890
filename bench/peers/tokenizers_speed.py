"""Speed of Hugging Face tokenizers on one thread: encoding, and training a byte-level BPE.

    tokenizers_speed.py encode TOKENIZER.json TEXT...         MiB a second, best of five
    tokenizers_speed.py train VOCABULARY TEXT...              seconds; needs about ten times the text in memory

One line: what, MiB of text, figure, unit, peak resident MiB.
"""
import os
import resource
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"           # read when the library loads
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def report(what, mib, figure, unit):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{what}\t{mib:.1f}\t{figure:.3g}\t{unit}\t{peak}", flush=True)


def read(paths):
    texts = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as f:
            texts.append(f.read())
    return texts, sum(len(t.encode()) for t in texts) / 2**20


def encode(tokenizer_path, paths):
    tokenizer = Tokenizer.from_file(tokenizer_path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts, mib = read(paths)
    # Paragraphs, as a data loader would hand them over; one long string is slower.
    pieces = [p for t in texts for p in t.split("\n\n")]
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        tokenizer.encode_batch(pieces, add_special_tokens=False)
        best = min(best, time.perf_counter() - start)
    report("encode", mib, mib / best, "MiB/s")


def train(vocabulary, paths):
    texts, mib = read(paths)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    start = time.perf_counter()
    tokenizer.train_from_iterator((p for t in texts for p in t.split("\n\n")), trainer)
    report(f"train {vocabulary}", mib, time.perf_counter() - start, "s")


if len(sys.argv) < 4 or sys.argv[1] not in ("encode", "train"):
    sys.exit(__doc__)
if sys.argv[1] == "encode":
    encode(sys.argv[2], sys.argv[3:])
else:
    train(int(sys.argv[2]), sys.argv[3:])
