"""Local mode against a provider on loopback: true prices, failures, and a key that must show up nowhere."""

import asyncio
from pathlib import Path

from checks import Checks
from ledger import Ledger, in_pico, pico, text_of
from provider import (
    ANSWER,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    OVERLOAD_THE_FIRST_MODEL,
    REFUSE_THE_KEY,
    provider,
)
from server import Server

KEY = "sk-ant-canary-7d1f0c52e9b84a63"
PROMPT_MARK = "the-prompts-canary"
BURST = 50
SMALL = {"input": 0.3, "output": 1.7}
LARGE = {"input": 3.1, "output": 15.7}
CONFIG = "\n".join(
    f"""
[[models]]
provider = "anthropic"
model = "{model}"
tier = "{tier}"
context_window = 100000
max_output = 8192

[[prices]]
provider = "anthropic"
model = "{model}"
input_usd_per_mtok = {price["input"]}
output_usd_per_mtok = {price["output"]}
"""
    for model, tier, price in (("stub-small", "economy", SMALL), ("stub-large", "best", LARGE))
)


def cost_in_pico(price: dict[str, float]) -> int:
    """Prices the provider's usage; a dollar a million tokens is 1,000,000 pico-dollars a token."""
    return round(INPUT_TOKENS * price["input"] * 1e6) + round(OUTPUT_TOKENS * price["output"] * 1e6)


async def buying(checks: Checks, client, ledger: Ledger) -> None:
    prompt = f"Describe {PROMPT_MARK} in one line"
    bought = await ledger.route(client, prompt, model="anthropic/stub-small")
    checks.equal("the provider answers", bought["source"], "provider")
    checks.equal("the model billed is named", bought["model"], "stub-small")
    checks.check("the answer is the provider's", ANSWER in bought["text"], bought["text"])
    checks.check("it is not simulated", "simulated" not in bought, bought)
    checks.equal("the usage is the provider's", bought["usage"]["output_tokens"], OUTPUT_TOKENS)
    checks.equal("the cost is exact", pico(bought["cost_usd"]), cost_in_pico(SMALL))
    checks.equal("so is the baseline", pico(bought["baseline"]["cost_usd"]), cost_in_pico(LARGE))
    again = await ledger.route(client, prompt, model="anthropic/stub-small")
    checks.equal("the second time is free", (again["source"], again["cost_usd"]), ("cache_exact", 0))


async def failing(checks: Checks, client, ledger: Ledger) -> None:
    result = await ledger.route(client, f"{OVERLOAD_THE_FIRST_MODEL} {PROMPT_MARK}", cache="off")
    outcomes = [attempt["outcome"] for attempt in result["attempts"]]
    checks.equal("an overloaded model is followed by the next", outcomes, ["overloaded", "answered"])
    models = [attempt["model"] for attempt in result["attempts"]]
    checks.check("which is another one, and is the one billed", models[0] != models[1] == result["model"], models)
    refused = await client.call_tool("route_prompt", {"prompt": f"{REFUSE_THE_KEY} {PROMPT_MARK}"})
    text = text_of(refused)
    checks.check("a refused key is an error", refused.is_error, text)
    checks.check("it names the variable", "ANTHROPIC_API_KEY" in text, text)


async def paid_conversation(
    checks: Checks, binary: Path, folder: Path, era: str, embedding: dict[str, str]
) -> Server:
    """Runs the conversation; gives the server, whose output is whole by then."""
    data, config = folder / "paid data", folder / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    ledger = Ledger()
    with provider(KEY) as stub:
        env = {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": stub.url,
            "BASELINE_MODEL": "anthropic/stub-large",
            "COST_OPTIMIZER_CONFIG": str(config),
            "COST_OPTIMIZER_DATA_DIR": str(data),
            "LOG_LEVEL": "trace",
            "NO_PROXY": "127.0.0.1,localhost",
            **embedding,
        }
        server = Server(binary, folder / "paid", [], env)
        async with server.client(era) as client:
            await client.list_tools()
            with checks.part("buying"):
                await buying(checks, client, ledger)
            with checks.part("burst"):
                prompts = [f"Describe item {number}" for number in range(BURST)]
                calls = [ledger.route(client, prompt, cache="off") for prompt in prompts]
                results = await asyncio.gather(*calls)
                checks.equal("all are answered", {result["source"] for result in results}, {"provider"})
            # A refused key has its provider left alone for a while, so nothing can be bought after it.
            with checks.part("failing"):
                await failing(checks, client, ledger)
            with checks.part("report"):
                report = (await client.call_tool("cost_report", {"period": "all"})).structured_content
                expected = ledger.totals() | {"requests": len(ledger.results) + 1}
                checks.equal("totals are the calls', and the failed one", in_pico(report["totals"], expected), expected)
                checks.equal("the failed one is counted", report["totals"]["failed_requests"], 1)
        with checks.part("secrets"):
            checks.equal("every call carried the key", (stub.wrong_keys, len(stub.models)), (0, BURST + 4))
            stdout, stderr = server.stdout(), server.stderr()
            checks.check("the logs are there", "ai_cost_optimizer" in stderr, stderr)
            checks.check("the key is not in stdout", KEY not in stdout)
            checks.check("the key is not in the logs", KEY not in stderr)
            checks.check("no prompt is in the logs", PROMPT_MARK not in stderr)
            checks.check("no answer is in the logs", ANSWER not in stderr)
            files = [path for path in data.rglob("*") if path.is_file()]
            with_key = [path.name for path in files if KEY.encode() in path.read_bytes()]
            checks.check("there is a store", files)
            checks.equal("the key is in no file", with_key, [])
            with_prompt = [path.name for path in files if PROMPT_MARK.encode() in path.read_bytes()]
            elsewhere = [name for name in with_prompt if not name.startswith("optimizer.sqlite3")]
            checks.equal("a prompt is in no file but the store", elsewhere, [])
    return server
