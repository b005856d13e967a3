import { suite } from 'node:test';
import { auditTests } from './store-audit.ts';
import { deliveryTests } from './store-deliveries.ts';
import { farmTests } from './store-farm.ts';
import { invitationTests } from './store-invitations.ts';
import { jobTests } from './store-jobs.ts';
import { leaseTests } from './store-leases.ts';
import { modelTests } from './store-model.ts';
import type { OpenStore } from './store-samples.ts';

/** The contract of `src/store/store.ts`, run against one implementation; `open` gives an empty store each time. */
export function storeSuite(name: string, open: () => Promise<OpenStore>): void {
  suite(name, { concurrency: 1 }, () => {
    jobTests(open);
    leaseTests(open);
    farmTests(open);
    invitationTests(open);
    deliveryTests(open);
    auditTests(open);
    modelTests(open);
  });
}
