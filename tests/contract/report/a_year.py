"""A year of what the weekly checks of one model leave in Snowflake, written straight into their tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

from snowflake.connector import SnowflakeConnection

from snowmaker.hooks.warehouse import WarehouseSession
from snowmaker.profile import Bins, Profile
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.source import Source
from snowmaker.week import Week

DATABASE, SCHEMA = "REPORTED", "Loans"
WEEKS = [Week(date(2025, 6, 30)).shift(i) for i in range(52)]
UNLABELLED = WEEKS[-4:]
PROMOTED, SHIFTED = WEEKS[36], WEEKS[33:37]
OLD, NEW = "V1", "V2"
EVIL = "<script>alert('x')</script>"
FEATURES = ["COUNTY", "INCOME", "AGE", "APPLIED_ON", "MEMBER", EVIL]
SEGMENTS = [f"REGION=R{i}" for i in range(15)]
BINS = {
    "COUNTY": Bins.categorical(["Bristol", EVIL, 'the "Old" Town %s']),
    "INCOME": Bins.numeric([20_000.0, 40_000.0, 80_000.0]),
    "AGE": Bins.numeric([30.0, 30.0, 60.0]),
    "APPLIED_ON": Bins.numeric([20_089.0, 20_300.0], kind="date"),
    "MEMBER": Bins.boolean(),
    EVIL: Bins.numeric([0.0]),
    "score": Bins.numeric([0.1 * i for i in range(1, 10)]),
}


def version_of(week: Week) -> str:
    """The version that scored a week: a promotion holds from the week after it."""
    return NEW if week > PROMOTED else OLD


@dataclass
class Year:
    """A model of a test's own and its tables."""

    session: WarehouseSession
    model: QualifiedName

    @classmethod
    def of(cls, connection: SnowflakeConnection, name: str) -> Year:
        return cls(WarehouseSession(connection, "test"), QualifiedName.parse(f'{DATABASE}."{SCHEMA}"."{name}"'))

    @property
    def source(self) -> Source:
        return Source.of(
            self.model.sibling("APPLICATIONS").quoted, week_column="WEEK", key=["ID"], numeric=["AGE"], label="LABEL"
        )

    def add(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write rows of the model into one of Snowmaker's tables."""
        name = self.model.sibling(table)
        self.session.execute(tables.create_table(name))
        values = [{"MODEL_NAME": self.model.quoted, "RUN_ID": "checks", **row} for row in rows]
        self.session.execute(tables.insert_rows(name, tuple(values[0]), [tuple(row.values()) for row in values]))

    def add_all(self) -> Year:
        """Write everything that a year of checks leaves."""
        self.add_profiles()
        self.add_drift()
        self.add_performance()
        self.add(tables.CALIBRATION, calibration(WEEKS[20], OLD) + calibration(WEEKS[-5], NEW))
        self.add(tables.ATTRIBUTIONS, attributions())
        events = [("PROMOTED", OLD, WEEKS[0]), ("REJECTED", "V1B", WEEKS[30]), ("PROMOTED", NEW, PROMOTED)]
        self.add(
            tables.MODEL_EVENTS,
            [
                {
                    "EVENT_ID": str(i),
                    "SEQUENCE": i + 1,
                    "EVENT": event,
                    "MODEL_VERSION": version,
                    "WEEK_START": week.start,
                }
                for i, (event, version, week) in enumerate(events)
            ],
        )
        return self

    def add_profiles(self) -> None:
        baselines = [
            {
                "MODEL_VERSION": version,
                "SEGMENT": segment,
                "FEATURE": name,
                "SOURCE_TABLE": "T",
                "PROFILE": profile(name, tilt).to_json(),
            }
            for version in (OLD, NEW)
            for name in BINS
            for segment, tilt in (("", 0.0), (SEGMENTS[0], 0.9))
        ]
        self.add(tables.BASELINES, baselines)
        rows = []
        for week in WEEKS[20:]:
            tilt = 0.4 if week in SHIFTED or week == WEEKS[-1] else 0.02 * math.sin(week.start.toordinal())
            for name in BINS if week == WEEKS[-1] else ["score"]:
                found = profile(name, tilt)
                rows.append({**at(week), "SEGMENT": "", "FEATURE": name, "PROFILE": found.to_json(), "ROW_COUNT": 1000})
        self.add(tables.PROFILES, rows)

    def add_drift(self) -> None:
        rows = []
        for week in WEEKS[20:]:
            for i, feature in enumerate([*FEATURES, "score"]):
                moved = week in SHIFTED or week == WEEKS[-1]
                rows.append(drift(week, feature, "psi", (0.5 if moved else 0.05) / (i + 1)))
                rows.append({**drift(week, feature, "jensen_shannon", 0.9), "VERDICT": None, "BREACH": None})
        rows += [drift(WEEKS[-1], "COUNTY", "psi", 0.9 - 0.05 * i, segment) for i, segment in enumerate(SEGMENTS)]
        self.add(tables.DRIFT, rows)

    def add_performance(self) -> None:
        rows = []
        for week in WEEKS:
            estimate = week in UNLABELLED
            for metric, value in (("f1", 0.65 if week in SHIFTED else 0.84), ("roc_auc", 0.9)):
                rows.append(performance(week, metric, value, estimate=estimate))
        newest = WEEKS[-5]
        rows += [performance(newest, "f1", 0.6 + 0.01 * i, segment=segment) for i, segment in enumerate(SEGMENTS)]
        rows += [performance(newest, "recall", 0.7, class_name=EVIL)]
        self.add(tables.PERFORMANCE, rows)


def at(week: Week) -> dict[str, Any]:
    return {"WEEK_START": week.start, "MODEL_VERSION": version_of(week)}


def profile(name: str, tilt: float) -> Profile:
    """A profile with more rows in the last bins, the greater the tilt."""
    bins = BINS[name]
    count = bins.size - 1
    rows = [round(100 * (1 + tilt * (2 * i / max(count - 1, 1) - 1))) for i in range(count)]
    return Profile(bins, (*rows, 3), mean=0.5 + 0.1 * tilt, stddev=0.2)


def drift(week: Week, feature: str, metric: str, value: float, segment: str = "") -> dict[str, Any]:
    return {
        **at(week),
        "SEGMENT": segment,
        "FEATURE": feature,
        "METRIC": metric,
        "VALUE": value,
        "P_VALUE": 0.001,
        "WARN": 0.1,
        "BREACH": 0.25,
        "VERDICT": "breach" if value >= 0.25 else "warn" if value >= 0.1 else "ok",
        "ROW_COUNT": 1000,
        "ENGINE": "snowmaker",
    }


def performance(
    week: Week, metric: str, value: float, *, estimate: bool = False, segment: str = "", class_name: str = ""
) -> dict[str, Any]:
    return {
        **at(week),
        "SEGMENT": segment,
        "CLASS": class_name,
        "METRIC": metric,
        "VALUE": value,
        "REFERENCE": 0.85,
        "IS_ESTIMATE": estimate,
        "VERDICT": None if estimate else "breach" if value < 0.7 else "ok",
        "ROW_COUNT": 900,
        "ENGINE": "snowmaker",
    }


def attributions() -> list[dict[str, Any]]:
    """What both versions look at: twelve features that make less and less of the score; nobody was before the first."""
    names = [EVIL, *(f"F{i}" for i in range(2, 13))]
    return [
        {
            "MODEL_VERSION": version,
            "CLASS": class_name,
            "FEATURE": name,
            "PLACE": place,
            "MEAN_ABSOLUTE": 1 / place,
            "SHARE": share / place,
            "CHAMPION": OLD if version == NEW else None,
            "CHAMPION_SHARE": 0.2 / place if version == NEW else None,
            "ROW_COUNT": 450,
        }
        for version, share in ((OLD, 0.2), (NEW, 0.3))
        for class_name in ("", "one class")
        for place, name in reversed(list(enumerate(names, start=1)))
    ]


def calibration(week: Week, version: str) -> list[dict[str, Any]]:
    bins = [
        {"BIN": i, "MEAN_SCORE": 0.05 + 0.1 * i, "RATE": 0.06 + 0.09 * i, "ROW_COUNT": 90, "WEEK_START": week.start}
        for i in range(9)
    ]
    empty = {"BIN": 9, "MEAN_SCORE": None, "RATE": None, "ROW_COUNT": 0, "WEEK_START": week.start}
    return [{**bin_, "MODEL_VERSION": version} for bin_ in [*bins, empty]]
