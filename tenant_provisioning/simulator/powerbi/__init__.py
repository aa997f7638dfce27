"""Power BI: groups, datasets, reports, imports, refreshes. It keeps what is its own; workspaces and items are Fabric's."""
