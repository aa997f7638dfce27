"""Floor 2: the work itself, one module a kind, each with its verbs, without Dagster."""
