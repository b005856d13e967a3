/** What a transaction changes, as rows of JSON, and the statement that writes them. */
import { deliveryHost } from '../deliveries.ts';
import type { StoredTask } from '../records.ts';
import type { AttemptRecord, JobRecord } from '../store.ts';
import type { StoredJob } from './rows.ts';

type JsonRow = Readonly<Record<string, unknown>>;

export function taskRow({ jobNum, classId, claimId, record }: StoredTask): JsonRow {
  return {
    job_num: jobNum,
    idx: record.index,
    class_id: classId,
    state: record.state,
    epoch: record.epoch,
    failures: record.failures,
    losses: record.losses,
    node_id: record.nodeId,
    claim_id: claimId,
    lease_until: record.leaseUntil,
    phase: record.phase,
    frame: record.frame,
    frames: record.frames,
    fps: record.fps,
    started_at: record.startedAt,
    ended_at: record.endedAt,
    result: record.result,
    error: record.error,
  };
}

export function attemptRow(job_num: number, idx: number, attempt: AttemptRecord): JsonRow {
  const { epoch, nodeId, startedAt, endedAt, outcome, error } = attempt;
  return {
    job_num,
    idx,
    epoch,
    node_id: nodeId,
    started_at: startedAt,
    ended_at: endedAt,
    outcome,
    error,
  };
}

export function jobRow({ num, record }: StoredJob): JsonRow {
  const { state, startedAt, endedAt, error } = record;
  return { num, state, started_at: startedAt, ended_at: endedAt, error };
}

/** The webhook of a job that ended; none without an address. */
export function deliveryRow({ id, webhook, endedAt }: JobRecord): JsonRow[] {
  if (webhook === null) return [];
  const host = deliveryHost(webhook);
  return [{ id: `job.ended.${id}.${endedAt}`, job_id: id, url: webhook, host, at: endedAt }];
}

/** One statement for all that a transaction changes: a round trip each would be most of its time. */
export const APPLY = `with written as (
  update tasks t set class_id = w.class_id, state = w.state, epoch = w.epoch, failures = w.failures, losses = w.losses,
    node_id = w.node_id, claim_id = w.claim_id, lease_until = w.lease_until, phase = w.phase, frame = w.frame,
    frames = w.frames, fps = w.fps, started_at = w.started_at, ended_at = w.ended_at, result = w.result, error = w.error
  from json_to_recordset($1::json) as w (job_num bigint, idx int, class_id bigint, state text, epoch int, failures int,
    losses int, node_id text, claim_id text, lease_until bigint, phase text, frame int, frames int,
    fps double precision, started_at bigint, ended_at bigint, result json, error json)
  where t.job_num = w.job_num and t.idx = w.idx
), tried as (
  insert into attempts (job_num, idx, epoch, node_id, started_at, ended_at, outcome, error)
  select w.job_num, w.idx, w.epoch, w.node_id, w.started_at, w.ended_at, w.outcome, w.error
  from json_to_recordset($2::json) as w (job_num bigint, idx int, epoch int, node_id text, started_at bigint,
    ended_at bigint, outcome text, error json)
  on conflict (job_num, idx, epoch) do update set outcome = excluded.outcome, ended_at = excluded.ended_at,
    error = excluded.error
), told as (
  insert into deliveries (id, type, job_id, url, host, created_at, due_at, state)
  select w.id, 'job.ended', w.job_id, w.url, w.host, w.at, w.at, 'waiting'
  from json_to_recordset($3::json) as w (id text, job_id text, url text, host text, at bigint)
  on conflict (id) do nothing
)
update jobs j set state = w.state, started_at = w.started_at, ended_at = w.ended_at, error = w.error
from json_to_recordset($4::json) as w (num bigint, state text, started_at bigint, ended_at bigint, error json)
where j.num = w.num`;
