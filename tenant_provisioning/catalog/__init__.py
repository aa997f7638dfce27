"""Floor 1: the template reports as files. What matching means is in `model.catalog`."""
