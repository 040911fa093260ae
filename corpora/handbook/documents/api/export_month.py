"""Example for the API reference: exports one month of readings of a site to CSV.

Reads the service token from the environment variable CANOPY_TOKEN (scope ``readings:read``). Only the standard
library is used. The month is fetched as ``raw``, which spans at most 31 days per call, so one month always fits.

    CANOPY_TOKEN=cst_EXAMPLE python export_month.py st_9ak2 2026-05 > may.csv
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

BASE = "https://api.canopy.example/v3"
PAGE_ROWS = 10_000  # the largest page that the API gives
MAX_TRIES = 4


def get(path: str, **parameters: str | int) -> dict:
    """Call the API, waiting as long as ``Retry-After`` asks when we are too fast."""
    url = f"{BASE}{path}?{urllib.parse.urlencode(parameters)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {os.environ['CANOPY_TOKEN']}"})
    for attempt in range(MAX_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 429 or attempt == MAX_TRIES - 1:
                raise
            time.sleep(int(error.headers.get("Retry-After", "5")))
    raise RuntimeError("unreachable")


def month_bounds(month: str) -> tuple[str, str]:
    """First moment of the month and of the next one, in UTC."""
    year, number = (int(part) for part in month.split("-"))
    following = (year + number // 12, number % 12 + 1)
    return f"{year}-{number:02}-01T00:00:00Z", f"{following[0]}-{following[1]:02}-01T00:00:00Z"


def readings(site: str, month: str) -> Iterator[dict]:
    """All readings of the month, page by page. A cursor is valid for six hours."""
    first, last = month_bounds(month)
    cursor = ""
    while True:
        page = get(f"/sites/{site}/readings", **{"from": first, "to": last, "limit": PAGE_ROWS, "cursor": cursor})
        yield from page["readings"]
        cursor = page.get("next_cursor") or ""
        if not cursor:
            return


def main() -> None:
    site, month = sys.argv[1:3]
    writer = csv.writer(sys.stdout)
    writer.writerow(["time", "node", "channel", "value", "late"])
    for row in readings(site, month):
        writer.writerow([row["time"], row["node"], row["channel"], row["value"], row["late"]])


if __name__ == "__main__":
    main()
