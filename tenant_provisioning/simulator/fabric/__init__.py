"""Microsoft Fabric: workspaces, items, data stores, semantic models, connections. Power BI shows the same world under other names."""
