"""Serving: sixteen clients of `lathe serve` and of llama-server, the same file, two threads, both through
/v1/completions.  Every client asks in turn for REPLIES replies of WRITE tokens to prompts of PROMPT tokens, all
different, streamed and greedy; tokens read and written count, from the first request to the last reply.  Time to first
token is from the request to its first event, in the median; from exec, the same of the very first request, which is
sent as soon as the port answers.  Memory is the peak of the process.

LLAMA_SERVER names the peer, SERVING_GGUF a folder with files NAME.gguf that hold a tokenizer (135M-q8_0.gguf); without
them nothing is measured.  The servers run in turn, ROUNDS times; medians count.

Arguments: parts of what to keep, as "q8_0"."""
import http.client, json, os, pathlib, random, socket, statistics, subprocess, sys, threading, time

CLIENTS, REPLIES, PROMPT, WRITE, ROUNDS = 16, 3, 100, 64, 3
LATHE = f"{os.environ.get('BUILD', 'build')}/lathe"
PEER = os.environ.get("LLAMA_SERVER")
FILES = os.environ.get("SERVING_GGUF")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ours(file, port):
    return [LATHE, "serve", file, "--port", str(port), "--batch_size", str(CLIENTS), "--threads", "2", "--quiet"]


def theirs(file, port):
    return [PEER, "-m", file, "--port", str(port), "-np", str(CLIENTS), "-c", str(512 * CLIENTS), "-t", "2", "-tb", "2",
            "--no-webui", "--log-disable"]


def ask(port, number, tokens, prompt=PROMPT):
    """Seconds to the first event and the tokens written."""
    r = random.Random(number)
    body = {"prompt": [r.randrange(1000, 40000) for _ in range(prompt)], "max_tokens": tokens, "temperature": 0,
            "stream": True, "stream_options": {"include_usage": True}}
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    began, first, written = time.monotonic(), None, 0
    c.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    reply = c.getresponse()
    for line in reply:
        if not line.startswith(b"data: {"): continue
        first = first or time.monotonic() - began
        usage = json.loads(line[6:]).get("usage") if b'"completion_tokens"' in line else None
        if usage: written = usage["completion_tokens"]
    if reply.status != 200 or not written: raise RuntimeError(f"status {reply.status}")
    return first, written


def first_ever(port, limit=120):
    """Asks until somebody answers."""
    until = time.monotonic() + limit
    while True:
        try:
            return ask(port, 0, 1, 8)
        except (OSError, RuntimeError, http.client.HTTPException):      # not there yet, or still loading
            if time.monotonic() > until: raise
            time.sleep(0.002)


def peak(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(x.split()[1]) / 1024 for x in f if x.startswith("VmHWM"))


def measure(command, port):
    """Tokens a second, seconds to the first token, and from exec to it, MiB."""
    began = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        first_ever(port)
        exec_to_first = time.monotonic() - began
        ask(port, 1, 8)
        waits, tokens = [], []

        def client(i):
            for k in range(REPLIES):
                wait, written = ask(port, 2 + i * REPLIES + k, WRITE)
                waits.append(wait)
                tokens.append(PROMPT + written)

        threads = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
        began = time.monotonic()
        for t in threads: t.start()
        for t in threads: t.join()
        took = time.monotonic() - began
        if len(waits) < CLIENTS * REPLIES: raise RuntimeError("a client had no reply")
        return sum(tokens) / took, statistics.median(waits), exec_to_first, peak(server.pid)
    finally:
        server.kill()
        server.wait()


def row(what, unit, mine, other):
    print(what, unit, f"{mine:.4g}", f"{other:.4g}", "llama-server", f"{mine / other:.2f}", "-", "-", sep="\t",
          flush=True)


def race(file):
    runs = {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for side in runs:
            port = free_port()
            runs[side].append(measure(side(str(file), port), port))
    mine, other = ([statistics.median(x) for x in zip(*runs[side])] for side in (ours, theirs))
    what = f"serving/{file.stem}"
    row(what, "tokens/s", mine[0], other[0])
    row(f"{what}, first token", "s", mine[1], other[1])
    row(f"{what}, exec to first token", "s", mine[2], other[2])
    row(f"{what}, memory", "MiB", mine[3], other[3])


def main():
    if not PEER or not FILES:
        print("serving: LLAMA_SERVER names no llama-server or SERVING_GGUF no folder of models; not measured",
              file=sys.stderr)
        return
    for file in sorted(pathlib.Path(FILES).glob("*.gguf")):
        if not sys.argv[1:] or any(x in file.stem for x in sys.argv[1:]): race(file)


main()
