"""The page of a report: whole, safe, small, and readable when there is little to tell yet."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from snowmaker.report.data import DriftMap, FeatureShare, PerformanceTrend, ReportData, ScoreTrend, TopFeatures
from snowmaker.report.page import render

from .sample import NEW, OLD, WEEKS, a_drift_map, a_performance, a_report, cell

VOID = {"meta", "br", "link", "img", "hr", "input"}
EVIL = '<script>alert("x")</script>&\'{{ 7 * 7 }}'


class Page(HTMLParser):
    """What a browser makes of a page: its elements, whether they are closed, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def charts_of(html: str) -> dict[str, ElementTree.Element]:
    """The page's pictures by their titles."""
    pictures = re.findall(r'<svg class="chart".*?</svg>', html, re.DOTALL)
    found = [ElementTree.fromstring(text) for text in pictures]  # noqa: S314 (our own)
    return {svg.findtext("title") or "": svg for svg in found}


def test_the_page_is_well_formed_and_every_picture_tells_what_it_shows() -> None:
    html = render(a_report())
    page = Page(html)
    assert page.open == []
    assert {attributes["lang"] for attributes in page.named("html")} == {"en"}
    charts = charts_of(html)
    assert list(charts) == [
        "F1 by week and version",
        "Drift by feature and week",
        "Distribution of COUNTY_NAME",
        "Distribution of LOAN_AMOUNT",
        "Mean prediction score by week",
        "Prediction scores by bin of the baseline",
        "Share that came true by mean score",
        "Share of the score by feature",
    ]
    for svg in charts.values():
        assert svg.get("role") == "img"
        named = [svg.find(f".//*[@id='{id_}']") for id_ in (svg.get("aria-labelledby") or "").split()]
        assert all(element is not None and element.text for element in named)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_needs_neither_network_nor_script() -> None:
    html = render(a_report())
    tags = Page(html).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    assert not [
        name for _, attributes in tags for name in attributes if name.startswith("on") or name in ("src", "href")
    ]
    assert not re.search(r"https?:|//|url\(|@import", html)


def test_what_is_not_ours_is_escaped_wherever_it_stands() -> None:
    performance = a_performance()
    points = tuple(dataclasses.replace(point, version=EVIL) for point in performance.points)
    report = a_report(
        name=EVIL,
        model=EVIL,
        version=EVIL,
        run=EVIL,
        degraded=(EVIL,),
        drift=DriftMap(WEEKS[-1:], (EVIL,), {(EVIL, WEEKS[-1]): cell(0.5, EVIL)}, moved=1),
        performance=dataclasses.replace(performance, metric=EVIL, points=points),
        distributions=tuple(
            dataclasses.replace(found, feature=EVIL, bins=(EVIL,) * len(found.bins))
            for found in a_report().distributions
        ),
        drift_segments=tuple(dataclasses.replace(s, segment=EVIL, feature=EVIL) for s in a_report().drift_segments),
        calibration=dataclasses.replace(a_report().calibration, version=EVIL),  # type: ignore[type-var]
        top_features=TopFeatures((FeatureShare(EVIL, 0.5, 0.4),), EVIL, 500),
    )
    page = Page(render(report))
    assert page.open == []
    assert page.named("script") == []
    assert page.text.count("{{ 7 * 7 }}") >= 10
    assert page.text.count("<script>") >= 10


def test_the_head_says_verdicts_what_moved_and_since_when() -> None:
    text = " ".join(Page(render(a_report())).text.split())
    assert "✕ Drift: breach PSI of COUNTY_NAME is 0.474, and 7 more moved." in text
    assert f"✓ Performance: ok F1 of {NEW} is 0.834 in the week of 2026-06-01, 0.852 on its holdout." in text
    assert "Degraded. Drift has breached its bounds in enough weeks since the week of 2026-05-04." in text
    assert "LOAN_AMOUNT: PSI 0.261 (breach from 0.250) INCOME: PSI 0.185 (warn from 0.100)" in text
    assert "and 3 more" in text
    assert "✓ Drift: ok" not in text


def test_a_cell_tells_its_value_and_its_bounds_and_marks_its_verdict() -> None:
    svg = charts_of(render(a_report()))["Drift by feature and week"]
    told = {title.text for title in svg.findall("./rect/title")}
    assert len(told) == 12 * 26
    assert "COUNTY_NAME, 2026-06-29: PSI 0.474, breach (warn from 0.100, breach from 0.250), p 0.001" in told
    verdicts = [found.verdict for found in a_drift_map().cells.values()]
    assert len(svg.findall("./path[@class='mark']")) == verdicts.count("breach") > 0
    assert len(svg.findall("./circle[@class='mark-dot']")) == verdicts.count("warn") > 0


