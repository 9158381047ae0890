"""Figures of KenLM's query for a model that Lathe wrote: test/oracle/ngram_query.txt (the ARPA file) and .tsv.

    LATHE_KENLM=FOLDER python3 test/oracle/make_ngram_query.py      (FOLDER has KenLM's query; build/lathe is built)

The model is estimated from the text below, then pruned by relative entropy, which leaves blanks.  A row is a word of a
sentence: number of the sentence, word, log10 p, words of the longest match.  KenLM reads the ARPA file itself."""
import os, subprocess, tempfile

TEXT = """the cat sat on the mat
the dog sat on the cat
a dog and a cat sat on a mat
the cat and the dog ran
the dog ran and the cat sat
on the mat the cat sat and sat
a cat ran on the mat
the mat and the cat and the dog
the cat sat on the dog and the dog ran
"""
ASKED = """the cat sat on the mat
a dog sat on a mat and ran
the mat sat on the cat and the horse ran on

the dog and the cat ran and ran on the mat
horse horse the cat
"""
here = os.path.dirname(os.path.abspath(__file__))
lathe = f"{os.environ.get('BUILD', 'build')}/lathe"


def main():
    arpa = f"{here}/ngram_query.txt"
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/text", "w") as f:
            f.write(TEXT)
        for command in (["build", f"{folder}/text", "--order", "4", "--smoothing", "witten_bell", "--output",
                         f"{folder}/whole.arpa"],
                        ["prune", f"{folder}/whole.arpa", "--threshold", "0.004", "--output", f"{folder}/small.arpa"]):
            subprocess.run([lathe, "ngram", *command], check=True)
        with open(f"{folder}/small.arpa") as f, open(arpa, "w") as out:
            out.write(f.read())
    query = [f"{os.environ['LATHE_KENLM']}/query", "-v", "word", arpa]
    answer = subprocess.run(query, input=ASKED, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                            text=True)
    with open(f"{here}/ngram_query.tsv", "w") as out:
        number = 0
        for part in answer.stdout.split("\t"):           # sentences follow one another without a line end
            if "=" not in part:
                continue
            word, figures = part.strip().rsplit("=", 1)
            _, length, logp = figures.split()
            print(number, word, logp, length, sep="\t", file=out)
            number += word == "</s>"


main()
