"""`otto eval report`: the page of a run that the real runner made, read back by a parser of HTML that is not ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.report import drawings, every, kind_of, matrix, milliseconds, noise_levels, page_parts, render, router_name, visible, warnings, write_report
from eval.runs import Run
from eval.summary import latency
from otto.errors import MissingExtra, StoreError
from tests.eval.made_runs import HOSTILE, LESSONS_B, TWISTED_B, make
from tests.eval.test_compare import invoke

pytest.importorskip("jinja2")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Every element as (tag, attributes), the words of each, and whether all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.words).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Wrong in w5 (missed), l3 (wrong argument) and s3 (false call), with hostile text in s0, which is right."""
    return make(tmp_path_factory.mktemp("runs"), "b", LESSONS_B, TWISTED_B)


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(render(run))


def changed(run: Run, **fields: dict[str, Any]) -> Run:
    """The run with other fields in some rows: `changed(run, s0={"exact": False})`."""
    return replace(run, rows=tuple({**row, **fields.get(row["id"], {})} for row in run.rows))


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    inside = {href[1:] for attributes in page.of("a") if (href := attributes["href"]) and href.startswith("#")}
    assert inside <= set(ids)
    labelled = {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert labelled <= set(ids)


def test_the_figures_are_the_summarys(page: Page) -> None:
    # scipy.stats.binomtest(17, 20).proportion_ci(method="wilson"), and of 1 in 4
    assert "Exact call 85.0% 64.0–94.8%, n = 20" in page.text
    assert "False calls 25.0% 4.6–69.9%, n = 4" in page.text
    assert "Missed calls 6.2%" in page.text


def test_each_skill_has_a_row(page: Page) -> None:
    assert re.search(r"weather 6 83\.3% [\d.]+–[\d.]+% 83\.3% [\d.]+–[\d.]+% [\d.]+% [\d.]+–[\d.]+% 1 other 1 ", page.text)
    assert re.search(r"timer 6 100\.0% ", page.text)
    assert "other 4 75.0%" in page.text


def test_the_failures_are_the_three_that_are_wrong(page: Page) -> None:
    rows = [attributes for attributes in page.of("tr") if "data-kind" in attributes]
    assert [(row["data-kind"], row["data-skill"], row["data-taken"]) for row in rows] == [
        ("missed call", "weather", "other"),
        ("wrong arguments", "lights", "lights"),
        ("false call", "other", "timer"),
    ]
    assert "3 of 20 cases." in page.text


def test_the_wrong_argument_is_marked(run: Run) -> None:
    assert '<span class="call" dir="ltr">lights(<mark>state=&#34;off&#34;</mark>)</span>' in render(run)


def test_the_page_asks_nothing_of_the_network(page: Page, run: Run) -> None:
    """Nothing is fetched, and the policy lets nothing be: neither by the page nor by what may be smuggled into it."""
    for tag, attributes in page.elements:
        assert tag not in {"img", "iframe", "object", "embed", "audio", "video", "base"}
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
    (policy,) = [meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'; ")
    (script,) = page.scripts
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}';" in policy
    assert not re.search(r"url\(|@import|https?:", render(run).replace("http://www.w3.org/", ""))


HOSTILE_FIELDS = {
    "id": f"s0{HOSTILE}",
    "text": HOSTILE,
    "heard": f'"{HOSTILE}',
    "answer": HOSTILE,
    "error": HOSTILE,
    "exact": False,
    "alternatives": [[f'weather(location="{HOSTILE}")', 0.5]],
}


@pytest.mark.parametrize("error", [HOSTILE, None])
def test_text_that_is_html_stays_text(run: Run, error: str | None) -> None:
    calls = {"gold": [[f'weather(location="{HOSTILE}")']], "predicted": [] if error else [f'weather(location="x{HOSTILE}")'], "valid": not error}
    hostile = changed(run, s0={**HOSTILE_FIELDS, **calls, "error": error})
    summary = {**hostile.summary, "command": ["otto", HOSTILE], "data": {HOSTILE: "0" * 64}, "versions": {"otto": HOSTILE}}
    summary |= {"router": {**summary["router"], "model": HOSTILE}, "confusion": {HOSTILE: {"x": 1}}, "by_skill": {HOSTILE: summary["by_skill"]["timer"]}}
    text = render(replace(hostile, summary=summary))
    page = Page(text)
    assert page.open == []
    assert len(page.of("script")) == len(page.scripts) == 1
    assert page.of("img") == []
    assert "\u202e" not in text
    assert text.count("alert(1)") >= 10  # it is there to be read
    assert "<script>alert" not in text


@given(st.text())
def test_visible_text_has_no_character_that_hides(text: str) -> None:
    shown = visible(text)
    assert not re.search("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("two words", "two words"), ("größer ☕ 日本", "größer ☕ 日本"), ("a\nb", "a\\nb"), ("a\x00b", "a\\u0000b"), ("\u202eevil", "\\u202eevil"), ("\ud800", "\\ud800"), ("\x85", "\\u0085")],
)  # fmt: skip
def test_what_visible_text_looks_like(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_run_that_is_not_complete_says_so_first(run: Run) -> None:
    summary = {**run.summary, "complete": False, "asked": 1500, "errors": 2, "skipped": 3}
    page = Page(render(replace(run, summary=summary)))
    assert "This run is not complete: 20 of 1,500 cases were run, and every figure is over those alone." in page.text
    assert "2 cases got no answer from the router; they count as wrong." in page.text
    assert "3 bad rows of the data were skipped" in page.text
    assert warnings(run.summary) == []


def test_more_failures_than_the_table_holds_are_counted(run: Run) -> None:
    page = Page(render(run, limit=2))
    assert "The first 2 of 3 failures; all of them are in results.jsonl." in page.text
    assert len([row for row in page.of("tr") if "data-kind" in row]) == 2


def test_a_run_without_a_failure(tmp_path: Path) -> None:
    right = make(tmp_path, "right", LESSONS_B[:4])
    page = Page(render(make(tmp_path, "one", ["w0"], only=["w0"])))
    assert "Every case that was run is right." in page.text
    assert "No skill was taken for another." in page.text
    assert "no such case in this run" in page.text  # false calls, of no stray talk
    assert right.summary["n"] == 20


def test_noise_is_drawn_where_there_was_some(run: Run) -> None:
    rate = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}
    levels = {name: {"exact_match": {**rate, "value": value}} for name, value in (("6", 0.81), ("clean", 0.94), ("24", 0.93), ("12", 0.9))}
    noisy = replace(run, summary={**run.summary, "by_snr": levels})
    assert [name for name, _ in noise_levels(noisy.summary)] == ["clean", "24 dB", "12 dB", "6 dB"]
    labels = [attributes["aria-label"] for attributes in Page(render(noisy)).of("svg") if "aria-label" in attributes]
    assert "Exact calls against noise: clean 94.0%, 24 dB 93.0%, 12 dB 90.0%, 6 dB 81.0%." in labels
    assert "No noise was added in this run" in Page(render(run)).text
    one = replace(run, summary={**run.summary, "by_snr": {"12": {"exact_match": rate}}})
    assert "All recordings were heard with noise at 12 dB; accuracy against noise needs two levels." in Page(render(one)).text


def test_the_histogram_is_of_the_cases_that_latency_is_of(run: Run) -> None:
    unheard = {**run.rows[1], "id": "unheard", "heard": "", "cold": False, "ms": {"wall": 0.0, "cpu": 0.0, "stt": 9.0}}
    more = replace(run, rows=(*run.rows, unheard))
    assert drawings(more)["latency"] == drawings(run)["latency"]
    assert latency(more.rows)["p50"] == latency(run.rows)["p50"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"error": "the server is gone", "valid": False, "missed_call": True}, "no answer"),
        ({"valid": False, "missed_call": True}, "invalid call"),
        ({"false_call": True}, "false call"),
        ({"missed_call": True}, "missed call"),
        ({"skill": True}, "wrong arguments"),
        ({}, "wrong skill"),
    ],
)
def test_what_kind_a_failure_is(fields: dict[str, Any], kind: str) -> None:
    row = {"error": None, "valid": True, "false_call": False, "missed_call": False, "skill": False}
    assert kind_of({**row, **fields}) == kind


