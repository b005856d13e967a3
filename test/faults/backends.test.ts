import { describe, test } from 'node:test';
import { runInTest, unless } from './in-test.ts';
import { killControl } from './kill-control.ts';
import { killPostgres } from './kill-postgres.ts';
import { killS3 } from './kill-s3.ts';
import { replicas } from './replicas.ts';

const postgres = { store: 'postgres' } as const;
const s3 = { objects: 's3' } as const;

describe('PostgreSQL and S3', { concurrency: 2 }, () => {
  test('an S3 server that is killed costs no output', { skip: unless(killS3, s3) }, async () => {
    await runInTest(killS3, 2, s3);
  });

  test('a control plane on PostgreSQL is killed and forgets nothing', {
    skip: unless(killControl, postgres),
  }, async () => {
    await runInTest(killControl, 3, postgres);
  });

  test('PostgreSQL is killed, restarted, cut off: nothing acknowledged is lost', {
    skip: unless(killPostgres, postgres),
  }, async () => {
    await runInTest(killPostgres, 4, postgres);
  });

  test('of three control planes one after the other is killed; the others go on', {
    skip: unless(replicas, postgres),
  }, async () => {
    await runInTest(replicas, 3, postgres);
  });
});
