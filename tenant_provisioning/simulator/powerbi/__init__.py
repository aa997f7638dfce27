"""Power BI: groups, datasets, reports, imports, refreshes. Workspaces and items are Fabric's."""
