#!/usr/bin/env python3
"""TensorBoard's own reader sees in a run's event file what metrics.jsonl says.

    check_tfevents.py RUN_FOLDER        (needs the package tensorboard)
"""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TAGS = {
    "loss": "train/loss", "learning_rate": "train/learning_rate", "grad_norm": "train/grad_norm",
    "eval_loss": "eval/loss", "eval_bits_per_byte": "eval/bits_per_byte", "eval_accuracy": "eval/accuracy",
}


def main(folder):
    events = EventAccumulator(folder, size_guidance={"scalars": 0})
    events.Reload()
    seen = {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
    compared = 0
    for line in open(folder + "/metrics.jsonl", encoding="utf-8"):
        record = json.loads(line)
        for key, tag in TAGS.items():
            if key not in record:
                continue
            found = seen[tag][record["step"]]
            if abs(found - record[key]) > 1e-6 * max(1.0, abs(record[key])):
                sys.exit(f"step {record['step']}: {tag} is {found}, expected {record[key]}")
            compared += 1
    print(f"{compared} values agree")


main(sys.argv[1])
