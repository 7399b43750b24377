"""Two versions' predictions of a week side by side, in the warehouse. A row is told by its ROW_ID."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from snowmaker.comparison import AGAINST, VERSION
from snowmaker.snowflake.predictions import SHADOW
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.comparison import Scored
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.week import Week

_MOST_PAIRS = 25


@dataclass(frozen=True)
class PredictedWeek:
    """A model's predictions of one week.

    :param identities: by version, of each row the ROW_ID that the version's predictions have, and the one to compare
        by (OTHER_ID); only of a version that was trained on other features than the one it is compared with
    """

    predictions: QualifiedName
    model: QualifiedName
    week: Week
    identities: Mapping[str, Statement] = field(default_factory=dict)

    def scored(self) -> Statement:
        """List by which versions the week was scored, and whether in the shadow."""
        return Statement(
            f"SELECT MODEL_VERSION, {SHADOW}, COUNT(*) AS N FROM {self.predictions} WHERE MODEL_NAME = %s "
            f"AND WEEK_START = %s::DATE GROUP BY MODEL_VERSION, {SHADOW} ORDER BY {SHADOW}, MODEL_VERSION",
            (self.model.quoted, self.week.start),
        )

    def rows(self, of: Scored) -> Statement:
        """Give FROM and WHERE of one version's rows."""
        table = Statement(str(self.predictions))
        if told := self.identities.get(of.version):
            # A row that changed since has no other identity, and is one that the other version did not score.
            table = Statement(
                f"(SELECT P.* REPLACE (COALESCE(I.OTHER_ID, P.ROW_ID) AS ROW_ID) FROM {self.predictions} P "
                f"LEFT JOIN ({told.text}) I ON I.ROW_ID = P.ROW_ID)",
                told.values,
            )
        return Statement(
            f"FROM {table.text} WHERE MODEL_NAME = %s AND WEEK_START = %s::DATE AND MODEL_VERSION = %s "
            f"AND {SHADOW} = %s",
            (*table.values, self.model.quoted, self.week.start, of.version, of.is_shadow),
        )

    def differences(self, version: Scored, against: Scored) -> Statement:
        """Count the rows that both, or only one, scored, and how far their scores are apart."""
        both = self._joined(version, against, "FULL OUTER JOIN")
        return Statement(
            f"SELECT COUNT_IF(V.ROW_ID = A.ROW_ID) AS N, COUNT_IF(A.ROW_ID IS NULL) AS ONLY_VERSION, "
            f"COUNT_IF(V.ROW_ID IS NULL) AS ONLY_AGAINST, COUNT_IF(V.PREDICTION = A.PREDICTION) AS EQUAL, "
            f"AVG(ABS(V.SCORE - A.SCORE)) AS DIFFERENCE, CORR(V.SCORE, A.SCORE) AS CORRELATION {both.text}",
            both.values,
        )

    def pairs(self, version: Scored, against: Scored) -> Statement:
        """Count the commonest pairs of predicted classes."""
        both = self._joined(version, against, "JOIN")
        return Statement(
            f"SELECT A.PREDICTION::VARCHAR AS AGAINST, V.PREDICTION::VARCHAR AS VERSION, COUNT(*) AS N {both.text} "
            f"GROUP BY 1, 2 ORDER BY N DESC, 1, 2 LIMIT {_MOST_PAIRS}",
            both.values,
        )

    def both_sides(self, version: Scored, against: Scored, columns: Sequence[str]) -> Statement:
        """Select the predictions of the rows that both scored, with the side as MODEL_VERSION."""
        sides = ((VERSION, self.rows(version), self.rows(against)), (AGAINST, self.rows(against), self.rows(version)))
        selected = [
            Statement(
                f"SELECT WEEK_START, ROW_ID, %s AS MODEL_VERSION, {listed(columns)} {own.text} "
                f"AND ROW_ID IN (SELECT ROW_ID {other.text})",
                (side, *own.values, *other.values),
            )
            for side, own, other in sides
        ]
        return Statement(
            " UNION ALL ".join(one.text for one in selected), tuple(value for one in selected for value in one.values)
        )

    def _joined(self, version: Scored, against: Scored, join: str) -> Statement:
        own, other = self.rows(version), self.rows(against)
        columns = "ROW_ID, SCORE, PREDICTION"
        return Statement(
            f"FROM (SELECT {columns} {own.text}) V {join} (SELECT {columns} {other.text}) A ON A.ROW_ID = V.ROW_ID",
            (*own.values, *other.values),
        )
