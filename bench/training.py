"""Training: `lathe train` against the better of PyTorch eager and compiled, two threads each, best type of each side.

Needs a Python with torch ($PYTHON) and the Debian package debian-handbook, whose text is trained on; says so and
measures nothing otherwise.  Both sides do forward, backward, clipping and AdamW, with batches of equal size: 10.5M
parameters (d 256, 8 layers, vocabulary 8192, 256 tokens a row) and GPT-2's 124M (512 tokens a row).  A figure is the
median step of a run; ours and the peer's best setting run in turn, ROUNDS times, and the median run counts.  The
bound is the products at the measured bf16 peak of the machine.  Memory is the peak of the whole process;
we take a step in micro-batches, which costs no speed here."""
import importlib.util, json, os, pathlib, statistics, subprocess, sys, tempfile

ROUNDS = 3
TEXT = "/usr/share/doc/debian-handbook/html/en-US"
PEER = pathlib.Path(__file__).parent / "peers" / "torch_train.py"
LATHE = f"{os.environ.get('BUILD', 'build')}/lathe"
SHAPES = {
    "small": dict(steps=12, batch=16, micro=4, length=256, seconds=8, what="training/10.5M, T 256", arch=[
        "--arch", "llama", "--arch.hidden_size", "256", "--arch.intermediate_size", "1024",
        "--arch.num_hidden_layers", "8", "--arch.num_attention_heads", "8", "--arch.tie_word_embeddings",
        "--max_length", "256"]),
    "gpt2": dict(steps=5, batch=4, micro=1, length=512, seconds=20, what="training/GPT-2 124M, T 512", arch=[
        "--arch", "gpt2", "--arch.n_embd", "768", "--arch.n_layer", "12", "--arch.n_head", "12",
        "--arch.n_positions", "512", "--arch.vocab_size", "50304", "--max_length", "512"]),
}


def peer(shape, dtype, mode, batch, seconds):
    """Tokens a second and peak MiB, or nothing when the setting does not run here."""
    try:
        run = subprocess.run([sys.executable, PEER, shape, "--dtype", dtype, "--mode", mode, "--batch", str(batch),
                              "--seconds", str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             timeout=240)
    except subprocess.TimeoutExpired:
        return None
    fields = run.stdout.split()
    return (float(fields[4]), float(fields[5])) if run.returncode == 0 and len(fields) == 6 else None


def ours(folder, shape, s):
    out = f"{folder}/{shape}"
    subprocess.run([LATHE, "train", f"{folder}/shards", "--output", out, *s["arch"], "--batch_size", str(s["micro"]),
                    "--gradient_accumulation_steps", str(s["batch"] // s["micro"]), "--max_steps", str(s["steps"]),
                    "--save_steps", "1000000", "--eval_batches", "1", "--restart", "--threads", "2", "--quiet"],
                   check=True)
    lines = [json.loads(x) for x in open(f"{out}/timings.jsonl")]
    steps = [x for x in lines if "tokens_per_second" in x][2:]
    middle = sorted(steps, key=lambda x: x["tokens_per_second"])[len(steps) // 2]
    return middle["tokens_per_second"], max(x["memory_bytes"] for x in steps) / 2**20, middle["share_of_peak"]


def row(what, unit, mine, theirs, name, bound, share):
    print(what, unit, f"{mine:.4g}", f"{theirs:.4g}", name, f"{mine / theirs:.2f}", bound, share, sep="\t", flush=True)


def race(folder, shape, s):
    tried = {}
    for setting in [("bf16", "eager"), ("bf16", "compile"), ("f32", "eager"), ("f32", "compile")]:
        figure = peer(shape, *setting, s["batch"], s["seconds"] / 2)
        if figure: tried[setting] = figure
    best = max(tried, key=lambda x: tried[x][0])
    mine, theirs = [], [tried[best]]
    for _ in range(ROUNDS):
        mine.append(ours(folder, shape, s))
        theirs.append(peer(shape, *best, s["batch"], s["seconds"]))
    speed, memory, share = (statistics.median(x[i] for x in mine) for i in range(3))
    speed_peer, memory_peer = (statistics.median(x[i] for x in theirs if x) for i in range(2))
    name = f"torch {best[0]} {best[1]}"
    row(s["what"], "tokens/s", speed, speed_peer, name, "bf16 products", f"{share:.2f}")
    row(f"{s['what']}, memory", "MiB", memory, memory_peer, name, "-", "-")


def main():
    if not importlib.util.find_spec("torch"):
        print("training: this Python has no torch (PYTHON names another); not measured", file=sys.stderr)
        return
    if not os.path.isdir(TEXT):
        print("training: install debian-handbook, whose text is trained on; not measured", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([LATHE, "tokenizer", "train", TEXT, "--output", f"{folder}/tokenizer", "--method.vocab_size",
                        "8192", "--quiet"], check=True)
        subprocess.run([LATHE, "pack", TEXT, "--tokenizer", f"{folder}/tokenizer", "--output", f"{folder}/shards",
                        "--validation", "0.05", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        for shape in sys.argv[1:] or SHAPES:
            race(folder, shape, SHAPES[shape])


main()
