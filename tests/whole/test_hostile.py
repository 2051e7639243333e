"""Hostile files: refused in one line by name, in bounded memory; nothing of them runs."""

from __future__ import annotations

import copy
import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper

from bentoml_ext import files
from bentoml_ext.acceptance.opening import opened
from bentoml_ext.backends import onnx_session
from bentoml_ext.boosters.xgb.files import BoosterFile
from bentoml_ext.decisions.policy_file import read_policy
from bentoml_ext.encoders.fields_file import read_fields
from bentoml_ext.errors import (
    BackendError,
    ConfigError,
    ImportRefused,
    TooLarge,
    UnreadableInput,
)
from bentoml_ext.export.pipelines.files import SCHEMA, read_pipeline
from bentoml_ext.formats import arrow_limits
from bentoml_ext.formats.arrow_limits import FileMessages
from bentoml_ext.importers.pickled_vectorizer import read_custom_objects
from bentoml_ext.proving import onnx_targets
from bentoml_ext.proving.foreign import outside_of
from bentoml_ext.proving.onnx_file import compare_onnx_file
from bentoml_ext.store import tags
from tests.support import small
from tests.support.commands import ROOT, environment
from tests.support.homes import store_of

DEEP = b"[" * 100_000


@pytest.fixture(scope="module")
def booster() -> Any:
    """A booster with names."""
    made = small.booster()
    made.feature_names = list(small.FEATURES)
    return made


@pytest.fixture(scope="module")
def document(booster: Any) -> Any:
    """Its file, decoded."""
    return json.loads(bytes(booster.save_raw("json")))


def put(value: Any, *way: Any) -> Callable[[Any], None]:
    """A change of a document: a value in another's place."""

    def change(document: Any) -> None:
        for key in way[:-1]:
            document = document[key]
        document[way[-1]] = value

    return change


LEARNER = ("learner",)
PARAM = (*LEARNER, "learner_model_param")
MODEL = (*LEARNER, "gradient_booster", "model")
TREE = (*MODEL, "trees", 0)
CODED = {
    "split_type": [1] + [0] * 14,
    "categories_nodes": [0],
    "categories_segments": [0],
    "categories_sizes": [1],
    "categories": [2**24 - 1],
}


def coded(document: Any) -> None:
    """One split by the largest code: without texts, each code up to it is a category."""
    put(["c"] * 4, *LEARNER, "feature_types")(document)
    document["learner"]["gradient_booster"]["model"]["trees"][0].update(CODED)


ODD: dict[str, Callable[[Any], None]] = {
    "an id of another tree": put(3, *TREE, "id"),
    "an id that is no number": put(None, *TREE, "id"),
    "a parent before the tree": put(-5, *TREE, "parents", 3),
    "a parent behind the tree": put(10**9, *TREE, "parents", 3),
    "a root with a parent": put(0, *TREE, "parents", 0),
    "another parent": put(4, *TREE, "parents", 1),
    "a child that is its parent": put(1, *TREE, "left_children", 1),
    "a child of 400 digits": put(10**400, *TREE, "left_children", 0),
    "a feature beyond the row": put(99, *TREE, "split_indices", 0),
    "a billion nodes": put("1000000000", *TREE, "tree_param", "num_nodes"),
    "nodes of no number": put([], *TREE, "tree_param", "num_nodes"),
    "a billion trees": put("1000000000", *MODEL, "gbtree_model_param", "num_trees"),
    "targets of no tree": put([0], *MODEL, "tree_info"),
    "a billion features": put("1000000000", *PARAM, "num_feature"),
    "a base score of no number": put("x", *PARAM, "base_score"),
    "a base score that is no chance": put("1E9", *PARAM, "base_score"),
    "a base score of NaN": put("NaN", *PARAM, "base_score"),
    "a thousand base scores": put(f"[{','.join(['5E-1'] * 1000)}]", *PARAM, "base_score"),
    "types that are a number": put(3, *LEARNER, "feature_types"),
    "types that are lists": put([[]] * 4, *LEARNER, "feature_types"),
    "names that are numbers": put([1, 2, 3, 4], *LEARNER, "feature_names"),
    "a best iteration of no number": put({"best_iteration": "x"}, *LEARNER, "attributes"),
    "a version of infinity": put([float("inf"), 0, 0], "version"),
    "16 million categories": coded,
}


@pytest.mark.parametrize("odd", sorted(ODD))
def test_an_odd_booster_is_refused_by_the_name_of_its_file(document: Any, odd: str) -> None:
    document = copy.deepcopy(document)
    ODD[odd](document)

    with pytest.raises(ImportRefused, match=r"credit\.json"):
        BoosterFile.read(json.dumps(document).encode(), "credit.json")


