"""Gemini: POST :generateContent. The prompt's count has the cached tokens in it, the candidates' has no thoughts."""

from lines import BEFORE, Ledger, guessed, token_count, usage
from prices import FLEX, GEMINI, GEMINI_LATER, GEMINI_LIMIT, GEMINI_LONG, PRIORITY

LITE = "gemini-2.5-flash-lite"
FLASH = "gemini-3.8-flash"
PRO = "gemini-3.1-pro-preview"
ARGON = "gemini-4-argon"
PARTS = [{"text": "Blue light "}, {"text": "scatters."}]
THOUGHT = [{"text": "**Considering the sky**", "thought": True}]


def body(model, counts, finish="STOP", parts=None, **more):
    candidate = {"content": {"parts": PARTS if parts is None else parts, "role": "model"}, "index": 0, "finishReason": finish}
    if parts == []:
        candidate["content"] = {"role": "model"}
    sent = {"candidates": [candidate], "modelVersion": model, "responseId": "bGljZW5zZQ", **more}
    return {**sent, "usageMetadata": counts} if counts != "none" else sent


def counts(prompt, candidates=0, cached=0, thoughts=0, tools=0, **more):
    """As the API writes it: a count of zero is left out."""
    sent = {
        "promptTokenCount": prompt, "candidatesTokenCount": candidates, "cachedContentTokenCount": cached,
        "thoughtsTokenCount": thoughts, "toolUsePromptTokenCount": tools,
        "totalTokenCount": prompt + candidates + thoughts + tools,
    }
    sent = {name: count for name, count in sent.items() if count}
    return {**sent, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}], **more}


def read_as(prompt, candidates=0, cached=0, thoughts=0, tools=0):
    return usage(prompt + tools - cached, candidates + thoughts, read=cached, thoughts=thoughts)


def price(model, used):
    is_long = model in GEMINI_LONG and used.get("input_tokens", 0) > GEMINI_LIMIT
    return GEMINI_LONG[model] if is_long else GEMINI[model]


