#!/usr/bin/env python3
"""Counts every text's characters by kind and its tokens by every tokenizer, once.

    python counts.py SOURCES DATA REPOSITORY COUNTS.npz
"""

import sys
from pathlib import Path

import numpy as np

from families import families
from hostile import hostile
from texts import is_held_out, ordinary

KINDS = (
    "lower", "upper", "digit", "space", "other_space", "punctuation", "two_byte", "three_byte", "four_byte",
    "repeated", "further_space", "further_punctuation",
)
"""Characters by kind; of ASCII but for those of two to four bytes. Control characters are punctuation.

The last three count some once more: `repeated` where it and the one before are the two before them again (`aaaa`,
`abab`), and white space or punctuation of ASCII right after its like."""


def kind_of(character):
    code = ord(character)
    if code >= 0x80:
        return "two_byte" if code < 0x800 else "three_byte" if code < 0x10000 else "four_byte"
    if character.isalnum():
        return "digit" if character.isdigit() else "upper" if character.isupper() else "lower"
    return "space" if character == " " else "other_space" if character in "\n\r\t\f\v" else "punctuation"


def characters(text):
    count = dict.fromkeys(KINDS, 0)
    before = ("", "", "")
    white = punctuation = False
    for character in text:
        kind = kind_of(character)
        count[kind] += 1
        count["repeated"] += (before[1], before[0]) == (character, before[2])
        count["further_space"] += white and kind in ("space", "other_space")
        count["further_punctuation"] += punctuation and kind == "punctuation"
        before = (before[1], before[2], character)
        white, punctuation = kind in ("space", "other_space"), kind == "punctuation"
    return [count[kind] for kind in KINDS]


def main(sources, data, repository, target):
    tokenizers = families(sources)
    texts = list(ordinary(Path(sources), Path(data), Path(repository))) + list(hostile())
    counts = np.array([[count(text) for count in tokenizers.values()] for _, _, text in texts])
    np.savez_compressed(
        target, classes=np.array([name for name, _, _ in texts]), families=np.array(list(tokenizers)), tokens=counts,
        kinds=np.array([characters(text) for _, _, text in texts]), bytes=np.array([len(text.encode()) for _, _, text in texts]),
        held_out=np.array([is_held_out(document) for _, document, _ in texts]))


if __name__ == "__main__":
    main(*sys.argv[1:])
