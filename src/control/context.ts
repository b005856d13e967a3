/** Everything that handlers of a running control plane work with. */
import type { ControlConfig } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Tracing } from '../lib/tracing.ts';
import type { ObjectGrant, VerifyObjectUrl } from '../objects/fs.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { DumpSource } from '../store/dump.ts';
import type { RetryPolicy, Store } from '../store/store.ts';
import type { AttemptFiles } from './attempt-files.ts';
import type { Audit } from './audit.ts';
import type { ClientAuth } from './client-auth.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Enrolment } from './enrolment.ts';
import type { Events } from './events.ts';
import type { FinishedUploads } from './finished-uploads.ts';
import type { HookFiles } from './hook-files.ts';
import type { InputUrls } from './input-urls.ts';
import type { Leases } from './leases.ts';
import type { Metrics } from './metrics.ts';
import type { NodeAuth } from './node-auth.ts';
import type { NodeSync } from './node-sync.ts';
import type { ObjectsWatch } from './objects-watch.ts';
import type { Previews } from './previews.ts';
import type { RateLimits } from './rate-limits.ts';
import type { RecentObjects } from './recent-objects.ts';
import type { Registry } from './registry.ts';
import type { Replicas } from './replicas.ts';
import type { TemplateCache } from './template-cache.ts';
import type { VerifiedObjects } from './verified-objects.ts';
import type { WebhookDeliverer } from './webhook-deliverer.ts';

/** The parts of a control plane, passed to every handler. */
export interface Control {
  readonly config: ControlConfig;
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Store;
  /** Copies the database; null: it cannot be copied. */
  readonly dump: DumpSource | null;
  readonly objects: ObjectStore;
  /** Checks a URL that the embedded object store signed; null when another server serves the objects. */
  readonly verifyObjectUrl: ((request: Omit<VerifyObjectUrl, 'secret'>) => ObjectGrant) | null;
  readonly registry: Registry;
  readonly leases: Leases;
  readonly dispatcher: Dispatcher;
  readonly events: Events;
  readonly previews: Previews;
  readonly templates: TemplateCache;
  readonly recentObjects: RecentObjects;
  readonly uploads: FinishedUploads;
  readonly attemptFiles: AttemptFiles;
  readonly verified: VerifiedObjects;
  readonly clientAuth: ClientAuth;
  readonly audit: Audit;
  readonly nodeAuth: NodeAuth;
  readonly enrolment: Enrolment;
  /** This control plane among the others of the farm. */
  readonly replicas: Replicas;
  readonly nodeSync: NodeSync;
  readonly rateLimits: RateLimits;
  readonly objectsWatch: ObjectsWatch;
  readonly metrics: Metrics;
  readonly hookFiles: HookFiles;
  readonly inputUrls: InputUrls;
  readonly webhooks: WebhookDeliverer;
  /** Refuses an address that no webhook would be sent to. */
  readonly checkWebhook: (url: string) => void;
  /** Every control plane of the farm has the same. */
  readonly farmSecret: Uint8Array;
  readonly tracing: Tracing;
  readonly version: string;
  readonly startedAt: number;
}
