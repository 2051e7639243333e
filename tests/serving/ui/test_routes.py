"""The routes of the page: its files, its headers, and no route at all where UI is off."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import bentoml
import pytest

from tests.support.in_process import Client, asked

FILES = (
    "page.css",
    "page.js",
    "form.js",
    "answer.js",
    "backends.js",
    "facts.js",
    "dom.js",
    "icon.svg",
)
OURS = Path(__file__).parents[3] / "bentoml_ext" / "serving" / "ui"


@pytest.fixture
def client(credit_model: bentoml.Model) -> Iterator[Client]:
    with asked(credit_model.tag) as client:
        yield client


def test_the_page_and_its_files_are_there_with_their_types(client: Client) -> None:
    types = {name: client.get(f"/ui/{name}").headers["content-type"] for name in FILES}

    assert client.get("/ui").headers["content-type"] == "text/html; charset=utf-8"
    assert {types["page.js"], types["dom.js"]} == {"text/javascript; charset=utf-8"}
    assert types["page.css"] == "text/css; charset=utf-8"
    assert types["icon.svg"] == "image/svg+xml"
    assert {path.name for path in OURS.iterdir() if path.suffix in (".css", ".js", ".svg")} == {
        *FILES
    }


@pytest.mark.parametrize("path", ["/ui", "/ui/", "/ui/page.js", "/ui/model", "/ui/report"])
def test_every_answer_keeps_a_browser_to_this_service(client: Client, path: str) -> None:
    headers = client.get(path).headers

    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    for rule in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
        assert rule in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"


def test_the_page_has_no_script_style_or_address_of_elsewhere_in_itself(client: Client) -> None:
    page = client.get("/ui").text

    assert re.findall(r"<style|style=|\son\w+=|//", page.removeprefix("<!doctype html>")) == []
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert {client.get(f"/{one.removeprefix('./')}").status_code for one in loaded} == {200, 404}
    assert [one for one in loaded if client.get(f"/{one}").status_code == 404] == ["ui/report"]


def test_no_script_makes_markup_of_a_text() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in OURS.glob("*.js"))

    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(", scripts)
        == []
    )
    assert re.findall(r"https?://", scripts) == []


def test_a_slash_at_the_end_leads_back_by_a_relative_address(client: Client) -> None:
    answer = client.get("/ui/")

    assert (answer.status_code, answer.headers["location"]) == (307, "../ui")


def test_the_openapi_document_has_no_route_of_the_page(client: Client) -> None:
    assert not [path for path in client.get("/docs.json").json()["paths"] if "ui" in path]


def test_other_files_of_the_folder_are_not_served(client: Client) -> None:
    for name in ("routes.py", "page.html", "..%2Froutes.py", "__init__.py"):
        assert client.get(f"/ui/{name}").status_code == 404


def test_the_page_is_off_with_all_that_belongs_to_it(
    credit_model: bentoml.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UI", "off")
    with asked(credit_model.tag) as client:
        paths = ("/ui", "/ui/", "/ui/model", "/ui/report", *(f"/ui/{name}" for name in FILES))
        found = {client.get(path).status_code for path in paths}
        found.add(client.post("/ui/backends", json={}).status_code)

        assert found == {404}
        assert client.get("/model").status_code == 200


def test_the_last_report_is_linked_and_read_anew(
    credit_model: bentoml.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "report.html"
    report.write_text("<p>First</p>")
    os.utime(report, (0, 0))
    monkeypatch.setenv("REPORT", str(report))
    with asked(credit_model.tag) as client:
        first = client.get("/ui/report")
        written = client.get("/ui/model").json()["report"]
        report.write_text("<p>Second</p>")
        second = client.get("/ui/report").text
        report.unlink()

        assert (first.text, second) == ("<p>First</p>", "<p>Second</p>")
        assert written == "1970-01-01T00:00:00+00:00"
        assert "sandbox" in first.headers["content-security-policy"]
        assert client.get("/ui/report").status_code == 404
        assert client.get("/ui/model").json()["report"] is None


def test_the_model_is_shown_with_its_fields_example_and_proof(client: Client) -> None:
    shown, model = client.get("/ui/model").json(), client.get("/model").json()

    same = ("tag", "backend", "objective", "trees", "fields", "policy", "proof", "self_test")
    assert {name: shown[name] for name in same} == {name: model[name] for name in same}
    assert client.post("/predict", json=shown["example"]).status_code == 200
    assert shown["report"] is None


def test_a_page_that_nobody_opens_reads_no_file(
    credit_model: bentoml.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bentoml_ext.serving.ui import routes

    routes._content.cache_clear()
    with asked(credit_model.tag) as client:
        client.post("/predict", json=client.get("/ui/model").json()["example"])

        assert routes._content.cache_info().currsize == 0
