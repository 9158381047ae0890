#!/usr/bin/env python3
"""What transformers' logits processors keep, as figures: writes test/oracle/controls.tsv.

    python3 -m venv VENV && VENV/bin/pip install torch transformers && VENV/bin/python test/oracle/make_controls.py

The logits are a formula that the test repeats: x[i] = ((i * 7919 + seed * 104729) % 1009) / 64, over 256 tokens.
For the cuts a line holds the kept ids; for the penalties it holds the changed logits as id:value.
"""
import pathlib
import torch
from transformers import (MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, TopKLogitsWarper, TopPLogitsWarper,
                          TypicalLogitsWarper)

VOCAB, SEEN = 256, [3, 17, 17, 200, 3, 3]


def logits(seed):
    return torch.tensor([[((i * 7919 + seed * 104729) % 1009) / 64 for i in range(VOCAB)]])


def rows():
    cuts = [("top_k", "k", TopKLogitsWarper, [1, 5, 40, 255]),
            ("top_p", "value", TopPLogitsWarper, [0.1, 0.5, 0.9, 0.95, 0.999]),
            ("min_p", "value", MinPLogitsWarper, [0.01, 0.05, 0.3, 1.0]),
            ("typical_p", "value", TypicalLogitsWarper, [0.2, 0.5, 0.9, 0.95])]
    ids = torch.tensor([SEEN])
    for seed in range(3):
        x = logits(seed)
        for name, key, warper, values in cuts:
            for value in values:
                y = warper(value)(ids, x.clone())[0]
                yield name, key, value, seed, ",".join(str(i) for i in range(VOCAB) if y[i] > -float("inf"))
        for value in [0.5, 1.1, 2.0]:
            y = RepetitionPenaltyLogitsProcessor(value)(ids, x.clone() - 8)[0]
            yield ("repetition_penalty", "value", value, seed,
                   ",".join(f"{i}:{y[i].item():.9g}" for i in sorted(set(SEEN))))


out = pathlib.Path(__file__).with_name("controls.tsv")
with out.open("w") as f:
    f.write("control\tkey\tvalue\tseed\tresult\n")
    for row in rows():
        f.write("\t".join(str(x) for x in row) + "\n")
print(out)
