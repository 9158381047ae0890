"""Weights by formula, the same in test/diff/families_test.c, so that no weight need be kept in a file."""
import numpy as np
import torch

M = (1 << 64) - 1


def fnv(name):
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = ((h ^ c) * 0x100000001B3) & M
    return h


def uniform(name, count):
    """[-0.5, 0.5): splitmix64 of (hash of the name + index)."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / (1 << 24) - 0.5


def weight(name, shape):
    u = uniform(name, int(np.prod(shape)))
    norm = len(shape) == 1 and name.endswith(".weight")
    x = 1 + u if norm else 0.5 * u
    return torch.from_numpy(x.astype(np.float32)).reshape(shape)


def parameters(model):
    """Under the names that files have; transformers 5 renames one on its way there."""
    for name, p in model.named_parameters():
        if model.config.model_type == "gpt_neox" and name == "lm_head.weight":
            name = "embed_out.weight"
        yield name, p


def fill(model):
    with torch.no_grad():
        for name, p in parameters(model):
            p.copy_(weight(name, tuple(p.shape)))
    return model.eval()


def slope(model):
    """Of the loss whose gradients the model holds, along one direction through all weights."""
    total = 0.0
    for name, p in parameters(model):
        total += float((p.grad.double().flatten() * torch.from_numpy(uniform(name + "/", p.numel()))).sum())
    return total
