"""The pages a person works with, in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_demo import until

from demo.decisions import ASK, PIPELINE, ROLLBACK, Decisions
from demo.deployment import ENDED, RETRAIN, SCORE, Deployment

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

browsers = pytest.importorskip("playwright.sync_api", reason="needs a browser's driver: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(700),
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]
SCORING_TASKS = ("check_input", "score", "check_drift", "check_performance", "report")
RETRAINING_TASKS = ("training_set", "train", "log_model", "evaluate", "freeze_baseline", "promote")
# No sandbox, for CI runs as root; and nothing that looks for hosts other than ours.
OPTIONS = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update"


@pytest.fixture(scope="module")
def page(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One window; a picture of it is kept with the tests' temporary files when each test ends."""
    with browsers.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[f"--{option}" for option in OPTIONS.split()])
        opened = browser.new_page(base_url=deployment.airflow.url, viewport={"width": 1500, "height": 1000})
        opened.set_default_timeout(30_000)
        yield opened
        browser.close()


@pytest.fixture(autouse=True)
def picture(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    page.screenshot(path=tmp_path / f"{request.node.name}.png")


def test_the_form_asks_for_week_and_version(page: Page) -> None:
    form = open_form(page, SCORE)
    seen = form.inner_text()
    assert re.search(r"Week\s+First day of the week to score; empty: the last complete week\.", seen)
    assert re.search(r"Model version\s*\*?\s+champion, champion_as_of_week, an alias, or a version's name\.", seen)
    assert form.locator("input[name=element_week]").get_attribute("type") == "date"
    assert form.locator("input[name=element_model_version]").input_value() == "champion"


def test_a_run_triggered_by_the_form_scores_the_week_asked_for(page: Page, deployment: Deployment) -> None:
    week = newest_week(deployment) - timedelta(weeks=3)
    known = {run["dag_run_id"] for run in deployment.api.runs(SCORE)}
    form = open_form(page, SCORE)
    form.locator("input[name=element_week]").fill(str(week))
    form.locator("input[name=element_model_version]").fill("production")
    form.get_by_role("button", name=re.compile("^Trigger")).click()
    (run_id,) = until(
        lambda: {run["dag_run_id"] for run in deployment.api.runs(SCORE)} - known, 30, "the run that the form triggers"
    )
    assert deployment.api.wait(SCORE, run_id) == "success"
    assert deployment.api.xcom(SCORE, run_id, "score")["week"] == str(week)
    page.goto(f"/dags/{SCORE}/runs/{run_id}")
    for task in SCORING_TASKS:
        page.get_by_role("link", name=task, exact=True).first.wait_for()


def test_the_weeks_report_is_behind_its_tasks_link(page: Page, deployment: Deployment) -> None:
    run = next(run for run in deployment.api.runs(SCORE) if run["state"] == "success")
    page.goto(f"/dags/{SCORE}/runs/{run['dag_run_id']}/tasks/report/details")
    page.get_by_role("link", name="Weekly report").click()
    page.get_by_role("heading", name="MORTGAGE_RESPONSE").wait_for()
    for picture in ("F1 by week and version", "Drift by feature and week", "Mean prediction score by week"):
        page.get_by_role("img", name=picture).wait_for()


def test_the_grid_shows_the_weeks(page: Page) -> None:
    page.goto(f"/dags/{SCORE}")
    for task in SCORING_TASKS:
        page.get_by_text(task, exact=True).first.wait_for()
    page.locator("a[href*='/tasks/score']").nth(5).wait_for()


def test_the_graph_shows_the_retraining(page: Page) -> None:
    page.goto(f"/dags/{RETRAIN}")
    page.get_by_role("button", name="Show Graph").click()
    for task in RETRAINING_TASKS:
        page.locator(".react-flow__node").filter(has_text=task).first.wait_for()
    assert page.locator(".react-flow__edge").count() >= len(RETRAINING_TASKS)


def test_a_challenger_is_approved_on_its_page(page: Page, decisions: Decisions) -> None:
    api, run_id = decisions.deployment.api, decisions.ask("V6")

    def approved() -> bool:
        if api.run(ASK, run_id)["state"] in ENDED:
            return True
        (task,) = (task for task in api.tasks(ASK, run_id) if task["task_id"] == "approve")
        if task["state"] == "awaiting_input":
            approve_on_its_page(page, run_id)
        return False

    # Airflow may ask again who answers in the first seconds.
    until(approved, 120, f"the end of {run_id}")
    assert api.run(ASK, run_id)["state"] == "success"
    ((event, version, _, *decided),) = decisions.events(run_id)
    assert (event, version, decided) == ("PROMOTED", "V6", ["Anonymous", "seen with my own eyes", None])


def test_the_rollback_s_form_goes_back(page: Page, decisions: Decisions) -> None:
    api, before = decisions.deployment.api, decisions.champion
    known = {run["dag_run_id"] for run in api.runs(ROLLBACK)}
    form = open_form(page, ROLLBACK)
    trigger = form.get_by_role("button", name=re.compile("^Trigger"))
    assert trigger.is_disabled(), "pipeline and reason are missing"
    assert form.locator("input[name=element_target]").input_value() == "previous"
    choice = form.get_by_role("combobox").first
    choice.fill(PIPELINE)
    choice.press("Enter")
    form.locator("input[name=element_reason]").fill("wrong in the North")
    trigger.click()
    (run_id,) = until(
        lambda: {run["dag_run_id"] for run in api.runs(ROLLBACK)} - known, 30, "the run that the form triggers"
    )
    assert api.wait(ROLLBACK, run_id) == "success"
    (event,) = decisions.events(run_id)
    assert event == ("ROLLED_BACK", decisions.champion, before, "Anonymous", None, "wrong in the North")


def approve_on_its_page(page: Page, run_id: str) -> None:
    """Read what is asked, say why, and approve."""
    page.goto(f"/dags/{ASK}/runs/{run_id}/tasks/approve/required_actions")
    page.get_by_text("Make V6 the champion, in place of").wait_for()
    told = page.get_by_role("row").filter(has_text="f1 not worse").inner_text()
    assert "COUNTY_NAME=<img src=x> | Polk" in told, "what stands in the data is no markup"
    page.locator("input[name=element_note]").fill("seen with my own eyes")
    page.get_by_role("button", name="Approve", exact=True).click()


def open_form(page: Page, dag_id: str) -> Locator:
    """Open the form that triggers a DAG."""
    page.goto(f"/dags/{dag_id}")
    page.get_by_role("button", name=re.compile("^Trigger")).first.click()
    form = page.get_by_role("dialog").filter(has_text=f"Trigger Dag - {dag_id}")
    form.get_by_text("Run Parameters").wait_for()
    return form


def newest_week(deployment: Deployment) -> date:
    ((found,),) = deployment.query("SELECT MAX(WEEK_START_DATE)::DATE FROM MORTGAGE_APPLICATIONS")
    return found
