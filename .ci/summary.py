"""Add up the JUnit files of all environments: a line each, then the sum, last."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET


def counts(path: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for suite in ET.parse(path).getroot().iter("testsuite"):
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        found += Counter(
            passed=int(suite.get("tests", 0)) - failed - skipped, failed=failed, skipped=skipped
        )
    return found


def line(found: Counter[str]) -> str:
    return f"{found['passed']} passed, {found['failed']} failed, {found['skipped']} skipped"


def main(paths: list[str]) -> int:
    total: Counter[str] = Counter()
    for path in map(Path, paths):
        if path.is_file():
            found = counts(path)
            total += found
            print(f"{path.parent.name:>16}: {line(found)}")
    print(line(total))
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
