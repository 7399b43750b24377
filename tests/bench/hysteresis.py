"""What "k of the last n weeks" costs and spares: 500 models' year of weekly verdicts, rule against rule."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from bench.figure import Figure
from snowmaker.drift_metrics import METRICS
from snowmaker.verdicts import Degradation, Verdict, cooling
from snowmaker.week import Week

WEEKS = 52
RULES = {"1 of 1": Degradation(1, 1), "2 of 3": Degradation(2, 3), "3 of 4": Degradation(3, 4)}
THRESHOLD = METRICS["psi"].threshold
COOL_DOWN = 4
_FIRST = Week(date(2024, 1, 1))


@dataclass(frozen=True)
class Year:
    """A model's year: how far it has really drifted, and what its weekly checks say."""

    drift: tuple[float, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def due(self) -> int:
        """The first week whose real drift is a breach; after the year, if there is none."""
        return next((week for week, value in enumerate(self.drift) if value >= THRESHOLD.breach), WEEKS)


@dataclass(frozen=True)
class Outcome:
    """What a rule made of many years.

    :param false_alarms: retrainings a model and year while there was not yet drift to warn of
    :param delays: weeks from the first real breach to the retraining, of models that were found
    :param missed: share of drifted models that were not found within the year
    """

    false_alarms: float
    delays: tuple[int, ...]
    missed: float


def years(models: int, seed: int) -> list[Year]:
    """Make models: two fifths stay as they are, three tenths jump in some week, three tenths climb slowly.

    A week's worst PSI is the real drift give or take 15%, and what chance adds (0.03 in the mean). One week in
    forty begins an odd spell that has nothing to do with drift, a holiday or a late load, of one week or, one
    in four, of two; it adds 0.3 to 1.
    """
    rng = np.random.default_rng(seed)
    return [_year(rng, kind) for kind in rng.choice(["calm", "jump", "climb"], size=models, p=[0.4, 0.3, 0.3])]


def outcome(rule: Degradation, found: list[Year]) -> Outcome:
    """Run a rule over the years; a retraining of a model that has drifted ends its year."""
    false_alarms, calm_weeks, delays, missed = 0, 0, [], 0
    for year in found:
        alarms = _alarms(rule, year)
        false_alarms += sum(year.drift[week] < THRESHOLD.warn for week in alarms)
        calm_weeks += sum(drift < THRESHOLD.warn for drift in year.drift)
        # Between warning and breach an alarm is neither false nor late.
        right = next((week for week in alarms if year.drift[week] >= THRESHOLD.warn), None)
        if right is not None:
            delays.append(right - year.due)
        elif year.due < WEEKS:
            missed += 1
    drifted = sum(year.due < WEEKS for year in found)
    return Outcome(false_alarms / calm_weeks * WEEKS, tuple(delays), missed / drifted)


def measure() -> Iterator[Figure]:
    """Hold the rules against one another on the same years."""
    found = years(500, seed=5)
    for name, rule in RULES.items():
        result = outcome(rule, found)
        default = name == "3 of 4"
        yield Figure(f"{name}: false alarms", result.false_alarms, "a model-year", bound=0.05 if default else None)
        yield Figure(f"{name}: delay", statistics.mean(result.delays), "weeks (mean)", bound=3 if default else None)
        yield Figure(f"{name}: longest delay", max(result.delays), "weeks")
        yield Figure(f"{name}: drifted and not found", 100 * result.missed, "%", bound=5 if default else None)


def _year(rng: np.random.Generator, kind: str) -> Year:
    start = int(rng.integers(8, 35))
    since = np.arange(WEEKS) - start
    drift = {
        "calm": np.zeros(WEEKS),
        "jump": np.where(since >= 0, 0.4, 0.0),
        "climb": 0.025 * np.clip(since, 0, None),
    }[kind]
    spells = rng.random(WEEKS) < 1 / 40
    odd = spells | np.roll(spells & (rng.random(WEEKS) < 0.25), 1)
    values = drift * rng.lognormal(0, 0.15, WEEKS) + rng.gamma(4, 0.03 / 4, WEEKS) + odd * rng.uniform(0.3, 1, WEEKS)
    return Year(tuple(drift.tolist()), tuple(THRESHOLD.verdict(value) for value in values.tolist()))


def _alarms(rule: Degradation, year: Year) -> list[int]:
    alarms: list[int] = []
    for week in range(WEEKS):
        last = _FIRST.shift(alarms[-1]) if alarms else None
        if rule.met(year.verdicts[week::-1]) and not cooling(_FIRST.shift(week), last, COOL_DOWN):
            alarms.append(week)
    return alarms
