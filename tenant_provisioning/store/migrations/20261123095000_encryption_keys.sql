-- Since when each encryption key is at work, so that its age can be told. The keys themselves are never here.
create table public.encryption_keys (
  key_id text not null,
  first_used_at timestamptz not null default now(),
  constraint encryption_keys_pkey primary key (key_id)
);

alter table public.encryption_keys enable row level security;
revoke all on public.encryption_keys from public, anon, authenticated;
grant all on public.encryption_keys to service_role;

-- The argument is the column whose ciphertext (v1.<key id>.<…>) names the key.
create function public.note_encryption_key() returns trigger language plpgsql set search_path = '' as $$
declare
  used text := split_part(to_jsonb(new) ->> tg_argv[0], '.', 2);
begin
  if used <> '' then
    insert into public.encryption_keys (key_id) values (used) on conflict do nothing;
  end if;
  return null;
end
$$;

revoke all on function public.note_encryption_key() from public, anon, authenticated;

create trigger organizations_note_encryption_key after insert or update of data_store_connection on public.organizations
  for each row when (new.data_store_connection is not null)
  execute function public.note_encryption_key('data_store_connection');

insert into public.encryption_keys (key_id, first_used_at)
select split_part(data_store_connection, '.', 2), min(created_at) from public.organizations
where data_store_connection is not null group by 1;
