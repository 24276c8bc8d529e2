"""The official Python client talks to the real binary: conversation.py BINARY EXAMPLE_CONFIG [WEIGHTS_FOLDER]

Each claim is a line `ok - …`, `not ok - …` or `skip - …`; the last line counts them.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from mcp.client import Client
from mcp.shared.exceptions import MCPError

from checks import Checks
from experimenting import experimenting
from ledger import Ledger, in_pico, pico, text_of
from paid import paid_conversation
from server import Server
from subscribing import subscribing

ERAS = ("legacy", "auto", "2026-07-28")
LEGACY_VERSION = "2025-11-25"
MODERN_VERSION = "2026-07-28"
TOOLS = [
    "cost_report",
    "experiment_report",
    "forget_cache",
    "rate_response",
    "route_prompt",
    "set_budget",
    "start_experiment",
    "stop_experiment",
]
DASHBOARD = "ui://ai-cost-optimizer/dashboard.html"
METRICS = [f"metrics://{name}" for name in ("summary", "routing", "cache", "providers", "budgets")]
GROUPINGS = ("provider", "model", "strategy", "day", "source")
PROVIDER_KEYS = {"ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CEREBRAS_API_KEY", "OPENROUTER_API_KEY"}
NOT_FOUND_CODES = (-32002, -32602)
BURST = 50
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
PROMPT = "What is the capital of France?"
PARAPHRASE = "What's the capital of France?"

# Tool, arguments, and what the message must name: the argument, then the way out.
MISTAKES = [
    ("an unknown field", "route_prompt", {"prompt": "Hi", "promt": "Hi"}, ["promt", "prompt"]),
    ("a wrong type", "route_prompt", {"prompt": 7}, ["prompt", "string"]),
    ("a missing prompt", "route_prompt", {}, ["prompt"]),
    ("an empty prompt", "route_prompt", {"prompt": " "}, ["prompt", "pass the text"]),
    ("an unknown model", "route_prompt", {"prompt": "Hi", "model": "no-such"}, ["no-such", "anthropic/"]),
    ("a negative cost", "route_prompt", {"prompt": "Hi", "max_cost_usd": -1}, ["max_cost_usd", "negative"]),
    ("a cost too small", "route_prompt", {"prompt": "Hi", "max_cost_usd": 1e-9}, ["max_cost_usd", "raise"]),
    ("an unknown quality", "route_prompt", {"prompt": "Hi", "quality": "great"}, ["great", "balanced"]),
    ("a hot temperature", "route_prompt", {"prompt": "Hi", "temperature": 3}, ["temperature", "0 to 2"]),
    ("reversed dates", "cost_report", {"from": "2026-02-02", "to": "2026-02-01"}, ["from", "exchange"]),
    ("a date that is none", "cost_report", {"from": "soon"}, ["from", "soon", "2026-11-23"]),
    ("a period with dates", "cost_report", {"from": "2026-02-02", "period": "7d"}, ["period", "one of them"]),
    ("an unknown id", "rate_response", {"request_id": UNKNOWN_ID, "rating": 1}, ["request_id", UNKNOWN_ID]),
    ("an id that is none", "rate_response", {"request_id": "x", "rating": 1}, ["`x`", "route_prompt"]),
    ("a rating beyond 1", "rate_response", {"request_id": UNKNOWN_ID, "rating": 2}, ["rating", "0 ("]),
    ("no rating", "rate_response", {"request_id": UNKNOWN_ID}, ["rating", "verdict"]),
    ("too few arms", "start_experiment", {"name": "x", "metric": "cost_usd", "arms": []}, ["arms has 0", "control"]),
    ("an unknown experiment", "experiment_report", {"name": "none"}, ["`none`"]),
    ("an unknown experiment to stop", "stop_experiment", {"name": "none"}, ["`none`"]),
    ("nothing to forget", "forget_cache", {}, ["request_id", "older_than", "all"]),
]


async def greeting(checks: Checks, client: Client, era: str) -> None:
    expected = LEGACY_VERSION if era == "legacy" else MODERN_VERSION
    checks.equal("the protocol version is the era's", client.protocol_version, expected)
    if era != MODERN_VERSION:
        # A pinned client asks nothing first, so it learns no name.
        checks.equal("the server says its name", client.server_info.name, "ai-cost-optimizer")
        capabilities = client.server_capabilities
        checks.check("it offers tools and resources", capabilities.tools and capabilities.resources)
    tools = (await client.list_tools()).tools
    checks.equal("it lists its tools", [tool.name for tool in tools], TOOLS)
    for tool in tools:
        schema = tool.output_schema or {}
        checks.check(f"{tool.name} has an output schema", schema.get("properties"), schema)
        hints = tool.annotations.model_dump() if tool.annotations else {"annotations": None}
        checks.check(f"{tool.name} has a title and all hints", tool.title and None not in hints.values(), hints)


async def planning(checks: Checks, client: Client) -> None:
    result = await client.call_tool("route_prompt", {"prompt": PROMPT, "dry_run": True})
    plan = result.structured_content
    checks.equal("its source is the plan", plan["source"], "plan")
    costs = [candidate["estimated_cost_usd"] for candidate in plan["candidates"]]
    checks.check("it has candidates", len(costs) > 1, plan)
    checks.check("each has a range of costs", all(0 < cost["low"] <= cost["high"] for cost in costs), costs)
    checks.check("nothing was answered", "text" not in plan and "request_id" not in plan, plan)
    checks.check("the text names the first model", plan["candidates"][0]["model"] in text_of(result))
    report = await client.call_tool("cost_report", {"period": "all"})
    checks.equal("nothing was recorded", report.structured_content["totals"]["requests"], 0)


async def warm_up(client: Client, ledger: Ledger) -> None:
    """Waits until the embedder is loaded, which the server does in the background."""
    for attempt in range(30):
        result = await ledger.route(client, f"Define the word osmosis, take {attempt}", cache="refresh")
        if "degraded" not in result:
            return
        await asyncio.sleep(1)
    raise RuntimeError(f"the embedder did not come: {result['degraded']}")


async def asking(checks: Checks, client: Client, ledger: Ledger, has_weights: bool) -> dict:
    """Buys an answer and gets it back from the cache; gives the bought one."""
    if has_weights:
        await warm_up(client, ledger)
    bought = await ledger.route(client, PROMPT, tags=["geography"])
    checks.equal("a new prompt goes to a provider", bought["source"], "provider")
    checks.check("it costs something", bought["cost_usd"] > 0, bought["cost_usd"])
    checks.check("it says that it is simulated", bought["simulated"] and "simulated" in bought["text"])
    again = await ledger.route(client, PROMPT)
    checks.equal("the same prompt comes from the cache", again["source"], "cache_exact")
    checks.equal("it costs nothing", again["cost_usd"], 0)
    checks.equal("it is the same answer", again["text"], bought["text"])
    baseline, saved = again["baseline"]["cost_usd"], again["saved_usd"]
    checks.equal("it saves all that the baseline would cost", pico(saved), pico(baseline))
    other = await ledger.route(client, PROMPT, system="Answer in Finnish.")
    checks.equal("another system prompt is another question", other["source"], "provider")
    if has_weights:
        near = await ledger.route(client, PARAPHRASE)
        checks.equal("a paraphrase comes from the cache", near["source"], "cache_semantic")
        checks.equal("the paraphrase costs nothing", near["cost_usd"], 0)
        similarity = near.get("cache", {}).get("similarity", 0)
        checks.check("it says how similar it was", 0.95 <= similarity < 1, similarity)
        far = await ledger.route(client, "What is the capital of Norway?")
        checks.equal("another country is another question", far["source"], "provider")
    else:
        checks.check("without weights it says what is missing", bought.get("degraded"), bought)
        checks.skip("a paraphrase comes from the cache", "no weights")
    return bought


async def rating(checks: Checks, client: Client, bought: dict) -> None:
    arguments = {"request_id": bought["request_id"], "verdict": "good"}
    result = await client.call_tool("rate_response", arguments)
    expected = {"request_id": bought["request_id"], "rating": 1.0, "entry_retired": False}
    checks.equal("a good answer is rated 1", result.structured_content, expected)


async def burst(checks: Checks, client: Client, ledger: Ledger) -> None:
    prompts = [f"Explain the number {number} to a child" for number in range(BURST)]
    results = await asyncio.gather(*(ledger.route(client, prompt, cache="off") for prompt in prompts))
    ids = {result["request_id"] for result in results}
    checks.equal("each call has its own answer", len(ids), BURST)


async def reporting(checks: Checks, client: Client, ledger: Ledger) -> None:
    expected = ledger.totals()
    for group_by in GROUPINGS:
        result = await client.call_tool("cost_report", {"period": "all", "group_by": group_by})
        report = result.structured_content
        checks.equal(f"totals by {group_by} are the calls'", in_pico(report["totals"], expected), expected)
        groups = [in_pico(group, expected) for group in report["groups"]]
        sums = {name: sum(group[name] for group in groups) for name in expected}
        checks.equal(f"groups by {group_by} add up to the totals", sums, expected)
    result = await client.call_tool("cost_report", {"period": "all", "group_by": "tag"})
    tagged = {group["key"]: group["requests"] for group in result.structured_content["groups"]}
    checks.equal("the tag is reported", tagged.get("geography"), 1)
    text = json.loads(text_of(await client.call_tool("cost_report", {"period": "all", "format": "json"})))
    checks.equal("the text as JSON has the same totals", in_pico(text["totals"], expected), expected)
    checks.check("the report says that it is simulated", text.get("simulated") is True, text)


async def metrics(checks: Checks, client: Client, ledger: Ledger) -> None:
    listed = (await client.list_resources()).resources
    checks.equal("all are listed", [str(resource.uri) for resource in listed], [*METRICS, DASHBOARD])
    read = {}
    for uri in METRICS:
        contents = (await client.read_resource(uri)).contents
        read[uri] = json.loads(contents[0].text)
        is_whole = contents[0].mime_type == "application/json" and read[uri].get("simulated") is True
        checks.check(f"{uri} is JSON and says simulated", is_whole and "as_of" in read[uri], contents)
    expected = ledger.totals()
    all_time = read["metrics://summary"]["all_time"]
    checks.equal("the summary is the calls'", in_pico(all_time, expected), expected)
    checks.equal("the cache counts its hits", read["metrics://cache"]["hits"], expected["cache_hits"])
    providers = read["metrics://providers"]["providers"]
    asked = sum(provider["last_30_days"]["requests"] for provider in providers if provider["last_30_days"])
    checks.equal("the providers' requests are all requests", asked, expected["requests"])
    try:
        contents = (await client.read_resource("metrics://weather")).contents
        checks.check("an unknown resource is an error", False, contents)
    except MCPError as error:
        checks.check("an unknown resource is an error", error.code in NOT_FOUND_CODES, error.code)


async def mistakes(checks: Checks, client: Client) -> None:
    for name, tool, arguments, words in MISTAKES:
        result = await client.call_tool(tool, arguments)
        text = text_of(result)
        missing = [word for word in words if word not in text]
        checks.check(f"{name} is refused with the way out", result.is_error and not missing, text or result)
    try:
        result = await client.call_tool("no_such_tool", {})
        checks.check("an unknown tool is refused", result.is_error and "no_such_tool" in text_of(result), result)
    except MCPError as error:
        checks.check("an unknown tool is refused", error.code == -32602, error.code)


async def forgetting(checks: Checks, client: Client, ledger: Ledger, bought: dict) -> None:
    async def forget(**arguments: object) -> int:
        result = await client.call_tool("forget_cache", arguments)
        return result.structured_content["entries"]

    one = {"request_id": bought["request_id"]}
    checks.equal("a dry run counts the one answer", await forget(**one, dry_run=True), 1)
    checks.equal("it deleted nothing", (await ledger.route(client, PROMPT))["source"], "cache_exact")
    checks.equal("the one answer is deleted", await forget(**one), 1)
    checks.equal("it is not there twice", await forget(**one), 0)
    # A neighbour may still answer; exactly this prompt has no answer of its own any more.
    source = (await ledger.route(client, PROMPT))["source"]
    checks.check("the prompt is bought again", source == "provider", source)
    count = await forget(all=True, dry_run=True)
    checks.check("a dry run counts all", count >= 2, count)
    checks.equal("all are deleted", await forget(all=True), count)
    checks.equal("none is left", await forget(all=True, dry_run=True), 0)
    checks.equal("a forgotten prompt is bought", (await ledger.route(client, PROMPT))["source"], "provider")


async def simulated_conversation(checks: Checks, server: Server, era: str, has_weights: bool) -> None:
    ledger = Ledger()
    async with server.client(era) as client:
        with checks.part("greeting"):
            await greeting(checks, client, era)
        with checks.part("planning"):
            await planning(checks, client)
        with checks.part("asking"):
            bought = await asking(checks, client, ledger, has_weights)
        with checks.part("rating"):
            await rating(checks, client, bought)
        with checks.part("burst"):
            await burst(checks, client, ledger)
        with checks.part("report"):
            await reporting(checks, client, ledger)
        with checks.part("metrics"):
            await metrics(checks, client, ledger)
        with checks.part("mistakes"):
            await mistakes(checks, client)
        with checks.part("forgetting"):
            await forgetting(checks, client, ledger, bought)
        with checks.part("experimenting"):
            await experimenting(checks, client, ledger)
    async with server.client(era) as client:
        with checks.part("restart"):
            report = (await client.call_tool("cost_report", {"period": "all"})).structured_content
            expected = ledger.totals()
            checks.equal("records outlive the process and the cache", in_pico(report["totals"], expected), expected)
    with checks.part("subscribing"):
        await subscribing(checks, server, era)


async def example_config(checks: Checks, binary: Path, example: Path, folder: Path) -> None:
    servers = json.loads(example.read_text(encoding="utf-8"))["mcpServers"]
    checks.equal("it has the one server", list(servers), ["ai-cost-optimizer"])
    entry = servers["ai-cost-optimizer"]
    checks.check("its command is a whole path", entry["command"].startswith("/"), entry["command"])
    checks.check("it offers the providers' keys", PROVIDER_KEYS <= set(entry["env"]), entry["env"])
    checks.check("it holds no value", not any(entry["env"].values()), list(entry["env"]))
    server = Server(binary, folder, entry["args"], entry["env"])
    async with server.client("legacy") as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        checks.equal("it starts and lists its tools", tools, TOOLS)
        result = await client.call_tool("route_prompt", {"prompt": PROMPT})
        names_the_keys = all(name in text_of(result) for name in PROVIDER_KEYS)
        checks.check("without a key it names the variables", result.is_error and names_the_keys, text_of(result))
    ended_well(checks, server)


def ended_well(checks: Checks, server: Server) -> None:
    """stdout carried JSON-RPC only, and the server went when the client hung up."""
    lines = server.stdout().splitlines()
    checks.check("stdout is JSON-RPC only", lines and all(is_json_rpc(line) for line in lines))
    checks.equal("the server ends by itself, well", server.ended_with(), ["0"] * server.starts)
    checks.check("nothing panicked", "panicked" not in server.stderr(), server.stderr())


def is_json_rpc(line: str) -> bool:
    try:
        message = json.loads(line)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("jsonrpc") == "2.0"


def model_folder(weights: Path | None) -> Path | None:
    """Finds the weights in a model folder, or in a data directory."""
    if weights is None:
        return None
    for folder in (weights, weights / "models" / "all-MiniLM-L6-v2"):
        if (folder / "model.safetensors").is_file():
            return folder
    raise SystemExit(f"no weights in {weights}")


async def main(binary: Path, example: Path, weights: Path | None) -> int:
    checks = Checks()
    model = model_folder(weights)
    with tempfile.TemporaryDirectory(prefix="ai-cost-optimizer conversation ") as name:
        scratch = Path(name)
        # Servers inherit HOME from us: nothing of this user's own settings may count.
        os.environ["HOME"] = name
        # Without weights, and without a network to fetch them from.
        # A hit is a hit, and not by chance an audit.
        embedding = {"EMBEDDING_MODEL_PATH": str(model), "CACHE_AUDIT_RATE": "0"} if model else {"HF_ENDPOINT": "http://127.0.0.1:9"}
        for era in ERAS:
            with checks.part(era):
                folder = scratch / era
                env = {"COST_OPTIMIZER_DATA_DIR": str(folder / "data"), **embedding}
                simulated = Server(binary, folder / "simulated", ["--simulate"], env)
                await simulated_conversation(checks, simulated, era, model is not None)
                ended_well(checks, simulated)
            with checks.part(f"{era}, paid"):
                paid_server = await paid_conversation(checks, binary, scratch / era, era, embedding)
                ended_well(checks, paid_server)
        with checks.part("example config"):
            await example_config(checks, binary, example, scratch / "example")
    print(f"client: {checks.passed} passed, {checks.failed} failed", flush=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    binary_path, example_path = (Path(path).resolve() for path in sys.argv[1:3])
    weights_path = Path(sys.argv[3]).resolve() if len(sys.argv) > 3 else None
    sys.exit(asyncio.run(main(binary_path, example_path, weights_path)))
