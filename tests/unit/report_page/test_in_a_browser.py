"""The report in a real browser: it loads nothing, complains of nothing, and can be read, in light and in dark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snowmaker.report.page import render

from .sample import a_report
from .windows import WINDOWS

if TYPE_CHECKING:
    from playwright.sync_api import Browser


_SEEN = """() => {
    const channels = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const luminance = (text) => {
        const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = channels(text).map((channel) => linear(channel / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = getComputedStyle(document.body).backgroundColor;
    const contrast = (text) => {
        const [a, b] = [luminance(text), luminance(paper)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    };
    const colour = (name) => (element) => [name, contrast(getComputedStyle(element)[name])];
    return {
        paper,
        width: document.documentElement.scrollWidth,
        charts: [...document.querySelectorAll("svg.chart")].map((chart) => {
            const box = chart.getBoundingClientRect();
            const marks = [...chart.querySelectorAll("rect, polygon, polyline, circle")];
            return [box.width, box.height, marks.filter((mark) => mark.getBoundingClientRect().width > 0).length];
        }),
        contrasts: [
            ...[...document.querySelectorAll("h1, h2, p, li, strong, td")].map(colour("color")),
            ...[...document.querySelectorAll("svg text, .legend .point")].map(colour("fill")),
        ],
        open: [...document.querySelectorAll("details")].filter((one) => one.open).length,
    };
}"""


@dataclass(frozen=True)
class Seen:
    """What a window shows, what it asked for, and what it complained of."""

    scheme: str
    window: int
    page: dict[str, Any]
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(a_report()))
    return file


@pytest.fixture(scope="module", params=WINDOWS)
def seen(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Seen:
    """The page in one window; a picture of it is kept with the tests' temporary files."""
    scheme, width = WINDOWS[request.param]
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda asked: requests.append(asked.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    page.screenshot(path=report.with_name(f"{request.param}.png"), full_page=True)
    found = Seen(scheme, width, page.evaluate(_SEEN), requests, complaints)
    page.close()
    return found


def test_nothing_is_loaded_and_nothing_complained_of(seen: Seen, report: Path) -> None:
    assert seen.requests == [report.as_uri()]
    assert seen.complaints == []


def test_every_chart_is_seen(seen: Seen) -> None:
    assert len(seen.page["charts"]) == 8
    assert all(width > 250 and height > 100 and marks > 8 for width, height, marks in seen.page["charts"])


def test_the_page_is_as_wide_as_the_window(seen: Seen) -> None:
    assert seen.page["width"] == seen.window


def test_texts_stand_out_from_the_paper(seen: Seen) -> None:
    # 4.5: WCAG 2.1's AA for texts, https://www.w3.org/TR/WCAG21/#contrast-minimum; 3 for the points of a chart.
    assert min(contrast for name, contrast in seen.page["contrasts"] if name == "color") >= 4.5
    assert min(contrast for name, contrast in seen.page["contrasts"] if name == "fill") >= 3


def test_the_numbers_are_folded_away(seen: Seen) -> None:
    assert seen.page["open"] == 0


def test_the_paper_is_dark_where_that_is_asked_for(seen: Seen) -> None:
    assert seen.page["paper"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 29)"}[seen.scheme]
