"""The page in a real browser: filled in, read, refused, by keyboard alone, dark, and on a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
import numpy as np
import pytest
import xgboost

import bentoml_ext
from bentoml_ext.decisions.policy import Band, Bands
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.field import Field
from models.fields import EXAMPLE
from models.training import Trained
from tests.support import small, tasks
from tests.support.browsers import Window, chromium, window
from tests.support.in_process import ORIGIN, Client, asked
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
KINDS = (
    *("prices", "price bands", "quantiles", "vectors", "ranking", "time"),
    *("classes", "class alone", "numbered", "yes or no"),
)
"""A task for each shape of an answer."""
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def credit(browser: Browser, credit_model: bentoml.Model) -> Iterator[tuple[Window, Client]]:
    """The page of the credit model, and a client of the same service."""
    with asked(credit_model.tag) as client, window(browser, client) as page:
        page.open(f"{ORIGIN}/ui")
        fill(page, EXAMPLE)
        yield page, client


@contextmanager
def opened(browser: Browser, model: bentoml.Model, **options: Any) -> Iterator[Window]:
    """The page of a model."""
    with asked(model.tag) as client, window(browser, client, **options) as page:
        page.open(f"{ORIGIN}/ui")
        yield page


def fill(page: Window, application: dict[str, Any]) -> None:
    """Fill in the controls by their labels."""
    for name, value in application.items():
        control = page.page.locator("label", has_text=name).filter(has_text=name).first
        node = page.page.locator(f"#{control.get_attribute('for')}")
        if node.evaluate("node => node.tagName") == "SELECT":
            node.select_option(json.dumps(value))
        else:
            node.fill("" if value is None else str(value))


def test_an_application_gets_the_answer_of_the_service(credit: tuple[Window, Client]) -> None:
    page, client = credit

    page.ask()

    answer = client.post("/classify", json=EXAMPLE)
    assert page.text("#answer .decision") == f"Status\n{answer.json()['Status']}"
    probability = answer.text.partition('"probability": ')[2].removesuffix("}")
    assert page.text("#answer .number") == f"probability {probability}"
    assert page.page.get_attribute("#answer .scale", "aria-label") == (
        f"Probability {probability}, {answer.json()['Status']}. The bands: APPROVED from 0 to 0.3, "
        "MAYBE from 0.3 to 0.5, DECLINED from 0.5 to 1."
    )
    assert page.page.text_content("#answer pre:last-child") == answer.text
    assert page.problems == []


def test_the_marker_stands_at_the_probability_within_its_band(
    credit: tuple[Window, Client],
) -> None:
    page, client = credit
    page.ask()

    scale, marker, here = (
        page.page.locator(place).bounding_box() for place in (".bands", ".marker", ".band.here")
    )
    assert scale and marker and here
    probability = client.post("/predict", json=EXAMPLE).json()["probability"]
    tip = marker["x"] + marker["width"] / 2
    assert tip == pytest.approx(scale["x"] + probability * scale["width"], abs=1)
    assert here["x"] <= tip <= here["x"] + here["width"]


def test_each_backend_shows_xgboosts_own_bits(
    credit: tuple[Window, Client], trained: Trained
) -> None:
    page, _ = credit
    page.compare()

    rows = xgboost.DMatrix(trained.encoder.rows([EXAMPLE]))
    (word,) = trained.booster.predict(rows, output_margin=True).view(np.uint32).tolist()
    assert page.text("#backends .verdict") == "2 backends, the same bits."
    lines = page.page.locator("#backends tbody tr").all_inner_texts()
    assert [line.split()[0] for line in lines] == ["onnx", "xgboost"]
    assert all(f"0x{word:08x}" in line and line.endswith("µs") for line in lines)
    assert "serves" in lines[0]
    assert page.problems == []


@pytest.mark.parametrize(
    ("value", "got"),
    [("-1", "-1"), ("", "nothing"), ("12,5", '"12,5"'), ("1e999", "Infinity"), ("NaN", '"NaN"')],
)
def test_a_refusal_stands_at_its_field_in_the_services_own_words(
    credit: tuple[Window, Client], value: str, got: str
) -> None:
    page, client = credit
    fill(page, {"age": value})
    page.ask()

    _, body = page.bodies[-1]
    refusal = client.post("/predict", content=body).json()
    invalid = page.page.locator("[aria-invalid=true]")
    described = (invalid.get_attribute("aria-describedby") or "").split()
    said = [page.page.locator(f"#{one}").text_content() for one in described]
    assert said[-1] == f"Expected {refusal['expected']}, got {refusal['got']}."
    assert page.page.evaluate("document.activeElement.id") == invalid.get_attribute("id")
    assert page.text("#answer") == "No answer: the application was refused."
    assert refusal["got"] == got

    fill(page, {"age": 26})
    page.ask()

    assert page.page.locator("[aria-invalid=true]").count() == 0
    assert page.problems == []


def test_a_number_is_sent_in_the_digits_that_were_typed(credit: tuple[Window, Client]) -> None:
    page, _ = credit
    fill(page, {"assets": "12345678901234567890e-15", "income": None})
    page.ask()

    (path, body), *_ = page.bodies
    assert path == "predict"
    assert '"assets": 12345678901234567890e-15' in body
    assert '"income": null' in body


def test_the_keyboard_alone_is_enough(credit: tuple[Window, Client]) -> None:
    page, _ = credit
    page.open(f"{ORIGIN}/ui")
    reached = []
    for _ in range(len(EXAMPLE) + 3):
        page.page.keyboard.press("Tab")
        reached.append(page.page.evaluate("document.activeElement.id"))
        width = "getComputedStyle(document.activeElement).outlineWidth"
        assert page.page.evaluate(width) == "3px"
    assert reached == [*(f"field-{place}" for place in range(len(EXAMPLE))), "", "", "compare"]

    page.page.keyboard.press("Enter")
    page.page.wait_for_selector("#backends .verdict")
    page.page.focus("#field-0")
    page.page.keyboard.type("-")
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector("[aria-invalid=true]")

    assert page.page.evaluate("document.activeElement.id") == "field-0"


def test_the_example_comes_back(credit: tuple[Window, Client]) -> None:
    page, client = credit
    fill(page, {"age": -1})
    page.ask()
    page.page.click("text=Back to the example")

    page.ask()

    example = client.get("/ui/model").json()["example"]
    assert json.loads(page.bodies[-1][1]) == example
    assert page.page.locator("[aria-invalid=true]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_in_any_state(
    browser: Browser, credit_model: bentoml.Model, scheme: str, size: dict[str, Any]
) -> None:
    options = {"color_scheme": scheme, "reduced_motion": "reduce", **size}
    with opened(browser, credit_model, **options) as page:
        found = [page.violations()]
        page.compare()
        page.page.click("#answer summary")
        found.append(page.violations())
        dark = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        moves = page.page.evaluate("getComputedStyle(document.querySelector('.marker')).transition")
        fits = page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        fill(page, {"age": -1})
        page.ask()
        found.append(page.violations())

        assert found == ["", "", ""]
        assert fits
        assert (dark == "rgb(14, 18, 23)") is (scheme == "dark")
        assert moves.startswith("none")
        assert page.problems == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_shows_each_number_of_its_answer(browser: Browser, kind: str) -> None:
    model = bentoml_ext.save_model(
        f"ui_{kind.replace(' ', '_').replace('-', '_')}",
        tasks.booster_of(kind),
        encoder=small.encoder(),
        policy=tasks.TASKS[kind].policy,
    )
    with asked(model.tag) as client, window(browser, client) as page:
        page.open(f"{ORIGIN}/ui")
        fill(page, {"age": "0.25", "home": "rent", "income": "-0.5"})
        page.compare()

        answer = client.post("/predict", content=page.bodies[0][1])
        shown = page.text("#answer")
        leaves = json.loads(answer.content, parse_float=str, parse_int=str)
        assert [one for one in texts(leaves) if one not in shown] == []
        assert page.text("#backends .verdict") == "2 backends, the same bits."
        assert page.violations() == ""
        assert page.problems == []


def texts(value: Any) -> list[str]:
    """Every number and text of an answer, the numbers in the service's digits."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    return [text for one in value for text in texts(one)] if isinstance(value, list) else [value]


