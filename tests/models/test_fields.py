from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bentoml_ext.encoders.encoder import Field
from bentoml_ext.errors import InvalidApplication
from models.course_csv import CODES
from models.fields import EXAMPLE, FIELDS, MISSING

ROOT = Path(__file__).parents[2]
NUMBERS = [field for field in FIELDS if not field.categories]


def test_the_example_gives_every_field_and_passes_every_check() -> None:
    assert list(EXAMPLE) == [field.name for field in FIELDS]
    for field in FIELDS:
        field.check(EXAMPLE[field.name])


def test_there_are_thirteen_fields_and_three_of_them_may_be_null() -> None:
    assert len(FIELDS) == 13
    assert [field.name for field in FIELDS if field.nullable] == ["income", "assets", "debt"]


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_every_number_has_a_unit_and_refuses_the_marker_of_a_missing_value(field: Field) -> None:
    assert field.unit
    with pytest.raises(InvalidApplication, match="missing value"):
        field.check(MISSING)


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_no_number_may_be_negative(field: Field) -> None:
    with pytest.raises(InvalidApplication, match="at least 0"):
        field.check(-1)


def test_every_category_has_one_code_of_the_course() -> None:
    for field in FIELDS:
        if field.categories:
            assert sorted(CODES[field.name].values()) == sorted(field.categories)


def test_fields_bring_no_training_library_into_the_serving_process() -> None:
    heavy = "{'xgboost', 'sklearn', 'pandas', 'pyarrow', 'onnx', 'models.synthetic'}"
    code = f"import sys, models.fields; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
