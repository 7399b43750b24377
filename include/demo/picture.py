"""``python -m include.demo.picture``: takes the README's picture of a weekly report.

Reads the report from the sandbox that a demo left (and stopped), and opens it in Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from include.demo.environment import Environment
from include.demo.local_airflow import REPOSITORY

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

PICTURE = REPOSITORY / "include" / "demo" / "report.png"
WIDTH, HEIGHT = 980, 1330


def read_report(connection: SnowflakeConnection, week: date | None) -> str:
    """Read the report of a week, or the newest.

    :raises SystemExit: if there is none
    """
    statement = (
        "SELECT HTML FROM SNOWMAKER_REPORTS WHERE %s IS NULL OR WEEK_START = %s ORDER BY WEEK_START DESC LIMIT 1"
    )
    row = connection.cursor().execute(statement, (week, week)).fetchone()
    if row is None:
        raise SystemExit(f"SNOWMAKER_REPORTS has no report of {week or 'any week'}; run the demo first (make demo)")
    return str(row[0])


def take_picture(html: str, file: Path, *, dark: bool = False) -> None:
    """Write what a window shows of a report, from its top, as a PNG."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        # No sandbox, for CI runs as root.
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark" if dark else "light")
        page.set_content(html)
        page.screenshot(path=file)
        browser.close()


def main() -> int:
    """Take the picture."""
    parser = argparse.ArgumentParser(prog="python -m include.demo.picture", description=__doc__)
    parser.add_argument("--state", type=Path, default=REPOSITORY / ".sandbox", help="the sandbox's folder")
    parser.add_argument("--week", type=date.fromisoformat, help="first day of the week; default: the newest reported")
    parser.add_argument("--file", type=Path, default=PICTURE, help="where to; default %(default)s")
    parser.add_argument("--dark", action="store_true", help="as a reader with a dark theme sees it")
    options = parser.parse_args()
    environment = Environment.start(options.state, any_port=True)
    try:
        with environment.connect() as connection:
            html = read_report(connection, options.week)
    finally:
        environment.stop()
    take_picture(html, options.file, dark=options.dark)
    print(f"{options.file}: {options.file.stat().st_size / 1024:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
