"""Figures of Hugging Face's BPE trainer for test/unit/bpe_trainer_test.c: every 40th of its merges on the text of the
data folder's tokenizers/bpe-training/corpus.en, taken whole.  Writes bpe_merges.tsv beside itself: rank, left, right.

    LATHE_DATA=... python3 test/oracle/make_bpe_merges.py        (pip install tokenizers)"""
import json, os, pathlib
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

here = pathlib.Path(__file__).parent
data = pathlib.Path(os.environ.get("LATHE_DATA", here / "../../../shared/data"))
text = (data / "tokenizers/bpe-training/corpus.en").read_text(encoding="utf-8")
level = pre_tokenizers.ByteLevel
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = level(add_prefix_space=False)
tokenizer.train_from_iterator([text], trainers.BpeTrainer(
    vocab_size=3000, min_frequency=2, special_tokens=["<|endoftext|>"], initial_alphabet=level.alphabet(),
    show_progress=False))
merges = json.loads(tokenizer.to_str())["model"]["merges"]
with open(here / "bpe_merges.tsv", "w", encoding="utf-8") as out:
    for rank, merge in enumerate(merges):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        if rank % 40 == 0 or rank == len(merges) - 1:
            print(rank, left, right, sep="\t", file=out)
