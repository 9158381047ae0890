"""Asking n-gram models: lathe ngram query against KenLM's query, one thread each.

Needs the data folder and the folder of KenLM's programs (LATHE_KENLM); says so and measures nothing otherwise.  A model
of order 5 is estimated from seven of every eight novels (KenLM's lmplz) and written in the layouts of both: the fast
ones (hash, probing) and the small ones with figures of 8 bits (trie, trie -q 8 -b 8 -a 22).  Both are asked for the
other novels, whose perplexity must agree.  Processor time counts, so other work on the machine weighs less; the two run
in turn and the median of the rounds counts.  Loaded: less the time for an empty text.

Rows: tokens a second, and n-grams in a megabyte of the file and of the memory in use at the end."""
import json, os, statistics, subprocess, sys, tempfile

ROUNDS, ORDER = 7, 5
data = os.environ.get("LATHE_DATA", "../shared/data")
novels = f"{data}/text/eltec-eng.jsonl.zst"
kenlm = os.environ.get("LATHE_KENLM", "")
lathe = f"{os.environ.get('BUILD', 'build')}/lathe"


def write_text(folder):
    lines = subprocess.run(["zstd", "-dcq", novels], stdout=subprocess.PIPE, check=True).stdout.splitlines()
    with open(f"{folder}/train.txt", "w") as train, open(f"{folder}/held-out.txt", "w") as held_out:
        for number, line in enumerate(lines):
            sentences = [part.strip() for part in json.loads(line)["text"].split("\n") if part.strip()]
            print("\n".join(sentences), file=held_out if number % 8 == 7 else train)


def run(command, path):
    """Standard output, seconds of processor time, bytes of memory at most."""
    with open(path) as text:
        child = subprocess.Popen(command, stdin=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out = child.stdout.read().decode()
        _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"ngram_query: {' '.join(command)} failed")
    return out, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def figures(out):
    return {line.split("\t")[0].split(":")[0]: float(line.split("\t")[1]) for line in out.splitlines() if "\t" in line}


def row(name, unit, ours, theirs, peer, bound="-"):
    print(f"ngram query/{name}", unit, f"{ours:.4g}", f"{theirs:.4g}", peer, f"{ours / theirs:.3f}", bound, "-",
          sep="\t", flush=True)


def race(folder, name, ours, theirs, peer, bound, ngrams):
    commands = [lathe, "ngram", "query", ours, "--summary"], [f"{kenlm}/query", "-v", "summary", theirs]
    rounds = [[(run(c, f"{folder}/held-out.txt"), run(c, "/dev/null")) for c in commands] for _ in range(ROUNDS)]
    found = [figures(rounds[0][side][0][0]) for side in (0, 1)]
    tokens = found[0]["Tokens"]
    off = abs(found[0]["Perplexity including OOVs"] / found[1]["Perplexity including OOVs"] - 1)
    if tokens != found[1]["Tokens"] or off > (1e-5 if name == "hash" else 0.02):
        sys.exit(f"ngram_query: {name}: the figures differ: {found}")
    whole = [tokens / statistics.median(r[side][0][1] for r in rounds) for side in (0, 1)]
    loaded = [tokens / statistics.median(r[side][0][1] - r[side][1][1] for r in rounds) for side in (0, 1)]
    memory = [statistics.median(r[side][0][2] for r in rounds) for side in (0, 1)]
    row(f"{name}, loaded", "tokens/s", *loaded, peer, bound)
    row(f"{name}, with loading", "tokens/s", *whole, peer, bound)
    row(f"{name}, file", "n-grams/MB", *(ngrams / os.path.getsize(p) * 1e6 for p in (ours, theirs)), peer)
    row(f"{name}, memory", "n-grams/MB", *(ngrams / m * 1e6 for m in memory), peer)
    print(f"ngram_query: {name}: perplexity {found[0]['Perplexity including OOVs']:.6g}, {peer} "
          f"{found[1]['Perplexity including OOVs']:.6g}", file=sys.stderr)


def main():
    if not os.path.exists(novels):
        print(f"ngram_query: {novels} is not there (set LATHE_DATA); nothing measured", file=sys.stderr)
        return
    if not os.path.exists(f"{kenlm}/query"):
        print("ngram_query: no KenLM (set LATHE_KENLM to the folder of its programs); nothing measured",
              file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_text(folder)
        arpa = f"{folder}/model.arpa"
        quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "check": True}
        with open(f"{folder}/train.txt") as text, open(arpa, "w") as out:
            subprocess.run([f"{kenlm}/lmplz", "-o", str(ORDER), "-S", "2G", "-T", folder], stdin=text, stdout=out,
                           stderr=subprocess.DEVNULL, check=True)
        with open(arpa) as head:
            ngrams = sum(int(line.split("=")[1]) for line in (next(head) for _ in range(ORDER + 1)) if "=" in line)
        subprocess.run([lathe, "ngram", "convert", arpa, "--output", f"{folder}/model.hash"], **quiet)
        subprocess.run([lathe, "ngram", "convert", arpa, "--output", f"{folder}/model.trie", "--prob_bits", "8",
                        "--backoff_bits", "8"], **quiet)
        subprocess.run([f"{kenlm}/build_binary", "probing", arpa, f"{folder}/probing"], **quiet)
        subprocess.run([f"{kenlm}/build_binary", "-q", "8", "-b", "8", "-a", "22", "trie", arpa, f"{folder}/trie"],
                       **quiet)
        os.remove(arpa)
        race(folder, "hash", f"{folder}/model.hash", f"{folder}/probing", "KenLM probing", "lines of memory", ngrams)
        race(folder, "trie", f"{folder}/model.trie", f"{folder}/trie", "KenLM trie -q 8 -b 8 -a 22", "searches", ngrams)


main()
