-- What a Supabase project has from birth and a plain PostgreSQL lacks: three roles and auth.jwt().
-- Each piece is made only where it is absent, so this file changes nothing on a Supabase project.

do $$
declare
  wanted text;
begin
  foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
    if exists (select from pg_catalog.pg_roles where rolname = wanted) then
      continue;
    end if;
    begin
      execute format('create role %I nologin noinherit %s', wanted, case when wanted = 'service_role' then 'bypassrls' else '' end);
    exception
      -- roles belong to the whole server: a migration of another database may make them at the same moment
      when duplicate_object or unique_violation then null;
    end;
    -- whoever migrates also serves requests in these roles (a superuser may anyway)
    execute format('grant %I to %I', wanted, current_user);
  end loop;
end
$$;

do $$
begin
  if to_regnamespace('auth') is null then
    create schema auth;
    grant usage on schema auth to anon, authenticated, service_role;
  end if;
  if to_regprocedure('auth.jwt()') is null then
    -- PostgREST leaves the verified claims of the caller's token in this setting
    create function auth.jwt() returns jsonb language sql stable set search_path = ''
      return nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb;
    grant execute on function auth.jwt() to anon, authenticated, service_role;
  end if;
end
$$;

grant usage on schema public to authenticated, service_role;
