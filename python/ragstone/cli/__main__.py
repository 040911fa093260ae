"""Runs the command line as ``python -m ragstone.cli``."""

from __future__ import annotations

import sys

from ragstone.cli import main

sys.exit(main())
