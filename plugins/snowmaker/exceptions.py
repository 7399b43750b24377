"""Errors of the provider.

Each message names the object, what was found, what was expected and the next action. Errors that a retry
cannot mend derive from ``AirflowFailException`` too, so that Airflow does not try again.
"""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException


class SnowmakerError(AirflowException):
    """Base of all errors of this provider; by itself it may be retried."""


class PipelineError(SnowmakerError, AirflowFailException):
    """A pipeline file is wrong: which file and field, the value found, and what to write instead."""


class WeekError(SnowmakerError, AirflowFailException):
    """A week was asked for that is not one: not a date, or not the first day of a week."""


class IdentifierError(SnowmakerError, AirflowFailException):
    """A name of a table, column or model is not an identifier."""


class ConnectionSetupError(SnowmakerError, AirflowFailException):
    """The service refused the connection's settings: account, login, key, role."""


class ServiceUnreachableError(SnowmakerError):
    """Nobody answers at the connection's address; a retry may help."""


class ServiceBusyError(SnowmakerError):
    """The service asks for fewer calls; the same one works later."""


class InputDataError(SnowmakerError, AirflowFailException):
    """The source table cannot be used: missing table or column, empty week, changed type, no labels."""


class ModelVersionError(SnowmakerError, AirflowFailException):
    """A model, version or alias does not exist, or a name is taken by another artefact."""


class ArtefactError(SnowmakerError, AirflowFailException):
    """The training artefact is missing, of another format, or does not do what its model card says."""


class TrainingError(SnowmakerError):
    """A training job failed or was stopped; a retry may find it otherwise."""


class TrainingSetupError(TrainingError, AirflowFailException):
    """A training job cannot work as it is asked for: bad rows, a wrong secret, a refused request."""


class ScoringError(SnowmakerError):
    """A week's predictions do not match its rows; nothing was written."""


class WarehouseError(SnowmakerError):
    """Snowflake refused a statement."""


class OwnTableError(SnowmakerError, AirflowFailException):
    """One of Snowmaker's own tables is not as this release needs it, and cannot be made so."""


class MonitorError(SnowmakerError):
    """A model monitor cannot tell of a week: there is none, it is suspended, or it has not read the rows yet."""


class ConcurrentChangeError(SnowmakerError, AirflowFailException):
    """Somebody else changed the model meanwhile; look before trying again."""


class AnswerError(SnowmakerError):
    """A person's answer about a challenger cannot be taken; the next try asks again."""


class ApprovalError(SnowmakerError, AirflowFailException):
    """No person has decided about the challenger, or would have by the verdict that it is about."""


class ModelBusyError(SnowmakerError):
    """Somebody else is changing the model; a retry finds it free."""


class ChallengerRejectedError(SnowmakerError, AirflowFailException):
    """A person rejected the challenger: the champion is the one that was before."""
