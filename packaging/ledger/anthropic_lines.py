"""Anthropic: POST /v1/messages. `input_tokens` leaves out what was read from a cache or written to one."""

from lines import Ledger, guessed, token_count, usage
from prices import (
    ANTHROPIC, BATCH, HAIKU_BATCH_IN_THE_US, HAIKU_LIMIT, HAIKU_LONG, HAIKU_LONG_BATCH, HAIKU_LONG_IN_THE_US, IN_THE_US,
)

HAIKU = "claude-haiku-5-5"
SONNET = "claude-sonnet-5-5"
OPUS = "claude-opus-5-5"
TEXT = [{"type": "text", "text": "Blue light scatters more than red."}]
THOUGHT = [{"type": "thinking", "thinking": "The sky.", "signature": "EqQBCkYIARgC"}, {"type": "redacted_thinking", "data": "EmwKAhgB"}]


def body(model, counts, stop="end_turn", content=None, **more):
    content = TEXT if content is None else content
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": stop, "stop_sequence": None, **({"usage": counts} if counts != "none" else {}), **more,
    }


def counts(fresh, output, read=0, written=0, written_1h=0, thoughts=0, **more):
    sent = {
        "input_tokens": fresh, "cache_creation_input_tokens": written + written_1h, "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": written_1h},
        "output_tokens": output, "service_tier": "standard", "inference_geo": "global", **more,
    }
    if thoughts:
        sent["output_tokens_details"] = {"thinking_tokens": thoughts}
    return sent


def price(model, used):
    return HAIKU_LONG if model == HAIKU and used.get("input_tokens", 0) > HAIKU_LIMIT else ANTHROPIC[model]


def start(model, sent):
    return {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None, "stop_sequence": None, "usage": sent}}


def piece(kind, index=0, **delta):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def block(kind, index=0, **more):
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **more}}


def end(stop, sent, **more):
    delta = {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None, **more}}
    return [{"type": "content_block_stop", "index": 0}, {**delta, "usage": sent} if sent else delta, {"type": "message_stop"}]


SAID = [block("text", text=""), {"type": "ping"}, piece("text_delta", text="Blue light "), piece("text_delta", text="scatters.")]


