"""Floor 1: the platform database, in plain SQL. What the rows mean is in `model`."""
