create table deliveries (
  id text primary key,
  type text not null,
  -- Kept after the job was removed; null: a test.
  job_id text,
  url text not null,
  -- Of the url, as URL.host has it.
  host text not null,
  body text,
  created_at integer not null,
  due_at integer not null,
  state text not null,
  attempts integer not null default 0,
  last_attempt_at integer,
  last_status integer,
  last_error text,
  ended_at integer
) strict;
-- With the host: thousands that wait for one receiver are passed over without reading them.
create index deliveries_due on deliveries (due_at, host) where state = 'waiting';
create index deliveries_newest on deliveries (created_at, id);
create index deliveries_state on deliveries (state, created_at, id);
create index deliveries_job on deliveries (job_id, created_at, id) where job_id is not null;
create index deliveries_ended on deliveries (ended_at) where ended_at is not null;

create table audit (
  -- Never used again, also after all were removed: it is a cursor.
  seq integer primary key autoincrement,
  at integer not null,
  actor text not null,
  action text not null,
  subject text,
  outcome text not null,
  "from" text,
  details text not null
) strict;
create index audit_at on audit (at);
create index audit_actor on audit (actor, seq);
create index audit_action on audit (action, seq);
create index audit_subject on audit (subject, seq) where subject is not null;

create table settings (
  key text primary key,
  value text not null
) strict, without rowid;
