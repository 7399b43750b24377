"""What the sandbox adds to moto's IAM: iam:SimulatePrincipalPolicy, by which SDKs ask what a role may do."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import IAMException, NotFoundException
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse

from include.sandbox.aws.access import Caller, decide

# With these the answer would depend on what is not weighed here.
_NOT_WEIGHED = (
    "ContextEntries",
    "PermissionsBoundaryPolicyInputList",
    "PolicyInputList",
    "ResourceHandlingOption",
    "ResourceOwner",
    "ResourcePolicy",
)


class _RefusedError(IAMException):
    code = "NotImplementedBySandbox"

    def __init__(self, what: str) -> None:
        super().__init__(f"This sandbox does not implement {what}; the real AWS may.")


def install() -> None:
    """Give moto's IAM the call."""
    IamResponse.simulate_principal_policy = _simulate


def _simulate(api: IamResponse) -> ActionResult:
    role = str(api._get_param("PolicySourceArn"))
    for name in _NOT_WEIGHED:
        if api._get_param(name):
            raise _RefusedError(f"{name} of iam:SimulatePrincipalPolicy")
    if ":role/" not in role:
        raise _RefusedError(f"iam:SimulatePrincipalPolicy of what is no role: {role}")
    if role not in {found.arn for found in iam_backends[api.current_account]["aws"].get_roles()}:
        raise NotFoundException(f"The entity {role} cannot be found.")
    results: list[dict[str, Any]] = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": _decision(role, action, resource),
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in api._get_param("ActionNames") or []
        for resource in api._get_param("ResourceArns") or ["*"]
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _decision(role: str, action: str, resource: str) -> str:
    try:
        return decide(Caller(role, role), action, resource)
    except NotImplementedError as error:
        raise _RefusedError(str(error)) from None
