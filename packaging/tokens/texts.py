"""Texts to count tokens of: labelled classes, made or taken from public data, with a fixed seed."""

import glob
import json
import random
import uuid
import zipfile

LANGUAGES = {
    "zh_Hans": "chinese", "ja": "japanese", "ko": "korean", "ar": "arabic", "hi": "hindi", "ru": "russian",
    "de": "german", "fr": "french", "tr": "turkish", "th": "thai", "el": "greek", "he": "hebrew", "vi": "vietnamese",
    "ta": "tamil",
}
LENGTHS = (120, 300, 800, 2_000)


def pieces(lines, rng, count, joiner="\n"):
    """Joins lines at random places into texts of about the usual lengths."""
    lines = [line for line in lines if line.strip()]
    texts = []
    while len(texts) < count:
        place, length, text = rng.randrange(len(lines)), rng.choice(LENGTHS), ""
        while len(text) < length:
            text += lines[place % len(lines)] + joiner
            place += 1
        texts.append(text[: 2 * length])
    return texts


def english(data):
    prompts = []
    for name in ("routellm_mmlu", "routellm_gsm8k", "skt_dev", "routerbench_subset"):
        with open(f"{data}/routing/{name}.jsonl", encoding="utf-8") as file:
            prompts += [json.loads(line)["prompt"] for line in file]
    return [prompt if isinstance(prompt, str) else str(prompt) for prompt in prompts]


def lines_of(pattern):
    lines = []
    for path in sorted(glob.glob(pattern, recursive=True)):
        with open(path, encoding="utf-8", errors="ignore") as file:
            lines += file.read().splitlines()
    return lines


def translations(wheel, code):
    """Reads the sentences of a language that Django ships."""
    sentences = []
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(f"/locale/{code}/LC_MESSAGES/django.po"):
                for line in archive.read(name).decode().splitlines():
                    if line.startswith('msgstr "') and len(line) > 30:
                        sentences.append(line[8:-1].replace("\\n", "\n"))
    return sentences


def made(rng):
    """Makes the classes that no prose has."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    base64 = letters + letters.upper() + "0123456789+/"

    def each(make):
        return [make(rng.choice(LENGTHS)) for _ in range(300)]

    def of(alphabet):
        return lambda length: "".join(rng.choice(alphabet) for _ in range(length))

    def numbers(length):
        def row():
            return ", ".join(f"{rng.uniform(-1e4, 1e4):.{rng.randrange(5)}f}" for _ in range(8))

        return "\n".join(row() for _ in range(length // 60 + 1))

    def logs(length):
        def row():
            day, hour, minute, second = rng.randrange(1, 30), rng.randrange(24), rng.randrange(60), rng.random() * 60
            level, request = rng.choice(["INFO", "WARN", "ERROR"]), uuid.UUID(int=rng.getrandbits(128))
            target = f"GET /v1/items/{rng.randrange(10**6)}?page={rng.randrange(90)}"
            return f"2026-11-{day:02} {hour:02}:{minute:02}:{second:06.3f} [{level}] {request} {target}"

        return "\n".join(row() for _ in range(length // 100 + 1))

    def between(*ranges):
        return [chr(code) for first, last in ranges for code in range(first, last)]

    scripts = between(
        (0xA1, 0x24F), (0x370, 0x5FF), (0x900, 0xDFF), (0x1200, 0x139F), (0x3041, 0x30FF), (0x4E00, 0x9FFF),
        (0xAC00, 0xD7A3),
    )
    blanks = ["  ", "\n", "\t", " a", "\n\n", "    x", " " * 9]
    strokes = between((0x300, 0x36F))

    return {
        "numbers": each(numbers),
        "logs": each(logs),
        "digits": each(of("0123456789")),
        "hex": each(of("0123456789abcdef")),
        "base64": each(of(base64)),
        "spaces": each(lambda length: of(blanks)(length // 4)),
        "random_letters": each(of(letters + letters.upper())),
        "random_marks": each(of("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")),
        "random_ascii": each(of(between((32, 127)))),
        "random_unicode": each(of(scripts)),
        "emoji": each(of(between((0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F900, 0x1F9FF)))),
        "zalgo": each(lambda length: "".join(rng.choice(letters) + of(strokes)(3) for _ in range(length // 7))),
        "repeated": each(lambda length: rng.choice(["a", "-", "ab", "=", "0", "é", "好", " "]) * length),
    }


# Nobody writes these; a bound must hold for them all the same.
ADVERSARIAL = {
    "base64", "digits", "emoji", "hex", "random_ascii", "random_letters", "random_marks", "random_unicode", "repeated",
    "spaces", "zalgo",
}


def classes(data, source, wheel):
    """Gives texts by class; the same for the same inputs."""
    rng = random.Random(20261126)
    found = {
        "english": pieces(english(data), rng, 1_500, "\n\n"),
        "code": pieces(lines_of(f"{source}/src/**/*.rs") + lines_of(f"{source}/packaging/**/*.py"), rng, 600),
        "sql": pieces(lines_of(f"{source}/migrations/**/*.sql"), rng, 300),
        "json": pieces(lines_of(f"{source}/tests/fixtures/**/*.json"), rng, 400),
        "markdown": pieces(lines_of(f"{source}/*.md") + lines_of(f"{source}/../shared/guides/*.md"), rng, 400),
    }
    for code, name in LANGUAGES.items():
        found[name] = pieces(translations(wheel, code), rng, 200)
    found.update(made(rng))
    return found
