"""Ten weeks of made-up applications, with everything that breaks naive SQL: odd names, odd texts, NULLs, twins."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from snowflake.connector import SnowflakeConnection
from snowflake.connector.pandas_tools import write_pandas

from snowmaker.source import Source
from snowmaker.week import Week

ROWS = 200
"""Rows a week."""
WEEKS = [Week(date(2026, 1, 5)).shift(i) for i in range(10)]
HOLDOUT = WEEKS[4]
"""The models are trained on the four weeks before it."""
TWIN = WEEKS[5]
"""The very rows of HOLDOUT, a week later."""
SHIFTED = WEEKS[6:]
"""Higher incomes, and a county that no earlier week has."""
LABELLED = WEEKS[:8]
"""The labels of later weeks have not come."""

TEXT = ["COUNTY", "loan % type"]
NUMBERS = ["INCOME", "debt ratio", "MEMBER"]
FEATURES = [*TEXT, *NUMBERS]
COUNTIES = ["St. Mary's", 'the "Old" Town', "100% County", "Ü-\\Land %s", "None"]
TYPES = ["fixed 50%", "it's", "a, b"]
UNSEEN = "Never Seen 'before'"

_COLUMNS = (
    '"Applied on" TIMESTAMP_NTZ, LOAN_ID VARCHAR, COUNTY VARCHAR, "loan % type" VARCHAR, INCOME NUMBER(12, 2), '
    '"debt ratio" FLOAT, MEMBER BOOLEAN, APPROVED NUMBER(1, 0)'
)


def source_of(table: str) -> Source:
    """Describe such a table as a pipeline file would."""
    return Source.of(
        table,
        week_column='"Applied on"',
        label="APPROVED",
        categorical=["COUNTY", '"loan % type"'],
        numeric=["INCOME", '"debt ratio"', "MEMBER"],
        key=["LOAN_ID"],
    )


def applications() -> pd.DataFrame:
    """All weeks, in the order of time; the column ``week`` is not in the table."""
    weeks = {week: _week_of(week, number) for number, week in enumerate(WEEKS)}
    weeks[TWIN] = weeks[HOLDOUT].assign(**{"Applied on": weeks[HOLDOUT]["Applied on"] + pd.Timedelta(days=7)})
    frame = pd.concat([rows.assign(week=str(week)) for week, rows in weeks.items()], ignore_index=True)
    frame.loc[~frame["week"].isin([str(week) for week in LABELLED]), "APPROVED"] = None
    return frame


def create_table(connection: SnowflakeConnection, database: str, schema: str, name: str, frame: pd.DataFrame) -> None:
    """Make the table and write the rows."""
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE TABLE "{database}"."{schema}"."{name}" ({_COLUMNS})')
    rows = frame.drop(columns="week")
    write_pandas(connection, rows, name, database=database, schema=schema, use_logical_type=True)


def model_input(frame: pd.DataFrame) -> pd.DataFrame:
    """The features as the model takes them from pandas."""
    numbers = {name: frame[name].astype(float) for name in NUMBERS}
    raw = frame[TEXT].astype(object).where(frame[TEXT].notna(), None).assign(**numbers)[FEATURES]
    return raw.rename(columns={"loan % type": '"loan % type"', "debt ratio": '"debt ratio"'})


def _week_of(week: Week, number: int) -> pd.DataFrame:
    rng = np.random.default_rng(number)
    size = ROWS - 5
    seconds = np.concatenate([[0, 7 * 86_400 - 1], rng.integers(0, 7 * 86_400, size - 2)])
    shifted = week in SHIFTED
    frame = pd.DataFrame(
        {
            "Applied on": pd.Timestamp(week.start) + pd.to_timedelta(seconds, unit="s"),
            "LOAN_ID": [f"{number}-{n // 2}" for n in range(size)],
            "COUNTY": rng.choice([*COUNTIES, None], size, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]),
            "loan % type": rng.choice([*TYPES, None], size, p=[0.4, 0.3, 0.2, 0.1]),
            "INCOME": np.round(rng.normal(70 if shifted else 40, 12, size), 2),
            "debt ratio": rng.uniform(0, 1, size),
            "MEMBER": rng.random(size) < 0.5,
        }
    ).astype({"MEMBER": object})
    if shifted:
        frame.loc[rng.random(size) < 0.1, "COUNTY"] = UNSEEN
    frame.loc[rng.random(size) < 0.1, "INCOME"] = np.nan
    frame.loc[rng.random(size) < 0.1, "MEMBER"] = None
    worth = frame["INCOME"].fillna(40) / 10 + 2 * (frame["MEMBER"] == True) - 3 * frame["debt ratio"]  # noqa: E712
    frame["APPROVED"] = (worth + rng.normal(0, 0.7, size) > 3.5).astype(int).astype(object)
    # Twins: alike in key and features, but not in their label.
    twins = frame.head(5).assign(APPROVED=1 - frame.head(5)["APPROVED"])
    return pd.concat([frame, twins], ignore_index=True)
