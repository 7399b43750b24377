"""The account's roles. They are nominal: each has all rights; GRANT and REVOKE are kept and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.sandbox.snowflake.errors import not_found
from include.sandbox.snowflake.objects.catalog import Entry

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Account

KIND = "ROLE"
GRANT = "GRANT"
# What every account has, with what Snowflake says of each.
SYSTEM_ROLES = {
    "ACCOUNTADMIN": "Account administrator can manage all aspects of the account.",
    "ORGADMIN": "Organization administrator can manage organization and accounts in the organization.",
    "PUBLIC": "Public role is automatically available to every user in the account.",
    "SECURITYADMIN": "Security administrator can manage security aspects of the account.",
    "SYSADMIN": "System administrator can create and manage databases and warehouses.",
    "USERADMIN": "User administrator can create and manage users and roles",
}


def exists(account: Account, name: str) -> bool:
    """True if there is a role of this name."""
    return name in SYSTEM_ROLES or account.catalog.find(KIND, ("", "", name)) is not None


def check(account: Account, name: str) -> str:
    """The name of a role that there is, or Snowflake's error."""
    if exists(account, name):
        return name
    raise not_found("Role", name)


def names(account: Account) -> list[str]:
    """All roles."""
    return sorted([*SYSTEM_ROLES, *(entry.key[2] for entry in created(account))])


def created(account: Account) -> list[Entry]:
    """The roles that were made by CREATE ROLE."""
    return account.catalog.entries(KIND)
