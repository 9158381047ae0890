#!/usr/bin/env python3
"""Prints the figures of test/conform/tokenizer_fixtures_test.c: tokens and their xxh3-64 of sentencepiece's own models
on its own texts, a line at a time.

    pip install sentencepiece==0.2.3 xxhash zstandard; test/oracle/make_sentencepiece.py ../shared/data"""
import array
import subprocess
import sys
import sentencepiece
import xxhash

root = sys.argv[1] + "/tokenizers/sentencepiece/"
for model, text in [("test_model.model", "botchan.txt"), ("test_ja_model.model", "wagahaiwa_nekodearu.txt.zst")]:
    data = open(root + text, "rb").read()
    if text.endswith(".zst"):
        data = subprocess.run(["zstdcat", root + text], capture_output=True, check=True).stdout
    p = sentencepiece.SentencePieceProcessor(model_file=root + model)
    ids = [i for line in data.decode().split("\n") for i in p.encode(line)]
    print(model, text, len(ids), hex(xxhash.xxh3_64_intdigest(array.array("i", ids).tobytes())))
