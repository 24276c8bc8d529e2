"""One line of the ledger: what a server sent, what it must be read as, and what it cost, term by term."""

from decimal import Decimal

KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
BEFORE = "2026-11-23T12:00:00Z"
# Tokens of small and capital letters, digits, spaces and other marks, and once, in thousandths, by a word in the model's
# name: ../tokens/README.md.
FAMILIES = {
    "claude": (360, 860, 597, 1, 997, 0), "gemini": (242, 342, 1_194, 0, 755, 297), "qwen": (250, 251, 1_232, 0, 609, 389),
    "gpt-oss": (246, 286, 670, 0, 584, 275),
}
ANY = (255, 300, 964, 0, 558, 234)


def token_count(model, text):
    """Guesses the tokens of a text that nobody counted."""
    weights = next((weights for word, weights in FAMILIES.items() if word in model), ANY)
    kinds = [str.islower, str.isupper, str.isdigit, str.isspace]
    counts = [sum(kind(character) for character in text) for kind in kinds]
    counts += [len(text) - sum(counts), 1]
    return -(-sum(weight * count for weight, count in zip(weights, counts)) // 1_000)


def guessed(model, text):
    """Guesses the whole usage: the prompt of each line is 400 letters, and a conversation's form has 8 tokens."""
    return usage(token_count(model, "a" * 400) + 8, token_count(model, text))


def usage(fresh=0, output=0, read=0, written=0, written_1h=0, thoughts=0):
    """Tokens in the program's convention: parts are in their whole, `fresh` alone is not."""
    counts = {
        "input_tokens": fresh + read + written + written_1h, "cached_input_tokens": read,
        "cache_write_tokens": written + written_1h, "cache_write_1h_tokens": written_1h,
        "output_tokens": output, "reasoning_tokens": thoughts,
    }
    return {name: count for name, count in counts.items() if count}


def terms_of(used, prices):
    """Splits tokens by what each kind is billed at; a kind without a price is billed as input."""
    count = lambda name: used.get(name, 0)
    read, written, hour = count("cached_input_tokens"), count("cache_write_tokens"), count("cache_write_1h_tokens")
    rows = dict(zip(KINDS, prices))
    price = lambda kind, instead: rows.get(kind) or rows[instead]
    terms = [
        (count("input_tokens") - read - written, rows["input"]),
        (read, price("cache_read", "input")),
        (written - hour, price("cache_write_5m", "input")),
        (hour, rows.get("cache_write_1h") or price("cache_write_5m", "input")),
        (count("output_tokens"), rows["output"]),
    ]
    return [[tokens, each] for tokens, each in terms if tokens]


def sum_of(terms):
    cost = sum((Decimal(tokens) * Decimal(each) for tokens, each in terms), Decimal(0)) / 1_000_000
    return format(cost.normalize(), "f")


class Ledger:
    def __init__(self, provider):
        self.provider, self.lines = provider, []

    def add(self, name, shapes, model, sent, used, prices, note="", at=BEFORE, finish="stop", genai_prices=None, **more):
        """`sent` is a body, a list of pieces of a stream, or a text; `prices` is a row, or None where nothing is known.

        `more` may have: status, billed (the name that the answer gives the model), estimated, error, terms, price_row,
        context (what to tell genai-prices of the terms), extracted (whether genai-prices can read the body).
        """
        line = {"name": f"{self.provider}: {name}", "shapes": shapes.split(), "provider": self.provider, "model": model, "at": at}
        line["status"] = more.pop("status", 200)
        line["stream" if isinstance(sent, list) else "body"] = sent
        terms = more.pop("terms", None)
        if "error" not in more:
            line["finish_reason"] = finish
        line.update(more)
        if used is not None:
            line["usage"] = used
        if prices is not None:
            line["prices"] = dict(zip(KINDS, prices))
        if terms is None and prices is not None and used is not None:
            terms = terms_of(used, prices)
        if terms is not None:
            line["terms"], line["cost_usd"] = terms, sum_of(terms)
        if genai_prices is not None:
            line["genai_prices"] = genai_prices
        if note:
            line["note"] = note
        self.lines.append(line)

    def refuse(self, name, model, status, body, error, note=""):
        """An answer that is none, and costs nothing."""
        self.add(name, "error", model, body, None, None, note, status=status, error=error, terms=[])
