"""The account's objects and what is kept of them: models, tags, dynamic tables, roles, users, warehouses."""