def test_a_darker_cell_is_nearer_to_a_breach() -> None:
    svg = charts_of(render(a_report()))["Drift by feature and week"]
    opacity = {rect.findtext("title"): float(rect.get("fill-opacity") or 0) for rect in svg.findall("./rect")}
    seen = sorted((float(re.findall(r"PSI ([\d.]+)", told or "")[0]), dark) for told, dark in opacity.items())
    assert [dark for _, dark in seen] == sorted(opacity.values())
    assert seen[0][1] < 0.2 < 0.8 < seen[-1][1]


def test_performance_shows_versions_promotions_and_estimates_apart() -> None:
    svg = charts_of(render(a_report()))["F1 by week and version"]
    points = {point.findtext("title"): point for point in svg.findall("./polygon")}
    assert len(points) == 26
    hollow = [told for told, point in points.items() if "hollow" in (point.get("class") or "")]
    assert len(hollow) == 4
    assert all("(estimate)" in (told or "") for told in hollow)
    corners = {
        version: {len((point.get("points") or "").split()) for told, point in points.items() if version in (told or "")}
        for version in (OLD, NEW)
    }
    assert corners == {OLD: {16}, NEW: {4}}
    promoted = [text.findtext("title") for text in svg.findall("./text") if text.find("title") is not None]
    assert promoted == [f"{OLD} became champion as of 2026-01-05", f"{NEW} became champion as of 2026-05-25"]
    assert len(svg.findall("./path[@class='breach-ring']")) == 4


def test_the_numbers_behind_every_chart_are_folded_below_it() -> None:
    html = render(a_report())
    found = re.findall(r"<summary>(.*?)</summary>.*?<tbody>(.*?)</tbody>", html, re.DOTALL)
    rows = [(caption, body.count("<tr>")) for caption, body in found]
    numbers = "The numbers"
    assert rows == [
        (numbers, 26),
        ("Other metrics of the newest week with labels", 4),
        (numbers, 12),
        (numbers, 7),
        (numbers, 10),
        (numbers, 26),
        (numbers, 10),
        (numbers, 6),
    ]
    cells = re.findall(r"<td>(.*?)</td>", found[0][1])
    assert cells[:7] == ["2026-01-05", OLD, "0.838", "labels", "0.845", "ok", "2,900"]


def test_a_feature_has_a_bar_as_long_as_its_share_and_a_grey_one_for_the_champions() -> None:
    html = render(a_report())
    bars = charts_of(html)["Share of the score by feature"].findall("./rect")
    widths = {
        style: [float(bar.get("width") or 0) for bar in bars if bar.get("class") == style]
        for style in ("base", "s0 fill")
    }
    for style, shares in (("base", (0.221, 0.341, 0.166)), ("s0 fill", (0.312, 0.204, 0.187))):
        scale = widths["base"][1] / 0.341
        assert widths[style][:3] == pytest.approx([share * scale for share in shares], abs=0.2)
    text = " ".join(Page(html).text.split())
    assert f"on 500 holdout rows. Grey: the same of the champion before it, {OLD}, on the same rows." in text
    assert "LOAN_AMOUNT: 31.2 % (+9.1 points)" in text
    assert "COUNTY_NAME 20.4 % 34.1 % -13.7 points" in text
    assert "The 6 most important features; 6 more make less." in text


def test_a_first_version_is_compared_with_nobody() -> None:
    html = render(a_report(top_features=TopFeatures((FeatureShare("AGE", 1.0), FeatureShare("INCOME", 0.0)), None, 20)))
    svg = charts_of(html)["Share of the score by feature"]
    assert [bar.get("class") for bar in svg.findall("./rect")] == ["s0 fill", "s0 fill"]
    assert "points" not in "".join(svg.itertext())
    assert "Grey: the same" not in html
    assert "make less" not in html


def test_a_better_value_is_drawn_higher() -> None:
    svg = charts_of(render(a_report()))["F1 by week and version"]
    heights = {}
    for point in svg.findall("./polygon"):
        ys = [float(place.split(",")[1]) for place in (point.get("points") or "").split()]
        heights[point.findtext("title")] = (min(ys) + max(ys)) / 2
    values = {told: float(re.findall(r": ([\d.]+) \(", told or "")[0]) for told in heights}
    best, poorest = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    assert heights[best] < heights[poorest]


def empty(**changes: object) -> ReportData:
    nothing = {
        "drift": DriftMap((), (), {}),
        "score": ScoreTrend(()),
        "performance": PerformanceTrend("f1"),
        "degraded": (),
        "distributions": (),
        "calibration": None,
        "top_features": None,
        "drift_segments": (),
        "performance_segments": (),
    }
    return a_report(**{**nothing, **changes})


