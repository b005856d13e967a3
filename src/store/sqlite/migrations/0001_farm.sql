-- Counters, so that nothing is counted by scanning; rewritten with each commit that changes them.
create table farm (
  id integer primary key check (id = 1),
  -- Numbers are never used again, also after the newest job was removed.
  next_job integer not null,
  job_counts text not null,
  task_counts text not null
) strict;
insert into farm (id, next_job, job_counts, task_counts) values (1, 1, '{}', '{}');

-- What tasks ask of nodes, each different requirement once. Tasks refer to it without a declared foreign key: the
-- check on removal of a class would scan all tasks.
create table classes (
  id integer primary key,
  key text not null unique,
  requirement text not null,
  tasks integer not null
) strict;

-- The bundles that jobs need, each once, with how many refer to it.
create table bundles (
  id integer primary key,
  template text not null,
  version text not null,
  sha256 text not null,
  size_bytes integer not null,
  jobs integer not null,
  unfinished integer not null,
  unique (template, version, sha256)
) strict;
create index bundles_sha256 on bundles (sha256);

create table jobs (
  -- In order of submission.
  num integer primary key,
  id text not null unique,
  batch_id text,
  name text,
  bundle_id integer not null,
  template text not null,
  priority integer not null,
  inputs text not null,
  run_at integer,
  node text,
  webhook text,
  created_at integer not null,
  created_by text,
  tasks integer not null,
  state text not null,
  started_at integer,
  ended_at integer,
  error text
) strict;
create index jobs_state on jobs (state, num);
create index jobs_template on jobs (template, state, num);
create index jobs_batch on jobs (batch_id, num) where batch_id is not null;
create index jobs_ended on jobs (ended_at) where ended_at is not null;

create table tasks (
  job_num integer not null references jobs (num) on delete cascade,
  idx integer not null,
  class_id integer not null,
  priority integer not null,
  state text not null,
  -- When a blocked task may start; null: it waits for something else.
  ready_at integer,
  epoch integer not null,
  failures integer not null,
  losses integer not null,
  -- Of the newest claim; kept after it ended.
  node_id text,
  claim_id text,
  lease_until integer,
  phase text,
  frame integer not null,
  frames integer,
  fps real,
  started_at integer,
  ended_at integer,
  output text not null,
  result text,
  error text,
  primary key (job_num, idx)
) strict, without rowid;
-- The queue: the first entry of a class is what its next claim takes; job_num and idx are first come, first served.
create index tasks_queued on tasks (class_id, priority desc, job_num, idx) where state = 'queued';
create index tasks_running on tasks (node_id) where state = 'running';
create index tasks_ready on tasks (ready_at) where state = 'blocked' and ready_at is not null;

create table attempts (
  job_num integer not null references jobs (num) on delete cascade,
  idx integer not null,
  epoch integer not null,
  node_id text not null,
  started_at integer not null,
  ended_at integer,
  outcome text,
  error text,
  -- Log bytes stored; -1: the limit was reached.
  log_bytes integer not null default 0,
  primary key (job_num, idx, epoch)
) strict, without rowid;

create table logs (
  job_num integer not null references jobs (num) on delete cascade,
  n integer not null,
  idx integer not null,
  epoch integer not null,
  at integer not null,
  stream text not null,
  line text not null,
  primary key (job_num, n)
-- With a rowid: in an index tree every line above 1 kB would take overflow pages of its own.
) strict;

create table job_assets (
  sha256 text not null,
  job_num integer not null references jobs (num) on delete cascade,
  primary key (sha256, job_num)
) strict, without rowid;
create index job_assets_job on job_assets (job_num);

create table idempotency (
  key text primary key,
  body_sha256 text not null,
  used_at integer not null,
  first_job integer not null,
  last_job integer not null
) strict, without rowid;
create index idempotency_used on idempotency (used_at);

create table nodes (
  id text primary key,
  name text not null,
  generation integer not null,
  retired_generation integer not null,
  intent text not null,
  quarantined_at integer,
  quarantine_reason text,
  blocked_templates text not null,
  streaks text,
  roles text not null,
  hostname text,
  host_ip text,
  agent_version text,
  capabilities text,
  last_seen_at integer,
  created_at integer not null,
  -- A removed node leaves its generation behind: its old secrets must not work for a new node of that id.
  removed_at integer
) strict, without rowid;

create table templates (
  name text not null,
  version text not null,
  sha256 text not null,
  size_bytes integer not null,
  manifest text not null,
  pushed_at integer not null,
  primary key (name, version)
) strict, without rowid;
create index templates_sha256 on templates (sha256);

create table tokens (
  id text primary key,
  name text not null,
  role text not null,
  hash text not null unique,
  created_at integer not null,
  expires_at integer,
  last_used_at integer
) strict, without rowid;
