#!/usr/bin/env python3
"""What KenLM's lmplz makes of texts that anybody can make again, as figures: writes test/oracle/lmplz.tsv.

    test/oracle/make_lmplz.py /path/to/lmplz

A text is a formula (see text(), which test/diff/lmplz_test.c repeats).  A line of the table holds the text, the options,
and one n-gram with log10 of its probability and back-off; of each model some two dozen n-grams are taken by a hash.
The last word of every text is new there: lmplz takes the true count in place of the number of contexts for the very last
n-grams it sorts, which then makes no difference.
"""
import pathlib
import subprocess
import sys
import tempfile
import zlib

TEXTS = [(1, 60, 12), (2, 1500, 150), (3, 4000, 900)]       # seed, sentences, words
KEPT = 24


def text(seed, sentences, words):
    state, lines = seed, []

    def draw(n):
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        return (state >> 8) % n
    for _ in range(sentences):
        line, last = [], 0
        for _ in range(draw(12) + 1):
            last = (last * 7 + draw(3)) % words if draw(2) else draw(words) * draw(words) // words
            line.append(f"w{last}")
        lines.append(" ".join(line))
    return "\n".join(lines + ["the last"]) + "\n"


def ngrams(arpa):
    for line in arpa.splitlines():
        part = line.split("\t")
        if len(part) > 1 and part[1] != "<s>":
            yield part[1], part[0], part[2] if len(part) > 2 else "0"


def models(lmplz, folder):
    for seed, sentences, words in TEXTS:
        (folder / "text").write_text(text(seed, sentences, words))
        (folder / "list").write_text(" ".join(f"w{i}" for i in range(words // 3)))
        for order in range(2, 7):
            for prune, limit in [("0", False), ("0 0 1", False), ("0 1", True)]:
                if len(prune.split()) > order:
                    continue
                command = [lmplz, "-o", str(order), "-S", "64M", "-T", str(folder), "--text", folder / "text", "--arpa",
                           folder / "arpa", "--discount_fallback", "--prune", *prune.split()]
                command += ["--limit_vocab_file", folder / "list"] if limit else []
                subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
                yield (seed, sentences, words, order, prune.replace(" ", ","), int(limit)), (folder / "arpa").read_text()


out = pathlib.Path(__file__).with_name("lmplz.tsv")
with tempfile.TemporaryDirectory() as folder, out.open("w") as f:
    f.write("seed\tsentences\twords\torder\tprune\tlimit\tngrams\tngram\tlogprob\tbackoff\n")
    for how, arpa in models(sys.argv[1], pathlib.Path(folder)):
        rows = list(ngrams(arpa))
        rows.sort(key=lambda row: (row[0] != "<unk>", zlib.crc32(row[0].encode())))
        for row in rows[:KEPT]:
            f.write("\t".join(str(x) for x in (*how, len(rows) + 1, *row)) + "\n")
print(out)
