"""Trains the verifier and writes `src/cache/data/verifier.tsv`.

    python train.py DATA_FOLDER MODEL_FOLDER WORDNET_DICT_FOLDER WORDS.npz PROGRAM OUT.tsv [--without NAME]

DATA_FOLDER holds paws_wiki_pairs.tsv, banking77_classes.tsv, clinc150_classes.tsv and fow_pairs.jsonl;
PROGRAM is the ai-cost-optimizer binary: it computes the features, so that they cannot differ between
training and use (`cache-eval features`). `--without banking` leaves a source and everything made from
it out, to test on it. Seeds are fixed. Takes about 15 minutes on one core, nearly all of it embedding.
Needs numpy, scipy, safetensors and tokenizers.

What is fitted: P(same answer) = sigmoid(intercept + sum of weight x feature), by logistic regression
with a free intercept for each group of pairs, because how near wrong answers lie differs from source to
source, while what a difference costs should not. The signs are fixed: more cosine is better, every
difference is worse. The groups weigh as in WEIGHTS, whatever their sizes. The one intercept that ships
is fitted afterwards to all groups alike, together with a common factor.
"""

import csv
import io
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from synthetic import Swapper, pairs as synthetic_pairs

# Real pairs by source, and pairs made from its texts. PAWS-Wiki says little here: its pairs share all
# words, and the vetoes settle most of them.
WEIGHTS = {
    "paws": 0.1, "banking": 1.0, "clinc": 1.0, "fow": 0.3,
    "paws_made": 0.025, "banking_made": 0.04, "clinc_made": 0.04, "fow_made": 0.025,
}
SOURCES = ["paws", "banking", "clinc", "fow"]
MADE = {"banking": 500, "clinc": 500, "paws": 300, "fow": 300}
MOST_PAIRS = 8000
NEIGHBOURS = {"banking": 12, "clinc": 15}
# Pairs of one class that are less alike than this are never looked at by a cache.
FLOOR = 0.75
L2 = 20.0
TOTAL_WEIGHT = 20000


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file][1:]


def class_pairs(texts, classes, embed, neighbours, seed):
    """Each text with its nearest neighbours in the same file; 1 where the class is the same."""
    vectors = embed(texts)
    found = set()
    for start in range(0, len(texts), 1000):
        cosines = vectors[start : start + 1000] @ vectors.T
        for row, line in enumerate(cosines, start):
            line[row] = -2
            for other in np.argpartition(-line, neighbours)[:neighbours]:
                if line[other] > FLOOR:
                    found.add((min(row, int(other)), max(row, int(other))))
    chosen = sorted(found)
    random.Random(seed).shuffle(chosen)
    return [(texts[i], texts[j], int(classes[i] == classes[j])) for i, j in chosen[:MOST_PAIRS]]


def groups(data, embed, swapper):
    """Gives the pairs (text, text, label) of every group."""
    data = Path(data)
    texts, made = {}, {}
    paws = rows(data / "paws_wiki_pairs.tsv")
    texts["paws"] = [row[0] for row in paws]
    random.Random(1).shuffle(paws)
    made["paws"] = [(a, b, int(label)) for a, b, label in paws[:1500]]
    for name, file in [("banking", "banking77_classes.tsv"), ("clinc", "clinc150_classes.tsv")]:
        table = rows(data / file)
        # Everything out of scope is a class of its own.
        classes = [f"oos {i}" if label == "oos" else label for i, (_, label) in enumerate(table)]
        texts[name] = [text for text, _ in table]
        made[name] = class_pairs(texts[name], classes, embed, NEIGHBOURS[name], 2)
    fow = [json.loads(line) for line in open(data / "fow_pairs.jsonl", encoding="utf-8")]
    texts["fow"] = [pair[side] for pair in fow for side in ("a", "b")]
    made["fow"] = [(pair["a"], pair["b"], int(pair["same_answer"])) for pair in fow]
    for name in SOURCES:
        distinct = list(dict.fromkeys(texts[name]))
        made[f"{name}_made"] = [pair[:3] for pair in synthetic_pairs(distinct, swapper, MADE[name], 7)]
    return made


