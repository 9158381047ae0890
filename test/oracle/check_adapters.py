#!/usr/bin/env python3
"""Do adapter folders we trained load in peft, whole, with equal logits?  test/conform/train_adapter_test.c runs this.

    VENV/bin/python test/oracle/check_adapters.py FOLDER

FOLDER holds pairs N-base, N-adapter; an adapter's expected.json: token ids and our logits after the last.
"""
import json
import pathlib
import sys
import warnings

import peft
import torch
import transformers as hf

warnings.filterwarnings("error", message=".*missing.*")       # of keys that are missing peft only warns
worst, count = 0.0, 0
for folder in sorted(pathlib.Path(sys.argv[1]).glob("*-adapter")):
    expected = json.loads((folder / "expected.json").read_text())
    base = hf.AutoModelForCausalLM.from_pretrained(str(folder).replace("-adapter", "-base"), dtype=torch.float32,
                                                   attn_implementation="eager")
    model = peft.PeftModel.from_pretrained(base, folder).eval()
    with torch.no_grad():
        logits = model(torch.tensor([expected["tokens"]])).logits[0, -1]
        with model.disable_adapter():
            plain = model(torch.tensor([expected["tokens"]])).logits[0, -1]
    off = (logits - torch.tensor(expected["logits"])).abs().max().item()
    if not off < 1e-4:
        sys.exit(f"{folder}: logits are off by {off}")
    if not (logits - plain).abs().max().item() > 1e-3:
        sys.exit(f"{folder}: the adapter changes nothing")
    worst, count = max(worst, off), count + 1
print(f"{count} adapters, logits within {worst:.2g}")
