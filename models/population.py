"""Population: who applies for credit, and for what.

Each table is a plausible shape, written by hand to resemble what consumer credit looked like in the
Spain of the course's data. None is copied from the data. Fields hang together as in life: age
shapes marriage, seniority, home and job, and these shape income, assets and debt. Money is in
thousands of pesetas.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np

from models.draws import Draws, Whole

__all__ = ["Columns", "people"]

Columns: TypeAlias = dict[str, Whole]
"""By field name: int64, (n,); a category as its place in the field's list."""

_AGES: Final = ((18, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 43, 46, 49, 53, 58, 69),)
_AGE_BANDS: Final = (25, 35, 50)
_SENIORITY_BANDS: Final = (2, 6, 15)

# Four lines, one per age band.            single married widow separated divorced
_MARITAL: Final = (
    (620, 355, 2, 16, 7),
    (310, 645, 4, 31, 10),
    (95, 844, 10, 38, 13),
    (60, 850, 55, 25, 10),
)
# Two blocks of age bands: alone, then married.  rent owner private ignore parents other
_HOME: Final = (
    (110, 30, 20, 6, 740, 94),
    (190, 120, 45, 6, 540, 99),
    (270, 330, 70, 6, 210, 114),
    (260, 480, 60, 6, 70, 124),
    (330, 260, 60, 6, 220, 124),
    (300, 420, 70, 6, 120, 84),
    (210, 650, 60, 6, 15, 59),
    (130, 770, 55, 6, 3, 36),
)
# One line per seniority band.    fixed partime freelance others
_JOB: Final = ((480, 300, 160, 60), (610, 110, 250, 30), (690, 40, 250, 20), (700, 20, 230, 50))
# Years in the job, in percent of the years since 17.
_TENURE: Final = ((0, 3, 9, 19, 31, 45, 61, 80, 100),)
# One line per job.
_INCOME: Final = (
    (30, 75, 95, 110, 125, 145, 165, 200, 380),
    (0, 0, 45, 60, 75, 88, 100, 125, 260),
    (0, 0, 55, 95, 130, 165, 200, 260, 620),
    (0, 0, 0, 45, 65, 85, 110, 140, 280),
)
_CHILDREN: Final = ((0, 0, 0, 0, 0, 0, 1, 1, 2), (0, 0, 0, 1, 1, 2, 2, 3, 4))
# One line per home, in the order of the field's categories.
_HOME_ASSETS: Final = (
    (0, 0, 0, 0, 0, 300, 1000, 3000, 20000),
    (0, 2000, 3000, 3500, 4500, 6000, 8000, 12000, 45000),
    (0, 0, 1500, 2500, 3500, 5000, 7000, 10000, 40000),
    (0, 0, 0, 0, 0, 500, 2000, 4000, 20000),
    (0, 0, 0, 0, 0, 0, 500, 2500, 20000),
    (0, 0, 0, 0, 500, 1500, 3000, 5000, 25000),
)
_PRICE: Final = (
    (
        100,
        420,
        640,
        850,
        980,
        1060,
        1130,
        1200,
        1260,
        1320,
        1390,
        1470,
        1560,
        1690,
        1870,
        2200,
        4000,
    ),
)
# Credit asked for, in percent of the price.
_FINANCED: Final = ((15, 42, 56, 65, 72, 79, 86, 94, 108),)
_MONTHS: Final = np.array((6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 72))
_MONTHS_BANDS: Final = (500, 800, 1200)
# One line per band of the amount.
_TIME: Final = (
    (40, 150, 70, 260, 20, 320, 5, 80, 2, 53, 0),
    (8, 45, 35, 140, 18, 390, 8, 190, 4, 161, 1),
    (2, 15, 14, 50, 10, 200, 8, 230, 5, 465, 1),
    (1, 8, 6, 20, 5, 75, 5, 150, 4, 722, 4),
)


def people(draws: Draws) -> Columns:
    """The fields of applications as they truly are: nothing missing, nothing unknown."""
    age = draws.along("age", _AGES)
    age_band = np.digitize(age, _AGE_BANDS)
    marital = draws.pick("marital", _MARITAL, age_band)
    married = (marital == 1).astype(np.int64)
    home = draws.pick("home", _HOME, age_band + len(_MARITAL) * married)
    seniority = draws.along("seniority", _TENURE) * (age - 17) // 100
    job = draws.pick("job", _JOB, np.digitize(seniority, _SENIORITY_BANDS))
    records = draws.chance("records", np.array((150, 230, 190, 210))[job]).astype(np.int64)
    income = _income(draws, job, seniority, married)
    return {
        "seniority": seniority,
        "home": home,
        "age": age,
        "marital": marital,
        "records": records,
        "job": job,
        "expenses": _expenses(draws, home, married),
        "income": income,
        **_wealth(draws, home, age),
        **_wish(draws, income),
    }


def _income(draws: Draws, job: Whole, seniority: Whole, married: Whole) -> Whole:
    own = draws.along("income", _INCOME, job)
    rise = np.where(own > 0, np.minimum(seniority, 20), 0)
    works = draws.chance("partner works", 180 * married)
    return own + rise + works * draws.along("partner", ((30, 70, 140),))


def _expenses(draws: Draws, home: Whole, married: Whole) -> Whole:
    children = draws.along("children", _CHILDREN, married)
    # A rent is only half of a home's costs; who owns or lives with parents has few.
    rent = np.where(home == 0, draws.along("rent", ((0, 6, 12, 25),)), 0)
    return 35 + 10 * married + 15 * children + rent


def _wealth(draws: Draws, home: Whole, age: Whole) -> Columns:
    assets = draws.along("assets", _HOME_ASSETS, home) * (50 + age) // 86
    # People write a home's worth in round numbers, and small sums as they are.
    assets = np.where(assets >= 1000, assets // 500 * 500, assets // 10 * 10)
    mortgage = assets * draws.along("mortgage", ((2, 8, 20, 40, 75),)) // 100
    car = draws.along("car", ((50, 150, 300, 600, 1500),))
    owes = draws.chance("has mortgage", np.where((home == 1) | (home == 2), 240, 20))
    debt = owes * mortgage + draws.chance("owes on car", np.full_like(home, 60)) * car
    return {"assets": assets, "debt": debt}


def _wish(draws: Draws, income: Whole) -> Columns:
    price = draws.along("price", _PRICE) + income
    amount = np.maximum(price * draws.along("financed", _FINANCED) // 100 // 50 * 50, 100)
    band = np.digitize(amount, _MONTHS_BANDS)
    return {"time": _MONTHS[draws.pick("time", _TIME, band)], "amount": amount, "price": price}
