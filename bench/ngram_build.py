"""Estimating an n-gram model: lathe ngram build beside KenLM's lmplz, on the same text at the same memory.

Needs the data folder's novels and the folder of KenLM's programs (LATHE_KENLM); without the second only ours is
measured, without the first nothing.  The two run in turn, ROUNDS times each, and the medians count.  Speed is text a
second of processor time (user and system), which other work on the machine weighs little on; ours also writes a run
record, which hashes what was read and written.

What bounds ours: a third of the time spells the ARPA file (28 million lines of two numbers and up to five words), a
quarter looks up links and sorts places, both waiting for memory; the rest reads, passes over levels, and is the
kernel's copy of the file."""
import json, os, statistics, subprocess, sys, tempfile

ROUNDS, ORDER, MEMORY = int(os.environ.get("ROUNDS", "3")), "5", "1G"
novels = f"{os.environ.get('LATHE_DATA', '../shared/data')}/text/eltec-eng.jsonl.zst"
kenlm = os.environ.get("LATHE_KENLM", "")
lathe = f"{os.environ.get('BUILD', 'build')}/lathe"


def write_text(path):
    lines = subprocess.run(["zstd", "-dcq", novels], stdout=subprocess.PIPE, check=True).stdout.splitlines()
    with open(path, "w") as out:
        for line in lines: print(json.loads(line)["text"].rstrip("\n"), file=out)


def measured(command):
    """Seconds of processor time and MiB of memory at most."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status: sys.exit(f"ngram_build: {command[0]} ended with status {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def row(what, unit, mine, theirs, bound):
    peer = [f"{theirs:.4g}", "KenLM lmplz", f"{mine / theirs:.3f}"] if theirs else ["-"] * 3
    print(f"ngram build/{what}", unit, f"{mine:.4g}", *peer, bound, "-", sep="\t", flush=True)


def main():
    if not os.path.exists(novels):
        print(f"ngram_build: {novels} is not there; not measured", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        text = f"{folder}/text.txt"
        write_text(text)
        ours = [lathe, "ngram", "build", text, "--order", ORDER, "--memory", MEMORY, "--temp_dir", folder, "--output",
                f"{folder}/lathe.arpa", "--quiet"]
        theirs = [f"{kenlm}/lmplz", "-o", ORDER, "-S", MEMORY, "-T", folder, "--text", text, "--arpa",
                  f"{folder}/lmplz.arpa"]
        runs = ([], [])
        for _ in range(ROUNDS):
            runs[0].append(measured(ours))
            if kenlm: runs[1].append(measured(theirs))
        size = os.path.getsize(text) / 1e6
        speed = [size / statistics.median(x[0] for x in r) if r else 0 for r in runs]
        memory = [statistics.median(x[1] for x in r) if r else 0 for r in runs]
        row("5-gram Kneser-Ney of 57 MB", "MB/CPU s", *speed, "spelling, memory latency")
        row("peak memory", "MiB", *memory, "-")


main()
