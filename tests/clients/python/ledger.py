"""What the calls said they cost, to hold against every report."""

from dataclasses import dataclass, field

from mcp.client import Client

CACHED = ("cache_exact", "cache_semantic")


def pico(dollars: float) -> int:
    """Gives whole pico-dollars, in which sums are exact."""
    return round(dollars * 1e12)


def text_of(result) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


@dataclass
class Ledger:
    """The structured results of all recorded `route_prompt` calls of one store."""

    results: list[dict] = field(default_factory=list)

    async def route(self, client: Client, prompt: str, **arguments: object) -> dict:
        """Routes a prompt and enters the result; an error of the tool is an exception."""
        result = await client.call_tool("route_prompt", {"prompt": prompt, **arguments})
        if result.is_error:
            raise RuntimeError(f"route_prompt refused: {text_of(result)}")
        self.results.append(result.structured_content)
        return result.structured_content

    def totals(self) -> dict[str, int]:
        """Sums up as `cost_report` must, money in pico-dollars."""
        results = self.results
        return {
            "requests": len(results),
            "cost_usd": sum(pico(result["cost_usd"]) for result in results),
            "baseline_cost_usd": sum(pico(result["baseline"]["cost_usd"]) for result in results),
            "saved_usd": sum(pico(result["saved_usd"]) for result in results),
            "cache_hits": sum(result["source"] in CACHED for result in results),
            "input_tokens": sum(result.get("usage", {}).get("input_tokens", 0) for result in results),
            "output_tokens": sum(result.get("usage", {}).get("output_tokens", 0) for result in results),
            "unpriced_requests": 0,
        }


def in_pico(totals: dict, names) -> dict[str, int]:
    """Picks the named numbers of a report's totals, money in pico-dollars."""
    return {name: pico(totals[name]) if name.endswith("_usd") else totals[name] for name in names}
