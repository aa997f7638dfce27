-- What went wrong at the vendors, counted by the hour: also what a repeat has mended and no step tells of. Kept for a month.

create table public.vendor_incidents (
  hour timestamptz not null,
  vendor text not null,
  operation text not null,
  kind text not null,
  count integer not null,
  last_at timestamptz not null,
  last_message text not null,
  constraint vendor_incidents_pkey primary key (hour, vendor, operation, kind),
  constraint vendor_incidents_kind_is_known check (kind in ('throttled', 'unavailable', 'rejected')),
  constraint vendor_incidents_count_is_positive check (count > 0)
);

alter table public.vendor_incidents enable row level security;
revoke all on table public.vendor_incidents from public, anon, authenticated;
grant all on table public.vendor_incidents to service_role;
