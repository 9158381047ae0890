#!/usr/bin/env python3
"""Writes quants.tsv: what the gguf package (0.19.0) makes of blocks, both ways.

    pip install gguf==0.19.0; test/oracle/make_quants.py >test/oracle/quants.tsv

One case a line, bytes in hexadecimal: "quantise TYPE FLOATS BLOCKS" where gguf quantises (blocks of 32), and
"dequantise TYPE BLOCKS FLOATS" for all types."""
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

rng = np.random.default_rng(4)


def rows():
    x = rng.standard_normal(96).astype(np.float32)
    x[32:64] *= 1e-3
    x[64:96] = 0
    yield x
    yield np.linspace(-1, 1, 32, dtype=np.float32)              # ties
    yield np.full(32, -0.75, dtype=np.float32)
    yield (rng.standard_cauchy(64) * 10).astype(np.float32)     # far ones
    yield np.float32(1e-7) * rng.standard_normal(32).astype(np.float32)     # a subnormal half as the scale


def blocks(kind):
    block, size = GGML_QUANT_SIZES[kind]
    out = rng.integers(0, 256, (512 // block, size), dtype=np.uint8)
    halves = {"Q4_K": [0, 2], "Q5_K": [0, 2], "Q5_1": [0, 2], "Q6_K": [208]}.get(kind.name, [0])
    for at in halves:
        out[:, at:at + 2] = (rng.standard_normal(len(out)) / 100).astype(np.float16).view(np.uint8).reshape(-1, 2)
    return out.reshape(1, -1)


for name in "Q8_0", "Q4_0", "Q5_0", "Q5_1":
    for x in rows():
        y = quants.quantize(x.reshape(1, -1), GGMLQuantizationType[name])
        print("quantise", name, x.tobytes().hex(), y.tobytes().hex(), sep="\t")
for name in "Q8_0", "Q4_0", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K":
    b = blocks(GGMLQuantizationType[name])
    y = quants.dequantize(b, GGMLQuantizationType[name])
    print("dequantise", name, b.tobytes().hex(), y.astype(np.float32).tobytes().hex(), sep="\t")
