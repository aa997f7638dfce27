"""Microsoft Fabric: workspaces and what is in them. Power BI shows the same world under other names."""