FIELDS = (
    Field("level", codes=(1, 2, 5), nullable=True),
    Field("tier", codes=(10, 20), unknown="zero"),
    Field("plan", ("basic", "gold"), unknown="zero"),
    Field("extras", ("pool", "sauna"), multiple=True),
    Field("sum", minimum=-2.78e38, maximum=5),
)


def test_each_kind_of_field_has_its_control(browser: Browser) -> None:
    names = ("level", "tier", "plan=basic", "plan=gold", "extras=pool", "extras=sauna", "sum")
    rows = np.random.default_rng(1).integers(0, 2, (200, len(names))).astype(np.float32)
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, label=rows @ np.arange(7.0)), 4)
    model = bentoml_ext.save_model("ui_fields", booster, encoder=Encoder(names, FIELDS))
    with opened(browser, model) as page:
        page.page.select_option("#field-0", label="not given")
        page.page.fill("#field-1", "7")
        page.page.fill("#field-2", "silver")
        page.page.uncheck("text=pool")
        page.page.check("text=sauna")
        page.page.fill("#field-4", "-3.50")
        page.ask()

        assert page.bodies[-1][1] == (
            '{"level": null, "tier": 7, "plan": "silver", "extras": ["sauna"], "sum": -3.50}'
        )
        assert page.page.locator("#answer .decision").count() == 1
        assert page.text("#field-4-hint") == "at most 5"
        assert page.violations() == ""


