"""Errors: one class per thing to do, each also of the kind that others catch."""

from __future__ import annotations

import inspect
import pickle
from http import HTTPStatus

import pytest
from bentoml import exceptions

from bentoml_ext import errors
from bentoml_ext.errors import BentoMLExtError, InvalidApplication, NoDecision, TooLarge

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_the_list_of_errors_is_sorted_and_whole() -> None:
    defined = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    ]

    assert errors.__all__ == sorted(defined)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_ours_and_bentomls(error: type[Exception]) -> None:
    assert issubclass(error, BentoMLExtError)
    assert issubclass(error, exceptions.BentoMLException)


@pytest.mark.parametrize("error", CLASSES)
def test_the_tree_in_the_docstring_names_every_error(error: type[Exception]) -> None:
    assert f" {error.__name__}" in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidApplication, exceptions.InvalidArgument),
        (errors.FeatureMismatch, ValueError),
        (errors.ConfigError, exceptions.BentoMLConfigException),
        (errors.UnknownBackend, LookupError),
        (errors.UnknownBackend, errors.ConfigError),
        (errors.BackendMissing, exceptions.MissingDependencyException),
        (errors.ImportRefused, ValueError),
        (errors.ExportRefused, ValueError),
    ],
)
def test_an_error_is_also_of_the_kind_that_others_catch(
    error: type[Exception], kind: type[Exception]
) -> None:
    assert issubclass(error, kind)


def test_only_what_the_client_sent_is_the_clients_fault() -> None:
    assert InvalidApplication.error_code == HTTPStatus.BAD_REQUEST
    assert TooLarge.error_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert NoDecision.error_code == HTTPStatus.NOT_FOUND
    clients = (InvalidApplication, TooLarge, NoDecision)
    others = [error for error in CLASSES if error not in clients]
    assert all(error.error_code >= HTTPStatus.INTERNAL_SERVER_ERROR for error in others)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InvalidApplication("JSON", "3"), "Expected JSON, got 3."),
        (InvalidApplication("a", "b", "age"), "Expected a, got b - at field 'age'."),
        (InvalidApplication("a", "b", index=0), "Expected a, got b - at application 0."),
        (
            InvalidApplication("a", "b", "age").at(7),
            "Expected a, got b - at field 'age' of application 7.",
        ),
    ],
)
def test_a_bad_applications_message_says_expected_got_and_where(
    error: InvalidApplication, message: str
) -> None:
    assert str(error) == message


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_crosses_a_process_border(error: type[Exception]) -> None:
    # A pool of processes pickles what its workers raise.
    arguments = ("a", "b", "age", 3) if error is InvalidApplication else ("a message.",)
    raised = error(*arguments)

    again = pickle.loads(pickle.dumps(raised))  # noqa: S301

    assert type(again) is error
    assert (str(again), vars(again)) == (str(raised), vars(raised))
