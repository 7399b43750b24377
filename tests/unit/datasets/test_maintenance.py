from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from include.datasets.maintenance import MACHINE_TYPES, MAINTENANCE, NEW_SENSOR, OLD_SENSOR, Scenario

STABLE = Scenario(sensor_shift_week=None, bearing_shift_week=None)


def week(index: int, scenario: Scenario = STABLE, rows: int = 2000) -> pd.DataFrame:
    return MAINTENANCE.week(index, first_week=date(2025, 1, 6), scenario=scenario, rows=rows)


@pytest.fixture(scope="module")
def weeks() -> dict[int, pd.DataFrame]:
    return {index: week(index) for index in range(1, 21)}


def test_the_machines_are_the_same_every_week(weeks: dict[int, pd.DataFrame]) -> None:
    plants = [frame[["MACHINE_ID", "SENSOR_ID", "MACHINE_TYPE"]] for frame in weeks.values()]

    assert plants[0]["MACHINE_ID"].is_unique
    assert plants[0]["SENSOR_ID"].is_unique
    for plant in plants[1:]:
        pd.testing.assert_frame_equal(plant, plants[0])


def test_few_machines_fail(weeks: dict[int, pd.DataFrame]) -> None:
    assert 0.03 < pd.concat(weeks.values())["FAILED"].mean() < 0.045


def test_wear_grows_week_by_week_until_the_overhaul(weeks: dict[int, pd.DataFrame]) -> None:
    wear = pd.DataFrame({index: frame["WEAR_HOURS"] for index, frame in weeks.items()})
    steps = wear.diff(axis=1).drop(columns=1)

    assert 0.88 < (steps > 0).mean(axis=None) < 0.94
    assert wear.min(axis=1).max() < 250, "each machine was overhauled within twenty weeks"


def test_readings_tell_of_wear(weeks: dict[int, pd.DataFrame]) -> None:
    frame = pd.concat(weeks.values())
    for name, machine_type in MACHINE_TYPES.items():
        machines = frame[frame["MACHINE_TYPE"] == name]
        worn = machines["WEAR_HOURS"] > 0.8 * machine_type.worn_at
        assert machines[worn]["VIBRATION_MM_S"].mean() > 1.3 * machines[~worn]["VIBRATION_MM_S"].mean()
        assert machines[worn]["FAILED"].mean() > 2 * machines[~worn]["FAILED"].mean()


def test_one_vibration_in_fifty_is_missing_and_nothing_else_is(weeks: dict[int, pd.DataFrame]) -> None:
    missing = pd.concat(weeks.values()).isna().mean()

    assert 0.015 < missing["VIBRATION_MM_S"] < 0.025
    assert not missing.drop("VIBRATION_MM_S").any()


def test_new_sensors_have_other_ids_and_read_more_of_the_same_vibration() -> None:
    before, after = week(15), week(15, Scenario(sensor_shift_week=15, bearing_shift_week=None))
    replaced = after["SENSOR_MODEL"] == NEW_SENSOR

    assert set(before["SENSOR_MODEL"]) == {OLD_SENSOR}
    assert 0.55 < replaced.mean() < 0.65
    assert (before["SENSOR_ID"] != after["SENSOR_ID"]).equals(replaced)
    ratio = (after["VIBRATION_MM_S"] / before["VIBRATION_MM_S"]).dropna()
    assert ratio[replaced].between(1.40, 1.43).all()
    assert (ratio[~replaced] == 1).all()
    # The machines know nothing of it, but for a rounding of the readings.
    assert (before["FAILED"] != after["FAILED"]).mean() < 0.002


def test_cheap_bearings_fail_more_than_three_times_as_often() -> None:
    before, after = week(22), week(22, Scenario(sensor_shift_week=None, bearing_shift_week=22))

    assert after["FAILED"].mean() > 3 * before["FAILED"].mean()