def test_attributes_nested_without_end_say_no_marker(document: Any) -> None:
    document = copy.deepcopy(document)
    put({"scikit_learn": DEEP.decode()}, *LEARNER, "attributes")(document)

    assert BoosterFile.read(json.dumps(document).encode(), "credit.json").missing is None


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_a_booster_with_changed_octets_is_refused_or_read(booster: Any, form: str) -> None:
    whole, random = bytes(booster.save_raw(form)), np.random.default_rng(0)
    read = 0
    for _ in range(150):
        data = bytearray(whole)
        at = random.integers(len(data))
        data[at : at + random.integers(1, 9)] = random.bytes(int(random.integers(0, 9)))
        try:
            BoosterFile.read(bytes(data), "credit")
            read += 1
        except ImportRefused:
            continue
    assert read < 150


def memo(place: int) -> bytes:
    return b"\x80\x02Nr" + place.to_bytes(4, "little") + b"."


SYSTEM = b"cposix\nsystem\n"
VECTORIZER = b"csklearn.feature_extraction._dict_vectorizer\nDictVectorizer\n"
DOUBLED = [b"h" + bytes([i, 104, i]) + b"\x86q" + bytes([i + 1]) for i in range(60)]


def opcodes(argument: bytes) -> dict[str, bytes]:
    """Pickles that no pickler writes by itself; some would run a command."""
    call = b"(S'" + argument + b"'\n"
    return {
        "reduce": SYSTEM + call + b"tR.",
        "inst": call + b"iposix\nsystem\n.",
        "obj": b"(" + SYSTEM + call[1:] + b"o.",
        "newobj": b"\x80\x02" + SYSTEM + call + b"t\x81.",
        "newobj_ex": b"\x80\x04" + SYSTEM + call + b"t}\x92.",
        "stack_global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + call + b"tR.",
        "build": VECTORIZER + b")\x81}S'__setstate__'\n" + SYSTEM + b"sb.",
        "an extension": b"\x80\x02\x82\x01.",
        "a persistent id": b"Pposix system\n.",
        "a persistent id on the stack": b"S'posix system'\nQ.",
        "a state that is a list": VECTORIZER + b")\x81]b.",
        "room for 100 million objects": memo(100_000_000),
        "room for 4 billion objects": memo(2**32 - 1),
        "room told in text": b"Np999999999\n.",
        "a string of 9 EB": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
        "a frame of 9 EB": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f.",
        "a number of a million digits": b"L" + b"9" * 10**6 + b"L\n.",
        "lists nested a million deep": b"]" * 10**6 + b"a" * (10**6 - 1) + b".",
        "a key nested without end": b"}(" + b")" + b"\x85" * 10**5 + b"Nu.",
        "2^60 objects": b"\x80\x02]q\x00" + b"".join(DOUBLED) + b".",
        "2^60 objects as a key": b"\x80\x02}()q\x00" + b"".join(DOUBLED) + b"Nu.",
        "a dtype of 2 GB": b"cnumpy\ndtype\n(S'V2000000000'\ntR.",
    }


@pytest.mark.parametrize("kind", sorted(opcodes(b"")))
def test_a_pickle_of_odd_opcodes_is_refused_and_not_run(tmp_path: Path, kind: str) -> None:
    canary = tmp_path / "canary"
    data = opcodes(f"touch {canary}".encode())[kind]

    with pytest.raises(ImportRefused, match=r"custom_objects\.pkl") as refused:
        read_custom_objects(data)

    assert len(str(refused.value)) < 500
    assert not canary.exists()


def test_a_device_and_a_file_of_20_gb_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(20 * 2**30)

    for path in (huge, Path("/dev/zero")):
        with pytest.raises(ConfigError, match=rf"at most [\d,]+ bytes, got more - at {path}"):
            files.read(path)


@pytest.mark.parametrize("read", [read_policy, read_fields])
def test_json_nested_without_end_is_refused_by_name(
    tmp_path: Path, read: Callable[[Path], Any]
) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(DEEP)

    with pytest.raises(ConfigError, match=r"deep\.json"):
        read(path)


