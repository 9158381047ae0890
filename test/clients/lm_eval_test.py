"""The Language Model Evaluation Harness against `lathe serve`: what it is told over HTTP is what `lathe score` says.

The harness is large and lives in an environment of its own: `make clients-lm-eval` makes it, and LATHE_LM_EVAL may name
another Python that has it.  The texts are those of the optional data folder (LATHE_DATA).  LATHE_LM_EVAL_ITEMS:
documents of each task, 200 by default; 0: all."""
import glob
import json
import math
import os
import pathlib
import subprocess
import tempfile
import unittest

import serving

ITEMS = int(os.environ.get("LATHE_LM_EVAL_ITEMS", 200))
DATA = pathlib.Path(os.environ.get("LATHE_DATA", serving.TOP / "../shared/data")) / "eval"
PYTHON = pathlib.Path(os.environ.get("LATHE_LM_EVAL", serving.LATHE.parent / "clients-lm-eval/bin/python"))
CHOICES = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{context}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{gold}}}}"
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
metadata: {{version: 1}}
"""
LAST_WORD = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{{{context}}}}"
doc_to_target: " {{{{continuation}}}}"
metric_list: [{{metric: perplexity}}, {{metric: acc}}]
metadata: {{version: 1}}
"""


def rows(name):
    text = subprocess.run(["zstdcat", DATA / name], capture_output=True, check=True).stdout
    return [json.loads(line) for line in text.decode().splitlines()]


def first(all_of_them):
    return all_of_them[:ITEMS or None]


def choices(name):
    """Documents of ready requests, each once."""
    docs = {}
    for row in rows(name):
        doc = row["doc"]
        docs.setdefault(row["native_id"], dict(context=doc["query"], choices=doc["choices"], gold=doc["gold"]))
    return first(list(docs.values()))


def last_words():
    return first([dict(context=r["context"], continuation=r["continuation"]) for r in
                  rows("foundry/lambada_openai.jsonl.zst")])


def continuations(doc):
    return [" " + c for c in doc["choices"]] if "choices" in doc else [" " + doc["continuation"]]


@unittest.skipUnless(PYTHON.exists(), f"{PYTHON} is not there: `make clients-lm-eval` installs the harness")
@unittest.skipUnless(DATA.exists(), f"{DATA} is not there: LATHE_DATA names the data folder")
class LmEvalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="lathe-lm-eval-")
        cls.addClassCleanup(scratch.cleanup)
        cls.at = pathlib.Path(scratch.name)
        cls.model = serving.trained(cls.at, vocabulary=2048, context=1024)
        cls.server = serving.Server(cls.model, "--batch_size", 32)
        cls.addClassCleanup(cls.server.stop)
        cls.tasks = {"arc_easy_local": choices("olmo-requests/arc_easy/rc_0shot.jsonl.zst"),
                     "arc_challenge_local": choices("olmo-requests/arc_challenge/rc_0shot.jsonl.zst"),
                     "hellaswag_local": choices("olmo-requests/hellaswag/rc_0shot.jsonl.zst"),
                     "lambada_local": last_words()}
        for name, docs in cls.tasks.items():
            file = cls.at / f"{name}.jsonl"
            file.write_text("".join(json.dumps(d) + "\n" for d in docs))
            form = LAST_WORD if name.startswith("lambada") else CHOICES
            (cls.at / f"{name}.yaml").write_text(form.format(name=name, file=file))
        cls.own = {name: cls.score(name, docs) for name, docs in cls.tasks.items()}

    @classmethod
    def score(cls, name, docs):
        """What `lathe score` says of every continuation of every document: (log p, whether greedy writes it)."""
        pairs = cls.at / f"{name}-pairs.jsonl"
        pairs.write_text("".join(json.dumps(dict(context=d["context"], continuation=c)) + "\n"
                                 for d in docs for c in continuations(d)))
        said = serving.lathe("score", cls.model, pairs, "--format", "jsonl").splitlines()
        scores = iter([json.loads(line) for line in said])
        return [[(s["logprob"], s["greedy"]) for _, s in zip(continuations(d), scores)] for d in docs]

    def evaluate(self, tasks, **more):
        """Runs the harness; its figures, and per task and document what it was told of each continuation."""
        out = self.at / f"out-{len(list(self.at.glob('out-*')))}"
        args = dict(model="small", base_url=self.server.url + "/v1/completions", tokenizer=self.model,
                    tokenizer_backend="huggingface", num_concurrent=4, max_retries=1, max_length=1024, **more)
        done = subprocess.run([PYTHON, "-m", "lm_eval", "run", "--model", "local-completions", "--model_args",
                               ",".join(f"{k}={v}" for k, v in args.items()), "--tasks", ",".join(tasks),
                               "--include_path", self.at, "--output_path", out, "--log_samples", "--batch_size", "16"],
                              capture_output=True, text=True,
                              env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
                                   "HF_HOME": str(self.at / "hf"), "TOKENIZERS_PARALLELISM": "false"})
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        [figures] = glob.glob(f"{out}/**/results_*.json", recursive=True)
        told = {}
        for task in tasks:
            [samples] = glob.glob(f"{out}/**/samples_{task}_*.jsonl", recursive=True)
            all_of_them = [json.loads(line) for line in pathlib.Path(samples).read_text().splitlines()]
            told[task] = [[(float(a), b in (True, "True")) for a, b in (r[0] for r in s["resps"])]
                          for s in sorted(all_of_them, key=lambda s: s["doc_id"])]
        return json.loads(pathlib.Path(figures).read_text())["results"], told

    def compare(self, tasks, **more):
        figures, told = self.evaluate(tasks, **more)
        for task in tasks:
            docs, own = self.tasks[task], self.own[task]
            self.assertEqual(len(told[task]), len(docs))
            for doc, theirs, ours in zip(docs, told[task], own):
                self.assertEqual(len(theirs), len(ours))
                for (a, greedy), (b, greedily) in zip(theirs, ours):
                    self.assertAlmostEqual(a, b, delta=1e-6, msg=f"{task}: {doc}")
                    self.assertEqual(greedy, greedily, f"{task}: {doc}")
            self.check_figures(task, figures[task], docs, own)

    def check_figures(self, task, figures, docs, own):
        def share(right):
            right = list(right)
            return sum(right) / len(right)

        def best(values):
            return max(range(len(values)), key=values.__getitem__)

        if task.startswith("lambada"):
            self.assertAlmostEqual(figures["acc,none"], share(o[0][1] for o in own), places=12)
            mean = sum(o[0][0] for o in own) / len(own)
            self.assertAlmostEqual(figures["perplexity,none"], math.exp(-mean), delta=1e-6 * math.exp(-mean))
            return
        self.assertAlmostEqual(figures["acc,none"], share(best([p for p, _ in o]) == d["gold"]
                                                          for d, o in zip(docs, own)), places=12)
        self.assertAlmostEqual(figures["acc_norm,none"],
                               share(best([p / len(c) for (p, _), c in zip(o, d["choices"])]) == d["gold"]
                                     for d, o in zip(docs, own)), places=12)

    def test_token_prompts_are_scored_as_here(self):
        self.compare(list(self.tasks), tokenized_requests=True)

    def test_text_prompts_are_scored_as_here(self):
        self.compare(["arc_easy_local", "lambada_local"], tokenized_requests=False)


if __name__ == "__main__":
    unittest.main()
