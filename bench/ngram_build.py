#!/usr/bin/env python3
"""Estimating an n-gram model: lathe ngram build beside KenLM's lmplz, on the same text at the same memory.

    LMPLZ=/path/to/lmplz [BUILD=build] [MEMORY=1G] bench/ngram_build.py [TEXT] [ORDER]

TEXT has a sentence on each line; without it the novels of the data folder (text/eltec-eng.jsonl.zst) are taken.  The
two run in turn, RUNS times each (3); medians are printed.  CPU is user and system time; ours also writes a run record,
which hashes what was read and written.

What bounds ours: a third of the time spells the ARPA file (28 million lines of two numbers and up to five words), a
quarter looks up links and sorts places, both waiting for memory; the rest reads, passes over levels, and is the
kernel's copy of the file.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


def measured(command):
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command[0]}: ended with status {status}")
    return used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1024


def novels(path):
    source = pathlib.Path(os.environ.get("LATHE_DATA", "../shared/data")) / "text/eltec-eng.jsonl.zst"
    rows = subprocess.run(["zstd", "-dcq", source], check=True, capture_output=True).stdout.splitlines()
    path.write_text("".join(json.loads(row)["text"].rstrip("\n") + "\n" for row in rows))


def main():
    lathe, lmplz = os.environ.get("BUILD", "build") + "/lathe", os.environ.get("LMPLZ")
    memory, order = os.environ.get("MEMORY", "1G"), sys.argv[2] if len(sys.argv) > 2 else "5"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "text.txt"
        if len(sys.argv) < 2:
            novels(text)
        ours = [lathe, "ngram", "build", text, "--order", order, "--memory", memory, "--temp_dir", folder, "--output",
                folder / "lathe.arpa", "--quiet"]
        theirs = [lmplz, "-o", order, "-S", memory, "-T", folder, "--text", text, "--arpa", folder / "lmplz.arpa"]
        runs = {"lathe": [], "lmplz": []}
        for _ in range(int(os.environ.get("RUNS", "3"))):
            runs["lathe"].append(measured(ours))
            if lmplz:
                runs["lmplz"].append(measured(theirs))
        print("row\tcpu_s\twall_s\tpeak_mib")
        medians = {}
        for who, rows in runs.items():
            if rows:
                medians[who] = [statistics.median(column) for column in zip(*rows)]
                print(f"ngram_build_{who}\t" + "\t".join(f"{x:.2f}" for x in medians[who]))
        if lmplz:
            ratio = [a / b for a, b in zip(medians["lathe"], medians["lmplz"])]
            print("ngram_build_ratio\t" + "\t".join(f"{x:.3f}" for x in ratio))


main()