@pytest.mark.parametrize("name", [SCHEMA, "array.npy"])
def test_a_skops_file_that_unpacks_to_more_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 100 * 2**20)
    path = tmp_path / "bomb.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(name, b"[" * (101 * 2**20))

    with pytest.raises(ImportRefused, match="when unpacked, got 105,906,176"):
        read_pipeline(path)


def rows_model(nodes: list[onnx.NodeProto], *constants: onnx.TensorProto) -> onnx.ModelProto:
    """A model from rows to a margin."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("margin", TensorProto.FLOAT, ["n", 1])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def elsewhere(name: str, location: str) -> onnx.TensorProto:
    """A tensor whose values lie in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4, 1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


@pytest.mark.parametrize("location", ["/etc/passwd", "../weights.bin", "weights.bin", ""])
@pytest.mark.parametrize("hidden", [False, True], ids=["constant", "attribute"])
def test_an_onnx_file_that_names_another_file_is_refused(
    tmp_path: Path, location: str, hidden: bool
) -> None:
    weights = elsewhere("w", location)
    product = helper.make_node("MatMul", ["rows", "w"], ["margin"])
    constant = helper.make_node("Constant", [], ["w"], value=weights)
    model = rows_model([constant, product]) if hidden else rows_model([product], weights)
    path = tmp_path / "credit.onnx"
    path.write_bytes(model.SerializeToString())

    with pytest.raises(ConfigError, match=r"all its data, got data in .* - at .*credit\.onnx"):
        onnx_targets.check_is_onnx(path)


def test_a_whole_onnx_file_names_no_other() -> None:
    weights = numpy_helper.from_array(np.ones((4, 1), np.float32), "w")

    model = rows_model([helper.make_node("MatMul", ["rows", "w"], ["margin"])], weights)

    assert outside_of(model) == ""


@pytest.mark.parametrize("calls", [40, 1], ids=["2^40 nodes", "a circle"])
def test_functions_that_write_out_to_too_much_are_refused(tmp_path: Path, calls: int) -> None:
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    functions = []
    for number in range(calls):
        inner = ("Abs", "") if number == 0 and calls > 1 else (f"F{max(number - 1, 0)}", "f")
        nodes = [
            helper.make_node(inner[0], [one], [other], domain=inner[1])
            for one, other in (("a", "b"), ("b", "c"))
        ]
        functions.append(
            helper.make_function("f", f"F{number}", ["a"], ["c"], nodes, opset_imports=versions)
        )
    model = rows_model([helper.make_node(f"F{calls - 1}", ["rows"], ["margin"], domain="f")])
    model.functions.extend(functions)
    path = tmp_path / "credit.onnx"
    path.write_bytes(model.SerializeToString())

    with pytest.raises(ConfigError, match=r"at most 1,000,000 nodes, got"):
        onnx_targets.check_is_onnx(path)


def test_a_loop_without_an_end_is_ended(booster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "LIMIT_S", 0.2)
    told = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", [a], [f"{a}_out"]) for a in ("more", "rows_in")],
        "body",
        [
            told("i", TensorProto.INT64, []),
            told("more", TensorProto.BOOL, []),
            told("rows_in", TensorProto.FLOAT, None),
        ],
        [told("more_out", TensorProto.BOOL, []), told("rows_in_out", TensorProto.FLOAT, None)],
    )
    loop = helper.make_node("Loop", ["", "true", "rows"], ["same"], body=body)
    total = helper.make_node("ReduceSum", ["same", "axis"], ["margin"])
    constants = [np.array(True), np.array([1])]
    named = [numpy_helper.from_array(*one) for one in zip(constants, ("true", "axis"), strict=True)]
    data = rows_model([loop, total], *named).SerializeToString()

    with pytest.raises(BackendError, match="Expected answers to rows"):
        compare_onnx_file(data, booster, random_rows=0)


