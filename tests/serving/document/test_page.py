"""The page at `/` and the document behind it: of this model, and nothing from other machines."""

from __future__ import annotations

import re

import bentoml
import httpx
import pytest

from bentoml_ext.decisions.policy import Band
from bentoml_ext.serving.document.introduction import answers
from bentoml_ext.serving.document.page import TITLED, without_others
from tests.support import small
from tests.support.servers import Server


@pytest.fixture(scope="module")
def page(onnx_server: Server) -> httpx.Response:
    return onnx_server.client.get("/")


@pytest.fixture(scope="module")
def told(onnx_server: Server) -> str:
    information = onnx_server.client.get("/docs.json").json()["info"]
    assert "contact" not in information
    said: str = information["description"]
    return said


def test_the_page_names_the_service_and_loads_only_what_the_service_has(
    onnx_server: Server, page: httpx.Response
) -> None:
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"([^\"]*)\"", page.text)

    assert "<title>credit_risk_classifier</title>" in page.text
    assert len(loaded) > 3
    assert [name for name in loaded if onnx_server.client.get(name).status_code != 200] == []
    # A link to follow loads nothing.
    assert re.findall(r"//[\w.]+", page.text) == ["//github.com"]


def test_the_page_shows_the_name_that_bentomls_style_hides(
    onnx_server: Server, page: httpx.Response
) -> None:
    style = onnx_server.client.get("/static_content/index.css").text

    assert ".info .main .title {\n  visibility: hidden;" in style
    assert page.text.index("index.css") < page.text.index(".info .main .title{visibility:visible}")


def test_each_route_says_in_a_line_what_it_does(onnx_server: Server) -> None:
    paths = onnx_server.client.get("/docs.json").json()["paths"]

    assert {path: paths[path]["post"]["summary"] for path in ("/classify", "/classify_batch")} == {
        "/classify": "Classify one application",
        "/classify_batch": "Classify up to 10 000 applications, in order",
    }


def test_a_browser_is_asked_to_load_nothing_from_elsewhere(page: httpx.Response) -> None:
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'self';")


@pytest.mark.parametrize(
    "element",
    [
        "<script>x.src='https://tags.example/x.js'</script>",
        '<script src="//tags.example/x.js"></script>',
        '<NOSCRIPT><iframe src="http://tags.example"></iframe></NOSCRIPT>',
        "<!-- https://tags.example -->",
    ],
)
def test_every_kind_of_element_from_elsewhere_is_left_out(element: str) -> None:
    html = f'<head><title>Old</title>\n{element}<script src="./own.js"></script></head>'

    assert without_others(html, "a<b").replace("\n", "") == (
        f'<head><title>a&lt;b</title><script src="./own.js"></script>{TITLED}</head>'
    )


def test_the_document_says_model_policy_proof_and_how_to_ask(
    onnx_server: Server, credit_model: bentoml.Model, told: str
) -> None:
    proof = onnx_server.client.get("/model").json()["proof"]

    assert told.startswith("Probability that an applicant defaults, and the status")
    assert f"**Model** `{credit_model.tag}`: 175 trees, binary:logistic." in told
    assert (
        "`Status` is DECLINED where the probability is above 0.5, MAYBE where the probability is "
        "above 0.3, otherwise APPROVED." in told
    )
    assert f"{proof['compared']:,} values of {', '.join(proof['subjects'])} have the bits" in told
    assert "0 decisions differ. Nothing compared the model with its trainer's" in told
    assert "GET /model" in told
    assert "img.shields.io" not in told


def test_the_curl_of_the_document_is_answered(
    onnx_server: Server, told: str, example_answer: bytes
) -> None:
    (body,) = re.findall(r"curl HOST:PORT/classify .* -d '(.*)'", told)
    answer = onnx_server.client.post(
        "/classify", content=body, headers={"content-type": "application/json"}
    )

    assert answer.content == example_answer


def test_a_policy_of_one_band_is_a_sentence() -> None:
    policy = small.policy(key="churn", bands=(Band(0.25, "LEAVES"),), otherwise="STAYS")

    assert answers(policy) == (
        "`churn` is LEAVES where the probability is above 0.25, otherwise STAYS. "
        "`probability` is the model's own."
    )
