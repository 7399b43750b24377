"""The text of statements, before and beside the SQL parser: the grammar language, tokens, option lists, scripting."""
