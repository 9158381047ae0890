"""PyTorch training on the CPU, for bench/training.py: steps of forward, backward, clipping and AdamW until it is
killed; at the end of each a line with the peak resident MiB.

A plain decoder written with torch.nn.functional, in the two shapes of bench/training.py: `small` (d 256, 8 layers,
8 heads, vocabulary 8192, 256 tokens a row; RMSNorm, rotary positions, SwiGLU) and `gpt2` (124M parameters, 512 tokens a
row; LayerNorm, learned positions, GELU).  Fused attention, fused AdamW, random tokens.

    torch_train.py small|gpt2 --dtype f32|bf16 --mode eager|compile --batch N [--threads N]
"""
import argparse
import math
import resource

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPES = {
    "small": dict(width=256, layers=8, heads=8, inner=1024, vocab=8192, tokens=256, llama=True),
    "gpt2": dict(width=768, layers=12, heads=12, inner=3072, vocab=50304, tokens=512, llama=False),
}


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        d, bias = s["width"], not s["llama"]
        self.heads, self.llama = s["heads"], s["llama"]
        norm = nn.RMSNorm if self.llama else nn.LayerNorm
        self.norm1, self.norm2 = norm(d), norm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=bias)
        self.out = nn.Linear(d, d, bias=bias)
        self.up = nn.Linear(d, s["inner"] * (2 if self.llama else 1), bias=bias)
        self.down = nn.Linear(s["inner"], d, bias=bias)

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if self.llama:
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        y = self.up(self.norm2(x))
        if self.llama:
            gate, y = y.chunk(2, dim=-1)
            y = F.silu(gate) * y
        else:
            y = F.gelu(y, approximate="tanh")
        return x + self.down(y)


class Decoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.llama = s["llama"]
        self.embed = nn.Embedding(s["vocab"], s["width"])
        self.place = None if self.llama else nn.Embedding(s["tokens"], s["width"])
        self.blocks = nn.ModuleList(Block(s) for _ in range(s["layers"]))
        self.norm = (nn.RMSNorm if self.llama else nn.LayerNorm)(s["width"])
        half = s["width"] // s["heads"] // 2
        angle = torch.outer(torch.arange(s["tokens"]), 10000.0 ** (-torch.arange(half) / half))
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * s["layers"]))

    def forward(self, tokens, target):
        x = self.embed(tokens)
        if self.place is not None:
            x = x + self.place.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = F.linear(self.norm(x), self.embed.weight)      # the head is the embedding
        return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def trainer(name, dtype, mode, batch, threads):
    """What takes a step."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    s = SHAPES[name]
    model = Decoder(s)
    step_model = torch.compile(model) if mode == "compile" else model
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optim = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                              lr=1e-3, betas=(0.9, 0.95), fused=True)
    tokens = torch.randint(s["vocab"], (batch, s["tokens"] + 1))

    def step():
        optim.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
            loss = step_model(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()

    return step


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("shape", choices=SHAPES)
    p.add_argument("--dtype", choices=["f32", "bf16"], required=True)
    p.add_argument("--mode", choices=["eager", "compile"], required=True)
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    step = trainer(a.shape, a.dtype, a.mode, a.batch, a.threads)
    while True:
        step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


main()
