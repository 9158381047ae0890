"""Training speed: `lathe train` against the better of PyTorch eager and compiled, two threads, best type of each side.

Needs a Python with torch ($PYTHON), and text: the novels of the data folder, or the Debian package debian-handbook;
says so and measures nothing otherwise.  Both sides do forward, backward, clipping and AdamW, with batches of equal
size: 10.5M parameters (d 256, 8 layers, vocabulary 8192, 256 tokens a row) and GPT-2's 124M (512 tokens a row).  A
figure is the median step of a run, after steps that do not count: a machine that was idle needs some seconds to reach
its speed, which PyTorch spends compiling.  Every setting is tried once, then the best of each side run in turn while
there is time; the median run counts, and of ratios that of the rounds.  It takes less than a quarter of an hour.  The
bound is the products at the peak that the machine reaches with operands of our type.  Memory is the peak of the
process; we take a step in micro-batches.

PyTorch's bf16 is tried where the processor has instructions for it: without, a step takes minutes.
LLM_C names a folder with llm.c's train_gpt2, built, with a checkpoint and tokens in its formats; it is raced as
published, 4 rows of 64 tokens, which spares it most of attention's work."""
import importlib.util, json, os, pathlib, re, shutil, statistics, subprocess, sys, tempfile, time

BUDGET = 600                    # seconds after which no further round begins
LIMIT = 800                     # and after which nothing runs any more: a busy machine leaves rows out
ROUNDS = 3
DATA = os.environ.get("LATHE_DATA", "../shared/data")
TEXTS = [f"{DATA}/text/eltec-eng.jsonl.zst", "/usr/share/doc/debian-handbook/html/en-US"]
PEER = pathlib.Path(__file__).parent / "peers" / "torch_train.py"
LATHE = f"{os.environ.get('BUILD', 'build')}/lathe"
LLM_C_TOKENS, LLM_C_SECONDS = 4 * 64, 90
SHAPES = {
    "small": dict(steps=20, batch=16, micro=8, length=256, seconds=16, warm=8, what="training/10.5M, T 256", arch=[
        "--arch", "llama", "--arch.hidden_size", "256", "--arch.intermediate_size", "1024",
        "--arch.num_hidden_layers", "8", "--arch.num_attention_heads", "8", "--arch.tie_word_embeddings",
        "--max_length", "256"]),
    "gpt2": dict(steps=4, batch=4, micro=1, length=512, seconds=1, warm=1, what="training/GPT-2 124M, T 512", arch=[
        "--arch", "gpt2", "--arch.n_embd", "768", "--arch.n_layer", "12", "--arch.n_head", "12",
        "--arch.n_positions", "512", "--arch.vocab_size", "50304", "--max_length", "512"]),
}
begin = time.monotonic()


def output_of(command, limit=150):
    """Its standard output; nothing when it fails or does not end in time."""
    left = min(limit, LIMIT - (time.monotonic() - begin))
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=max(left, 1))
    except subprocess.TimeoutExpired:
        print("training: no time left for", *command[:3], "...", file=sys.stderr)
        return None
    if run.returncode: print("training:", *command[:3], "... failed:", run.stderr[-200:], file=sys.stderr)
    return None if run.returncode else run.stdout


def peer(shape, s, setting):
    """Tokens a second and peak MiB, or nothing when the setting does not run here."""
    dtype, mode = setting
    out = output_of([sys.executable, PEER, shape, "--dtype", dtype, "--mode", mode, "--batch", str(s["batch"]),
                     "--seconds", str(s["seconds"]), "--warm", str(s["warm"])])
    fields = out.split() if out else []
    return (float(fields[4]), float(fields[5])) if len(fields) == 6 else None


