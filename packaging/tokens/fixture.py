#!/usr/bin/env python3
"""Writes short texts with their true tokens, for a test of the estimates without any of the tokenizers.

    python fixture.py SOURCES > ../../tests/fixtures/tokens.json

All texts were written for this file or are drawn by it.
"""

import json
import random
import sys
from base64 import b64encode

from families import families

DRAW = random.Random(20261126)
HEX = f"{DRAW.getrandbits(512):0128x}"
LETTERS = "".join(DRAW.choices("abcdefghijklmnopqrstuvwxyz", k=120))
PRINTABLE = "".join(chr(DRAW.randrange(33, 127)) for _ in range(120))

TEXTS = {
    "english-question": "Can you tell me why my train to Leeds was late again this morning, and whether I get any money back?",
    "english-prose": "The harbour was quiet when the ferry came in. Two men carried crates of oranges up the stone steps, and nobody spoke until the last of them stood in the shade of the wall.",
    "english-formal": "Pursuant to the agreement, the contractor shall deliver the remaining documentation no later than thirty days after written notice has been received.",
    "english-short": "Translate this, please.",
    "english-one-word": "Yes",
    "english-capitals": "DO NOT OPEN THIS DOOR WHILE THE MACHINE IS RUNNING. CALL THE OPERATOR FIRST.",
    "english-title-case": "The Long Road Home From Winter Market And Other Stories Of The Northern Valley",
    "english-list": "1. Wash the rice twice.\n2. Boil 350 ml of water.\n3. Add a pinch of salt.\n4. Cover, and wait 18 minutes.",
    "english-medical": "Patient reports intermittent paraesthesia; electroencephalography and oesophagogastroduodenoscopy were unremarkable.",
    "english-sum": "A shop sells 37 pens at $1.25 each and 112 pencils at $0.40 each. What is 15 % of the total, rounded to cents?",
    "code-rust": "pub fn largest(values: &[u64]) -> Option<u64> {\n    let mut best = None;\n    for &value in values {\n        best = best.max(Some(value));\n    }\n    best\n}\n",
    "code-python": "def moving_mean(values, width):\n    for i in range(len(values) - width + 1):\n        yield sum(values[i:i + width]) / width\n",
    "code-javascript": "const byName = new Map(items.map(({ name, ...rest }) => [name, rest]));\nexport default async () => (await fetch(`/api/v2/${id}?q=${q}`)).json();\n",
    "code-sql": "SELECT c.name, COUNT(*) AS orders, SUM(o.total_cents) / 100.0 AS total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.placed_at >= '2026-01-01' GROUP BY 1 ORDER BY 3 DESC LIMIT 20;",
    "code-shell": "for f in *.log; do gzip -9 \"$f\" && mv \"$f.gz\" /var/backups/ || echo \"failed: $f\" >&2; done",
    "code-c": "#define MIN(a, b) (((a) < (b)) ? (a) : (b))\nstatic inline uint32_t rotl32(uint32_t x, int8_t r) { return (x << r) | (x >> (32 - r)); }\n",
    "code-minified": "!function(t,e){for(var n=0;n<e.length;n++){var r=e[n];t[r.k]=r.v||(r.v=function(){return i(r,n)})}}(this,[{k:'aZ'},{k:'qX'}]);",
    "code-camel": "getHttpResponseHeaderValueOrDefaultFromXmlDocumentBuilderFactoryBean",
    "code-constants": "MAX_RETRY_COUNT=5\nDEFAULT_TIMEOUT_MS=30000\nAPI_BASE_URL=https://api.example.com\nDB_POOL_SIZE=12\n",
    "regular-expression": r"^(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@(?:[a-z0-9-]+\.)+[a-z]{2,}$",
    "json": '{\n  "id": 48213,\n  "name": "Desk lamp",\n  "price": 39.9,\n  "tags": ["home", "light"],\n  "stock": {"north": 4, "south": 0},\n  "discontinued": false\n}',
    "json-compact": '{"items":[{"id":1,"qty":2,"sku":"LMP-004"},{"id":2,"qty":1,"sku":"CHR-119"}],"total":129.7,"paid":true,"note":null}',
    "xml": '<?xml version="1.0"?><feed><entry id="a1"><title>Hello</title><updated>2026-05-04T10:00:00Z</updated></entry></feed>',
    "html": '<div class="card card--wide"><h2 id="t1">Offers</h2><p>Save <b>20&nbsp;%</b> &amp; more.</p><a href="/o?id=7">See</a></div>',
    "markdown": "## Results\n\n| run | loss | time |\n|-----|------|------|\n| a   | 0.31 | 12 s |\n| b   | 0.28 | 19 s |\n\n> **Note:** `b` is *slower*.\n",
    "toml": "[package]\nname = \"sample\"\nversion = \"0.3.1\"\nedition = \"2024\"\n\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n",
    "diff": "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -12,7 +12,7 @@ fn main() {\n-    let limit = 10;\n+    let limit = 25;\n     run(limit);\n }\n",
    "log": "2026-03-14T09:26:53.589Z  WARN orders::queue: retrying request.id=7f3a9c duration_ms=1532 attempt=3\n192.0.2.17 - - [14/Mar/2026:09:26:54 +0000] \"GET /cart HTTP/1.1\" 502 512",
    "trace": "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 214, in handle\n    raise ValueError(f\"bad id {key!r}\")\nValueError: bad id 'x-19'",
    "urls": "https://shop.example.com/items/48213?ref=mail&utm_source=news&token=9f8e7d6c5b4a#reviews https://docs.example.org/v2/api.html",
    "path": "C:\\Users\\sample\\AppData\\Local\\Temp\\~tmp0042.dat /usr/lib/x86_64-linux-gnu/libexample.so.1.2.3",
    "digits": str(DRAW.randrange(10**119, 10**120)),
    "digits-grouped": "4,815,162,342.00 1,000,000 23,456,789.12 999,999,999 7,204,118.50",
    "digits-spaced": " ".join(str(DRAW.randrange(10)) for _ in range(60)),
    "numbers-table": "\n".join(",".join(f"{DRAW.random() * 1000:.3f}" for _ in range(4)) for _ in range(6)),
    "numbers-aligned": "\n".join("".join(f"{DRAW.randrange(10**6):>12}" for _ in range(4)) for _ in range(4)),
    "dates": "2026-01-31 23:59:59, 31.01.2026, 01/31/26, 20260131T235959Z, Sat Jan 31 23:59:59 2026",
    "hex": HEX,
    "uuids": "3f2b8c1e-9d47-4a60-b5f3-0c7e21d86a94\nc0a9e6d2-17b4-4f83-8e5d-62f19a0b7c35\n81d4f7a3-5e2c-49b6-a07f-d3c86e1b9420",
    "base64": b64encode(DRAW.randbytes(90)).decode(),
    "whitespace": "a" + " " * 40 + "b\n\n\n\n\t\t\t\tc\n" + " " * 23 + "d\r\n\r\n\te",
    "rule": "=" * 80 + "\n" + "-" * 40 + "\n" + "*" * 20,
    "repeated-letter": "a" * 200,
    "repeated-pair": "ab " * 60,
    "chinese": "请用三句话总结下面这篇文章,并指出作者最重要的观点。然后把结果翻译成英文。",
    "chinese-traditional": "請問這張發票的付款期限是哪一天?如果逾期,需要另外支付手續費嗎?",
    "japanese": "会議は来週の火曜日に変更されました。ご都合が悪い場合は、お早めにご連絡ください。",
    "korean": "주문한 상품이 아직 도착하지 않았습니다. 배송 상태를 확인해 주시겠어요?",
    "arabic": "هل يمكنك أن تشرح لي الفرق بين هذين العقدين بكلمات بسيطة؟",
    "hebrew": "האם אפשר לקבל את החשבונית הזאת בדואר אלקטרוני עד יום חמישי?",
    "hindi": "कृपया मुझे बताइए कि यह ट्रेन किस समय स्टेशन पर पहुँचेगी और कितनी देर रुकेगी।",
    "thai": "ช่วยแนะนำร้านอาหารใกล้สถานีรถไฟที่เปิดหลังสี่ทุ่มหน่อยได้ไหม",
    "russian": "Сколько будет стоить доставка, если заказать сегодня вечером и забрать посылку в субботу?",
    "german": "Könnten Sie mir bitte die Geschwindigkeitsbegrenzungsverordnung in einfachen Sätzen erklären?",
    "french": "Pourriez-vous résumer cette lettre en deux phrases et préciser ce que l'on attend de moi ?",
    "turkish": "Siparişimi değiştirebilir miyim, yoksa iptal edip yeniden mi oluşturmam gerekiyor?",
    "vietnamese": "Bạn có thể giải thích sự khác nhau giữa hai hợp đồng này bằng lời đơn giản không?",
    "emoji": "Great! 😀👍🏽 See you 🎉🎉 ❤️ 👩‍👩‍👧‍👦 🇩🇪 🚀 ✅ 1️⃣ 🤷‍♀️",
    "mathematical-letters": "".join(chr(0x1D400 + DRAW.randrange(26)) for _ in range(30)),
    "zalgo": "".join(c + "".join(chr(DRAW.randrange(0x300, 0x36F)) for _ in range(5)) for c in "he comes at night"),
    "random-letters": LETTERS,
    "random-capitals": LETTERS.upper(),
    "alternating-case": "".join(c.upper() if i % 2 else c for i, c in enumerate(LETTERS)),
    "random-printable": PRINTABLE,
    "replacement": "\ufffd" * 30 + "\u0007\u001b[31m\u0000",
}


def main(sources):
    tokenizers = families(sources)
    texts = []
    for name, text in TEXTS.items():
        if len(text.encode()) > 300:
            raise ValueError(f"{name} is longer than 300 bytes")
        texts.append({"name": name, "text": text, "tokens": {family: count(text) for family, count in tokenizers.items()}})
    source = "packaging/tokens/fixture.py; all texts are its own; tokens are those of the tokenizers that its README names"
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in texts)
    print(f'{{"source": {json.dumps(source)}, "texts": [\n{rows}\n]}}')


if __name__ == "__main__":
    main(sys.argv[1])