def test_a_model_of_which_nothing_is_known_yet_gets_a_page_that_says_so() -> None:
    html = render(empty())
    page = Page(html)
    text = " ".join(page.text.split())
    assert page.open == []
    assert charts_of(html) == {}
    assert "- Drift: nothing to judge yet Not judged this week." in text
    assert "- Performance: nothing to judge yet No labels have come yet." in text
    assert "No week has been checked for drift yet." in text
    assert "No labels have come yet" in text
    assert "What moved" not in text
    assert "What the model looks at" not in text


def test_a_version_without_a_baseline_says_so() -> None:
    text = Page(render(empty(has_baseline=False, version="V1"))).text
    assert text.count("Version V1 has no frozen baseline yet") == 2


def test_a_first_week_has_every_chart_of_one_column() -> None:
    first = a_report()
    drift = a_drift_map()
    one = DriftMap(
        WEEKS[-1:], drift.features, {key: found for key, found in drift.cells.items() if key[1] == WEEKS[-1]}
    )
    score = dataclasses.replace(first.score, weeks=first.score.weeks[-1:])
    performance = PerformanceTrend("f1", tuple(p for p in first.performance.points if p.week == WEEKS[-1]))
    html = render(a_report(drift=one, score=score, performance=performance))
    assert len(charts_of(html)) == 8
    assert "No labels have come yet; F1 is estimated at" in html
    assert "nan" not in html.lower().replace("tenant", "")


def test_scores_of_a_constant_model_and_undefined_metrics_are_drawn() -> None:
    first = a_report()
    weeks = tuple(dataclasses.replace(week, mean=0.5, stddev=0.0) for week in first.score.weeks)
    points = (dataclasses.replace(first.performance.points[0], value=None), *first.performance.points[1:3])
    trend = dataclasses.replace(first.performance, points=points, promotions=())
    html = render(a_report(score=ScoreTrend(weeks, 0.5, (1.0,)), performance=trend))
    assert len(charts_of(html)["F1 by week and version"].findall("./polygon")) == 2
    assert "Mean prediction score by week" in charts_of(html)


def test_the_largest_report_fits_a_statement() -> None:
    features = tuple(f"{'<F>' * 80}{i}" for i in range(40))
    weeks = tuple(WEEKS[0] + timedelta(days=7 * i) for i in range(26))
    cells = {(feature, week): cell(0.3) for feature in features for week in weeks}
    widest = a_report().distributions[0]
    bins = tuple(f"{'&' * 10_000}{i}" for i in range(20))
    wide = dataclasses.replace(widest, bins=bins, baseline=(0.05,) * 20, current=(0.05,) * 20, feature=features[0])
    report = a_report(
        drift=DriftMap(weeks, features, cells, left_out=260, moved=300),
        distributions=(wide,) * 6,
        top_features=TopFeatures(
            tuple(FeatureShare(feature, 0.1, 0.1) for feature in features[:10]), "&" * 255, 500, 290
        ),
    )
    # Snowflake takes a statement's text up to 1 MB, and the page is JSON in a literal there.
    literal = json.dumps([[render(report)]], ensure_ascii=False).replace("\\", "\\\\").replace("'", "\\'")
    assert len(literal.encode()) < 900_000


def test_the_number_of_features_left_out_is_told() -> None:
    drift = dataclasses.replace(a_drift_map(), left_out=260)
    assert "260 more moved less" in render(a_report(drift=drift))


@pytest.mark.parametrize("sign", ["✓", "!", "✕"])
def test_verdicts_have_a_sign_beside_their_colour(sign: str) -> None:
    value = {"✓": 0.05, "!": 0.2, "✕": 0.5}[sign]
    drift = DriftMap(WEEKS[-1:], ("A",), {("A", WEEKS[-1]): cell(value)}, moved=int(value > 0.1))
    assert f"{sign} Drift" in render(a_report(drift=drift))


def test_a_week_that_was_never_scored_leaves_a_gap() -> None:
    first = a_report()
    kept = tuple(point for point in first.performance.points if point.week != WEEKS[5])
    scores = tuple(week for week in first.score.weeks if week.week != WEEKS[5])
    with_gap = charts_of(
        render(
            a_report(
                performance=dataclasses.replace(first.performance, points=kept),
                score=dataclasses.replace(first.score, weeks=scores),
            )
        )
    )
    whole = charts_of(render(first))
    for title, marks in (
        ("F1 by week and version", "./polygon"),
        ("Mean prediction score by week", "./polygon[title]"),
        ("Prediction scores by bin of the baseline", "./rect"),
    ):
        places = [
            [mark.get("points") or mark.get("x") for mark in charts[title].findall(marks)]
            for charts in (whole, with_gap)
        ]
        assert len(places[1]) < len(places[0])
        assert set(places[1]) < set(places[0])
