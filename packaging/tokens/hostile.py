"""Texts made to cost more tokens than they look: bounds are tried on them, and said where they do not hold."""

import random
import unicodedata

from texts import SEED

ASSIGNED = [chr(code) for code in range(0x20, 0x323B0) if unicodedata.category(chr(code))[0] in "LMNPSZ"]
MARKS = [chr(code) for code in range(0x300, 0x370)]
GROWS = [c for c in ASSIGNED if len(unicodedata.normalize("NFC", c).encode()) > len(c.encode())]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def kinds(draw):
    many = lambda alphabet, least=20, most=900: "".join(draw.choices(alphabet, k=int(least * (most / least) ** draw.random())))
    printable = [chr(code) for code in range(33, 127)]
    other_case = lambda text: "".join(c.upper() if draw.random() < 0.5 else c for c in text)
    return {
        "letters": lambda: many(LETTERS),
        "capitals": lambda: many(LETTERS.upper()),
        "mixed-case": lambda: other_case(many(LETTERS)),
        "alternating-case": lambda: "".join(c.upper() if i % 2 else c for i, c in enumerate(many(LETTERS))),
        "letters-spaced": lambda: " ".join(many(LETTERS)),
        "capitals-spaced": lambda: " ".join(many(LETTERS.upper())),
        "letters-digits-alternating": lambda: "".join(a + str(draw.randrange(10)) for a in many(LETTERS)),
        "printable": lambda: many(printable),
        "punctuation": lambda: many([c for c in printable if not c.isalnum()]),
        "punctuation-spaced": lambda: " ".join(many([c for c in printable if not c.isalnum()])),
        "bytes-latin1": lambda: draw.randbytes(int(20 * 30 ** draw.random())).decode("latin-1"),
        "bytes-replaced": lambda: draw.randbytes(int(20 * 30 ** draw.random())).decode("utf-8", "replace"),
        "control": lambda: many([chr(code) for code in range(1, 32)]),
        "any-unicode": lambda: many(ASSIGNED, 10, 300),
        "rare-planes": lambda: many([c for c in ASSIGNED if ord(c) > 0xFFFF], 10, 300),
        "one-character": lambda: draw.choice(printable + [" ", "\n", "\t", "é", "中", "😀", "\u200b", "\u00a0"]) * int(20 * 100 ** draw.random()),
        "two-characters": lambda: (draw.choice(printable) + draw.choice(printable + [" ", "\n"])) * int(10 * 100 ** draw.random()),
        "short-pattern": lambda: many(printable, 3, 12) * int(4 * 40 ** draw.random()),
        "whitespace": lambda: "x" + many(" \n\t\r", 20, 600) + "x",
        "odd-whitespace": lambda: many(["\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\r", "\f", " "], 20, 300),
        "zalgo": lambda: "".join(c + "".join(draw.choices(MARKS, k=draw.randrange(12))) for c in many(LETTERS + " ", 10, 80)),
        "joined-emoji": lambda: "\u200d".join(many([chr(code) for code in range(0x1F300, 0x1F9FF)], 5, 150)),
        "mathematical-letters": lambda: "".join(chr(0x1D400 + draw.randrange(26 * 13)) for _ in range(int(10 * 30 ** draw.random()))),
        "fullwidth": lambda: "".join(chr(0xFF01 + draw.randrange(94)) for _ in range(int(10 * 30 ** draw.random()))),
        "grows-in-nfc": lambda: many(GROWS, 5, 100),
        "special-tokens": lambda: "".join(draw.choice(["<|endoftext|>", "<|im_start|>", "<start_of_turn>", "[INST]", "</s>", "<bos>", "\n\nHuman:"]) for _ in range(draw.randrange(2, 40))),
        "digit-words": lambda: " ".join(str(draw.randrange(10)) for _ in range(int(10 * 40 ** draw.random()))),
        "other-digits": lambda: many([chr(base + i) for base in (0x660, 0x966, 0xFF10, 0x1D7CE) for i in range(10)], 10, 300),
        "rare-words-in-capitals": lambda: " ".join(many(LETTERS, 3, 9).upper() for _ in range(int(4 * 25 ** draw.random()))),
        "title-case": lambda: "".join(many(LETTERS, 1, 4).title() for _ in range(int(8 * 25 ** draw.random()))),
    }


def hostile():
    draw = random.Random(SEED + 1)
    for name, make in kinds(draw).items():
        for index in range(160):
            text = make()
            if text.strip():
                yield f"hostile-{name}", f"hostile-{name}:{index}", text