def ledger():
    book = Ledger("gemini")

    def of(name, shapes, model, tokens, finish="STOP", read_finish="stop", parts=None, note="", row=None, at=BEFORE, **more):
        used = read_as(**tokens)
        book.add(name, shapes, model, body(model, counts(**tokens), finish, parts), used, row or price(model, used), note, at, read_finish, **more)

    for number, model in enumerate(GEMINI):
        of(f"plain, {model}", "plain tool_less", model, {"prompt": 12 + 983 * number, "candidates": 5 + 307 * number})
    for model, cached in {LITE: 400, FLASH: 2_048, "gemini-2.5-flash": 99, "gemini-3.5-flash": 1_024, PRO: 4_096, "gemini-2.5-pro": 200_000, ARGON: 1}.items():
        of(f"cached, {model}", "cache_read", model, {"prompt": cached + 601, "candidates": 50, "cached": cached})
    of("all of the prompt cached", "cache_read", FLASH, {"prompt": 2_048, "candidates": 1, "cached": 2_048})
    for model, thoughts in {"gemini-2.5-flash": 70, FLASH: 4_001, PRO: 8_191, ARGON: 65_000, "gemini-3.5-flash-lite": 1}.items():
        of(f"thinking, {model}", "thinking", model, {"prompt": 1_000, "candidates": 50, "thoughts": thoughts}, parts=THOUGHT + PARTS)
    of("thinking, cached, with tools' results", "thinking cache_read", "gemini-2.5-flash", {"prompt": 1_000, "candidates": 50, "cached": 400, "thoughts": 70, "tools": 8})
    of("all was thought", "thinking max_tokens", "gemini-2.5-flash", {"prompt": 12, "thoughts": 64}, "MAX_TOKENS", "length", [])

    for model in (PRO, "gemini-2.5-pro"):
        of(f"exactly 200,000, {model}", "over_200k", model, {"prompt": 200_000, "candidates": 100})
        of(f"200,001, {model}", "over_200k", model, {"prompt": 200_001, "candidates": 100})
        of(f"200,001 with what was cached, {model}", "over_200k cache_read", model, {"prompt": 200_001, "candidates": 100, "cached": 200_000, "thoughts": 33})
        of(f"999,999, {model}", "over_200k", model, {"prompt": 999_999, "candidates": 65_536})
    of("200,001 with the tools' results", "over_200k", PRO, {"prompt": 199_999, "candidates": 1, "tools": 2})
    of("200,001 tokens are no cliff", "over_200k", FLASH, {"prompt": 200_001, "candidates": 100})
    of("100,001 tokens are no cliff", "over_100k", PRO, {"prompt": 100_001, "candidates": 100})

    for at, row in [("2026-11-30T23:59:59Z", GEMINI[ARGON]), ("2026-12-01T00:00:00Z", GEMINI_LATER[ARGON])]:
        of(f"argon at {at}", "dated", ARGON, {"prompt": 1_000_000, "candidates": 1_000, "cached": 10}, row=row, at=at)
    for model in ("gemini-3.6-flash", "gemini-3.7-flash", FLASH):
        of(f"the last second of 2026, {model}", "dated", model, {"prompt": 777, "candidates": 77, "cached": 7}, at="2026-12-31T23:59:59Z")
        of(f"the first second of 2027, {model}", "dated", model, {"prompt": 777, "candidates": 77, "cached": 7}, row=GEMINI_LATER[model], at="2027-01-01T00:00:00Z")
    for asked, billed in [(LITE, "gemini-2.5-flash-lite-001"), (FLASH, "gemini-3.8-flash-001"), (ARGON, "gemini-4-argon-001")]:
        book.add(f"billed as {billed}", "plain dated", asked, body(billed, counts(31, 17)), usage(31, 17), GEMINI[asked], billed=billed, extracted=False)
    book.add("without the model's version", "plain", LITE, {key: value for key, value in body(LITE, counts(31, 17)).items() if key != "modelVersion"}, usage(31, 17), GEMINI[LITE], extracted=False)

    for model in (FLASH, ARGON):
        book.add(f"flex, {model}", "flex", model, body(model, counts(1_000, 50, thoughts=7, serviceTier="flex")), usage(1_000, 57, thoughts=7), FLEX[model], genai_prices=False)
        book.add(f"priority, {model}", "priority guessed", model, body(model, counts(1_000, 50, cached=10, serviceTier="PRIORITY")), usage(990, 50, read=10), PRIORITY[model], "75 to 100 % more, by model", genai_prices=False, estimated=True)
        book.add(f"standard, {model}", "plain", model, body(model, counts(1_000, 50, serviceTier="STANDARD")), usage(1_000, 50), GEMINI[model])
    book.add("flex, cached", "flex guessed", FLASH, body(FLASH, counts(1_000, 50, cached=10, serviceTier="flex")), usage(990, 50, read=10), FLEX[FLASH], "whether cached tokens are halved too differs by model", genai_prices=False, estimated=True)
    book.add("a tier that is not known", "guessed", FLASH, body(FLASH, counts(1_000, 50, serviceTier="turbo")), usage(1_000, 50), GEMINI[FLASH], estimated=True)

    for reason in ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "OTHER"):
        blocked = {"promptFeedback": {"blockReason": reason}, "usageMetadata": counts(31), "modelVersion": "gemini-2.5-flash"}
        book.add(f"blocked prompt, {reason}", "blocked_prompt", "gemini-2.5-flash", blocked, usage(31), GEMINI["gemini-2.5-flash"], "it was read, and is billed", finish="content_filter")
    book.add("blocked prompt over the limit", "blocked_prompt over_200k", PRO, {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": counts(200_001, cached=1), "modelVersion": PRO}, usage(200_000, read=1), GEMINI_LONG[PRO], finish="content_filter")
    for finish in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"):
        of(f"refused, {finish}", "refusal", FLASH, {"prompt": 12, "candidates": 3}, finish, "content_filter", [] if finish == "SAFETY" else None)
    for finish in ("MALFORMED_FUNCTION_CALL", "TOO_MANY_TOOL_CALLS", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE", "OTHER"):
        of(f"ended by {finish}", "tool_less", FLASH, {"prompt": 12, "candidates": 3}, finish, "other")
    of("cut at the limit", "max_tokens", LITE, {"prompt": 12, "candidates": 1_024}, "MAX_TOKENS", "length")
    book.add("a price list that is empty", "unpriced", "gemma-4-31b-it", body("gemma-4-31b-it", counts(10, 20)), usage(10, 20), None, "free of charge without a paid tier is no price")

    # Streams: every piece has the form of an answer, and its usage is the sum so far.
    def pieces(model, *steps, end="STOP"):
        sent = []
        for number, (text, sums) in enumerate(steps):
            part = body(model, sums, None, text if isinstance(text, list) else [{"text": text}])
            part["candidates"][0].pop("finishReason")
            if number == len(steps) - 1 and end:
                part["candidates"][0]["finishReason"] = end
            sent.append(part)
        return sent

    book.add("stream", "stream plain", LITE, pieces(LITE, ("Blue ", counts(9)), ("light", counts(9, 1)), (" scatters.", counts(9, 3))), usage(9, 3), GEMINI[LITE])
    book.add("stream, thinking", "stream thinking", FLASH, pieces(FLASH, (THOUGHT, counts(9, 0, 0, 5)), ("Blue.", counts(9, 3, 0, 15))), usage(9, 18, thoughts=15), GEMINI[FLASH])
    book.add("stream, cached, over the limit", "stream cache_read over_200k", PRO, pieces(PRO, ("Blue ", counts(200_001, 1, 7)), ("light.", counts(200_001, 4, 7))), usage(199_994, 4, read=7), GEMINI_LONG[PRO])
    book.add("stream, cut at the limit", "stream max_tokens", ARGON, pieces(ARGON, ("Blue ", counts(9, 1)), ("light.", counts(9, 1_024)), end="MAX_TOKENS"), usage(9, 1_024), GEMINI[ARGON], finish="length")
    book.add("stream, blocked prompt", "stream blocked_prompt", FLASH, [{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": counts(9), "modelVersion": FLASH}], usage(9), GEMINI[FLASH], finish="content_filter")
    book.add("stream whose usage comes last", "stream plain", FLASH, pieces(FLASH, ("Blue ", "none"), ("light.", counts(9, 4))), usage(9, 4), GEMINI[FLASH])
    book.add("stream without usage", "stream odd guessed", FLASH, pieces(FLASH, ("Blue ", "none"), ("light.", "none")), guessed(FLASH, "Blue light."), GEMINI[FLASH], estimated=True)
    book.add("stream in flex", "stream flex", FLASH, pieces(FLASH, ("Blue ", counts(9, 1, serviceTier="flex")), ("light.", counts(9, 4, serviceTier="flex"))), usage(9, 4), FLEX[FLASH], genai_prices=False)
    book.add("stream that ends in the middle", "aborted_stream guessed", FLASH, pieces(FLASH, ("Blue ", counts(9, 1)), ("light scatters", counts(9, 2, 0, 50)), end=None), usage(9, 52, thoughts=50), GEMINI[FLASH], "the last sum is the most that is known", error="provider_error", estimated=True)
    book.add("stream that fails in the middle", "aborted_stream error guessed", FLASH, [*pieces(FLASH, ("Blue light scatters.", counts(9, 1)), end=None), {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}], usage(9, token_count(FLASH, "Blue light scatters.")), GEMINI[FLASH], "what arrived is the least", error="overloaded", estimated=True)

    for name, sent in {
        "counts in quotes": {"promptTokenCount": "12", "candidatesTokenCount": "5"},
        "null parts": {"promptTokenCount": 12, "candidatesTokenCount": 5, "thoughtsTokenCount": None, "cachedContentTokenCount": None, "serviceTier": None},
        "negative parts": {"promptTokenCount": 12, "candidatesTokenCount": 5, "cachedContentTokenCount": -3, "thoughtsTokenCount": -1},
        "unknown fields": {"promptTokenCount": 12, "candidatesTokenCount": 5, "trafficType": "ON_DEMAND", "moonTokenCount": 99},
    }.items():
        book.add(name, "odd", LITE, body(LITE, sent), usage(12, 5), GEMINI[LITE], extracted=False)
    for name, sent in {"no usage": "none", "null usage": None, "empty usage": {}, "usage of another shape": "12", "negative prompt": {"promptTokenCount": -12, "candidatesTokenCount": 5}, "nothing counted": {"promptTokenCount": 0, "totalTokenCount": 0}}.items():
        book.add(name, "odd guessed", LITE, body(LITE, sent), guessed(LITE, "Blue light scatters."), GEMINI[LITE], estimated=True)
    of("counts that no model has", "odd", ARGON, {"prompt": 123_456_789, "candidates": 98_765_432, "thoughts": 1})
    book.add("more cached than there was", "odd unpriced", LITE, body(LITE, {"promptTokenCount": 10, "cachedContentTokenCount": 11, "candidatesTokenCount": 1}), {"input_tokens": 10, "cached_input_tokens": 11, "output_tokens": 1}, None, "counts that contradict each other have no price", extracted=False)

    wrong = lambda code, status, details=(): {"error": {"code": code, "message": "no", "status": status, "details": list(details)}}
    quota = lambda identifier, value: {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": identifier, "quotaValue": value}]}
    for name, status, sent, error in [
        ("400", 400, wrong(400, "INVALID_ARGUMENT"), "rejected"),
        ("400, a bad key", 400, wrong(400, "INVALID_ARGUMENT", [{"reason": "API_KEY_INVALID"}]), "unauthorized"),
        ("403", 403, wrong(403, "PERMISSION_DENIED"), "unauthorized"),
        ("404", 404, wrong(404, "NOT_FOUND"), "model_not_found"),
        ("429 by the minute", 429, wrong(429, "RESOURCE_EXHAUSTED", [quota("GenerateRequestsPerMinutePerProjectPerModel", "5")]), "overloaded"),
        ("429 by the day", 429, wrong(429, "RESOURCE_EXHAUSTED", [quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "20")]), "quota_used_up"),
        ("429, never granted", 429, wrong(429, "RESOURCE_EXHAUSTED", [quota("GenerateRequestsPerMinutePerProjectPerModel", "0")]), "quota_used_up"),
        ("500", 500, wrong(500, "INTERNAL"), "provider_error"),
        ("503", 503, wrong(503, "UNAVAILABLE"), "overloaded"),
        ("504", 504, wrong(504, "DEADLINE_EXCEEDED"), "provider_error"),
    ]:
        book.refuse(name, FLASH, status, sent, error)
    book.refuse("400, too long", FLASH, 400, {"error": {"code": 400, "message": "The input token count exceeds the maximum number of tokens allowed 1048576.", "status": "INVALID_ARGUMENT"}}, "too_long")
    return book
