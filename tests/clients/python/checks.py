"""Counts what held and what did not, one line each."""

import traceback
from contextlib import contextmanager

MAX_DETAIL_CHARS = 400


class Checks:
    """Prints `ok - …`, `not ok - …` or `skip - …` for every claim, and counts them."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.prefix = ""

    def check(self, claim: str, truth: object, found: object = "") -> bool:
        """Records a claim; `found` is shown where it does not hold."""
        if truth:
            self.passed += 1
            print(f"ok - {self.prefix}{claim}", flush=True)
        else:
            self.failed += 1
            shown = str(found)[:MAX_DETAIL_CHARS]
            print(f"not ok - {self.prefix}{claim}{': found ' + shown if shown else ''}", flush=True)
        return bool(truth)

    def equal(self, claim: str, found: object, expected: object) -> bool:
        return self.check(claim, found == expected, f"{found!r}, expected {expected!r}")

    def skip(self, claim: str, reason: str) -> None:
        print(f"skip - {self.prefix}{claim} ({reason})", flush=True)

    @contextmanager
    def part(self, name: str):
        """Names a part; an exception inside is one failed check, and the other parts go on."""
        before, self.prefix = self.prefix, f"{self.prefix}{name}: "
        try:
            yield
        except Exception as error:  # Whatever breaks a part is a result, not the end of the test.
            traceback.print_exc()
            self.check("runs to its end", False, f"{type(error).__name__}: {error}")
        finally:
            self.prefix = before
