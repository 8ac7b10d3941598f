"""What a blend may rank with, by name; see `contest.chosen`."""

from __future__ import annotations

AUTO, LINEAR, LAMBDAMART = "auto", "linear", "lambdamart"
RANKERS = (AUTO, LINEAR, LAMBDAMART)