def ours(shape, s, dtype, folder):
    """The same, and the share of the peak."""
    out = f"{folder}/{shape}"
    ran = output_of([LATHE, "train", f"{folder}/shards", "--output", out, *s["arch"], "--batch_size", str(s["micro"]),
                     "--gradient_accumulation_steps", str(s["batch"] // s["micro"]), "--max_steps", str(s["steps"]),
                     "--save_steps", "1000000", "--eval_batches", "1", "--restart", "--threads", "2", "--quiet",
                     "--dtype", dtype])
    if ran is None: return None
    lines = [json.loads(x) for x in open(f"{out}/timings.jsonl")]
    steps = [x for x in lines if "tokens_per_second" in x][s["warm"]:]
    shutil.rmtree(out)
    middle = sorted(steps, key=lambda x: x["tokens_per_second"])[len(steps) // 2]
    return middle["tokens_per_second"], max(x["memory_bytes"] for x in steps) / 2**20, middle["share_of_peak"]


def llm_c():
    """Tokens a second, or nothing."""
    folder = os.environ.get("LLM_C")
    if not folder or not os.access(f"{folder}/train_gpt2", os.X_OK):
        print("training: LLM_C names no folder with a built train_gpt2; llm.c is not raced", file=sys.stderr)
        return None
    left = max(1, min(LLM_C_SECONDS, int(LIMIT - (time.monotonic() - begin))))
    run = subprocess.Popen(["timeout", str(left), "stdbuf", "-oL", "./train_gpt2"], cwd=folder, text=True,
                           stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "2"})
    took = []
    for line in run.stdout:
        found = re.match(r"step \d+: .*took ([0-9.]+) ms", line)
        if found: took.append(float(found[1]) / 1e3)
        if len(took) == 3: break
    run.terminate()
    run.wait()
    return LLM_C_TOKENS / statistics.median(took[1:] or took) if took else None


def row(what, unit, mine, theirs, times, name, bound, share):
    print(what, unit, f"{mine:.4g}", f"{theirs:.4g}", name, f"{times:.2f}", bound, share, sep="\t", flush=True)


def middle(runs, i):
    return statistics.median(x[i] for x in runs)


def times(mine, theirs, i):
    """How many times theirs ours was, by rounds."""
    return statistics.median(a[i] / b[i] for a, b in zip(mine, theirs))


def race(folder, shape, s, end):
    flags = open("/proc/cpuinfo").read()
    types = ["f32", "bf16"] if "avx512_bf16" in flags or "amx_bf16" in flags else ["f32"]
    tried = {(t, m): peer(shape, s, (t, m)) for t in types for m in ("eager", "compile")}
    theirs = {x: [figure] for x, figure in tried.items() if figure}
    tried = {t: ours(shape, s, t, folder) for t in ("bfloat16", "int16")}
    mine = {t: [figure] for t, figure in tried.items() if figure}
    if not mine or not theirs:
        print(f"training: {s['what']} is not measured", file=sys.stderr)
        return
    best = max(theirs, key=lambda x: theirs[x][0])
    best_of_ours = max(mine, key=lambda x: mine[x][0])
    for _ in range(ROUNDS - 1):
        if time.monotonic() - begin > end: break
        pair = ours(shape, s, best_of_ours, folder), peer(shape, s, best)
        if not all(pair): break
        mine[best_of_ours].append(pair[0])
        theirs[best].append(pair[1])
    name = f"torch {best[0]} {best[1]}"
    for dtype, runs in sorted(mine.items(), key=lambda x: x[0] == best_of_ours):
        what = s["what"] if dtype == best_of_ours else f"{s['what']}, {dtype}"
        row(what, "tokens/s", middle(runs, 0), middle(theirs[best], 0), times(runs, theirs[best], 0), name,
            f"{dtype} products", f"{middle(runs, 2):.2f}")
    row(f"{s['what']}, memory", "MiB", middle(mine[best_of_ours], 1), middle(theirs[best], 1),
        times(mine[best_of_ours], theirs[best], 1), name, "-", "-")
    if shape != "gpt2": return
    figure = llm_c()
    if not figure: return
    speed = middle(mine[best_of_ours], 0)
    row(f"{s['what']}, beside llm.c", "tokens/s", speed, figure, speed / figure, "llm.c f32",
        f"{best_of_ours} products", f"{middle(mine[best_of_ours], 2):.2f}")


def main():
    text = next((x for x in TEXTS if os.path.exists(x)), None)
    if not importlib.util.find_spec("torch"):
        print("training: this Python has no torch (PYTHON names another); not measured", file=sys.stderr)
        return
    if not text:
        print("training: no novels under LATHE_DATA, and debian-handbook is not installed; not measured",
              file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([LATHE, "tokenizer", "train", text, "--output", f"{folder}/tokenizer", "--method.vocab_size",
                        "8192", "--quiet"], check=True)
        subprocess.run([LATHE, "pack", text, "--tokenizer", f"{folder}/tokenizer", "--output", f"{folder}/shards",
                        "--validation", "0.02", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        shapes = sys.argv[1:] or list(SHAPES)
        for i, shape in enumerate(shapes):
            race(folder, shape, SHAPES[shape], BUDGET * (i + 1) / (len(shapes) + 1))


main()
