"""Shortest: numpy's own text of a float32, sooner."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bentoml_ext.decisions.float_text import padded_each, shortest, shortest_each


def between(low: float, high: float) -> npt.NDArray[np.float32]:
    """200 000 of the float32 numbers between two, by their bits, and both ends."""
    first, last = np.array([low, high], np.float32).view(np.int32).tolist()
    bits = np.random.default_rng(0).integers(first, last + 1, 200_000).astype(np.int32)
    return np.concatenate([bits.view(np.float32), np.array([low, high], np.float32)])


DECADES = [(0.1, 1), (0.01, 0.1), (0.001, 0.01), (0.0001, 0.001), (0.00001, 0.0001), (0, 1)]


@pytest.mark.parametrize(("low", "high"), DECADES)
def test_the_text_of_many_is_that_of_each(low: float, high: float) -> None:
    numbers = between(low, high)

    assert shortest_each(numbers).tolist() == [str(number).encode() for number in numbers]


def test_powers_of_two_have_numpys_text_although_their_neighbours_lie_uneven() -> None:
    numbers = np.ldexp(np.float32(1), np.arange(-149, 1))
    around = np.concatenate([numbers, np.nextafter(numbers[:-1], np.float32(1))])

    assert shortest_each(around).tolist() == [str(number).encode() for number in around]


def test_whole_and_strange_numbers_have_numpys_text() -> None:
    numbers = np.array([0, 1, 0.5, 1e-5, 1e-4, 0.00010000001, 0.3, np.nan, 1e-45], np.float32)

    texts = [text.decode() for text in shortest_each(numbers).tolist()]

    expected = ["0.0", "1.0", "0.5", "1e-05", "1e-04", "0.00010000001", "0.3", "nan", "1e-45"]
    assert texts == expected
    assert texts == [shortest(number) for number in numbers.tolist()]


def test_nothing_has_no_text() -> None:
    assert shortest_each(np.empty(0, np.float32)).tolist() == []


def texts_of(numbers: npt.NDArray[np.float32]) -> list[str]:
    return [text.replace(b"\0", b"").decode() for text in padded_each(numbers).tolist()]


LARGER = [(1, 10), (10, 1e3), (1e3, 1e6), (1e6, 1e7), (1e7, 1e16), (1e16, 3e38), (1e-30, 1e-4)]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("low", "high"), LARGER)
def test_the_text_of_any_numbers_is_that_of_each(low: float, high: float, sign: int) -> None:
    numbers = between(low, high)[::7] * np.float32(sign)

    texts = texts_of(numbers)

    assert texts == [shortest(number) for number in numbers.tolist()]
    assert np.array(texts, np.float32).tobytes() == numbers.tobytes()


def test_a_float32_has_an_exponent_where_a_python_float_has_one() -> None:
    numbers = np.array([999999.94, 1e6, 1413185.4, -2.5e6, 1e15, 1e16, 1e-4, -0.0, 3], np.float32)

    expected = ["999999.94", "1000000.0", "1413185.4", "-2500000.0", "1000000000000000.0", "1e+16"]
    assert texts_of(numbers) == [*expected, "1e-04", "-0.0", "3.0"]


def test_several_numbers_of_a_row_keep_their_shape() -> None:
    assert padded_each(np.ones((5, 3), np.float32)).shape == (5, 3)
    assert padded_each(np.empty((0, 3), np.float32)).shape == (0, 3)
