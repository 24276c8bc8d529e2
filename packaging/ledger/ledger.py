#!/usr/bin/env python3
"""Writes tests/fixtures/ledger/: what providers answer, and what each answer costs by their price pages.

    python ledger.py ../../tests/fixtures/ledger
"""

import json
import sys
from pathlib import Path

import anthropic_lines
import chat_lines
import gemini_lines

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for book in (anthropic_lines.ledger(), gemini_lines.ledger(), chat_lines.cerebras(), chat_lines.openrouter(), chat_lines.own(), chat_lines.ollama()):
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in book.lines)
    (folder / f"{book.provider}.jsonl").write_text(text)
