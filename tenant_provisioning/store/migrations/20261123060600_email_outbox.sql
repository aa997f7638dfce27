-- Mail to be sent, each once for an organization, a kind and a recipient.

create table public.email_outbox (
  id uuid not null default gen_random_uuid(),
  organization_id uuid not null,
  kind text not null,
  recipient text not null,
  subject text not null,
  body_text text not null,
  body_html text not null,
  state text not null default 'queued',
  attempts integer not null default 0,
  not_before timestamptz not null default now(),
  message_id text,
  last_error text,
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  constraint email_outbox_pkey primary key (id),
  constraint email_outbox_organization_fkey foreign key (organization_id) references public.organizations (id),
  constraint email_outbox_once unique (organization_id, kind, recipient),
  constraint email_outbox_state_is_known check (state in ('queued', 'sending', 'sent', 'failed')),
  constraint email_outbox_sent_has_its_time check ((state = 'sent') = (sent_at is not null))
);

create index email_outbox_queued_idx on public.email_outbox (not_before, created_at) where state = 'queued';
