"""Weekly readings of a plant's machines: which will fail? The same seed and week give the same rows.

`MAINTENANCE.week` is pure; `python -m include.datasets.maintenance load` puts weeks into a Snowflake table.
What the weeks tell stands in README.md beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.datasets.command_line import run
from include.datasets.generator import Generator, draw_categories, has_begun, logistic

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {
    "WEEK_START": "TIMESTAMP_NTZ",
    "MACHINE_ID": "VARCHAR",
    "SENSOR_ID": "VARCHAR",
    "MACHINE_TYPE": "VARCHAR",
    "SENSOR_MODEL": "VARCHAR",
    "AIR_TEMPERATURE": "FLOAT",
    "OIL_TEMPERATURE": "FLOAT",
    "ROTATION_RPM": "NUMBER(9, 0)",
    "TORQUE_NM": "FLOAT",
    "VIBRATION_MM_S": "FLOAT",
    "WEAR_HOURS": "NUMBER(9, 0)",
    "NIGHT_SHIFT": "BOOLEAN",
    "FAILED": "BOOLEAN",
}


@dataclass(frozen=True, kw_only=True)
class MachineType:
    """What the machines of a type have in common: usual rotation, torque and vibration, and the wear they bear."""

    share: float
    rpm: float
    torque: float
    vibration: float
    worn_at: float


MACHINE_TYPES = {
    "Pump": MachineType(share=0.4, rpm=1450, torque=42, vibration=2.0, worn_at=1500),
    "Compressor (2-stage)": MachineType(share=0.25, rpm=2900, torque=30, vibration=2.6, worn_at=1250),
    "Conveyor / belt drive": MachineType(share=0.2, rpm=900, torque=65, vibration=1.6, worn_at=1700),
    "CNC mill": MachineType(share=0.15, rpm=4200, torque=24, vibration=1.2, worn_at=1100),
}
OLD_SENSOR, NEW_SENSOR = "VS-100", "VibraSense 3/B"
NEW_SENSOR_SHARE = 0.6
# The new sensors give the peak of a vibration, the old ones its effective value.
PEAK_FACTOR = 2**0.5
MISSING_VIBRATION_SHARE = 0.02
# Of the wear that they bear otherwise, once the cheaper bearings are in.
CHEAP_BEARINGS = 0.6


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens in the plant, and in which week (1, 2, …); None: never.

    :param sensor_shift_week: first week with sensors of another maker at most machines: another model, other
        sensor ids, higher readings of the same vibration.
    :param bearing_shift_week: first week with cheaper bearings, which are worn out sooner. No feature moves, only
        the relation of the failures to them.
    """

    sensor_shift_week: int | None = 15
    bearing_shift_week: int | None = 22


def failure_chance(readings: pd.DataFrame, *, cheap_bearings: bool = False) -> np.ndarray:
    """Return the chance that each machine fails within the week, from the columns of the table.

    A machine is safe from each cause with a chance of its own. No model can tell the machines apart better.

    :param readings: rows with no vibration missing, as they are where the label is drawn
    :param cheap_bearings: whether the cheaper bearings are in
    """
    import numpy as np

    def column(name: str) -> np.ndarray:
        return readings[name].to_numpy(dtype=float)

    worn_at = _by_type(readings["MACHINE_TYPE"], "worn_at") * (CHEAP_BEARINGS if cheap_bearings else 1.0)
    strain = column("TORQUE_NM") / _by_type(readings["MACHINE_TYPE"], "torque")
    factor = np.where(readings["SENSOR_MODEL"] == NEW_SENSOR, PEAK_FACTOR, 1.0)
    heat = column("OIL_TEMPERATURE") - column("AIR_TEMPERATURE")
    safe = (
        (1 - 0.35 * logistic((column("WEAR_HOURS") - worn_at) / 50))
        * (1 - 0.6 * logistic((strain * column("WEAR_HOURS") / worn_at - 1.35) / 0.04))
        * (1 - 0.7 * logistic((heat - 44) / 1.2))
        * (1 - 0.6 * logistic((column("VIBRATION_MM_S") / factor - 7.1) / 0.3))
        * (1 - 0.005 * (1 + column("NIGHT_SHIFT")))
    )
    return 1 - safe


