"""Counts the tokens of every text by every tokenizer, and the kinds of its characters. Writes rows.pkl."""

import argparse
import base64
import pickle

import tiktoken
from tokenizers import Tokenizer

from texts import classes

# Model families, by the package that carries a tokenizer of theirs.
FAMILIES = ("gemma3", "qwen3", "llama3", "deepseek_v3", "mistral_nemo", "claude")

O200K_PATTERN = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
])


def o200k(path):
    """Makes OpenAI's tokenizer from the file that the crate tiktoken-rs carries."""
    with open(path, "rb") as file:
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file if line.strip())}
    encoding = tiktoken.Encoding("o200k", pat_str=O200K_PATTERN, mergeable_ranks=ranks, special_tokens={})
    return lambda text: len(encoding.encode_ordinary(text))


def other(path):
    tokenizer = Tokenizer.from_file(path)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def features(text):
    """Counts kinds of characters, as `Features` in src/cost/families.rs does."""
    ascii_only = [character for character in text if character.isascii()]
    letters = sum(character.isalpha() for character in ascii_only)
    digits = sum(character.isdigit() for character in ascii_only)
    spaces = sum(character in " \t\n\r\x0c" for character in ascii_only)
    widths = [len(character.encode()) for character in text]
    repeats = sum(
        place > 0 and text[place] == text[place - 1] or place > 1 and text[place] == text[place - 2]
        for place in range(len(text))
    )
    marks = len(ascii_only) - letters - digits - spaces
    return [letters, digits, spaces, marks, *(widths.count(width) for width in (2, 3, 4)), repeats]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--o200k", required=True, help="o200k_base.tiktoken of tiktoken-rs")
    parser.add_argument("--tokenizers", required=True, help="a folder with FAMILY/tokenizer.json")
    parser.add_argument("--data", required=True, help="the folder of labelled data")
    parser.add_argument("--source", required=True, help="this repository")
    parser.add_argument("--django", required=True, help="a wheel of Django, for its translations")
    arguments = parser.parse_args()
    count = {"o200k": o200k(arguments.o200k)}
    count.update({name: other(f"{arguments.tokenizers}/{name}/tokenizer.json") for name in FAMILIES})
    rows = []
    for name, texts in classes(arguments.data, arguments.source, arguments.django).items():
        rows += [(name, features(text), [tokens(text) for tokens in count.values()]) for text in texts]
    with open("rows.pkl", "wb") as file:
        pickle.dump((list(count), rows), file)
    print(f"{len(rows)} texts")


if __name__ == "__main__":
    main()
