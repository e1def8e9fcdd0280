"""The messages of a list: one text per row, from `--message`, `--template`, a `message` column, or a `template` column.

Templates are untrusted. `translate` parses one and rewrites it for minijinja, so that every operation is a function of `functions`, whose
cost is bounded before it runs. `template` runs it with a budget for each row.
"""