def _by_type(types: pd.Series, figure: str) -> np.ndarray:
    figures = {name: getattr(machine_type, figure) for name, machine_type in MACHINE_TYPES.items()}
    return types.map(figures).to_numpy(dtype=float)


def _draw(rng: np.random.Generator, index: int, rows: int, scenario: Scenario) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    machines = _machines(rows)
    types = machines["MACHINE_TYPE"]
    # A machine is overhauled by plan, each at an interval of its own, so its wear is a sawtooth.
    weeks_since = (index + machines["PHASE"]) % machines["INTERVAL"]
    wear = (weeks_since * machines["HOURS_A_WEEK"] + rng.uniform(0, 60, rows)).round()
    night = rng.random(rows) < machines["NIGHT_SHARE"]
    strain = np.exp(rng.normal(0, 0.14, rows)) * np.where(night, 1.05, 1.0)
    rpm = (_by_type(types, "rpm") / strain**0.6 * np.exp(rng.normal(0, 0.03, rows))).round()
    air = 21 + 4 * np.sin(2 * np.pi * index / 52) + rng.normal(0, 2.0, rows)
    # A clogged cooler now and then.
    heat = 22 + 9 * strain + rng.normal(0, 2.2, rows) + rng.gamma(0.35, 5.0, rows)
    worn = wear / _by_type(types, "worn_at")
    vibration = _by_type(types, "vibration") * (1 + 0.8 * worn**2) * np.exp(rng.normal(0, 0.22, rows))
    replaced = (machines["SENSOR_RANK"] < NEW_SENSOR_SHARE) & has_begun(scenario.sensor_shift_week, index)
    readings = pd.DataFrame(
        {
            "MACHINE_ID": machines["MACHINE_ID"],
            "SENSOR_ID": np.where(replaced, "B3/", "S1-") + machines["SENSOR_NUMBER"],
            "MACHINE_TYPE": types,
            "SENSOR_MODEL": np.where(replaced, NEW_SENSOR, OLD_SENSOR),
            "AIR_TEMPERATURE": air.round(1),
            "OIL_TEMPERATURE": (air + heat).round(1),
            "ROTATION_RPM": rpm.astype("int64"),
            "TORQUE_NM": (_by_type(types, "torque") * strain).round(1),
            "VIBRATION_MM_S": (vibration * np.where(replaced, PEAK_FACTOR, 1.0)).round(2),
            "WEAR_HOURS": wear.astype("int64"),
            "NIGHT_SHIFT": night.to_numpy(dtype=bool),
        }
    )
    chance = failure_chance(readings, cheap_bearings=has_begun(scenario.bearing_shift_week, index))
    readings["FAILED"] = pd.Series(rng.random(rows) < chance).astype("boolean")
    readings["VIBRATION_MM_S"] = readings["VIBRATION_MM_S"].mask(rng.random(rows) < MISSING_VIBRATION_SHARE)
    return readings


def _machines(rows: int) -> pd.DataFrame:
    """Return the plant: the same machines every week, whatever the seed."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(rows)
    numbers = pd.Series(np.arange(1, rows + 1)).astype(str).str.zfill(6)
    return pd.DataFrame(
        {
            "MACHINE_ID": "M-" + numbers,
            "SENSOR_NUMBER": numbers,
            "MACHINE_TYPE": draw_categories(rng, {name: one.share for name, one in MACHINE_TYPES.items()}, rows),
            "INTERVAL": rng.integers(8, 15, rows),
            "PHASE": rng.integers(0, 840, rows),
            "HOURS_A_WEEK": rng.normal(110, 18, rows).clip(40, 168),
            "NIGHT_SHARE": rng.beta(0.6, 1.0, rows),
            "SENSOR_RANK": rng.random(rows),
        }
    )


MAINTENANCE = Generator(
    columns=COLUMNS,
    label="FAILED",
    fingerprint="ROTATION_RPM",
    scenario=Scenario,
    draw=_draw,
    table="MACHINE_READINGS",
    seed=20240108,
    labels_after_weeks=1,
)


if __name__ == "__main__":
    run(MAINTENANCE, "maintenance", __doc__)
