-- Where what a step has made opens at its vendor, as the step itself said; empty where there is nothing to open.
alter table public.provisioning_steps add column url text not null default '';
