#!/usr/bin/env python3
"""What peft computes for LoRA adapters of small models, as figures: writes test/oracle/adapters.json.

    python3 -m venv VENV && VENV/bin/pip install torch transformers peft && VENV/bin/python test/oracle/make_adapters.py

An entry holds the configuration of the model and of the adapter as they are saved, names and shapes of the adapter's
tensors, token ids, and the logits after some of them.  The weights of both are a formula (model_weights.py).
"""
import json
import pathlib
import tempfile
import textwrap

import peft
import safetensors.torch
import torch
import transformers as hf
from model_weights import fill, weight

TOKENS, AT = [(7 * i * i + 3) % 31 for i in range(14)], [1, 7, 13]
SIZE = dict(vocab_size=31, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
            max_position_embeddings=32)
GPT2 = dict(vocab_size=31, n_embd=24, n_layer=3, n_head=4, n_positions=32)
SHARED = dict(SIZE, num_key_value_heads=2)
CASES = [
    ("llama", hf.LlamaConfig, SHARED, dict(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj"])),
    ("llama-all", hf.LlamaConfig, SHARED, dict(
        r=3, lora_alpha=6, use_rslora=True, target_modules="all-linear", rank_pattern={"q_proj": 2, "1.mlp.up_proj": 5},
        alpha_pattern={"layers.[02].*down_proj": 1.5, "k_proj": 9})),
    ("llama-biases", hf.LlamaConfig, dict(SIZE, attention_bias=True, mlp_bias=True, head_dim=8), dict(
        r=2, lora_alpha=4, target_modules=["k_proj", "o_proj", "gate_proj"])),
    ("mistral-window", hf.MistralConfig, dict(SHARED, sliding_window=5), dict(
        r=2, lora_alpha=8, target_modules=["up_proj", "q_proj"], layers_to_transform=[1])),
    ("qwen2", hf.Qwen2Config, dict(SHARED, tie_word_embeddings=True), dict(
        r=2, lora_alpha=2, target_modules=["q_proj", "k_proj", "v_proj"])),
    ("gpt2", hf.GPT2Config, GPT2, dict(
        r=4, lora_alpha=4, target_modules=["c_attn", "c_fc", "c_proj"], fan_in_fan_out=True)),
    ("gpt_neox", hf.GPTNeoXConfig, dict(SIZE, rotary_pct=0.34), dict(
        r=2, lora_alpha=4, target_modules=["query_key_value", "dense_h_to_4h"])),
    ("olmo2", hf.Olmo2Config, SHARED, dict(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"])),
    ("phi", hf.PhiConfig, dict(SIZE, partial_rotary_factor=0.34), dict(
        r=2, lora_alpha=4, target_modules=["q_proj", "dense", "fc1"])),
    ("stablelm", hf.StableLmConfig, dict(SHARED, use_qkv_bias=True, partial_rotary_factor=0.34), dict(
        r=2, lora_alpha=4, target_modules=["v_proj", "gate_proj"])),
]

entries = []
for name, make, args, lora in CASES:
    config = make(**args, bos_token_id=1, eos_token_id=2, pad_token_id=30)
    config._attn_implementation = "eager"
    base = fill(hf.AutoModelForCausalLM.from_config(config).float())
    with tempfile.TemporaryDirectory() as folder:
        base.save_pretrained(folder)
        base_config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", **lora))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path = pathlib.Path(folder) / "adapter_model.safetensors"
        shapes = {key: list(t.shape) for key, t in sorted(safetensors.torch.load_file(path).items())}
        filled = {key: weight(key, shape) for key, shape in shapes.items()}
        wrong = peft.set_peft_model_state_dict(model, filled)
        assert not wrong.unexpected_keys, wrong
        saved = json.loads((pathlib.Path(folder) / "adapter_config.json").read_text())
    saved["target_modules"] = sorted(saved["target_modules"])
    logits = model.eval()(torch.tensor([TOKENS])).logits[0]
    figures = [[float(f"{x:.7g}") for x in logits[i].tolist()] for i in AT]
    entry = {"name": name, "config": base_config, "adapter": saved, "tensors": shapes, "tokens": TOKENS, "at": AT,
             "logits": figures}
    entries.append(textwrap.fill(json.dumps(entry), 118, break_long_words=False, break_on_hyphens=False))
pathlib.Path(__file__).with_name("adapters.json").write_text("[\n" + ",\n".join(entries) + "\n]\n")
