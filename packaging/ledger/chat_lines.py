"""Those who speak chat completions: Cerebras, OpenRouter and servers of a user's own. Parts are in their whole."""

from lines import KINDS, Ledger, guessed, sum_of, terms_of, usage
from prices import CEREBRAS, OPENROUTER, OPENROUTER_FEE, OWN

TEXT = "Rayleigh scattering."
DONE = "[DONE]"


def body(model, sent, finish="stop", text=TEXT, message=None, **more):
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **(message or {})}}
    answer = {"id": "chatcmpl-5f0e", "object": "chat.completion", "created": 1764000000, "model": model, "choices": [choice], **more}
    return {**answer, "usage": sent} if sent != "none" else answer


def counts(prompt, completion, cached=0, written=0, thoughts=0, **more):
    sent = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if cached or written:
        sent["prompt_tokens_details"] = {"cached_tokens": cached, **({"cache_write_tokens": written} if written else {})}
    if thoughts:
        sent["completion_tokens_details"] = {"reasoning_tokens": thoughts}
    return {**sent, **more}


def read_as(prompt, completion, cached=0, written=0, thoughts=0):
    return usage(prompt - cached - written, completion, cached, written, thoughts=thoughts)


def chunks(model, *texts, finish="stop", tail=None, first=None, done=True):
    sent = [{"id": "c", "object": "chat.completion.chunk", "model": model, "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]} for text in texts]
    if first:
        sent[0] |= first
    if finish:
        sent.append({"id": "c", "model": model, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if tail is not None:
        sent.append({"id": "c", "model": model, "choices": [], "usage": tail})
    return [*sent, DONE] if done else sent


def wrong(book, model, code=None):
    sent = lambda code: {"error": {"message": "no", "type": "x_error", "code": code}}
    for status, error in [(400, "rejected"), (401, "unauthorized"), (402, "out_of_credit"), (404, "model_not_found"), (408, "provider_error"), (422, "rejected"), (429, "overloaded"), (500, "provider_error"), (503, "overloaded")]:
        book.refuse(f"{status}", model, status, sent(code or status), error)
    book.refuse("400, too long", model, 400, {"error": {"message": "This model's maximum context length is 131072 tokens.", "code": "context_length_exceeded"}}, "too_long")


def cerebras():
    book = Ledger("cerebras")
    oss, qwen = CEREBRAS
    time = {"time_info": {"queue_time": 0.0002, "prompt_time": 0.003, "completion_time": 0.024, "total_time": 0.029, "created": 1764000000}}

    def of(name, shapes, model, tokens, finish="stop", read_finish="stop", text=TEXT, message=None, **more):
        book.add(name, shapes, model, body(model, counts(**tokens), finish, text, message, **time), read_as(**tokens), CEREBRAS[model], finish=read_finish, **more)

    for model in CEREBRAS:
        of(f"plain, {model}", "plain tool_less", model, {"prompt": 1_201, "completion": 77}, message={"tool_calls": None})
        of(f"cached, {model}", "cache_read", model, {"prompt": 1_201, "completion": 77, "cached": 1_152}, note="cached tokens cost what others cost")
        of(f"thinking, {model}", "thinking", model, {"prompt": 120, "completion": 75, "cached": 64, "thoughts": 60}, message={"reasoning": "The sky..."})
        of(f"all was thought, {model}", "thinking max_tokens", model, {"prompt": 120, "completion": 16, "thoughts": 16}, "length", "length", None, {"reasoning": "The"})
        of(f"cut at the limit, {model}", "max_tokens", model, {"prompt": 65_000, "completion": 536}, "length", "length")
        of(f"a filter, {model}", "refusal", model, {"prompt": 12, "completion": 1}, "content_filter", "content_filter")
        book.add(f"stream, {model}", "stream plain", model, chunks(model, "Rayleigh ", "scattering.", tail=counts(12, 5)), read_as(12, 5), CEREBRAS[model])
    of("more than 100,000 tokens are no cliff", "over_100k", oss, {"prompt": 100_001, "completion": 32_000})
    for tier, estimated in [("default", {}), ("auto", {}), ("flex", {"estimated": True}), ("priority", {"estimated": True})]:
        book.add(f"tier {tier}", f"{tier} guessed" if estimated else "plain", oss, body(oss, counts(120, 75), service_tier=tier), read_as(120, 75), CEREBRAS[oss], "not on the price page" if estimated else "", **estimated)
    sent = chunks(oss, "Ray", finish="stop", done=True)
    sent[-2] |= {"usage": counts(12, 5, thoughts=2)}
    book.add("stream, usage beside the last choice", "stream thinking", oss, sent, read_as(12, 5, thoughts=2), CEREBRAS[oss])
    book.add("stream in flex", "stream flex guessed", oss, chunks(oss, "Rayleigh ", tail=counts(12, 5), first={"service_tier": "flex"}), read_as(12, 5), CEREBRAS[oss], estimated=True)
    book.add("stream that ends in the middle", "aborted_stream guessed", oss, chunks(oss, "Rayleigh ", "scattering.", finish=None, done=False), guessed(oss, "Rayleigh scattering."), CEREBRAS[oss], "billed as far as it came", error="provider_error", estimated=True)
    book.add("stream whose usage never came", "stream guessed", oss, chunks(oss, "Rayleigh ", "scattering."), guessed(oss, "Rayleigh scattering."), CEREBRAS[oss], estimated=True)
    book.add("a price that is in no list", "unpriced", "glm-9", body("glm-9", counts(12, 5)), read_as(12, 5), None)
    wrong(book, oss)
    book.refuse("403", oss, 403, {"message": "no", "type": "forbidden", "code": "forbidden"}, "unauthorized")
    return book


def openrouter():
    book = Ledger("openrouter")

    def of(name, shapes, model, tokens, finish="stop", read_finish="stop", text=TEXT, message=None, note="", row=None, billed=None, **more):
        """The cost that the answer reports is what the price page comes to."""
        used, row = read_as(**tokens), row or OPENROUTER[model]
        cost = float(sum_of(terms_of(used, row)))
        sent = body(billed or model, counts(**tokens, cost=cost, is_byok=False, cost_details={"upstream_inference_cost": None}), finish, text, message, provider="DeepInfra")
        book.add(name, shapes, model, sent, used, row, note, finish=read_finish, **({"billed": billed} if billed else {}), **more)

    for number, model in enumerate(OPENROUTER):
        of(f"plain, {model}", "plain tool_less", model, {"prompt": 194 + 501 * number, "completion": 30 + 77 * number}, message={"refusal": None, "tool_calls": None})
    glm, oss, haiku = "z-ai/glm-5.2", "openai/gpt-oss-120b", "anthropic/claude-haiku-5.5"
    for model in (glm, oss, haiku):
        of(f"cached, {model}", "cache_read", model, {"prompt": 4_000, "completion": 30, "cached": 3_999})
    of("read and written", "cache_read cache_write_5m", haiku, {"prompt": 4_000, "completion": 30, "cached": 1_000, "written": 2_000})
    of("thinking", "thinking", glm, {"prompt": 194, "completion": 1_030, "thoughts": 1_000}, message={"reasoning": "Sky..."})
    of("over the limit", "over_100k", haiku, {"prompt": 100_001, "completion": 10}, row=("0.50", "2.50", "0.05", "0.625"))
    of("cut at the limit", "max_tokens", glm, {"prompt": 194, "completion": 1_024}, "length", "length")
    of("refusal", "refusal", oss, {"prompt": 194, "completion": 9}, "stop", "refusal", None, {"refusal": "I cannot help with that."})
    of("a filter", "refusal", oss, {"prompt": 194, "completion": 9}, "content_filter", "content_filter")
    of("tools although none were given", "tool_less", oss, {"prompt": 194, "completion": 9}, "tool_calls", "other", None, {"tool_calls": []})
    of("another model was billed", "plain", glm, {"prompt": 194, "completion": 9}, row=("9.125", "27.375"), billed="somebody/else-1", note="the answer's own cost is believed, whatever the list says")
    of("a price below a pico-dollar a token", "plain", glm, {"prompt": 1_000_000, "completion": 0}, row=("0.000001", "0.000001"))
    free = "qwen/qwen3.8-27b:free"
    book.add("free", "plain", free, body(free, counts(194, 9, cost=0)), read_as(194, 9), None, terms=[], extracted=False)
    book.add("a zero for what is not free", "odd", glm, body(glm, counts(194, 9, cost=0)), read_as(194, 9), OPENROUTER[glm], "such a zero is not believed; the list is")
    book.add("no cost in it", "plain", glm, body(glm, counts(194, 9, cached=64)), read_as(194, 9, cached=64), OPENROUTER[glm])
    book.add("the cost in quotes", "odd", glm, body(glm, counts(1_000, 1_000, cost="0.00304")), read_as(1_000, 1_000), OPENROUTER[glm])
    book.add("a negative cost", "odd", glm, body(glm, counts(194, 9, cost=-1)), read_as(194, 9), OPENROUTER[glm])
    book.add("a cost that is none", "odd", glm, body(glm, counts(194, 9, cost="gratis")), read_as(194, 9), OPENROUTER[glm])
    book.add("a tier, with its cost", "priority", glm, body(glm, counts(1_000, 1_000, cost=0.00304), service_tier="priority"), read_as(1_000, 1_000), OPENROUTER[glm], "a reported cost has the tier in it")
    used = read_as(100, 10)
    upstream, fee = terms_of(used, OPENROUTER[haiku]), terms_of(used, OPENROUTER_FEE[haiku])
    byok = counts(100, 10, cost=float(sum_of(fee)), is_byok=True, cost_details={"upstream_inference_cost": float(sum_of(upstream))})
    book.add("a key of the user's own", "plain", haiku, body(haiku, byok), used, OPENROUTER[haiku], "billed upstream, and the fee for it here", terms=upstream + fee)
    book.add("a key of the user's own, without details", "odd", haiku, body(haiku, counts(100, 10, cost=0.00000075, is_byok=True)), used, None, "half of the bill is missing, and the list has no price")
    book.add("a cost without counts", "odd guessed", glm, body(glm, {"cost": 0.00304}), guessed(glm, TEXT), None, "the cost is told, the tokens are not", terms=[[1_000, "0.62"], [1_000, "2.42"]])
    book.add("finer than a pico-dollar", "odd", glm, body(glm, counts(1, 1, cost=0.0000030412345678949)), read_as(1, 1), None, "rounded to the nearest", terms=[[1, "3.041235"]])

    tail = lambda prompt, completion, row, **more: counts(prompt, completion, cost=float(sum_of(terms_of(read_as(prompt, completion, **more), row))), **more)
    book.add("stream, the cost in a chunk without choices", "stream empty_choices_cost", glm, chunks(glm, "Rayleigh ", "scattering.", tail=tail(194, 9, OPENROUTER[glm])), read_as(194, 9), OPENROUTER[glm])
    book.add("stream, the cost there, cached", "stream empty_choices_cost cache_read", oss, chunks(oss, "Ray", tail=tail(194, 9, OPENROUTER[oss], cached=128)), read_as(194, 9, cached=128), OPENROUTER[oss])
    book.add("stream, the cost there, thinking", "stream empty_choices_cost thinking", "deepseek/deepseek-v4-flash", chunks("deepseek/deepseek-v4-flash", "Ray", tail=tail(11, 999, OPENROUTER["deepseek/deepseek-v4-flash"], thoughts=900)), read_as(11, 999, thoughts=900), OPENROUTER["deepseek/deepseek-v4-flash"])
    book.add("stream, the cost there, cut at the limit", "stream empty_choices_cost max_tokens", haiku, chunks(haiku, "Ray", finish="length", tail=tail(11, 1_024, OPENROUTER[haiku])), read_as(11, 1_024), OPENROUTER[haiku], finish="length")
    book.add("stream, the cost there, as the last", "stream empty_choices_cost", glm, chunks(glm, "Ray", tail=tail(194, 9, OPENROUTER[glm]), done=False), read_as(194, 9), OPENROUTER[glm])
    book.add("stream without its cost", "stream guessed", glm, chunks(glm, "Rayleigh ", "scattering."), guessed(glm, TEXT), OPENROUTER[glm], estimated=True)
    book.add("stream that ends in the middle", "aborted_stream guessed", glm, chunks(glm, "Rayleigh ", "scattering.", finish=None, done=False), guessed(glm, TEXT), OPENROUTER[glm], error="provider_error", estimated=True)
    book.add("stream that fails in the middle", "aborted_stream error guessed", glm, [*chunks(glm, "Rayleigh ", finish=None, done=False), {"error": {"code": 502, "message": "no"}, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}], guessed(glm, "Rayleigh "), OPENROUTER[glm], error="provider_error", estimated=True)
    book.refuse("an error under 200", glm, 200, {"error": {"code": 429, "message": "slow down"}, "user_id": "u"}, "overloaded")
    book.refuse("an error in the choice", glm, 200, {"model": glm, "choices": [{"index": 0, "finish_reason": "error", "message": None, "error": {"code": 502, "message": "no"}}]}, "provider_error")
    wrong(book, glm)
    book.refuse("403, moderated", glm, 403, {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"]}}}, "blocked")
    return book


def own():
    """Servers that a user has written price rows for."""
    book = Ledger("openai_compatible")
    small, large = OWN
    row = lambda model: {"price_row": dict(zip(KINDS, OWN[model]))}

    def of(name, shapes, model, sent, used, note="", finish="stop", **more):
        book.add(name, shapes, model, sent, used, OWN[model], note, finish=finish, **row(model), **more)

    for model in OWN:
        of(f"plain, {model}", "plain tool_less", model, body(model, counts(26, 4)), read_as(26, 4))
        of(f"cached, {model}", "cache_read", model, body(model, counts(2_600, 4, cached=2_048)), read_as(2_600, 4, cached=2_048))
        of(f"thinking, {model}", "thinking", model, body(model, counts(26, 404, thoughts=400)), read_as(26, 404, thoughts=400))
        of(f"cut at the limit, {model}", "max_tokens", model, body(model, counts(26, 16), "length"), read_as(26, 16), finish="length")
        of(f"dated, {model}", "plain dated", model, body(f"{model}-2026-11-01", counts(26, 4)), read_as(26, 4), billed=f"{model}-2026-11-01")
    of("read and written", "cache_read cache_write_5m", small, body(small, counts(2_600, 4, cached=1_024, written=1_025)), read_as(2_600, 4, cached=1_024, written=1_025))
    of("refusal", "refusal", small, body(small, counts(26, 4), text=None, message={"refusal": "No."}), read_as(26, 4), finish="refusal")
    of("a filter", "refusal", small, body(small, counts(26, 4), "content_filter"), read_as(26, 4), finish="content_filter")
    of("thoughts in the total only", "thinking", large, body(large, {"prompt_tokens": 26, "completion_tokens": 4, "total_tokens": 430}), read_as(26, 404), "some servers leave them out of the completion")
    of("thoughts beside the completion", "thinking", large, body(large, {"prompt_tokens": 26, "completion_tokens": 35, "total_tokens": 253, "completion_tokens_details": {"reasoning_tokens": 192}}), read_as(26, 227, thoughts=192))
    of("no completion's count", "odd", large, body(large, {"prompt_tokens": 26, "total_tokens": 30}), read_as(26, 4))
    of("a total below its parts", "odd", large, body(large, {"prompt_tokens": 26, "completion_tokens": 4, "total_tokens": 0}), read_as(26, 4))
    for tier in ("flex", "priority", "batch"):
        of(f"tier {tier}", f"{tier} guessed", large, body(large, counts(26, 4), service_tier=tier), read_as(26, 4), estimated=True)
    of("tier on_demand", "plain", large, body(large, counts(26, 4), service_tier="on_demand"), read_as(26, 4))
    for name, sent in {
        "counts in quotes": {"prompt_tokens": "26", "completion_tokens": "4", "total_tokens": "30"},
        "counts with a point": {"prompt_tokens": 26.0, "completion_tokens": 4.0},
        "null parts": {"prompt_tokens": 26, "completion_tokens": 4, "total_tokens": None, "prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": None}},
        "negative parts": {"prompt_tokens": 26, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": -1}},
        "parts of another shape": {"prompt_tokens": 26, "completion_tokens": 4, "prompt_tokens_details": [], "completion_tokens_details": 7, "cost": {}},
        "unknown fields": {"prompt_tokens": 26, "completion_tokens": 4, "moon_tokens": 99, "queue_time": 0.1},
    }.items():
        of(name, "odd", small, body(small, sent, extra={"x": 1}), read_as(26, 4))
    for name, sent in {"no usage": "none", "null usage": None, "empty usage": {}, "usage of another shape": "none at all", "negative counts": {"prompt_tokens": -1, "completion_tokens": -1}, "nothing counted": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}.items():
        of(name, "odd guessed", small, body(small, sent), guessed(small, TEXT), estimated=True)
    of("counts that no model has", "odd", large, body(large, counts(123_456_789, 987_654_321)), read_as(123_456_789, 987_654_321))
    of("stream", "stream plain", small, chunks(small, "Ray", tail=counts(26, 4)), read_as(26, 4))
    sent = chunks(small, "Rayleigh ", "scattering.", finish="stop")
    for number, chunk in enumerate(sent[:-1]):
        chunk["usage"] = counts(26, number + 2)
    of("stream with a usage in every chunk", "stream plain", small, sent, read_as(26, 4), "each is the sum so far")
    of("stream whose last usage is null", "stream plain", small, [*chunks(small, "Ray", tail=counts(26, 4), done=False), {"model": small, "choices": [], "usage": None}, DONE], read_as(26, 4))
    of("stream, answered in one piece", "plain", small, body(small, counts(26, 4)), read_as(26, 4), streamed=True)
    of("stream that ends in the middle", "aborted_stream guessed", small, chunks(small, "Rayleigh ", finish=None, done=False), guessed(small, "Rayleigh "), error="provider_error", estimated=True)
    of("stream that ends in the middle of its usage", "aborted_stream guessed", small, [*chunks(small, "Ray", finish=None, done=False), '{"choices":[],"usa'], guessed(small, "Ray"), error="provider_error", estimated=True)
    book.add("no row for it", "unpriced", "house/new", body("house/new", counts(26, 4)), read_as(26, 4), None)
    wrong(book, small)
    book.refuse("429, no quota", small, 429, {"error": {"message": "no", "code": "insufficient_quota"}}, "out_of_credit")
    book.refuse("400, a filter", small, 400, {"error": {"message": "no", "code": "content_filter"}}, "blocked")
    return book


def ollama():
    """POST /api/chat, on the user's own machine: nobody bills it."""
    book = Ledger("ollama")
    model = "qwen3:8b"

    def line(done=True, text="Scattering.", **more):
        sent = {"model": model, "created_at": "2026-11-25T09:00:00.123456789Z", "message": {"role": "assistant", "content": text}, "done": done}
        return {**sent, **({"done_reason": "stop", "total_duration": 4883583458} if done else {}), **more}

    def of(name, shapes, sent, used, note="", finish="stop", **more):
        more.setdefault("terms", [])
        book.add(name, shapes, model, sent, used, None, note, finish=finish, **more)

    counted = lambda prompt, output, **more: {"prompt_eval_count": prompt, "eval_count": output, **more}
    for prompt, output in [(26, 4), (1, 1), (131_072, 8_192), (200_001, 2)]:
        of(f"plain, {prompt} and {output}", "plain tool_less", line(**counted(prompt, output)), usage(prompt, output))
    of("cached", "cache_read", line(**counted(26, 4, prompt_eval_cached_count=20)), usage(6, 4, read=20))
    of("cached, and not counted", "cache_read", line(eval_count=4), usage(0, 4), "older servers leave it out")
    of("thinking", "thinking", line(**counted(26, 404)) | {"message": {"role": "assistant", "content": "Blue.", "thinking": "Hm"}}, usage(26, 404), "the share of the thoughts is not told")
    of("cut at the limit", "max_tokens", line(**counted(26, 16), done_reason="length"), usage(26, 16), finish="length")
    of("loaded, and said nothing", "odd guessed", line(text="", done_reason="load"), guessed(model, ""), finish="other")
    of("counts in quotes", "odd", line(**counted("26", "4")), usage(26, 4))
    of("null counts", "odd guessed", line(**counted(None, None)), guessed(model, "Scattering."))
    of("negative counts", "odd guessed", line(**counted(-1, -1)), guessed(model, "Scattering."))
    of("unknown fields", "odd", line(**counted(26, 4), moon_count=7), usage(26, 4))
    of("stream", "stream plain", [line(False, "Scat"), line(False, "tering."), line(text="", **counted(26, 4))], usage(26, 4))
    of("stream, cut at the limit", "stream max_tokens", [line(False, "Scat"), line(text="", **counted(26, 16), done_reason="length")], usage(26, 16), finish="length")
    of("stream that ends in the middle", "aborted_stream guessed", [line(False, "Scattering")], guessed(model, "Scattering"), error="provider_error")
    of("stream that fails in the middle", "aborted_stream error guessed", [line(False, "Scattering"), {"error": "llama runner"}], guessed(model, "Scattering"), error="provider_error")
    row = {"price_row": dict(zip(KINDS, OWN["house/small"]))}
    book.add("electricity", "plain", model, line(**counted(2_600, 40)), usage(2_600, 40), OWN["house/small"], "a user may price his own machine", **row)
    book.add("electricity, cached", "cache_read", model, line(**counted(2_600, 40, prompt_eval_cached_count=2_000)), usage(600, 40, read=2_000), OWN["house/small"], **row)
    for status, error in [(400, "rejected"), (404, "model_not_found"), (500, "provider_error")]:
        book.refuse(f"{status}", model, status, {"error": "no"}, error)
    return book
