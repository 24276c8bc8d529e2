"""An experiment by an official client: started, assigned to, reported, stopped, adopted."""

from mcp.client import Client

from checks import Checks
from ledger import Ledger, pico, text_of

ARMS = [
    {"name": "now", "model": "anthropic/claude-haiku-5-5"},
    {"name": "dear", "model": "anthropic/claude-opus-5-5"},
]
EXPERIMENT = {"name": "dearer", "metric": "cost_usd", "arms": ARMS, "max_requests": 1_000}
# Enough for 30 in each arm, whatever chance does.
REQUESTS = 140


async def experimenting(checks: Checks, client: Client, ledger: Ledger) -> None:
    started = await client.call_tool("start_experiment", EXPERIMENT)
    checks.equal("an experiment starts", started.structured_content["status"], "active")
    spent = by_arm = 0
    for number in range(REQUESTS):
        result = await ledger.route(client, f"experiment question {number}", cache="off")
        spent += pico(result["cost_usd"])
        arm = result["experiment"]["arm"]
        expected = next(each["model"] for each in ARMS if each["name"] == arm)
        by_arm += result["model"] in expected
    checks.equal("each is answered by its arm's model", by_arm, REQUESTS)
    report = await client.call_tool("experiment_report", {"name": "dearer"})
    content = report.structured_content
    checks.equal("forty times the price is found", content["verdict"], "control_better")
    checks.equal("its spend is what the calls said", pico(content["spend_usd"]), spent)
    checks.equal("every request is an outcome", sum(arm["n"] for arm in content["arms"]), REQUESTS)
    checks.check("the text says why", content["why"] in text_of(report), text_of(report))
    kinds = [block.type for block in report.content]
    checks.equal("it has a picture", kinds, ["text", "image"])
    rows = text_of(await client.call_tool("experiment_report", {"name": "dearer", "format": "csv"}))
    checks.equal("the CSV has every assignment", len(rows.strip().splitlines()), REQUESTS + 1)
    stopped = await client.call_tool("stop_experiment", {"name": "dearer", "adopt": "now"})
    checks.equal("it stops, and adopts", stopped.structured_content.get("adopted"), "now")
    result = await ledger.route(client, "after the experiment", cache="off")
    adopted = {"name": "dearer", "arm": "now", "adopted": True}
    checks.equal("answers say what was adopted", result["experiment"], adopted)