def test_names_of_the_user_are_text(browser: Browser) -> None:
    names = ("age", f"{HOSTILE}={HOSTILE}", f"{HOSTILE}=\"'><script>alert(2)</script>", "</script>")
    fields = (
        Field("age", unit=HOSTILE, minimum=0, nullable=True),
        Field("<img src", tuple(name.partition("=")[2] for name in names[1:3])),
        Field("</script>", nullable=True),
    )
    bands = (Band(0.003, "<svg onload=alert(3)>"), Band(0.001, "javascript:alert(4)"))
    policy = Bands(f"{HOSTILE}k", bands, "</script><script>alert(5)</script>")
    booster = small.booster()
    encoder = Encoder(names, fields, null="missing")
    model = bentoml_ext.save_model("ui_hostile", booster, encoder=encoder, policy=policy)
    with opened(browser, model) as page:
        page.compare()
        page.page.fill("#field-0", f"-1{HOSTILE}")
        fault = page.page.locator("#field-0-error")
        shown = page.text("#answer")
        page.ask()

        assert HOSTILE in page.text("label[for=field-0]")
        assert HOSTILE in (fault.text_content() or "")
        assert f"{HOSTILE}k" in shown
        assert page.page.locator("body :is(img, script, svg, iframe)").count() == 0
        assert page.problems == []


def test_the_policy_lets_no_script_or_style_of_a_text_run(
    credit: tuple[Window, Client],
) -> None:
    page, _ = credit
    page.page.evaluate(
        """() => { for (const [name, text] of [["script", "window.ran = 1"], ["style", "*{}"]]) {
            const made = document.createElement(name);
            try { made.textContent = text; document.body.append(made); } catch {}
        } }"""
    )

    assert page.page.evaluate("window.ran === undefined")
    assert len(page.problems) == 2
    assert all("Content Security Policy" in one or "Trusted" in one for one in page.problems)


def test_without_javascript_the_page_says_so(browser: Browser, credit_model: bentoml.Model) -> None:
    with (
        asked(credit_model.tag) as client,
        window(browser, client, java_script_enabled=False) as page,
    ):
        page.page.goto(f"{ORIGIN}/ui")

        assert "makes its form with JavaScript, which is off" in page.text("noscript")
        assert page.page.locator("#form").is_hidden()


def test_prefixes_of_the_service_and_of_a_proxy_change_nothing(
    browser: Browser, credit_model: bentoml.Model
) -> None:
    with (
        asked(credit_model.tag, path_prefix="v1") as client,
        window(browser, client, proxy="/behind") as page,
    ):
        page.open(f"{ORIGIN}/behind/v1/ui")
        page.compare()

        assert page.text("#backends .verdict") == "2 backends, the same bits."
        command = page.page.text_content("#answer pre") or ""
        assert f"curl '{ORIGIN}/behind/v1/predict'" in command
        assert page.problems == []


def test_a_report_is_shown_with_its_style_and_without_a_script(
    browser: Browser,
    credit_model: bentoml.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = tmp_path / "report.html"
    style = "<style>p { color: rgb(1, 2, 3) }</style>"
    script = "<script>document.title = 'ran'</script>"
    report.write_text(f"<title>Report</title>{style}<p>Figures</p>{script}")
    monkeypatch.setenv("REPORT", str(report))
    with opened(browser, credit_model) as page:
        page.page.click("text=the last comparison")
        page.page.wait_for_selector("text=Figures")

        assert page.page.locator("p").evaluate("node => getComputedStyle(node).color") == (
            "rgb(1, 2, 3)"
        )
        assert page.page.title() == "Report"
        assert any("Blocked script execution" in one for one in page.problems)


def test_a_service_that_is_gone_is_named(credit: tuple[Window, Client]) -> None:
    page, _ = credit
    page.page.route(f"{ORIGIN}/predict", lambda route: route.abort())
    page.ask()

    assert page.text("#trouble").startswith("The service did not answer: ")


def test_a_service_that_has_no_time_says_so_in_its_own_words(
    credit: tuple[Window, Client],
) -> None:
    page, _ = credit
    said = json.dumps({"error": "Too many requests"})
    page.page.route(f"{ORIGIN}/predict", lambda route: route.fulfill(status=429, body=said))
    page.ask()

    assert page.text("#refusal") == "Too many requests"
    assert page.text("#answer") == "No answer."


def test_one_bit_that_differs_is_marked(credit: tuple[Window, Client]) -> None:
    page, client = credit
    found = client.post("/ui/backends", json=EXAMPLE).json()
    word = int(found["backends"][1]["bits"][0], 16) ^ 1
    found["backends"][1]["bits"] = [f"{word:08x}"]
    changed = json.dumps(found | {"equal": False})
    page.page.route(f"{ORIGIN}/ui/backends", lambda route: route.fulfill(body=changed))
    page.compare()

    assert page.text("#backends .verdict").startswith("The bits differ.")
    assert page.page.locator("#backends mark").all_inner_texts() == [f"{word:08x}"]
    assert page.violations() == ""


def test_the_page_of_a_real_server_works_with_the_fast_path_and_without(
    browser: Browser, onnx_server: Server, long_server: Server
) -> None:
    shown = []
    for server in (onnx_server, long_server):
        with ExitStack() as stack:
            page = stack.enter_context(window(browser))
            page.open(f"{server.url}/ui")
            page.compare()
            shown.append(page.text("#answer .decision") + page.text("#answer .number"))
            assert page.text("#backends .verdict") == "2 backends, the same bits."
            assert page.problems == []

    assert shown[0] == shown[1]
