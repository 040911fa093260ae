"""Trains the two heads of the router, writes its weights, its known errors and its measured quality.

    python python/models/train_router.py --queries ../shared/data/queries

Features are the engine's own (``ragstone._core.route_features``). Everything is seeded: the same data gives the same
files. Rows are in ``router_rows.py``, the model is in ``router_model.py``, measuring in ``router_quality.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from router_model import Data, cross_validated, known_errors, quantised, write_weights
from router_rows import HERE, own_rows, public_rows, training_rows

PACKAGE = HERE.parent / "ragstone" / "recommender"


def main() -> None:
    """Trains, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=Path, default=HERE.parents[1].parent / "shared" / "data" / "queries")
    parser.add_argument("--quick", action="store_true", help="write weights and known errors, measure nothing more")
    arguments = parser.parse_args()
    real, own = public_rows(arguments.queries), own_rows()
    data = Data.of(training_rows(real, own))
    held = cross_validated(data)
    model, body = quantised(held.apply(data.model()))
    write_weights(PACKAGE / "router.bin", body)
    errors = known_errors(data, held)
    (PACKAGE / "router_errors.json").write_text(json.dumps(errors) + "\n", encoding="utf-8")
    print(f"{len(data.rows):,} rows, {len(own):,} by hand; {json.dumps(errors)}", flush=True)
    if not arguments.quick:
        from router_quality import measured, report

        figures = measured(real, own, data, held, model)
        (HERE / "router_quality.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        (HERE / "ROUTER.md").write_text(report(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