def program_features(program):
    def features(pairs):
        """Asks the program; gives its names, the features, and which pairs a veto settles."""
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            for a, b, label in pairs:
                file.write(json.dumps({"a": a, "b": b, "label": label}) + "\n")
            file.flush()
            out = subprocess.run(
                [program, "cache-eval", "features", file.name], check=True, stdout=subprocess.PIPE, text=True
            ).stdout
        table = list(csv.reader(io.StringIO(out), delimiter="\t", quoting=csv.QUOTE_NONE))
        vetoed = np.array([row[2] != "" for row in table[1:]])
        return table[0][3:], np.array([[float(x) for x in row[3:]] for row in table[1:]]), vetoed

    return features


def fit(group_features, without=None):
    """Fits the weights; `group_features` maps a group to (features, labels, vetoed)."""
    kept = [name for name in WEIGHTS if without is None or not name.startswith(without)]
    x, y, w, g = [], [], [], []
    for number, name in enumerate(kept):
        features, labels, vetoed = group_features[name]
        use = ~vetoed
        x.append(features[use])
        y.append(labels[use])
        w.append(np.full(use.sum(), WEIGHTS[name] / use.sum()))
        g.append(np.full(use.sum(), number))
    x, y, w, g = np.concatenate(x), np.concatenate(y).astype(float), np.concatenate(w), np.concatenate(g)
    w *= TOTAL_WEIGHT / w.sum()
    count = x.shape[1]
    scale = np.ones(count)
    scale[0] = 10  # so that the penalty on the weights hardly touches the cosine's
    z = x * scale

    def loss(p):
        log_odds = z @ p[:count] + p[count:][g]
        residual = w * (1 / (1 + np.exp(-log_odds)) - y)
        value = (w * (np.logaddexp(0, log_odds) - y * log_odds)).sum() + L2 * (p[:count] ** 2).sum()
        return value, np.concatenate([z.T @ residual + 2 * L2 * p[:count], np.bincount(g, residual, len(kept))])

    bounds = [(0, None)] + [(None, 0)] * (count - 1) + [(None, None)] * len(kept)
    solution = minimize(loss, np.zeros(count + len(kept)), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = solution[:count] * scale

    raw = x @ weights
    def common(p):
        log_odds = p[0] + p[1] * raw
        residual = w * (1 / (1 + np.exp(-log_odds)) - y)
        return (w * (np.logaddexp(0, log_odds) - y * log_odds)).sum(), np.array([residual.sum(), residual @ raw])

    intercept, factor = minimize(common, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B").x
    return intercept, weights * factor


def write(out, names, intercept, weights, without=None):
    notes = [
        "# Written by packaging/verifier/train.py; a weight is in log-odds per unit of its feature.",
        "# Trained on PAWS-Wiki (Google, free for any purpose), Banking77 (PolyAI, CC BY 4.0), CLINC150 (CC BY 3.0),",
        "# fow-cache (Mabon ap Gwyn, CC BY 4.0) and pairs made from their texts" + (f", without {without}." if without else "."),
    ]
    lines = [f"{name}\t{weight:.4f}" for name, weight in zip(["intercept", *names], [intercept, *weights])]
    Path(out).write_text("\n".join(notes + lines) + "\n", encoding="utf-8")


def main():
    data, model, wordnet, words_file, program, out = sys.argv[1:7]
    without = sys.argv[8] if len(sys.argv) > 8 and sys.argv[7] == "--without" else None
    from tokenizers import Tokenizer

    from words import embed_texts, load_weights

    tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    weights = load_weights(model)
    made = groups(data, lambda texts: embed_texts(weights, tokenizer, texts), Swapper(wordnet, np.load(words_file)))
    features = program_features(program)
    group_features = {}
    for name, pairs in made.items():
        names, x, vetoed = features(pairs)
        group_features[name] = (x, np.array([label for *_, label in pairs]), vetoed)
    intercept, fitted = fit(group_features, without)
    write(out, names, intercept, fitted, without)


if __name__ == "__main__":
    main()
