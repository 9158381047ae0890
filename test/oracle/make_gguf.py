#!/usr/bin/env python3
"""GGUF files as the `gguf` package writes them, and what transformers computes with their weights: writes
test/fuzz/corpus/gguf/ (also the corpus of the fuzzer) and test/oracle/gguf.tsv.

    python3 -m venv VENV && VENV/bin/pip install gguf torch transformers && VENV/bin/python test/oracle/make_gguf.py

Names of tensors are those of gguf's own table.  A line of gguf.tsv: file, token ids, the logits after the last.
"""
import pathlib

import gguf
import numpy as np
import torch
import transformers as hf
from model_weights import fill

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent / "fuzz" / "corpus" / "gguf"
VOCAB, TOKENS = 16, [(7 * i * i + 3) % 16 for i in range(9)]
SIZE = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4,
            max_position_embeddings=32)
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16, "rope_theta": 50.0}
Q = gguf.GGMLQuantizationType
PIECES = ["<unk>", "<s>", "</s>", "\u2581", "a", "b", "c", "ab", "\u2581ab", "bc", "\u2581a", "<0x0A>", "<0xC3>",
          "<0xA4>", "<|x|>", "abc"]
BYTES = ["<|end|>", "a", "b", "c", "\u0120", "ab", "\u0120ab", "abc", "1", "2", "\u010a", "!", "\u0120!", "<|x|>", ".",
         "\u0120c"]
MERGES = ["a b", "\u0120 ab", "ab c", "\u0120 !", "\u0120 c"]
CASES = [
    ("llama", "llama", hf.LlamaConfig(**SIZE, num_key_value_heads=2, rope_theta=500000.0), Q.F16),
    ("llama-tied", "llama", hf.LlamaConfig(**SIZE, tie_word_embeddings=True, attention_bias=True), Q.F32),
    ("llama3", "llama", hf.LlamaConfig(**SIZE, rope_scaling=LLAMA3, rope_theta=50.0), Q.BF16),
    ("llama-q8", "llama", hf.LlamaConfig(**SIZE), Q.Q8_0),
    ("llama-q4", "llama", hf.LlamaConfig(**SIZE), Q.Q4_0),
    ("llama-q5_0", "llama", hf.LlamaConfig(**SIZE), Q.Q5_0),
    ("llama-q5_1", "llama", hf.LlamaConfig(**SIZE), Q.Q5_1),
    ("qwen2", "qwen2", hf.Qwen2Config(**SIZE, num_key_value_heads=2), Q.F16),
    ("olmo2", "olmo2", hf.Olmo2Config(**SIZE), Q.F16),
    ("gpt2", "gpt2", hf.GPT2Config(vocab_size=VOCAB, n_embd=32, n_inner=32, n_layer=1, n_head=4, n_positions=32),
     Q.F16),
    ("stablelm", "stablelm", hf.StableLmConfig(**SIZE, num_key_value_heads=4, use_qkv_bias=True), Q.F16),
    ("phi2", "phi2", hf.PhiConfig(**SIZE), Q.F16),
]


def permute(w, heads):
    """Rows of each head from halves to pairs."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def put_keys(w, c, arch):
    w.add_name("fixture")
    w.add_context_length(32)
    w.add_embedding_length(32)
    w.add_block_count(1)
    w.add_feed_forward_length(32)
    w.add_head_count(4)
    if arch != "gpt2":
        w.add_head_count_kv(getattr(c, "num_key_value_heads", 4) or 4)
        theta = c.rope_parameters["rope_theta"]
        share = c.rope_parameters.get("partial_rotary_factor", 1.0)
        w.add_rope_freq_base(theta)
        w.add_rope_dimension_count(int(8 * share))
    if hasattr(c, "rms_norm_eps"):
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
    else:
        w.add_layer_norm_eps(getattr(c, "layer_norm_eps", None) or c.layer_norm_epsilon)


def put_tokenizer(w, kind):
    w.add_tokenizer_model(kind)
    if kind == "llama":
        w.add_tokenizer_pre("default")
        w.add_token_list(PIECES)
        w.add_token_scores([0.0] * 3 + [-9.0] * 4 + [-1.0, -2.0, -3.0, -4.0] + [0.0] * 3 + [-1000.0, -1.5])
        w.add_token_types([2, 3, 3] + [1] * 8 + [6] * 3 + [4, 1])
        w.add_bos_token_id(1)
        w.add_eos_token_id(2)
    else:
        w.add_tokenizer_pre("gpt-2")
        w.add_token_list(BYTES)
        w.add_token_types([3] + [1] * 12 + [4, 1, 1])
        w.add_token_merges(MERGES)
        w.add_bos_token_id(0)
        w.add_eos_token_id(0)
        w.add_chat_template("{{ messages }}")


def factors(c):
    """What llama3's rule divides the frequencies by."""
    inv, _ = hf.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](c, "cpu")
    plain = 1.0 / c.rope_parameters["rope_theta"] ** (torch.arange(0, 8, 2, dtype=torch.float32) / 8)
    return (plain / inv).numpy()


