"""Who calls, and what the policies let that caller do.

Asked for secrets only, and by iam:SimulatePrincipalPolicy. Signatures are not checked: an access key that no
assumed role has is the account's own, which may do all that no resource policy denies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.exceptions import NotFoundException
from moto.iam.models import Policy, iam_backends
from moto.sts.models import sts_backends

ALLOWED, IMPLICIT, EXPLICIT = "allowed", "implicitDeny", "explicitDeny"
_ACCOUNT_ARN = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:root"


@dataclass(frozen=True)
class Caller:
    """A caller: its ARN, and the role it has assumed, if any."""

    arn: str
    role: str | None = None

    def names(self) -> set[str]:
        """Return what a policy may call it by."""
        return {self.arn, self.role or self.arn, _ACCOUNT_ARN, DEFAULT_ACCOUNT_ID, "*"}


def assume(role: str, region: str, session: str) -> dict[str, str]:
    """Return a role's temporary credentials as the AWS_* variables of a process."""
    made = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role(
        region_name=region,
        role_session_name=session[:64],
        role_arn=role,
        policy="",
        duration=12 * 3600,
        external_id="",
    )
    return {
        "AWS_ACCESS_KEY_ID": made.access_key_id,
        "AWS_SECRET_ACCESS_KEY": made.secret_access_key,
        "AWS_SESSION_TOKEN": made.session_token,
    }


def caller_with(access_key: str) -> Caller:
    """Return whose access key this is."""
    found = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].get_assumed_role_from_access_key(access_key)
    return Caller(found.arn, found.role_arn) if found else Caller(_ACCOUNT_ARN)


def decide(caller: Caller, action: str, resource: str, resource_policy: str | None = None) -> str:
    """Return ALLOWED, IMPLICIT or EXPLICIT, as AWS joins the policies of one account.

    :raises NotImplementedError: a policy has a part that is not evaluated here
    """
    results = [_judge(statement, action, resource, caller) for statement in _statements(resource_policy)]
    if caller.role is None:
        results.append("Allow")
    else:
        for document in role_policies(caller.role):
            results += [_judge(statement, action, resource, None) for statement in _statements(document)]
    if "Deny" in results:
        return EXPLICIT
    return ALLOWED if "Allow" in results else IMPLICIT


def role_policies(role: str) -> list[str]:
    """Return the documents of a role's inline and attached policies; none where there is no such role."""
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    try:
        found = iam.get_role_by_arn(role)
    except NotFoundException:
        return []
    return [*found.policies.values(), *(_document(policy) for policy in found.managed_policies.values())]


def check_policy(text: str) -> None:
    """Refuse a resource policy that could not be evaluated; ValueError where it is none."""
    for statement in _statements(text):
        if statement.get("Effect") not in {"Allow", "Deny"} or not {"Principal"} <= statement.keys():
            raise ValueError("Each statement must have an Effect of Allow or Deny, and a Principal.")
        _judge(statement, "", "", Caller(_ACCOUNT_ARN))


def _document(policy: Policy) -> str:
    return next(str(version.document) for version in policy.versions if version.is_default)


def _statements(document: str | None) -> list[Mapping[str, Any]]:
    if not document:
        return []
    parsed = json.loads(document)
    found = parsed.get("Statement") if isinstance(parsed, dict) else None
    statements = [found] if isinstance(found, dict) else found
    if not isinstance(statements, list) or not all(isinstance(item, dict) for item in statements):
        raise ValueError("The policy must be an object with a Statement.")
    return statements


def _judge(statement: Mapping[str, Any], action: str, resource: str, caller: Caller | None) -> str | None:
    """Return the statement's effect if it is about this action on this resource by this caller."""
    unknown = statement.keys() & {"Condition", "NotPrincipal"}
    if unknown:
        raise NotImplementedError(f"{sorted(unknown)} in a policy")
    about_action = _matches(statement, "Action", action, ignore_case=True)
    about_resource = _matches(statement, "Resource", resource, ignore_case=False)
    about_caller = caller is None or bool(_principals(statement.get("Principal")) & caller.names())
    return str(statement["Effect"]) if about_action and about_resource and about_caller else None


def _matches(statement: Mapping[str, Any], name: str, value: str, *, ignore_case: bool) -> bool:
    flags = re.IGNORECASE if ignore_case else 0

    def among(patterns: Iterable[str]) -> bool:
        return any(re.fullmatch(_to_regex(pattern), value, flags) for pattern in patterns)

    if f"Not{name}" in statement:
        return not among(_as_list(statement[f"Not{name}"]))
    return among(_as_list(statement.get(name, [])))


def _to_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)


def _principals(given: Any) -> set[str]:
    if isinstance(given, dict):
        return {name for names in given.values() for name in _as_list(names)}
    return set(_as_list(given or []))


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
