#!/usr/bin/env python3
"""Do model folders we wrote load in transformers, whole, with equal logits?  test/diff/families_test.c runs this.

    VENV/bin/python test/oracle/check_written.py FOLDER-OF-MODEL-FOLDERS

Each holds expected.json: token ids and our logits after the last.
"""
import json
import pathlib
import sys

import torch
import transformers as hf

worst, count = 0.0, 0
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    expected = json.loads((folder / "expected.json").read_text())
    model, info = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                          output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"] or info["mismatched_keys"]:
        sys.exit(f"{folder}: {info}")
    with torch.no_grad():
        logits = model.eval()(torch.tensor([expected["tokens"]])).logits[0, -1]
    off = (logits - torch.tensor(expected["logits"])).abs().max().item()
    if not off < 1e-4:
        sys.exit(f"{folder} ({model.config.model_type}): logits are off by {off}")
    worst, count = max(worst, off), count + 1
print(f"{count} folders, logits within {worst:.2g}")