def store(w, name, x, kind):
    """Adds a tensor and returns the values that the file holds."""
    if x.ndim == 1:
        w.add_tensor(name, x)
        return x
    data = gguf.quants.quantize(x, kind)
    w.add_tensor(name, data, raw_dtype=kind)
    return gguf.quants.dequantize(data, kind).reshape(x.shape)


def make(name, arch, config, kind):
    model = hf.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().float()
    fill(model)
    w = gguf.GGUFWriter(OUT / name, arch)
    put_keys(w, config, arch)
    put_tokenizer(w, "gpt2" if arch in ("gpt2", "qwen2") else "llama")
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], 1)
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type") == "llama3":
        w.add_tensor("rope_freqs.weight", factors(config).astype(np.float32))
    for old, p in model.named_parameters():
        new, x = table.get_name(old, (".weight", ".bias")), p.detach().numpy()
        turned = arch == "gpt2" and x.ndim == 2 and "wte" not in old and "wpe" not in old
        heads = 4 if "q_proj" in old else getattr(config, "num_key_value_heads", 4) or 4
        laced = arch == "llama" and ("q_proj" in old or "k_proj" in old)
        x = np.ascontiguousarray(x.T if turned else permute(x, heads) if laced else x)
        kept = store(w, new, x, kind)
        if turned:
            kept = kept.T
        elif laced:     # the other way: pairs back to halves
            half = kept.shape[0] // heads // 2
            kept = kept.reshape(heads, half, 2, *kept.shape[1:]).swapaxes(1, 2).reshape(kept.shape)
        p.data = torch.from_numpy(np.array(kept, dtype=np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0, -1]
    return "\t".join([name, " ".join(map(str, TOKENS)), " ".join(f"{x:.7g}" for x in logits.tolist())])


def bert():
    w = gguf.GGUFWriter(OUT / "bert-vocab", "bert")
    w.add_tokenizer_model("bert")
    w.add_token_list(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581a", "\u2581b", "ab", "c", "\u2581!"])
    w.add_token_types([3, 3, 3, 3, 1, 1, 1, 1, 1])
    w.add_unk_token_id(1)
    w.add_sep_token_id(3)
    w.add_uint32("tokenizer.ggml.cls_token_id", 2)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def unigram():
    w = gguf.GGUFWriter(OUT / "t5-vocab", "t5")
    w.add_tokenizer_model("t5")
    w.add_tokenizer_pre("default")
    w.add_token_list(["<pad>", "</s>", "<unk>", "\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "c", "<x>", "bc"])
    w.add_token_scores([0.0, 0.0, 0.0, -2.0, -3.0, -3.5, -4.0, -3.25, -5.5, -3.75, 0.0, -7.5])
    w.add_token_types([3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 4, 1])
    w.add_eos_token_id(1)
    w.add_unk_token_id(2)
    w.add_pad_token_id(0)
    w.add_add_bos_token(False)
    w.add_add_eos_token(True)
    w.add_add_space_prefix(True)
    w.add_remove_extra_whitespaces(True)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


OUT.mkdir(exist_ok=True)
lines = [make(*case) for case in CASES]
(HERE / "gguf.tsv").write_text("\n".join(lines) + "\n")
bert()
unigram()
print(f"{len(lines)} models")
