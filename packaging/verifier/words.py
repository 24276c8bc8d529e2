"""Embeds every word of MiniLM's vocabulary by itself, for `vocabulary.bin`.

A word's vector is what all-MiniLM-L6-v2 says to the word alone ("[CLS] word [SEP]", mean over the
three outputs), projected on the leading principal axes, scaled to 8 bits. It is the model's own
idea of which words mean the same, without running the model.

    python words.py MODEL_FOLDER OUT.npz

MODEL_FOLDER holds config.json, model.safetensors and tokenizer.json. Needs numpy and safetensors.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

HEADS = 12
BATCH = 512


def layer_norm(x, weight, bias):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-12) * weight + bias


def gelu(x):
    from scipy.special import erf

    return x * 0.5 * (1.0 + erf(x / np.float32(np.sqrt(2.0))))


def embed(weights, ids):
    """Embeds sequences of one length (n, length); gives unit vectors (n, 384)."""

    def dense(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        return layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    n, length = ids.shape
    x = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][:length]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = norm(x, "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.attention.self.query.weight" in weights:
        prefix = f"encoder.layer.{layer}"
        split = [
            dense(x, f"{prefix}.attention.self.{part}").reshape(n, length, HEADS, -1).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        ]
        query, key, value = split
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(query.shape[-1]))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(n, length, -1)
        x = norm(x + dense(mixed, f"{prefix}.attention.output.dense"), f"{prefix}.attention.output.LayerNorm")
        hidden = gelu(dense(x, f"{prefix}.intermediate.dense"))
        x = norm(x + dense(hidden, f"{prefix}.output.dense"), f"{prefix}.output.LayerNorm")
        layer += 1
    mean = x.mean(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def load_weights(model):
    tensors = load_file(Path(model) / "model.safetensors")
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items() if tensor.dtype.kind == "f"}


def embed_texts(weights, tokenizer, texts):
    """Embeds texts, those of one length together; gives unit vectors (n, 384)."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    by_length = {}
    ids = [tokenizer.encode(text).ids for text in texts]
    for place, pieces in enumerate(ids):
        by_length.setdefault(len(pieces), []).append(place)
    vectors = np.zeros((len(texts), 384), np.float32)
    for places in by_length.values():
        for start in range(0, len(places), 64):
            batch = places[start : start + 64]
            vectors[batch] = embed(weights, np.array([ids[place] for place in batch]))
    return vectors


def main(model, out):
    weights = load_weights(model)
    vocab = json.loads((Path(model) / "tokenizer.json").read_text())["model"]["vocab"]
    words = sorted(vocab, key=vocab.get)
    kept = [
        (word, vocab[word])
        for word in words
        if word.removeprefix("##").isascii() and word.removeprefix("##").isalnum()
    ]
    ids = np.array([[vocab["[CLS]"], i, vocab["[SEP]"]] for _, i in kept])
    vectors = np.concatenate([embed(weights, ids[start : start + BATCH]) for start in range(0, len(ids), BATCH)])
    np.savez(out, words=np.array([w for w, _ in kept]), ids=ids[:, 1], vectors=vectors)


if __name__ == "__main__":
    main(*sys.argv[1:3])
