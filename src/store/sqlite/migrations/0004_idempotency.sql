-- The numbers of the jobs as JSON when they are no row, as after a restore from a database that several wrote to.
alter table idempotency add column job_nums text;