def ledger():
    book = Ledger("anthropic")

    def of(name, shapes, model, tokens, stop="end_turn", finish="stop", content=None, note="", **more):
        used = usage(**tokens)
        book.add(name, shapes, model, body(model, counts(**tokens), stop, content, **more), used, price(model, used), note, finish=finish)

    for number, model in enumerate(ANTHROPIC):
        of(f"plain, {model}", "plain tool_less", model, {"fresh": 21 + 977 * number, "output": 9 + 311 * number})
    of("one token each way", "plain", OPUS, {"fresh": 1, "output": 1})
    of("an answer without a token", "plain", SONNET, {"fresh": 17, "output": 0}, content=[])
    for name, billed in [("claude-haiku-5-5", "claude-haiku-5-5-20261001"), ("claude-haiku-4-5", "claude-haiku-4-5-20251001"), ("claude-sonnet-5-5", "claude-sonnet-5-5-20260915"), ("claude-fable-5-1", "claude-fable-5-1-20261101")]:
        book.add(f"billed as {billed}", "plain dated", name, body(billed, counts(1_234, 567)), usage(1_234, 567), ANTHROPIC[name], billed=billed)

    reads = {"claude-haiku-5-5": 50_000, "claude-haiku-4-5": 4_096, "claude-sonnet-5-5": 120_001, "claude-opus-5-5": 800_000, "claude-opus-4-8": 33_333, "claude-fable-5-1": 1_024, "claude-fable-5": 1_024}
    for model, read in reads.items():
        of(f"cache read, {model}", "cache_read", model, {"fresh": 100, "output": 300, "read": read})
    for model, written in {"claude-haiku-5-5": 2_000, "claude-haiku-4-5": 4_097, "claude-sonnet-5": 10_001, "claude-opus-5": 77_777}.items():
        of(f"written for 5 minutes, {model}", "cache_write_5m", model, {"fresh": 3, "output": 50, "written": written})
        of(f"written for an hour, {model}", "cache_write_1h", model, {"fresh": 3, "output": 51, "written_1h": written + 1})
    for model in (HAIKU, "claude-sonnet-4-6", OPUS, "claude-fable-5-1"):
        of(f"read and written both ways, {model}", "cache_read cache_write_5m cache_write_1h", model, {"fresh": 100, "output": 300, "read": 50_000, "written": 1_500, "written_1h": 500})
    of("nothing but the cache", "cache_read", HAIKU, {"fresh": 0, "output": 5, "read": 99_999})
    book.add("written, without saying for how long", "cache_write_5m", SONNET, body(SONNET, {"input_tokens": 10, "cache_creation_input_tokens": 3_000, "output_tokens": 20}), usage(10, 20, written=3_000), ANTHROPIC[SONNET], "5 minutes is what a cache is kept unless asked otherwise")
    book.add("written, the parts without their sum", "cache_write_1h odd", SONNET, body(SONNET, {"input_tokens": 10, "cache_creation_input_tokens": None, "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}, "output_tokens": 20}), usage(10, 20, written=30, written_1h=70), ANTHROPIC[SONNET], extracted=False)

    for model, thoughts in {"claude-sonnet-5-5": 480, "claude-opus-5-5": 8_191, "claude-fable-5-1": 1, "claude-haiku-5-5": 64}.items():
        of(f"thinking, {model}", "thinking", model, {"fresh": 40, "output": thoughts + 32, "thoughts": thoughts}, content=THOUGHT + TEXT)
    of("thinking to the limit", "thinking max_tokens", OPUS, {"fresh": 40, "output": 1_024, "thoughts": 1_024}, "max_tokens", "length", THOUGHT)

    for name, tokens in {
        "exactly at the limit": {"fresh": 100_000, "output": 1_000},
        "one token over": {"fresh": 100_001, "output": 1_000},
        "at the limit with what was read": {"fresh": 1, "output": 7, "read": 99_999},
        "one over with what was read": {"fresh": 2, "output": 7, "read": 99_999},
        "one over with what was written": {"fresh": 1, "output": 7, "read": 50_000, "written": 40_000, "written_1h": 10_000},
        "at the limit with what was written": {"fresh": 0, "output": 7, "read": 50_000, "written": 40_000, "written_1h": 10_000},
        "far over": {"fresh": 912_345, "output": 128_000, "thoughts": 100_000},
        "the answer does not count": {"fresh": 99_999, "output": 128_000},
    }.items():
        of(f"100,000: {name}", "over_100k" + (" cache_read" if "read" in tokens else ""), HAIKU, tokens)
    for model in ("claude-sonnet-4-6", "claude-opus-4-6", SONNET):
        of(f"200,001 tokens are no cliff, {model}", "over_200k", model, {"fresh": 200_001, "output": 2_000})

    batches = [("batch", HAIKU, {"fresh": 1_000, "output": 333}, BATCH[HAIKU]), ("batch with caches", SONNET, {"fresh": 7, "output": 99, "read": 4_001, "written": 201, "written_1h": 55}, BATCH[SONNET]), ("batch, thinking", OPUS, {"fresh": 7, "output": 99, "thoughts": 90}, BATCH[OPUS]), ("batch over the limit", HAIKU, {"fresh": 60_000, "output": 10, "read": 40_001}, HAIKU_LONG_BATCH)]
    for name, model, tokens, row in batches:
        book.add(name, "batch", model, body(model, counts(**tokens, service_tier="batch")), usage(**tokens), row, context=[["processing", "batch"]])
    for model in (SONNET, OPUS):
        book.add(f"priority, {model}", "priority guessed", model, body(model, counts(900, 80, service_tier="priority")), usage(900, 80), ANTHROPIC[model], "committed capacity has its price by contract, so the list's is a guess", estimated=True)
    book.add("fast", "guessed", OPUS, body(OPUS, counts(900, 80, speed="fast")), usage(900, 80), ANTHROPIC[OPUS], "its price is in no list here", estimated=True)
    places = [("in the US", HAIKU, {"fresh": 1_000, "output": 333}, IN_THE_US[HAIKU]), ("in the US with caches", OPUS, {"fresh": 7, "output": 99, "read": 4_001, "written": 201, "written_1h": 55}, IN_THE_US[OPUS]), ("in the US over the limit", HAIKU, {"fresh": 100_001, "output": 1}, HAIKU_LONG_IN_THE_US)]
    for name, model, tokens, row in places:
        book.add(name, "us", model, body(model, counts(**tokens, inference_geo="us")), usage(**tokens), row, "a workspace may have this as its default", genai_prices=False)
    book.add("batch in the US", "us batch", HAIKU, body(HAIKU, counts(1_000, 333, service_tier="batch", inference_geo="us")), usage(1_000, 333), HAIKU_BATCH_IN_THE_US, genai_prices=False)
    book.add("nowhere in particular", "us", HAIKU, body(HAIKU, counts(1_000, 333, inference_geo="not_available")), usage(1_000, 333), ANTHROPIC[HAIKU])

    of("refusal", "refusal", OPUS, {"fresh": 33, "output": 1}, "refusal", "refusal", [], stop_details={"type": "refusal", "category": "cyber"})
    of("refusal in the middle", "refusal", "claude-fable-5-1", {"fresh": 33, "output": 412}, "refusal", "refusal", note="billed as far as it came")
    of("refusal after thoughts", "refusal thinking", SONNET, {"fresh": 33, "output": 77, "thoughts": 70}, "refusal", "refusal", THOUGHT)
    of("cut at the limit", "max_tokens", HAIKU, {"fresh": 21, "output": 3}, "max_tokens", "length")
    of("cut by the window", "max_tokens", "claude-haiku-4-5", {"fresh": 199_000, "output": 1_000}, "model_context_window_exceeded", "length")
    of("stop sequence", "plain", HAIKU, {"fresh": 21, "output": 4}, "stop_sequence")
    of("tools although none were given", "tool_less", HAIKU, {"fresh": 21, "output": 30}, "tool_use", "other", [{"type": "tool_use", "id": "toolu_1", "name": "x", "input": {}}])
    of("pause", "tool_less", SONNET, {"fresh": 21, "output": 30}, "pause_turn", "other")
    book.add("no tool was used", "tool_less", SONNET, body(SONNET, counts(50, 40, server_tool_use={"web_search_requests": 0, "web_fetch_requests": 0})), usage(50, 40), ANTHROPIC[SONNET])
    book.add("a price that is in no list", "unpriced", "claude-fable-5-2", body("claude-fable-5-2", counts(10, 20)), usage(10, 20), None, "in the SDK, on no price page")

    # Streams: usage comes in snapshots, the last of which may leave out the input.
    first = counts(25, 1, read=100)
    book.add("stream", "stream plain", HAIKU, [start(HAIKU, counts(25, 1)), *SAID, *end("end_turn", {"output_tokens": 15})], usage(25, 15), ANTHROPIC[HAIKU])
    book.add("stream with a whole last snapshot", "stream cache_read", SONNET, [start(SONNET, first), *SAID, *end("end_turn", {"input_tokens": 26, "cache_read_input_tokens": 101, "cache_creation_input_tokens": 0, "output_tokens": 15})], usage(26, 15, read=101), ANTHROPIC[SONNET], "snapshots, not sums")
    book.add("stream with caches", "stream cache_read cache_write_5m cache_write_1h", OPUS, [start(OPUS, counts(25, 1, 100, 2_000, 300)), *SAID, *end("end_turn", {"output_tokens": 15})], usage(25, 15, 100, 2_000, 300), ANTHROPIC[OPUS])
    book.add("stream over the limit", "stream over_100k", HAIKU, [start(HAIKU, counts(1, 1, 100_000)), *SAID, *end("end_turn", {"output_tokens": 15})], usage(1, 15, 100_000), HAIKU_LONG)
    thinks = [block("thinking", thinking=""), piece("thinking_delta", thinking="Hm"), piece("signature_delta", signature="Eq"), {"type": "content_block_stop", "index": 0}, block("text", 1, text=""), piece("text_delta", 1, text="Blue.")]
    book.add("stream, thinking", "stream thinking", SONNET, [start(SONNET, counts(25, 1)), *thinks, *end("end_turn", {"output_tokens": 415, "output_tokens_details": {"thinking_tokens": 400}})], usage(25, 415, thoughts=400), ANTHROPIC[SONNET])
    book.add("stream, refusal", "stream refusal", OPUS, [start(OPUS, counts(25, 1)), *end("refusal", {"output_tokens": 4}, stop_details={"category": "bio"})], usage(25, 4), ANTHROPIC[OPUS], finish="refusal")
    book.add("stream, cut at the limit", "stream max_tokens", HAIKU, [start(HAIKU, counts(25, 1)), *SAID, *end("max_tokens", {"output_tokens": 1_024})], usage(25, 1_024), ANTHROPIC[HAIKU], finish="length")
    book.add("stream in the US", "stream us", OPUS, [start(OPUS, counts(25, 1, inference_geo="us")), *SAID, *end("end_turn", {"output_tokens": 15})], usage(25, 15), IN_THE_US[OPUS], genai_prices=False)
    book.add("stream without its start", "stream odd guessed", HAIKU, [*SAID, *end("end_turn", {"output_tokens": 15})], guessed(HAIKU, "Blue light scatters."), ANTHROPIC[HAIKU], "neither prompt nor answer was counted", estimated=True)
    book.add("stream whose start has no usage", "stream odd guessed", HAIKU, [start(HAIKU, None), *SAID, *end("end_turn", None)], guessed(HAIKU, "Blue light scatters."), ANTHROPIC[HAIKU], estimated=True)
    book.add("stream that ends in the middle", "aborted_stream guessed", HAIKU, [start(HAIKU, first), *SAID], usage(25, token_count(HAIKU, "Blue light scatters."), read=100), ANTHROPIC[HAIKU], "billed as far as it came", error="provider_error", estimated=True)
    book.add("stream that ends before a word", "aborted_stream guessed", SONNET, [start(SONNET, first), block("text", text="")], usage(25, 1, read=100), ANTHROPIC[SONNET], error="provider_error", estimated=True)
    book.add("stream that fails in the middle", "aborted_stream error guessed", OPUS, [start(OPUS, first), *SAID, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}], usage(25, token_count(OPUS, "Blue light scatters."), read=100), ANTHROPIC[OPUS], error="overloaded", estimated=True)
    book.add("stream that fails at once", "error", OPUS, [{"type": "error", "error": {"type": "api_error", "message": "Internal"}}], None, None, error="provider_error", terms=[])

    # What no documentation has, and some server sends.
    plain = usage(21, 9)
    for name, sent in {
        "counts in quotes": {"input_tokens": "21", "output_tokens": "9"},
        "counts with a point": {"input_tokens": 21.0, "output_tokens": 9.0},
        "null parts": {"input_tokens": 21, "output_tokens": 9, "cache_creation": None, "cache_creation_input_tokens": None, "cache_read_input_tokens": None, "output_tokens_details": None, "server_tool_use": None, "service_tier": None, "speed": None, "inference_geo": None},
        "negative parts": {"input_tokens": 21, "output_tokens": 9, "cache_read_input_tokens": -1, "cache_creation_input_tokens": -7},
        "parts of another shape": {"input_tokens": 21, "output_tokens": 9, "cache_creation": [], "output_tokens_details": "none", "service_tier": 3},
        "unknown fields": {"input_tokens": 21, "output_tokens": 9, "iterations": [{"type": "message", "input_tokens": 21}], "moon_tokens": 1_000_000},
    }.items():
        book.add(name, "odd", HAIKU, body(HAIKU, sent), plain, ANTHROPIC[HAIKU], extracted=False)
    for name, sent in {
        "no usage": "none", "null usage": None, "usage of another shape": [1, 2], "empty usage": {},
        "negative output": {"input_tokens": 21, "output_tokens": -9}, "negative input": {"input_tokens": -21, "output_tokens": 9}, "nothing counted": {"input_tokens": 0, "output_tokens": 0},
    }.items():
        book.add(name, "odd guessed", HAIKU, body(HAIKU, sent), guessed(HAIKU, TEXT[0]["text"]), ANTHROPIC[HAIKU], estimated=True)
    of("counts that no model has", "odd", "claude-fable-5-1", {"fresh": 40_000_000, "output": 30_000_000, "read": 123_456_789})
    book.add("a bill past all bounds", "odd unpriced", OPUS, body(OPUS, counts(10**16, 1)), usage(10**16, 1), None, "$40 thousand million is no amount here")

    wrong = lambda kind, **more: {"type": "error", "error": {"type": kind, "message": "no", **more}, "request_id": "req_1"}
    for status, kind, error in [
        (400, "invalid_request_error", "rejected"), (401, "authentication_error", "unauthorized"), (402, "billing_error", "out_of_credit"),
        (403, "permission_error", "unauthorized"), (404, "not_found_error", "model_not_found"), (409, "conflict_error", "rejected"),
        (413, "request_too_large", "too_long"), (429, "rate_limit_error", "overloaded"), (500, "api_error", "provider_error"),
        (504, "timeout_error", "provider_error"), (529, "overloaded_error", "overloaded"),
    ]:
        book.refuse(f"{status} {kind}", HAIKU, status, wrong(kind), error)
    book.refuse("429, the month's limit", HAIKU, 429, wrong("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}), "out_of_credit")
    book.refuse("400, too long", HAIKU, 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 1000001 tokens > 1000000 maximum"}}, "too_long")
    return book
