"""A shop's own test-suite runs as before, on SQLite, with the app installed and nothing else said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_shops_tests_on_sqlite(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "keyshops.integer", "--no-input"],
        cwd=tmp_path,
        env={
            **os.environ,
            "RECO_TEST_DATABASE_URL": "sqlite",
            "KEYSHOP": "integer",
            "KEYSHOP_DB": str(tmp_path / "shop.db"),
            "DJANGO_SETTINGS_MODULE": "keyshops.shop_settings",
            "PYTHONPATH": str(TESTS),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 5 tests" in done.stderr
    assert list(tmp_path.iterdir()) == []
