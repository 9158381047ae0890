#!/usr/bin/env python3
"""A few steps of `lathe train` beside the same steps in PyTorch: same weights, same text, same AdamW, same losses.

    check_training.py LATHE [ARCH ...]          (needs torch and transformers)

One document is one row, so every step of both sees the same tokens whatever the order of the data.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import torch
import transformers

STEPS, LENGTH, RATE, DECAY, CLIP = 6, 256, 3e-3, 0.1, 0.5
SIZES = ["--hidden_size", "64", "--num_hidden_layers", "2", "--num_attention_heads", "4"]
TEXT = "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse. "


def lathe(*words):
    subprocess.run([sys.argv[1], *words, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def tokens_of(shards):
    with open(shards + "/train-00000.shard", "rb") as f:
        data = f.read()
    width, count = struct.unpack_from("<I", data, 12)[0], struct.unpack_from("<Q", data, 16)[0]
    return list(struct.unpack_from(f"<{count}{'H' if width == 2 else 'I'}", data, 256))


def torch_losses(folder, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optim = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95), eps=1e-8)
    x, y = torch.tensor([ids[:-1]]), torch.tensor(ids[1:])
    losses = []
    for _ in range(STEPS):
        loss = torch.nn.functional.cross_entropy(model(x).logits[0], y)
        optim.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optim.step()
        losses.append((loss.item(), norm.item()))
    return losses


def check(arch, root):
    shards, start, run = root + "/shards", f"{root}/{arch}-start", f"{root}/{arch}-run"
    common = ["--max_length", str(LENGTH), "--batch_size", "1", "--dtype", "float32", "--schedule", "constant"]
    lathe("train", shards, "--arch", arch, *SIZES, *common, "--lr", "0", "--max_steps", "1", "--output", start)
    lathe("train", shards, "--model", start, *common, "--lr", str(RATE), "--weight_decay", str(DECAY),
          "--max_grad_norm", str(CLIP), "--max_steps", str(STEPS), "--output", run)
    ours = [json.loads(line) for line in open(run + "/metrics.jsonl", encoding="utf-8")]
    ours = [(r["loss"], r["grad_norm"]) for r in ours if "loss" in r]
    ids = tokens_of(shards)
    assert len(ids) <= LENGTH + 1
    theirs = torch_losses(start, ids)
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        worst = max(worst, *(abs(p - q) / q for p, q in zip(a, b)))
    print(f"{arch}: losses {ours[0][0]:.6f} to {ours[-1][0]:.6f}, largest relative difference {worst:.2e}")
    return worst < 1e-4


def main():
    with tempfile.TemporaryDirectory() as root:
        text = root + "/text.txt"
        with open(text, "w", encoding="utf-8") as f:
            f.write(TEXT)
        lathe("tokenizer", "train", text, "--vocab_size", "280", "--output", root + "/tok")
        lathe("pack", text, "--tokenizer", root + "/tok", "--validation", "0", "--output", root + "/shards")
        good = [check(arch, root) for arch in sys.argv[2:] or ["llama", "gpt2"]]
    sys.exit(0 if all(good) else 1)


os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
main()
