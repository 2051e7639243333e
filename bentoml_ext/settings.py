"""Settings: read once at start, from BentoML's arguments and the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
from bentoml.exceptions import BentoMLException

from bentoml_ext.backends.chosen import ChosenBackends
from bentoml_ext.backends.crossover import Crossover
from bentoml_ext.backends.registry import form_names
from bentoml_ext.errors import ConfigError, UnknownBackend
from bentoml_ext.internals.command_line import command_line_arguments
from bentoml_ext.misspelt import check_environment
from bentoml_ext.store.names import AT, Named
from bentoml_ext.store.tags import asked_of, find

__all__ = ["DEFAULT_BACKEND", "NAMES", "Settings", "crossover_for", "hand_on"]

DEFAULT_BACKEND = "onnx"

MOST_SECONDS = 3600

NAMES = (
    "ACCESS_LOG",
    "BACKEND",
    "CROSSOVER",
    "DRAIN_SECONDS",
    "FASTPATH",
    "MAX_BULK_BYTES",
    "MAX_BULK_ROWS",
    "MODEL",
    "REPORT",
    "UI",
)
"""Every setting: a variable of the environment, and in small letters an argument."""


@dataclass(frozen=True)
class Settings:
    """Settings of the operator.

    `--arg name=value` of the command line overrides the environment's NAME, which overrides the
    arguments of a bentofile or a bento.

    Args:
        model: `MODEL`; tag or promoted name of the stored model that answers in the place of the
            service's own.
        backend: `BACKEND`; the backend that scores, or one for each model, as in
            risk=onnx,price=xgboost or onnx,price=xgboost. Default onnx.
        crossover: `CROSSOVER`, as onnx:1,xgboost:80; the rows from which each backend scores, if
            `BACKEND` is auto. Another backend ignores it, so that a bento that carries it can
            still be swapped by one word. Default: measured at start.
        drain_seconds: `DRAIN_SECONDS`; from SIGTERM on, the time in which a server is not ready and
            still answers, also on new connections.
        fastpath: `FASTPATH`, on or off; answer simple requests in front of BentoML. Default on.
        access_log: `ACCESS_LOG`, on or off; a log line for every request. Default off.
        max_bulk_rows: `MAX_BULK_ROWS`; applications in one request as Arrow or NDJSON.
        max_bulk_bytes: `MAX_BULK_BYTES`; of such a request's body.
        ui: `UI`, on or off; the page at /ui. Default on.
        report: `REPORT`; an HTML file of `bentoml ext compare --html` that the page links to.
    """

    model: bentoml.Tag | Named | None = None
    backend: str = DEFAULT_BACKEND
    crossover: Crossover | None = None
    drain_seconds: float = 1.0
    fastpath: bool = True
    access_log: bool = False
    max_bulk_rows: int = 1_000_000
    max_bulk_bytes: int = 256 * 1024 * 1024
    ui: bool = True
    report: Path | None = None

    def __post_init__(self) -> None:
        # Refuses what cannot be used.
        _ = self.chosen
        for name in self.crossover.names if self.crossover else ():
            if name not in form_names():
                raise UnknownBackend(
                    f"Expected one of {', '.join(form_names())}, got '{name}' - at CROSSOVER. "
                    "Name these, as in CROSSOVER=onnx:1,xgboost:80."
                )

    @property
    def chosen(self) -> ChosenBackends:
        """The backend of each model."""
        return ChosenBackends.parse(self.backend, DEFAULT_BACKEND)

    def needed_by(self, *models: str) -> tuple[str, ...]:
        """The backends whose libraries have to be there for models of these names."""
        backends = dict.fromkeys(map(self.chosen.of, models))
        return tuple(dict.fromkeys(name for one in backends for name in self._members(one)))

    @property
    def needed(self) -> tuple[str, ...]:
        """The backends whose libraries have to be there, whatever the models' names are."""
        return self.needed_by("", *self.chosen.named)

    def _members(self, backend: str) -> tuple[str, ...]:
        if self.crossover is None or backend in form_names():
            return (backend,)
        return self.crossover.names

    @classmethod
    def read(
        cls, arguments: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        """The settings of this process.

        Args:
            arguments: those that go before the environment, by default the command line's.
            environ: by default the environment of the process.

        Raises:
            UnknownBackend: lists the known names.
            ConfigError: another value that cannot be used.
        """
        brought: Mapping[str, Any] = {}
        if arguments is None:
            arguments = command_line_arguments()
            brought = vars(bentoml.use_arguments())
        environ = os.environ if environ is None else environ

        def value(name: str, default: str) -> str:
            for source, key in (
                (arguments, name.lower()),
                (environ, name),
                (brought, name.lower()),
            ):
                # An empty variable is what `BACKEND= make serve` leaves: not set. YAML has False.
                if source.get(key) not in (None, ""):
                    return str(source[key])
            return default

        def count(name: str, default: int) -> int:
            return _count(name, value(name, str(default)))

        crossover, model = value("CROSSOVER", ""), value("MODEL", "")
        report = value("REPORT", "")
        return cls(
            model=_tag(model) if model else None,
            backend=value("BACKEND", DEFAULT_BACKEND),
            crossover=Crossover.parse(crossover) if crossover else None,
            drain_seconds=_seconds("DRAIN_SECONDS", value("DRAIN_SECONDS", str(cls.drain_seconds))),
            fastpath=_switch("FASTPATH", value("FASTPATH", "on")),
            access_log=_switch("ACCESS_LOG", value("ACCESS_LOG", "off")),
            max_bulk_rows=count("MAX_BULK_ROWS", cls.max_bulk_rows),
            max_bulk_bytes=count("MAX_BULK_BYTES", cls.max_bulk_bytes),
            ui=_switch("UI", value("UI", "on")),
            report=_file("REPORT", report) if report else None,
        )


def crossover_for(backend: str) -> Crossover | None:
    """`CROSSOVER` for a command that names its backend: no other setting has a say there.

    Raises:
        UnknownBackend, ConfigError: as `Settings.read`, of `CROSSOVER` alone, and only where the
            backend is made of others.
    """
    if backend in form_names():
        return None
    return Settings.read({}, {"CROSSOVER": os.environ.get("CROSSOVER", "")}).crossover


def hand_on() -> None:
    """Let the processes that this one starts have the settings of its command line.

    BentoML gives a Runner's processes no arguments at all, and those of a bento only the bento's.

    Raises:
        ConfigError: a variable of the environment is surely a misspelt setting.
    """
    check_environment(os.environ, NAMES, _takes)
    given = command_line_arguments()
    for name in NAMES:
        if given.get(name.lower()) not in (None, ""):
            os.environ[name] = str(given[name.lower()])
    if report := os.environ.get("REPORT"):
        # Workers may start in another folder.
        os.environ["REPORT"] = str(Path(report).absolute())


def _takes(name: str, value: str) -> bool:
    """Whether a setting takes a value; a model's name alone may be any word."""
    try:
        Settings.read({}, {name: value})
        return name != "MODEL" or ((":" in value or AT in value) and bool(find(value)))
    except BentoMLException:
        return False


def _tag(value: str) -> bentoml.Tag | Named:
    try:
        return asked_of(value)
    except ConfigError as error:
        message = str(error).rstrip(".")
        raise ConfigError(
            f"{message} - at MODEL. Set it as in credit_risk_model:latest, or as in "
            "credit_risk_model@champion."
        ) from error


def _switch(name: str, value: str) -> bool:
    switches = {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}
    if value.lower() not in switches:
        raise ConfigError(f"Expected on or off, got '{value}' - at {name}.")
    return switches[value.lower()]


def _seconds(name: str, value: str) -> float:
    # Not by `float` alone, which takes "nan", "1_0" and "infinity".
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", value) or float(value) > MOST_SECONDS:
        raise ConfigError(f"Expected seconds from 0 to {MOST_SECONDS}, got '{value}' - at {name}.")
    return float(value)


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        raise ConfigError(f"Expected a whole number from 1 on, got '{value}' - at {name}.")
    return int(value)


def _file(name: str, value: str) -> Path:
    path = Path(value).absolute()
    if not path.is_file():
        raise ConfigError(f"Expected a file, got '{value}' - at {name}.")
    return path
