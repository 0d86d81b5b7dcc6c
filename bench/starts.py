"""From the start of a process to its first 200, the service and the bare handler in turn."""

from bench.figures import Figure, Found, progress
from bench.pressing import Plan, quiet_service
from bench.processes import bare


async def measure(plan: Plan) -> Found:
    """Cold starts on an empty database, after one of each that does not count."""
    own, against = [], []
    for number in range(plan.rounds + 1):
        async with bare() as floor:
            bare_s = floor.started_s
        async with quiet_service() as hub:
            hub_s = hub.started_s
        if number:
            progress(f"round {number}: {hub_s * 1e3:.0f} against {bare_s * 1e3:.0f} ms")
            own.append(hub_s * 1e3)
            against.append(hub_s / bare_s)
    return Found(
        [
            Figure("cold start to ready", own, "600", "", "ms"),
            Figure("cold start against bare aiohttp's", against, "", "1.1"),
        ],
        ["Cold starts: on an empty database that the start makes, files in the page cache, modules compiled."],
    )
