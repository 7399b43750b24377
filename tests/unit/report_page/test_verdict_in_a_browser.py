"""The verdict in a real browser: it loads nothing, complains of nothing, and can be read, in light and in dark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snowmaker.report.verdict_page import render_verdict

from .verdicts import a_verdict
from .windows import WINDOWS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_SEEN = """() => {
    const luminance = (text) => {
        const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((channel) => linear(channel / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = luminance(getComputedStyle(document.body).backgroundColor);
    const contrast = (text) => {
        const [a, b] = [luminance(text), paper].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    };
    const least = (query, name) =>
        Math.min(...[...document.querySelectorAll(query)].map((one) => contrast(getComputedStyle(one)[name])));
    const box = (one) => one.getBoundingClientRect();
    return {
        width: document.documentElement.scrollWidth,
        texts: least("h1, h2, p, li, td, strong, .quiet", "color"),
        marks: least(".interval circle", "fill"),
        spans: [...document.querySelectorAll(".interval .span")].map((one) => box(one).width),
        outcome: Math.max(...[...document.querySelectorAll("tr td:first-child")].map((one) => box(one).right)),
    };
}"""


@pytest.mark.parametrize("window", WINDOWS)
def test_it_loads_nothing_and_can_be_read(browser: Browser, tmp_path: Path, window: str) -> None:
    file = tmp_path / "verdict.html"
    file.write_text(render_verdict(a_verdict(), "retrain_loans/run-1"))
    scheme, width = WINDOWS[window]
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests: list[str] = []
    complaints: list[Any] = []
    page.on("request", lambda asked: requests.append(asked.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    page.screenshot(path=tmp_path / f"{window}.png", full_page=True)
    seen = page.evaluate(_SEEN)
    page.close()
    assert (requests, complaints) == ([file.as_uri()], [])
    assert seen["width"] == width
    # Every outcome is seen without scrolling, on a phone too.
    assert seen["outcome"] < width
    # WCAG 2.1's AA for texts, and for the points of a chart.
    assert seen["texts"] >= 4.5
    assert seen["marks"] >= 3
    assert len(seen["spans"]) == 7
    assert min(seen["spans"]) > 10
