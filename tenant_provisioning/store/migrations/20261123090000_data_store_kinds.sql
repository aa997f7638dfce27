-- A tenant's data store is one thing in the ledger, of whatever kind: organizations.data_store_kind says which.
update public.provisioned_artifacts set kind = 'data_store' where kind = 'lakehouse';

alter table public.organizations add constraint organizations_data_store_kind_is_known check (data_store_kind in (
  'lakehouse', 'warehouse', 'fabric_sql_database', 'azure_sql_database', 'bring_your_own'
));
