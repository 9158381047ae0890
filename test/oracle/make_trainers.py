"""Figures of Hugging Face's trainers for test/unit/bpe_trainer_test.c, on the text of the data folder's
tokenizers/bpe-training/corpus.en, taken whole.  Writes beside itself every 40th merge of BPE (bpe_merges.tsv: rank,
left, right) and the vocabulary of WordPiece, sorted (wordpiece_vocab.txt).

    LATHE_DATA=... python3 test/oracle/make_trainers.py        (pip install tokenizers)"""
import json, os, pathlib
from tokenizers import BertWordPieceTokenizer, Tokenizer, models, pre_tokenizers, trainers

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

bert = BertWordPieceTokenizer(lowercase=True)
bert.train_from_iterator([text], vocab_size=1000, min_frequency=2, limit_alphabet=1000, show_progress=False)
(here / "wordpiece_vocab.txt").write_text("".join(p + "\n" for p in sorted(bert.get_vocab())), encoding="utf-8")
