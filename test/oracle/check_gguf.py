#!/usr/bin/env python3
"""Are GGUF files of ours read by the `gguf` package and by transformers, with the weights and logits of the folder they
were made from?  test/diff/gguf_peers_test.c runs this.

    VENV/bin/python test/oracle/check_gguf.py PATH-OF-LATHE

transformers reads llama, qwen2, gpt2 and stablelm from GGUF (with the package accelerate) and neither rope_freqs.weight
nor sliding windows; olmo2 and phi2 are checked tensor by tensor alone.
"""
import pathlib
import subprocess
import sys
import tempfile

import gguf
import torch
import transformers as hf
from model_weights import fill
from safetensors.torch import load_file

VOCAB, TOKENS = 64, [[(7 * i * i + 3) % 64 for i in range(14)]]
SIZE = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=32)
CASES = {
    "llama": hf.LlamaConfig(**SIZE, rope_theta=50000.0),
    "tied": hf.LlamaConfig(**SIZE, tie_word_embeddings=True),
    "qwen2": hf.Qwen2Config(**SIZE),
    "olmo2": hf.Olmo2Config(**SIZE),
    "gpt2": hf.GPT2Config(n_embd=32, n_layer=2, n_head=4),     # transformers takes its sizes of others for granted
    "stablelm": hf.StableLmConfig(**SIZE),
    "phi": hf.PhiConfig(**SIZE),
}
UNREAD = {"olmo2", "phi"}


def sums(tensors):
    """What does not depend on names and the order of rows."""
    wide = [t.double() for t in tensors]
    return sorted((t.numel(), round(t.sum().item(), 6), round(t.abs().max().item(), 6)) for t in wide)


def run(lathe, *words):
    subprocess.run([lathe, *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def check(lathe, top, name, config):
    folder, file, back = top / name, top / f"{name}.gguf", top / f"{name}-back"
    model = hf.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().float()
    fill(model)
    model.save_pretrained(folder)
    run(lathe, "convert", folder, "--output", file)
    run(lathe, "convert", file, "--output", back)
    ours, given = load_file(back / "model.safetensors"), load_file(folder / "model.safetensors")
    if ours.keys() != given.keys() or not all(torch.equal(ours[k], given[k]) for k in given):
        sys.exit(f"{name}: the weights of the folder are not those it was made from")
    read = [torch.from_numpy(t.data.copy()) for t in gguf.GGUFReader(file).tensors]
    if sums(read) != sums(given.values()):
        sys.exit(f"{name}: the tensors that gguf reads are not those of the folder")
    if name in UNREAD:
        return 0.0
    there = hf.AutoModelForCausalLM.from_pretrained(top, gguf_file=file.name, dtype=torch.float32,
                                                    attn_implementation="eager").eval()
    with torch.no_grad():
        off = (there(torch.tensor(TOKENS)).logits - model(torch.tensor(TOKENS)).logits).abs().max().item()
    if not off < 1e-4:
        sys.exit(f"{name}: logits are off by {off}")
    return off


hf.logging.set_verbosity_error()
with tempfile.TemporaryDirectory() as top:
    worst = max(check(sys.argv[1], pathlib.Path(top), *case) for case in CASES.items())
print(f"{len(CASES)} files, logits within {worst:.2g}")
