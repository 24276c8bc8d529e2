"""Writes tests/fixtures/tokens.json: short texts of our own, and what every tokenizer makes of them."""

import argparse
import json
import random

from count import FAMILIES, o200k, other
from texts import made

SENTENCES = [
    "The cheapest answer that is still good enough is the best one.",
    "Please summarise the following e-mail in three bullet points, and keep the names as they are.",
    "Die günstigste Antwort, die noch gut genug ist, ist die beste.",
    "La réponse la moins chère qui suffit encore est la meilleure.",
    "Yeterince iyi olan en ucuz yanıt en iyisidir.",
    "Самый дешёвый ответ, который ещё достаточно хорош, и есть лучший.",
    "Η φθηνότερη απάντηση που είναι αρκετά καλή είναι η καλύτερη.",
    "التكلفة الأقل مع جواب جيد هي الأفضل دائما.",
    "התשובה הזולה ביותר שעדיין טובה מספיק היא הטובה ביותר.",
    "सबसे सस्ता उत्तर जो अब भी अच्छा है, वही सबसे अच्छा है।",
    "คำตอบที่ถูกที่สุดที่ยังดีพอคือคำตอบที่ดีที่สุด",
    "போதுமான அளவு நல்ல மலிவான பதில் சிறந்தது.",
    "仍然足够好的最便宜的答案就是最好的答案。",
    "十分に良い答えの中で一番安いものが最良です。",
    "충분히 좋은 답 중에서 가장 싼 것이 가장 좋다.",
    "Câu trả lời rẻ nhất mà vẫn đủ tốt là câu trả lời tốt nhất.",
    "fn main() {\n    let total: u64 = (1..=100).filter(|n| n % 3 == 0).sum();\n    println!(\"{total}\");\n}",
    "def cost(usage, price):\n    return usage.input * price.input + usage.output * price.output\n",
    "select user_id, sum(cost_pico) from requests where created_at >= $1 group by 1 order by 2 desc;",
    '{"id": 17, "tags": ["a", "b"], "price": {"input": 0.25, "output": 1.25}, "ok": true}',
    "| model | price |\n|---|---|\n| small | $0.10 |\n| large | $3.00 |\n",
    "👩‍👩‍👧‍👦 🎉🎉🎉 ❤️ ☕️",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--o200k", required=True)
    parser.add_argument("--tokenizers", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    count = {"o200k": o200k(arguments.o200k)}
    count.update({name: other(f"{arguments.tokenizers}/{name}/tokenizer.json") for name in FAMILIES})
    texts = list(SENTENCES)
    for several in made(random.Random(4)).values():
        texts += [text[:120] for text in several[:3]]
    rows = [{"text": text, "tokens": {name: tokens(text) for name, tokens in count.items()}} for text in texts]
    with open(arguments.out, "w", encoding="utf-8") as file:
        json.dump(rows, file, ensure_ascii=True, indent=1)


if __name__ == "__main__":
    main()