def test_the_matrix_holds_those_that_were_mixed_up() -> None:
    found = matrix({"a": {"a": 8, "b": 2}, "b": {"b": 5}, "c": {"c": 9}})
    assert found["columns"] == ["a", "b"]
    assert [(name, [(cell["n"], cell["right"], cell["share"]) for cell in cells]) for name, cells in found["rows"]] == [
        ("a", [(8, True, 0.8), (2, False, 0.2)]),
        ("b", [(0, False, 0.0), (5, True, 1.0)]),
    ]
    assert found["note"] == "Left out: 1 of 3 skills, never mixed up."


def test_a_matrix_of_many_skills_keeps_the_worst_and_sums_the_rest() -> None:
    confusion = {f"s{index:02}": {f"s{index:02}": 10, f"s{(index + 1) % 40:02}": index + 1} for index in range(40)}
    found = matrix(confusion)
    assert len(found["rows"]) == 24
    assert found["columns"][-1] == "(others)"
    shown = {name: sum(cell["n"] for cell in cells) for name, cells in found["rows"]}
    assert shown == {name: sum(confusion[name].values()) for name in shown}  # no case is lost
    assert "s39" in shown and "s05" not in shown
    assert found["note"] == "The 24 skills with the most confusion of 40 that were mixed up at all."


@pytest.mark.parametrize(
    ("router", "name"),
    [
        ({"engine": "phrases", "model": "", "adapter": ""}, "phrases"),
        ({"engine": "transformers", "model": "/models/mistral-7b", "adapter": "/runs/otto-3"}, "transformers · mistral-7b · otto-3"),
        ({"engine": "openai", "model": "qwen3:8b", "adapter": ""}, "openai · qwen3:8b"),
    ],
)
def test_the_routers_name(router: dict[str, str], name: str) -> None:
    assert router_name(router) == name


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.123, "0.123"), (13.34, "13.3"), (1234.5, "1,234"), (99.96, "100")])
def test_milliseconds(value: float | None, text: str) -> None:
    assert milliseconds(value) == text


