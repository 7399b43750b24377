"""The operators as a user calls them, against the sandbox through the real clients."""
