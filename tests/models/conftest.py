"""The course's CSV file, which is not part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COURSE_CSV = ROOT.parent / "shared" / "data" / "CreditScoring.csv"


@pytest.fixture(scope="session")
def course_csv() -> Path:
    if not COURSE_CSV.exists():
        pytest.skip("needs the course's data at ../shared/data/CreditScoring.csv")
    return COURSE_CSV