@pytest.mark.parametrize(
    "text",
    [
        b"!!python/object/apply:os.system ['touch canary']",
        b"name: a\nversion: b\noptions: 3\n",
        b"\xff\x00",
        b"[" * 500,
        b"[1]",
        b"",
    ],
    ids=repr,
)
def test_a_hostile_description_of_a_stored_model_is_refused_in_one_line(
    tmp_path: Path, text: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    version = tmp_path / "models" / "credit" / "v1"
    version.mkdir(parents=True)
    (version / "model.yaml").write_bytes(text)

    with store_of(tmp_path), pytest.raises(bentoml.exceptions.BentoMLException):
        tags.find("credit:v1")

    assert capfd.readouterr() == ("", "")


def arrow_file(batches: int = 2) -> bytes:
    """Compressed batches of 800 000 bytes, with a dictionary of 100 000."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000), pa.array(["x" * 100_000]))
    batch = pa.RecordBatch.from_arrays([pa.array(np.zeros(100_000)), texts], ["n", "t"])
    data = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(data, batch.schema, options=options) as writer:
        for _ in range(batches):
            writer.write_batch(batch)
    return data.getvalue()


def test_an_arrow_file_is_counted_before_arrow_unpacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = arrow_file()
    assert len(data) < 20_000

    FileMessages(io.BytesIO(data), 1_600_000).check_all()
    with pytest.raises(TooLarge, match="at most 1599999 bytes when unpacked"):
        FileMessages(io.BytesIO(data), 1_599_999).check_batch(1)
    with pytest.raises(TooLarge, match="at most 99999 bytes when unpacked"):
        FileMessages(io.BytesIO(data), 99_999).check_dictionaries()


@pytest.mark.parametrize("claim", [2**62, 8, 0, -2])
def test_a_buffer_of_an_arrow_file_that_lies_about_its_size_takes_no_memory(claim: int) -> None:
    data = arrow_file()
    lying = data.replace(struct.pack("<q", 800_000), struct.pack("<q", claim))
    assert lying != data

    with pytest.raises((UnreadableInput, TooLarge)):
        opened(lying, Path("check.arrow"))


def test_an_arrow_file_with_changed_octets_is_refused_or_read() -> None:
    whole, random = arrow_file(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        # The footer stands at the end: half of the changes there.
        at = random.integers(len(data)) if random.random() < 0.5 else -random.integers(11, 600)
        data[at] = random.integers(256)
        try:
            opened(bytes(data), Path("check.arrow"))
        except (UnreadableInput, TooLarge):
            refused += 1
    assert refused > 50


def test_a_gzip_bomb_as_check_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_limits, "MAX_UNPACKED_BYTES", 10_000_000)

    with pytest.raises(TooLarge, match="at most 10000000 bytes when unpacked"):
        opened(gzip.compress(bytes(30_000_000), 1), Path("check.csv.gz"))


def test_a_parquet_file_of_too_many_rows_as_check_is_refused_at_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = io.BytesIO()
    pq.write_table(pa.table({"n": np.zeros(100_000)}), data)
    monkeypatch.setattr(arrow_limits, "MAX_UNPACKED_BYTES", 799_999)

    with pytest.raises(TooLarge, match="at most 799999 bytes when unpacked"):
        opened(data.getvalue(), Path("check.parquet"))


COMMANDS = """
import json, os, resource, sys
from click.testing import CliRunner
from bentoml_ext.cli import ext

limit = 3 * 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for words in json.load(sys.stdin):
    found = CliRunner().invoke(ext, words, prog_name="bentoml ext")
    print(json.dumps([found.exit_code, found.output, repr(found.exception)]), flush=True)
"""


@pytest.mark.slow
def test_every_command_refuses_hostile_files_in_one_line_and_leaves_nothing(
    tmp_path: Path, booster: Any
) -> None:
    canary, home = tmp_path / "canary", tmp_path / "home"
    good, evil, huge, deep, graph = (
        tmp_path / name for name in ("good.json", "evil.pkl", "huge", "deep.json", "a.onnx")
    )
    booster.save_model(good)
    evil.write_bytes(opcodes(f"touch {canary}".encode())["reduce"])
    deep.write_bytes(DEEP)
    with huge.open("wb") as file:
        file.truncate(20 * 2**30)
    product = helper.make_node("MatMul", ["rows", "w"], ["margin"])
    graph.write_bytes(rows_model([product], elsewhere("w", "/etc/passwd")).SerializeToString())
    importing = ["import", str(good), "--name", "x", "--absent", "zero"]
    commands = [
        ["import", str(path), "--name", "x"] for path in (evil, huge, deep, graph, "/dev/zero")
    ]
    for option in ("--policy", "--fields", "--check", "--features"):
        commands += [[*importing, option, str(path)] for path in (evil, huge, deep, "/dev/zero")]
    for path in (evil, huge, deep, graph):
        commands += [["verify", str(path), "--booster", str(good)]]
        commands += [["verify", str(path), "--pipeline", str(evil)], ["inspect", str(path)]]
    before = sorted(tmp_path.iterdir())

    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps(commands),
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(results) == len(commands), done.stderr
    for words, (code, output, error) in zip(commands, results, strict=True):
        assert (code, error) == (1, "SystemExit(1)"), (words, output, error)
        assert output.startswith("Error: Expected") and output.count("\n") == 1, (words, output)
    assert sorted(tmp_path.iterdir()) == sorted([*before, home])
    assert not list(home.glob("models/*")) and not canary.exists()
