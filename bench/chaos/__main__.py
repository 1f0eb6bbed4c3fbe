"""`make chaos [KILLS=50] [SEED=1]`: kill runs, and see whether anything is lost, twice or half there."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson

from bench.chaos.campaign import Campaign
from embedded.spark_platform import local_platform
from mend.runtime.errors import UserError

HEAD = f"{'#':>3}  {'killed':<22} {'state left':<28} {'tries':>5} {'recovery':>9} {'lost':>5} {'doubled':>8}"
INTERRUPTED = 130
TARGET_SECONDS = 30


def main() -> int:
    """Run a campaign; 0 when nothing was lost, doubled or half seen and the proof holds, else 1."""
    asked = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="mend-chaos-"))
    say(f"{asked.kills} kills over {asked.events:,} events, seed {asked.seed}; what happens is in {folder}")
    say(HEAD)
    keep = True
    try:
        java, jars = local_platform()
        campaign = Campaign(java, jars, folder, events=asked.events, kills=asked.kills, seed=asked.seed, tell=say)
        result = campaign.run()
        keep = not good(result)
    except UserError as error:
        say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write((orjson.dumps(result).decode() if asked.json else summary(result)) + "\n")
    return 0 if good(result) else 1


def parse() -> argparse.Namespace:
    """Read the command line."""
    cli = argparse.ArgumentParser(prog="bench.chaos", description=__doc__)
    cli.add_argument("--kills", type=int, default=10, help="how often something is killed")
    cli.add_argument("--events", type=int, default=100_000, help="how many events are sent meanwhile")
    cli.add_argument("--seed", type=int, default=1, help="the same seed kills the same things in the same order")
    cli.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return cli.parse_args()


def say(text: str) -> None:
    """Say something to people."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def good(result: dict[str, Any]) -> bool:
    """Whether nothing was lost, doubled or half seen, the proof says so too, and all kills were made."""
    harmless = not (result["lost"] or result["doubled"] or result["anomalies"] or result["unsent"])
    return bool(harmless and agrees(result) and len(result["kills"]) == result["asked"])


def agrees(result: dict[str, Any]) -> bool:
    """Whether the campaign's count and `mend prove`, which share no code, say the same."""
    whole, proof = not (result["lost"] or result["doubled"]), result["proof"]
    return bool(proof["holds"] == whole and (not whole or proof["offsets"] == result["sent"]))


def summary(result: dict[str, Any]) -> str:
    """Return the last lines for people."""
    seen = ", ".join(f"{what}: {many}" for what, many in result["anomalies"].items()) or "none"
    places = ", ".join(f"{many:,} {place}" for place, many in result["places"].items() if many)
    kills = f"kills {len(result['kills'])}/{result['asked']}, {result['lost']} lost, {result['doubled']} doubled"
    recovery = f"p50 {result['recovery_p50']} s, p95 {result['recovery_p95']} s (target p95 {TARGET_SECONDS} s)"
    proof = result["proof"]
    verdict = "holds" if proof["holds"] else f"does not hold: {proof['finding']}"
    lines = (
        f"{kills} of {result['sent']:,} events ({places})",
        f"recovery to the next published run: {recovery}",
        f"the reader looked {result['looks']:,} times; anomalies: {seen}",
        f"mend prove: {verdict}, {proof['offsets']:,} offsets ({'agrees' if agrees(result) else 'DISAGREES'})",
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
