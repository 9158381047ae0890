"""Training speed: `lathe train` against the better of PyTorch eager and compiled, two threads, best type of each side.

Needs a Python with torch ($PYTHON), and text: the novels of the data folder, or the Debian package debian-handbook;
says so and measures nothing otherwise.  Both sides do forward, backward, clipping and AdamW, with batches of equal
size: 10.5M parameters (d 256, 8 layers, vocabulary 8192, 256 tokens a row) and GPT-2's 124M (512 tokens a row).

Every side is a process that goes on training; all are stopped but the one whose turn it is, which takes a step.  So a
busy machine meets all of them alike, within seconds.  The first steps do not count: PyTorch compiles in them.  Figures
are medians of steps, and ratios those of the rounds.  It takes about ten minutes.  The bound is the products at the
peak that the machine reaches with operands of our type.  Memory is the peak of the process; we take a step in
micro-batches.

PyTorch's bf16 is tried where the processor has instructions for it: without, a step takes minutes.
LLM_C names a folder with llm.c's train_gpt2, built, with a checkpoint and tokens in its formats; it is raced as
published, 4 rows of 64 tokens, which spares it most of attention's work.

Arguments: the shapes to race, small or gpt2."""
import importlib.util, json, os, pathlib, re, signal, statistics, subprocess, sys, tempfile, time

LIMIT = 420                     # seconds after which no further round of a shape begins
# Seconds between looks at a file that grows by a line a step: ten times as often, they slow the side down by 3 to 5 %.
# What it does until it is stopped counts in its next turn.
POLL = 0.02
DATA = os.environ.get("LATHE_DATA", "../shared/data")
TEXTS = [f"{DATA}/text/eltec-eng.jsonl.zst", "/usr/share/doc/debian-handbook/html/en-US"]
PEER = pathlib.Path(__file__).parent / "peers" / "torch_train.py"
LATHE = f"{os.environ.get('BUILD', 'build')}/lathe"
LLM_C_TOKENS = 4 * 64
SHAPES = {
    "small": dict(warm=3, rounds=25, batch=16, micro=4, length=256, what="training/10.5M, T 256", arch=[
        "--arch", "llama", "--arch.hidden_size", "256", "--arch.intermediate_size", "1024",
        "--arch.num_hidden_layers", "8", "--arch.num_attention_heads", "8", "--arch.tie_word_embeddings",
        "--max_length", "256"]),
    "gpt2": dict(warm=1, rounds=5, batch=4, micro=1, length=512, what="training/GPT-2 124M, T 512", arch=[
        "--arch", "gpt2", "--arch.n_embd", "768", "--arch.n_layer", "12", "--arch.n_head", "12",
        "--arch.n_positions", "512", "--arch.vocab_size", "50304", "--max_length", "512"]),
}


