#!/usr/bin/env python3
"""Makes src/routing/data/projection.bin: the directions of an embedding that routing keeps.

They are the first 64 principal components of MiniLM's embeddings of the prompts of LLMRouter's data (ulab-uiuc/LLMRouter,
MIT), without those of MMLU, so that they were never seen where MMLU is measured. Long prompts are embedded as routing does
(src/routing/focus.rs); no outcome is read.

    pip install numpy sentence-transformers
    python projection.py LLMROUTER.jsonl projection.bin     # lines with `task` and `prompt`
"""

import json
import sys

import numpy as np
from sentence_transformers import SentenceTransformer

DIRECTIONS = 64
LONGEST = 900
LAST = 1_000


def focus(prompt: str) -> str:
    """The last paragraph, or as many as make 150 characters, and never more than 1,000."""
    if len(prompt) <= LONGEST:
        return prompt
    blocks = prompt.rstrip().split("\n\n")
    text = blocks.pop()
    while blocks and len(text) < 150:
        text = f"{blocks.pop()}\n\n{text}"
    return text[-LAST:]


def main(source: str, target: str) -> None:
    rows = [json.loads(line) for line in open(source, encoding="utf-8")]
    prompts = [focus(row["prompt"]) for row in rows if row["task"] != "mmlu"]
    model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2")
    embeddings = model.encode(prompts, normalize_embeddings=True)
    mean = embeddings.mean(0)
    directions = np.linalg.svd(embeddings - mean, full_matrices=False)[2][:DIRECTIONS]
    largest = np.abs(directions).argmax(1)
    directions *= np.sign(directions[np.arange(DIRECTIONS), largest])[:, None]
    scales = np.abs(directions).max(1) / 127
    levels = np.round(directions / scales[:, None]).astype(np.int8)
    with open(target, "wb") as file:
        file.write(mean.astype("<f4").tobytes() + scales.astype("<f4").tobytes() + levels.tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
