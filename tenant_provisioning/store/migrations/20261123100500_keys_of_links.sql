-- The link of a test login is a ciphertext like the organizations' connection string: the key it was made with is noted.
create trigger access_requests_note_encryption_key after insert or update of link on public.access_requests
  for each row when (new.link is not null)
  execute function public.note_encryption_key('link');

insert into public.encryption_keys (key_id, first_used_at)
select split_part(link, '.', 2), min(requested_at) from public.access_requests where link is not null group by 1
on conflict do nothing;