class Side:
    """A process that trains, and is stopped at the end of a step."""

    def __init__(self, name, tokens, command, **more):
        self.name, self.tokens, self.speeds, self.memory = name, tokens, [], 0
        # A stopped process would outlive a bench that is killed.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=subprocess.PIPE, text=True,
                                        **more)
        self.ends = self.lines()

    def lines(self):
        """Yields what it says at the end of a step."""
        yield from self.process.stdout

    def step(self):
        """Lets it take a step; nothing when it has ended instead."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGCONT)
        line = next(self.ends, None)
        if line is None: return False
        self.process.send_signal(signal.SIGSTOP)
        self.speeds.append(self.tokens / (time.monotonic() - start))
        self.note(line)
        return True

    def note(self, line):
        pass

    def end(self):
        self.process.kill()
        self.process.wait()


class Torch(Side):
    def __init__(self, shape, s, dtype, mode):
        super().__init__(f"torch {dtype} {mode}", s["batch"] * s["length"],
                         [sys.executable, PEER, shape, "--dtype", dtype, "--mode", mode, "--batch", str(s["batch"])])

    def note(self, line):
        self.memory = float(line)


class Ours(Side):
    def __init__(self, folder, s, dtype):
        self.timings = f"{folder}/{dtype}/timings.jsonl"
        super().__init__(dtype, s["batch"] * s["length"],
                         [LATHE, "train", f"{folder}/shards", "--output", f"{folder}/{dtype}", *s["arch"],
                          "--batch_size", str(s["micro"]), "--gradient_accumulation_steps",
                          str(s["batch"] // s["micro"]), "--max_steps", "10000", "--save_steps", "1000000",
                          "--eval_batches", "1", "--restart", "--threads", "2", "--quiet", "--dtype", dtype])

    def lines(self):
        while self.process.poll() is None and not os.path.exists(self.timings): time.sleep(POLL)
        if not os.path.exists(self.timings): return
        with open(self.timings) as f:
            line = ""
            while self.process.poll() is None:
                line += f.readline()
                if line.endswith("\n"):
                    if "tokens_per_second" in line: yield line
                    line = ""
                else: time.sleep(POLL)

    def note(self, line):
        x = json.loads(line)
        self.memory = max(self.memory, x["memory_bytes"] / 2**20)
        if "share_of_peak" in x:        # not in the first second, which does not measure the peak
            self.token_of_peak = x["share_of_peak"] / x["tokens_per_second"]    # seconds of a token at the peak


class LlmC(Side):
    def __init__(self, folder):
        super().__init__("llm.c f32", LLM_C_TOKENS, ["stdbuf", "-oL", "./train_gpt2"], cwd=folder,
                         env={**os.environ, "OMP_NUM_THREADS": "2"})

    def lines(self):
        return (x for x in self.process.stdout if re.match(r"step \d+: .*took ", x))


def row(what, unit, mine, theirs, times, name, bound, share):
    print(what, unit, f"{mine:.4g}", f"{theirs:.4g}", name, f"{times:.2f}", bound, share, sep="\t", flush=True)


def middle(side):
    return statistics.median(side.speeds)


def better(sides):
    return max(sides, key=middle)


def report(s, mine, torch, llm_c):
    """Rows of what was measured."""
    best, theirs = better(mine), better(torch)
    for side in sorted(mine, key=lambda x: x is best):
        row(s["what"] if side is best else f"{s['what']}, {side.name}", "tokens/s", middle(side), middle(theirs),
            statistics.median(a / b for a, b in zip(side.speeds, theirs.speeds)), theirs.name,
            f"{side.name} products", f"{middle(side) * side.token_of_peak:.2f}")
    row(f"{s['what']}, memory", "MiB", best.memory, theirs.memory, best.memory / theirs.memory, theirs.name, "-", "-")
    if llm_c:
        row(f"{s['what']}, beside llm.c", "tokens/s", middle(best), middle(llm_c),
            statistics.median(a / b for a, b in zip(best.speeds, llm_c.speeds)), llm_c.name, f"{best.name} products",
            f"{middle(best) * best.token_of_peak:.2f}")


def race(folder, shape, s):
    flags = open("/proc/cpuinfo").read()
    types = ["f32", "bf16"] if "avx512_bf16" in flags or "amx_bf16" in flags else ["f32"]
    peer, sides = os.environ.get("LLM_C") if shape == "gpt2" else None, []
    if shape == "gpt2" and not (peer and os.access(f"{peer}/train_gpt2", os.X_OK)):
        print("training: LLM_C names no folder with a built train_gpt2; llm.c is not raced", file=sys.stderr)
        peer = None
    begins = [lambda t=t: Ours(folder, s, t) for t in ("bfloat16", "int16", "int8")]
    begins += [lambda t=t, m=m: Torch(shape, s, t, m) for t in types for m in ("eager", "compile")]
    begins += [lambda: LlmC(peer)] if peer else []
    start = time.monotonic()
    try:
        for begin in begins:            # one after the other: the next begins when this one is stopped
            side = begin()
            sides.append(side)
            if not all(side.step() for _ in range(s["warm"])):
                print(f"training: {side.name} ended before its first steps did; it is not raced", file=sys.stderr)
                sides.remove(side)
                side.end()
            side.speeds.clear()
        mine, torch = [[x for x in sides if isinstance(x, kind)] for kind in (Ours, Torch)]
        if not mine or not torch: sys.exit(f"training: {s['what']} is not measured")
        for _ in range(s["rounds"]):
            if not all(side.step() for side in sides): sys.exit("training: a side ended in the middle of the race")
            if time.monotonic() - start > LIMIT: break
    finally:
        for side in sides: side.end()
    report(s, mine, torch, next((x for x in sides if isinstance(x, LlmC)), None))


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
        for shape in sys.argv[1:] or SHAPES:
            race(folder, shape, SHAPES[shape])


main()
