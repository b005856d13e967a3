import { after, before, suite } from 'node:test';
import { noPostgres, type Postgres, startPostgres } from '../helpers/postgres.ts';
import { replicaTests } from '../helpers/replica-behaviour.ts';
import { startPostgresReplicas } from '../helpers/replicas.ts';

suite('control planes on PostgreSQL', { skip: noPostgres, concurrency: 1 }, () => {
  let cluster: Postgres | undefined;
  before(async () => {
    cluster = await startPostgres();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  replicaTests(async (options) => {
    if (!cluster) throw new Error('the cluster was not started');
    return await startPostgresReplicas({ ...options, cluster });
  });
});
