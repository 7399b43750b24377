"""The page of a verdict, and its table in Markdown: what they tell, and that names in them are only names."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from snowmaker.bootstrap import Interval
from snowmaker.gate import SegmentGain
from snowmaker.report.verdict_page import render_verdict

from .verdicts import CHALLENGER, CHAMPION, a_verdict

NASTY = "C=</td><script>alert(1)</script>`|\n[x](javascript:y) https://e.com {{ 7 * 7 }}"


class Read(HTMLParser):
    """The texts of the cells of each row, and the tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def nasty(verdict_of: float = -0.09) -> SegmentGain:
    return SegmentGain(NASTY, "f1", 900, verdict_of, Interval(-0.15, -0.03), 0.02)


def test_every_rule_is_there_with_value_interval_bound_and_outcome_the_failed_first() -> None:
    html = render_verdict(a_verdict(), "retrain_loans/run-1")
    rows = Read(html).rows
    rules = rows[1 : 1 + len(a_verdict().rules)]
    assert [row[0].split()[1] for row in rules] == ["fail"] * 3 + ["pass"] * 5 + ["not"] + ["pass"]
    assert [row[1:4] for row in rules if row[1] == "f1"] == [["f1", "0.847 [0.789, 0.899]", "at least 0.8"]]
    (seconds,) = (row for row in rules if row[1].startswith("scoring"))
    assert seconds[2:4] == ["31.2", "at most 20"]
    (schema,) = (row for row in rules if row[1].startswith("schema"))
    assert "table LOANS has no column DEBT_RATIO" in schema[1]
    assert "6 of 10 rules are met, 1 could not be judged" in html
    assert ["F1", "0.847 [0.789, 0.899]", "0.732 [0.670, 0.790]", "0.114 [0.050, 0.186]"] in rows
    for told in (CHALLENGER, CHAMPION, "The gate is not passed", "2026-01-26 left out", "retrain_loans/run-1"):
        assert told in html


def test_without_a_champion_the_page_says_so_and_has_no_gains() -> None:
    html = render_verdict(a_verdict(champion=None), "retrain_loans/run-1")
    assert "Judged with no champion yet: only the absolute rules count" in html
    assert ["Metric", CHALLENGER] in Read(html).rows


def test_names_on_the_page_are_text_and_nothing_else() -> None:
    html = render_verdict(a_verdict(nasty()), "<script>/<b>")
    tags = set(Read(html).tags)
    assert "script" not in tags
    assert "b" not in tags
    assert "a" not in tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7 * 7 }}" in html


def test_names_in_markdown_stand_in_code_and_break_no_table() -> None:
    verdict = a_verdict(nasty())
    (line,) = (line for line in verdict.markdown.splitlines() if "alert" in line)
    cells = re.split(r"(?<!\\)\|", line)
    assert len(cells) == 8
    assert re.fullmatch(r" `[^`]*` ", cells[2])
    assert "**FAIL**" in cells[6]
    assert "`" not in re.sub(r"`[^`]*`", "", verdict.markdown)
    assert "<" not in re.sub(r"`[^`]*`", "", verdict.markdown)


def test_markdown_tells_outcome_rows_weeks_and_what_was_left_out() -> None:
    told = a_verdict().markdown
    first = f"`{CHALLENGER}` against champion `{CHAMPION}`, on 20,412 labelled rows of 2 weeks"
    assert told.startswith(f"{first} from 2026-02-02 to 2026-02-09: **not passed**")
    assert "| f1 | all | 0.8466 | 0.7895 to 0.8990 | 0.8 | pass |" in told
    assert "- `2026-01-26 left out: champion" in told
    assert "- Intervals: paired bootstrap, 95 %." in told
    assert "with no champion yet" in a_verdict(champion=None).markdown


def test_a_champion_that_was_not_judged_on_the_rows_is_told_as_such() -> None:
    compared = a_verdict()
    alone = replace(compared, metrics={CHALLENGER: compared.metrics[CHALLENGER]}, gains={})
    told = f"Judged without a comparison with champion {CHAMPION}"
    assert told in render_verdict(alone, "retrain_loans/run-1")
    assert f"`{CHALLENGER}` without a comparison with champion `{CHAMPION}`, on " in alone.markdown
    assert alone.summary.startswith(f"{CHALLENGER} without a comparison with {CHAMPION}, ")
    assert compared.summary.startswith(f"{CHALLENGER} against {CHAMPION}, ")
