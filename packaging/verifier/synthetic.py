"""Makes pairs that real data has too few of: one word swapped for its sibling (never the same answer),
for a synonym, misspelt, or only the courtesy around it changed (the same answer).

The texts are Banking77's, CLINC150's, PAWS-Wiki's and fow's; the words are WordNet's. Deterministic.
"""

import random
import re

import numpy as np

from vocabulary import PARTS, lemma_of, read_wordnet

OPENINGS = ["please tell me ", "hi, ", "can you tell me ", "hello, ", "i'd like to know ", "quick question: "]
REFRAMED = [
    ("how do i ", "how can i "), ("how can i ", "how do i "), ("how do i ", "what is the way to "),
    ("what is ", "what's "), ("can you ", "could you "), ("i want to ", "i would like to "), ("i need to ", "i have to "),
    ("where can i ", "where do i "), ("why is ", "how come "), ("do i ", "should i "),
]


class Swapper:
    def __init__(self, wordnet_folder, words):
        """`words` is what words.py wrote."""
        self.synsets, self.lemmas = read_wordnet(wordnet_folder)
        self.known = {str(w): i for i, w in enumerate(words["words"])}
        self.vectors = words["vectors"]
        self.kinds = {}
        for key, (members, pointers) in self.synsets.items():
            for symbol, offset, pos, _ in pointers:
                if symbol in ("@", "@i"):
                    self.kinds.setdefault((PARTS[pos], offset), []).append(key)

    def likeness(self, a, b):
        return float(self.vectors[self.known[a]] @ self.vectors[self.known[b]])

    def nouns(self, text):
        """Places of the words that are first of all nouns and not rare."""
        for match in re.finditer(r"[A-Za-z]+", text):
            word = match.group().lower()
            parts = self.lemmas.get(word, {})
            if len(word) > 2 and word in self.known and parts and next(iter(parts)) == "noun":
                yield match, word

    def synonyms(self, word):
        return {
            member
            for offsets, part in ((o, p) for p, o in self.lemmas.get(word, {}).items())
            for offset in offsets[:2]
            for member in self.synsets[(part, offset)][0]
            if member in self.known and member != word
        }

    def siblings(self, word):
        found = set()
        for offset in self.lemmas.get(word, {}).get("noun", [])[:2]:
            for symbol, target, pos, _ in self.synsets[("noun", offset)][1]:
                if symbol in ("@", "@i"):
                    for kin in self.kinds.get((PARTS[pos], target), []):
                        found |= {w for w in self.synsets[kin][0] if w in self.known}
        every_synonym = {
            member
            for offset in self.lemmas.get(word, {}).get("noun", [])
            for member in self.synsets[("noun", offset)][0]
        }
        return {w for w in found - every_synonym - {word} if lemma_of(w, self.known, self.lemmas) != word}


def replaced(text, match, word):
    written = match.group()
    new = word.capitalize() if written[0].isupper() else word
    return text[: match.start()] + new + text[match.end() :]


def misspelt(rng, text):
    places = [m for m in re.finditer(r"[A-Za-z]{5,}", text)]
    if not places:
        return None
    match = rng.choice(places)
    word = match.group()
    i = rng.randrange(1, len(word) - 1)
    wrong = rng.choice([
        word[:i] + word[i + 1 :], word[:i] + word[i] + word[i:], word[:i] + word[i + 1] + word[i] + word[i + 2 :],
    ])
    return text[: match.start()] + wrong + text[match.end() :] if wrong != word else None


def pairs(texts, swapper, count, seed):
    """Gives (text, changed text, label, kind), about `count` of each kind."""
    rng = random.Random(seed)
    made, counts = [], {}

    def add(text, changed, label, kind):
        if changed and changed != text and counts.get(kind, 0) < count:
            counts[kind] = counts.get(kind, 0) + 1
            made.append((text, changed, label, kind))

    order = list(texts)
    rng.shuffle(order)
    for text in order:
        nouns = list(swapper.nouns(text))
        if nouns:
            match, word = rng.choice(nouns)
            near = [w for w in sorted(swapper.siblings(word)) if 0.2 < swapper.likeness(word, w) < 0.85]
            if near:
                add(text, replaced(text, match, rng.choice(near)), 0, "sibling")
            same = [w for w in sorted(swapper.synonyms(word)) if swapper.likeness(word, w) > 0.55]
            if same:
                add(text, replaced(text, match, rng.choice(same)), 1, "synonym")
        names = [m for m in re.finditer(r"(?<=[a-z] )[A-Z][a-z]{2,}", text)]
        if names:
            other = [m.group() for m in re.finditer(r"(?<=[a-z] )[A-Z][a-z]{2,}", rng.choice(order))]
            match = rng.choice(names)
            if other and other[0] != match.group():
                add(text, replaced(text, match, other[0]), 0, "name")
        add(text, misspelt(rng, text), 1, "misspelt")
        lower = text[0].lower() + text[1:]
        for old, new in rng.sample(REFRAMED, len(REFRAMED)):
            if old in lower.lower():
                add(text, re.sub(old, new, lower, count=1, flags=re.IGNORECASE), 1, "reframed")
                break
        else:
            add(text, rng.choice(OPENINGS) + lower, 1, "courtesy")
    return made
