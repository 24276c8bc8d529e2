-- What a Supabase project has before its first migration, as far as a client of REST, Auth and Realtime can tell.
-- Run once by a superuser in an empty database. `project_owner` stands for the platform's `postgres`, which runs
-- migrations and is no superuser.

create role anon          nologin noinherit;
create role authenticated nologin noinherit;
create role service_role  nologin noinherit bypassrls;
create role authenticator login   noinherit;
create role project_owner login   createrole;
grant anon, authenticated, service_role to authenticator, project_owner;

-- Requests of the two roles of users are short, or are ended.
alter role anon          set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';

create schema extensions;
create schema auth;
create extension vector with schema extensions;

do $$ begin
    execute format('grant create, connect, temporary on database %I to project_owner', current_database());
end $$;
grant usage on schema public, extensions, auth to anon, authenticated, service_role, project_owner;
grant create on schema public, extensions to project_owner;

-- The platform gives everything that is made in `public` to everybody; migrations must take it back.
alter default privileges for role project_owner in schema public
    grant all on tables to anon, authenticated, service_role;
alter default privileges for role project_owner in schema public
    grant all on functions to anon, authenticated, service_role;
alter default privileges for role project_owner in schema public
    grant all on sequences to anon, authenticated, service_role;

create table auth.users (
    id         uuid primary key default gen_random_uuid(),
    email      text unique,
    created_at timestamptz not null default now()
);
grant select, references on auth.users to project_owner;

create function auth.uid() returns uuid language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;

create function auth.role() returns text language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
$$;

create function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), ''))::jsonb
$$;

-- What Realtime sends comes from the tables of this publication.
create publication supabase_realtime;
alter publication supabase_realtime owner to project_owner;
