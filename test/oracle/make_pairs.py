#!/usr/bin/env python3
"""Losses of preference pairs and their slopes over all weights, from torch: writes test/oracle/pairs.json.

    python3 -m venv VENV && VENV/bin/pip install torch transformers && VENV/bin/python test/oracle/make_pairs.py

The model is the first of models.json, in float64; a pair is two lists of tokens, which begin with the tokens of one
prompt, as many as "prompt" says.  The slope is that of model_weights.py, of the mean loss.
"""
import json
import pathlib

import torch
import transformers as hf
from model_weights import fill, slope

here = pathlib.Path(__file__)
config = json.loads(here.with_name("models.json").read_text())[0]["config"]
PAIRS = [
    {"prompt": 3, "chosen": [3, 10, 0, 4, 22, 23, 7], "rejected": [3, 10, 0, 5, 17, 12, 21, 13, 19]},
    {"prompt": 1, "chosen": [8, 1, 24, 2], "rejected": [8, 6]},
    {"prompt": 5, "chosen": [9, 9, 14, 26, 11, 20], "rejected": [9, 9, 14, 26, 11, 28, 16, 27, 18, 29, 2]},
]


def logp(model, ids, prompt):
    lines = torch.log_softmax(model(torch.tensor([ids])).logits[0, :-1], -1)
    return lines.gather(1, torch.tensor(ids[1:])[:, None])[prompt - 1:, 0].sum(), len(ids) - prompt


def arm(w, l, beta):
    return -torch.nn.functional.logsigmoid(beta * (w[0] - l[0])), beta * (w[0] - l[0])


def simpo(w, l, beta, gamma):
    margin = beta * (w[0] / w[1] - l[0] / l[1])
    return -torch.nn.functional.logsigmoid(margin - gamma), margin


CASES = [("arm", arm, {"beta": 0.1}), ("arm", arm, {"beta": 2.5}), ("simpo", simpo, {"beta": 2.0, "gamma": 1.0}),
         ("simpo", simpo, {"beta": 0.7, "gamma": 0.0})]
out = []
for name, loss_of, options in CASES:
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**config)).double()
    fill(model)
    loss, margins = 0, []
    for p in PAIRS:
        one, margin = loss_of(logp(model, p["chosen"], p["prompt"]), logp(model, p["rejected"], p["prompt"]), **options)
        loss = loss + one / len(PAIRS)
        margins.append(float(f"{margin.item():.9g}"))
    loss.backward()
    out.append({"objective": name, "options": options, "loss": float(f"{loss.item():.9g}"),
                "slope": float(f"{slope(model):.9g}"), "margins": margins})
text = ",\n".join(json.dumps(p) for p in PAIRS), ",\n".join(json.dumps(c) for c in out)
here.with_name("pairs.json").write_text('{"pairs": [\n%s],\n"cases": [\n%s]}\n' % text)
