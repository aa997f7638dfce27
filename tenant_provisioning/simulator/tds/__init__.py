"""SQL over TDS, for the data stores of Fabric and Azure: enough of the protocol and of T-SQL to make and check a schema."""
