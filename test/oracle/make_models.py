#!/usr/bin/env python3
"""What transformers computes for small models of every family, as figures: writes test/oracle/models.json.

    python3 -m venv VENV && VENV/bin/pip install torch transformers && VENV/bin/python test/oracle/make_models.py

An entry holds a configuration as transformers saves it, token ids, the logits after some of them, the summed loss
of every token but the last foretelling the next, and the slope of that loss along a direction that is a formula too.
"""
import json
import pathlib
import tempfile
import textwrap

import torch
import transformers as hf
from model_weights import fill, slope

VOCAB, TOKENS = 31, [(7 * i * i + 3) % 31 for i in range(14)]
AT = [1, 7, 13]
SIZE = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
            max_position_embeddings=32)
GPT2 = dict(vocab_size=VOCAB, n_embd=24, n_layer=3, n_head=4, n_positions=32)
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16, "rope_theta": 50.0}

CASES = [
    ("llama", hf.LlamaConfig, dict(SIZE, num_key_value_heads=2)),
    ("llama-tied-theta", hf.LlamaConfig, dict(SIZE, tie_word_embeddings=True, rope_theta=100000.0, rms_norm_eps=1e-5)),
    ("llama-biases-head_dim", hf.LlamaConfig, dict(SIZE, attention_bias=True, mlp_bias=True, head_dim=8)),
    ("llama-linear", hf.LlamaConfig, dict(SIZE, rope_scaling={"rope_type": "linear", "factor": 2.0})),
    ("llama-3", hf.LlamaConfig, dict(SIZE, rope_scaling=LLAMA3, rope_theta=50.0)),
    ("mistral-window", hf.MistralConfig, dict(SIZE, num_key_value_heads=2, sliding_window=5)),
    ("mistral", hf.MistralConfig, dict(SIZE, num_key_value_heads=1, sliding_window=None)),
    ("qwen2", hf.Qwen2Config, dict(SIZE, num_key_value_heads=2, tie_word_embeddings=True)),
    ("qwen2-window", hf.Qwen2Config, dict(SIZE, num_key_value_heads=2, use_sliding_window=True, sliding_window=4,
                                          max_window_layers=1)),
    ("gpt2", hf.GPT2Config, GPT2),
    ("gpt2-by-layer", hf.GPT2Config, dict(GPT2, n_inner=40, scale_attn_by_inverse_layer_idx=True,
                                          activation_function="gelu", tie_word_embeddings=False)),
    ("gpt_neox", hf.GPTNeoXConfig, dict(SIZE, rotary_pct=0.34)),
    ("gpt_neox-in-series", hf.GPTNeoXConfig, dict(SIZE, rotary_pct=1.0, use_parallel_residual=False,
                                                    hidden_act="relu")),
    ("olmo", hf.OlmoConfig, dict(SIZE, num_key_value_heads=2)),
    ("olmo-clipped", hf.OlmoConfig, dict(SIZE, clip_qkv=0.3)),
    ("olmo2", hf.Olmo2Config, dict(SIZE, num_key_value_heads=2)),
    ("stablelm", hf.StableLmConfig, dict(SIZE, num_key_value_heads=2, use_qkv_bias=True,
                                         partial_rotary_factor=0.34)),
    ("stablelm-side-by-side", hf.StableLmConfig, dict(SIZE, num_key_value_heads=4, use_parallel_residual=True,
                                                         partial_rotary_factor=0.67)),
    ("phi", hf.PhiConfig, dict(SIZE, partial_rotary_factor=0.34)),
]

entries = []
for name, make, args in CASES:
    ids = dict(bos_token_id=1, eos_token_id=2, pad_token_id=30)     # a padding row gets no gradient there
    config = make(**args, **ids)
    config._attn_implementation = "eager"
    model = fill(hf.AutoModelForCausalLM.from_config(config).float())
    logits = model(torch.tensor([TOKENS])).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(TOKENS[1:]), reduction="sum")
    loss.backward()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        saved = json.loads((pathlib.Path(folder) / "config.json").read_text())
    figures = [[float(f"{x:.7g}") for x in logits[i].tolist()] for i in AT]
    entry = {"name": name, "config": saved, "tokens": TOKENS, "at": AT, "logits": figures,
             "loss": float(f"{loss.item():.7g}"), "slope": float(f"{slope(model):.7g}")}
    entries.append(textwrap.fill(json.dumps(entry), 118, break_long_words=False, break_on_hyphens=False))
pathlib.Path(__file__).with_name("models.json").write_text("[\n" + ",\n".join(entries) + "\n]\n")