@given(st.lists(st.integers(), max_size=300), st.integers(2, 50))
def test_every_keeps_both_ends(points: list[int], most: int) -> None:
    kept = every(points, most)
    assert len(kept) == min(len(points), most)
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_every_drawing_is_xml_with_a_label(run: Run) -> None:
    from eval.report import drawings

    made = {name: drawing for name, drawing in drawings(run).items() if drawing}
    assert set(made) == {"reliability", "risk_coverage", "latency"}
    for drawing in made.values():
        assert ElementTree.fromstring(drawing).get("aria-label")


def test_the_parts_are_plain_values(run: Run) -> None:
    json.dumps(page_parts(run))


def test_the_command_writes_the_page_beside_the_results(capfd: pytest.CaptureFixture[str], run: Run, tmp_path: Path) -> None:
    assert invoke(capfd, "report", run.folder) == (0, f"{run.folder / 'report.html'}\n", "")
    assert Page((run.folder / "report.html").read_text(encoding="utf-8")).open == []
    elsewhere = tmp_path / "new" / "page.html"
    code, out, _ = invoke(capfd, "report", run.folder, "--out", elsewhere, "--failures", "1", "--json")
    assert (code, json.loads(out)) == (0, {"report": str(elsewhere), "n": 20, "complete": True, "wandb": None})
    assert "The first 1 of 3 failures" in elsewhere.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written .* or name another file with --out"):
        write_report(run, tmp_path / "file" / "page.html")


def test_without_jinja_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=r'jinja2 is not installed; install it with: pip install "otto-assistant\[eval\]"'):
        render(run)


def browse(file: Path, profile: Path) -> tuple[str, list[str]]:
    """The document as a browser leaves it, and what it complained of."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]
    done = subprocess.run([*command, "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_runs_the_page_from_a_file(run: Run, tmp_path: Path) -> None:
    """Its script is let through by the policy: it marks the page, and counts the failures. What is hostile in a row runs nothing."""
    hostile = changed(run, s0={**HOSTILE_FIELDS, "error": None, "predicted": [], "valid": False})
    document, complaints = browse(write_report(hostile, tmp_path / "page.html"), tmp_path / "profile")
    assert '<html lang="en" class="script">' in document
    assert "4 of 4 shown</output>" in document
    assert complaints == []


DRIVER = """
const shown = () => [...document.querySelectorAll("#failures-table tbody tr")].filter((row) => !row.hidden).map((row) => row.querySelector("th").textContent);
const form = document.getElementById("filters");
const set = (name, value) => { form.elements[name].value = value; form.dispatchEvent(new Event("input")); };
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const first = (id, column) => [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => row.cells[column].textContent.trim().split(/\\s+/)[0]);
(async () => {
  const found = { all: shown() };
  set("words", "TIMER again"); await wait(200); found.words = shown();
  set("words", "nowhere"); await wait(200); found.none = [shown(), document.getElementById("shown").textContent];
  form.reset(); await wait(200); found.reset = shown();
  set("kind", "missed call"); await wait(200); found.kind = shown();
  document.querySelector('#skills-table a[data-skill="lights"]').click(); await wait(200); found.link = shown();
  document.querySelector('.matrix a[data-skill="other"][data-taken="timer"]').click(); await wait(200); found.cell = shown();
  const sorts = document.querySelectorAll("#skills-table .sorts");
  sorts[0].click(); found.names = first("skills-table", 0);
  sorts[2].click(); found.exact = first("skills-table", 2); found.aria = sorts[2].closest("th").getAttribute("aria-sort");
  sorts[2].click(); found.down = first("skills-table", 2);
  sorts[4].click(); found.f1 = first("skills-table", 0).at(-1);
  document.title = JSON.stringify(found);
})();
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_filters_links_and_sorting(run: Run, tmp_path: Path) -> None:
    """The page without its policy, so that a second script can press its buttons."""
    text = re.sub(r"<meta http-equiv[^>]*>", "", render(run)).replace("</body>", f"<script>{DRIVER}</script></body>")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    document, complaints = browse(tmp_path / "page.html", tmp_path / "profile")
    assert complaints == []
    title = re.findall("<title>(.*?)</title>", document)[0]  # the drawings have titles too
    assert json.loads(title.replace("&quot;", '"')) == {
        "all": ["w5", "l3", "s3"],
        "words": ["s3"],
        "none": [[], "0 of 3 shown"],
        "reset": ["w5", "l3", "s3"],
        "kind": ["w5"],
        "link": ["l3"],
        "cell": ["s3"],
        "names": ["lights", "other", "timer", "weather"],
        "exact": ["75.0%", "75.0%", "83.3%", "100.0%"],
        "aria": "ascending",
        "down": ["100.0%", "83.3%", "75.0%", "75.0%"],
        "f1": "timer",
    }
