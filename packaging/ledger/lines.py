"""One line of the ledger: what a server sent, what it must be read as, and what it cost, term by term."""

from decimal import Decimal

KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
BEFORE = "2026-11-23T12:00:00Z"
# The prompt of each line has 400 characters: 100 tokens at four each, and 8 for the form of the conversation.
GUESSED_INPUT = 108


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
