"""Framework: BentoML's contract of save, load, get, runnable and service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml

from bentoml_ext.boosters.xgb.handed_over import (
    booster_of,
    check_columns,
    check_open,
    check_types,
    is_pipeline,
    with_marker,
)
from bentoml_ext.decisions.base import Decider
from bentoml_ext.decisions.deciding import decider_of, default_policy
from bentoml_ext.decisions.policy import Policy
from bentoml_ext.encoders.encoder import Application, Encoder
from bentoml_ext.encoders.fields_file import read_fields
from bentoml_ext.encoders.reading import Rounds
from bentoml_ext.errors import ConfigError
from bentoml_ext.objectives.table import objective_of
from bentoml_ext.proof import environment
from bentoml_ext.scoring.opening import open_scorer
from bentoml_ext.scoring.scorer import Scorer
from bentoml_ext.settings import Settings
from bentoml_ext.store.assumed import handed_over
from bentoml_ext.store.bundle import ENCODER, POLICY, Manifest
from bentoml_ext.store.models import MODULE, get, load_bundle, store
from bentoml_ext.store.origin import Assumption, Origin
from bentoml_ext.store.tags import tag_of

if TYPE_CHECKING:
    import xgboost
    from sklearn.pipeline import Pipeline

    from bentoml_ext.acceptance import Check
    from bentoml_ext.boosters.ensemble import Ensemble
    from bentoml_ext.export.forms import Forms
    from bentoml_ext.preprocessing.compiling import Compiled
    from bentoml_ext.proving.every_form import ProofProgress
    from bentoml_ext.proving.proven import Proven

__all__ = [
    "MODULE",
    "get",
    "get_runnable",
    "get_service",
    "load_bundle",
    "load_model",
    "save_model",
]


def save_model(
    name: bentoml.Tag | str,
    model: xgboost.Booster | xgboost.XGBModel | Pipeline,
    *,
    encoder: Encoder | None = None,
    example: Any = None,
    fields: Path | str | None = None,
    policy: Policy | None = None,
    applications: Sequence[Application] = (),
    rounds: Rounds | None = None,
    check: Check | Path | str | None = None,
    prediction: str | None = None,
    origin: Origin | None = None,
    labels: dict[str, str] | None = None,
    metadata: dict[str, Any] | None = None,
    on_progress: ProofProgress | None = None,
) -> bentoml.Model:
    """Export a booster, prove the graph and store both as a new version in BentoML's model store.

    Args:
        name: the model's name; a version is made, unless a whole tag is given.
        model: Booster or scikit-learn estimator of XGBoost. Of an estimator that stopped early,
            the trees that it would use are stored, and its marker for missing is the encoder's.
            Or a fitted Pipeline of scikit-learn that ends in such an estimator. Its steps become
            the encoder, and the proof compares that with the pipeline itself.
        encoder: application to row; its features are the booster's columns. A Pipeline has none.
        example: of a Pipeline, the pandas DataFrame of its training. It says which fields there
            are, their types, and which may be null. Its rows are not stored.
        fields: of a Pipeline, a JSON file with rules of some fields, as `import --fields` takes it.
        policy: what is answered; by default the preset bands of a log-odds (DECLINED, MAYBE,
            APPROVED), the index of a class, otherwise the prediction.
        applications: real ones, for the part of the proof that goes from application to decision.
            None of them is stored.
        rounds: of a Booster that stopped early, whether "best" or "all" rounds count.
        check: applications with the trainer's own predictions, or the file that holds them; the
            stored model gives the same answers, or nothing is stored.
        prediction: column of the predictions in that file.
        origin: of a model that was imported.
        labels: BentoML's labels of the version.
        metadata: BentoML's metadata of the version.
        on_progress: called now and then with the rows that are proven and all that will be.

    `binary:logitraw` is answered as the sigmoid of its margin, where its own predict and
    predict_proba give the margin.

    A form of another package that cannot hold the model is left out: the manifest keeps the reason,
    and a warning (`bentoml_ext.export.forms.FormLeftOut`) says it.

    Returns:
        The stored model, module `bentoml_ext`.

    Raises:
        FeatureMismatch: the encoder's features are not the booster's, or it is not an encoder. Or
            the booster's splits show what it leaves open, or says otherwise; names the arguments.
        ExportRefused: no exact graph covers the booster, or it is not a booster. Or `rounds` does
            not name the rounds that count.
        NotAccepted: an answer is not the trainer's own. Nothing is stored.
        ProofFailed: the graph gives other bits. Nothing is stored.
        ConfigError: BentoML does not allow the name; no such rounds, or no such check.
        BentoMLException: the version exists.
    """
    from bentoml_ext.export.forms import written
    from bentoml_ext.proving.every_form import prove

    encoder, model, compiled = _compiled(encoder, model, example, fields)
    encoder = with_marker(check_types(encoder, policy, rounds, check, prediction), model)
    tag, booster = tag_of(name), booster_of(model, rounds)
    check_columns(booster, encoder)
    ensemble, decider = _decided(booster, policy)
    assumed = None if origin or compiled else _asked(model, booster, encoder, check)
    forms = written(booster)
    files = forms.files | {ENCODER: encoder.to_json(), POLICY: decider.policy.to_json()}
    proven = prove(
        booster,
        files,
        encoder=encoder,
        policy=decider.policy,
        applications=applications or (compiled.applications if compiled else ()),
        on_progress=on_progress,
    )
    proven = _compared(proven, compiled, booster, check, prediction, files, encoder, decider)
    manifest = _manifest(booster, encoder, ensemble, forms, origin=origin, assumptions=assumed)
    files |= proven.files(manifest.facts)
    return store(tag, files, manifest, labels=labels, metadata=metadata)


def load_model(model: bentoml.Tag | str | bentoml.Model, backend: str | None = None) -> Scorer:
    """A scorer for a stored model.

    Args:
        model: tag, or a stored model.
        backend: name of a backend; by default that of the settings (`BACKEND`, `CROSSOVER`).

    Raises:
        NotFound, BundleError: as `load_bundle`.
        UnknownBackend, BackendMissing, BackendError, ConfigError: as `open_scorer`.
    """
    bundle = load_bundle(model)
    if backend:
        return open_scorer(bundle, backend)
    settings = Settings.read()
    return open_scorer(bundle, settings.chosen.of(bundle.path.parent.name), settings.crossover)


def get_runnable(bento_model: bentoml.Model) -> type[bentoml.legacy.Runnable]:
    """The Runnable class behind `bentoml.models.get(tag).to_runner()`.

    Its methods take float32 rows (n, n_features), batchable on dimension 0. `predict` gives what
    `Booster.predict` does, or a probability where that is the margin; `margins` gives margins. Both
    are float32, (n,), or (n, k) of several.
    """
    from bentoml_ext.serving.runner import runnable_for

    return runnable_for(bento_model)


def get_service(
    model_name: bentoml.Tag | str | Sequence[bentoml.Tag | str] | Mapping[str, bentoml.Tag | str],
    **config: Any,
) -> Any:
    """A `bentoml.Service` with /predict, /predict_batch and /model for a stored model.

    And with /classify and /classify_batch where the model's policy decides. Of several models each
    has these routes under its name, as /NAME/predict, and GET /models lists them.

    The models are looked for when the service starts: a bento brings its own store.

    Args:
        model_name: tag of the model, or tags of several. Each of several is called by its model's
            name, or by its key in a mapping.
        config: BentoML's service configuration (`name`, `workers`, `traffic`, ...).

    Raises:
        ConfigError: not a tag, or two models of the same name.
    """
    from bentoml_ext.serving.from_tags import service_for

    return service_for(model_name, **config)


def _compiled(
    encoder: Encoder | None, model: Any, example: Any, fields: Path | str | None
) -> tuple[Encoder | None, Any, Compiled | None]:
    """Encoder and estimator, of a Pipeline those that it is compiled to."""
    if encoder is not None or not is_pipeline(model):
        if example is not None or fields is not None:
            raise ConfigError(
                f"Expected {'example' if fields is None else 'fields'} for a Pipeline alone, got "
                "it for another model. Rules of fields are the encoder's: Encoder(names, fields)."
            )
        return encoder, model, None
    # scikit-learn and pandas are needed from here on.
    from bentoml_ext.preprocessing.compiling import compile_pipeline

    rules = () if fields is None else read_fields(Path(fields))
    compiled = compile_pipeline(model, example, rules)
    return compiled.encoder, compiled.estimator, compiled


def _asked(model: Any, booster: xgboost.Booster, encoder: Encoder, check: Any) -> list[Assumption]:
    """What is assumed of a model that its training hands over; what must not be is asked for."""
    is_booster = isinstance(model, type(booster))
    check_open(booster, encoder, is_booster=is_booster, checked=check is not None)
    return handed_over(
        encoder,
        named=bool(booster.feature_names),
        marked=encoder.says_missing or not is_booster,
        checked=check is not None,
    )


def _compared(
    proven: Proven, compiled: Compiled | None, booster: xgboost.Booster, check: Any, *given: Any
) -> Proven:
    """The proof with what the pipeline itself says, and a check, where there is one."""
    if compiled is not None:
        from bentoml_ext.preprocessing.comparing import compare_pipeline

        proven = proven.with_part(compare_pipeline(compiled, booster))
    if check is not None:
        from bentoml_ext.acceptance.of_files import accepted

        proven = proven.accepted(accepted(check, *given))
    return proven


def _decided(booster: xgboost.Booster, policy: Policy | None) -> tuple[Ensemble, Decider]:
    """What the booster adds up, and the decider of a policy or of a model without one."""
    from bentoml_ext.boosters.xgb.confirm import read

    _, ensemble = read(booster)
    objective = objective_of(ensemble.objective, ensemble.transform)
    policy = policy or default_policy(objective, ensemble.n_targets)
    return ensemble, decider_of(policy, objective, ensemble.n_targets)


def _manifest(
    booster: xgboost.Booster,
    encoder: Encoder,
    ensemble: Ensemble,
    forms: Forms,
    *,
    origin: Origin | None,
    assumptions: list[Assumption] | None,
) -> Manifest:
    return Manifest(
        format=0,
        objective=ensemble.objective,
        n_features=encoder.n_features,
        n_trees=len(booster.get_dump()),
        features=list(encoder.features),
        files={},
        versions=environment.libraries(),
        origin=origin,
        transform=ensemble.transform or None,
        left_out=forms.left_out or None,
        assumptions=assumptions,
    )
