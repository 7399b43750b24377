"""The sections of a pipeline file about a model's versions: which one scores, gets promoted, stays, is explained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from snowmaker.champion import CHAMPION
from snowmaker.metrics import ERRORS, Metric
from snowmaker.pipeline_base import Column, Section


class ScoringSection(Section):
    """Which version scores a week, unless the run says otherwise."""

    model: str = Field(
        CHAMPION, min_length=1, description="champion, champion_as_of_week, an alias, or a version's name."
    )


class PromotionSection(Section):
    """The gate a challenger must pass, on the holdout rows that neither version was trained on."""

    floors: dict[Metric, float] = Field(default_factory=dict, description="Least value of each metric; not for errors.")
    ceilings: dict[Metric, float] = Field(
        default_factory=dict, description="Greatest value of each error, e.g. rmse, log_loss."
    )
    min_gain: dict[Metric, float] | None = Field(
        None,
        description="Least gain over the champion, metric by metric: a difference, of rmse, mae, mape, log_loss and "
        "brier the share by which the error is smaller. Default: 0 of f1, of a regression 0 of rmse.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of the intervals around gains.")
    not_worse: dict[Column, float] = Field(
        default_factory=dict,
        description="Columns by whose segments a challenger may not be significantly worse than the champion, each "
        "with the loss that is borne, e.g. {COUNTY_NAME: 0.02}; measured as min_gain is.",
    )
    not_worse_metric: Metric | None = Field(None, description="Default: f1, of a regression rmse.")
    max_scoring_seconds_per_million: float | None = Field(
        None, gt=0, description="Longest time in the warehouse for scoring a million rows."
    )
    max_training_cost: float | None = Field(None, gt=0, description="Of the training job, in US dollars.")
    approval: Literal["auto", "manual"] = Field(
        "auto", description="manual: a person approves a challenger that passed the gate."
    )
    approvers: tuple[str, ...] = Field((), description="Airflow users who may approve; default: all who may edit runs.")
    approval_timeout_hours: float = Field(72, gt=0, description="How long to wait for an answer.")
    approval_default: Literal["approve", "reject"] = Field("reject", description="What silence means.")

    @model_validator(mode="after")
    def _check_approval(self) -> PromotionSection:
        told = self.model_fields_set & {"approvers", "approval_timeout_hours", "approval_default"}
        if self.approval == "auto" and told:
            raise ValueError(f"approval is auto, so nobody is asked; remove {min(told)}, or write approval: manual")
        return self

    @model_validator(mode="after")
    def _check(self) -> PromotionSection:
        for metric in self.floors:
            if metric in ERRORS:
                raise ValueError(f"floors has {metric}, of which less is better; move it to ceilings")
        for metric in self.ceilings:
            if metric not in ERRORS:
                raise ValueError(f"ceilings has {metric}, of which more is better; move it to floors")
        return self


class RetentionSection(Section):
    """Which versions stay in the registry after a promotion."""

    keep_versions: int = Field(10, ge=1, description="Keep so many of the newest versions.")
    keep_champion_weeks: int = Field(52, ge=0, description="Keep who was champion in so many of the last weeks.")
    dry_run: bool = Field(True, description="Only tell what would be dropped.")


class ExplainSection(Section):
    """What a version looks at: attributions of its features on a sample of the holdout."""

    sample_rows: int = Field(500, ge=1, le=100_000, description="How many rows of the holdout to explain.")
