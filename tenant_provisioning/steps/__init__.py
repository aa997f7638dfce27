"""Floor 2: the work itself, without Dagster. One module a kind; each is its verbs on one screen:

`ensure` makes it true and may be called again at any time, `verify` says whether it is true by asking afresh, `remove` undoes what
ensure created. Finding what is there, and whether it is ours, is `ownership`. The order of the steps is `defs.assets`.
"""
