/** Wires the parts of a control plane together. */
import type { ControlConfig } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { packageVersion } from '../lib/paths.ts';
import { noTracing, type Tracing } from '../lib/tracing.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { DumpSource } from '../store/dump.ts';
import type { RetryPolicy, Store } from '../store/store.ts';
import { AttemptFiles } from './attempt-files.ts';
import { Audit } from './audit.ts';
import { ClientAuth } from './client-auth.ts';
import type { Control } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { afterChange, afterUndelivered, jobChanged, nodeChanged } from './effects.ts';
import { Enrolment } from './enrolment.ts';
import { Events } from './events.ts';
import { FinishedUploads } from './finished-uploads.ts';
import { leaseNews, nodeGoneElsewhere, replicaParts } from './follow-replicas.ts';
import { Leases } from './leases.ts';
import { Metrics } from './metrics.ts';
import { NodeAuth } from './node-auth.ts';
import { NodeSync } from './node-sync.ts';
import { type ObjectsStart, ObjectsWatch } from './objects-watch.ts';
import { observeObjects, observeStore } from './observed.ts';
import type { FarmObjects } from './open-objects.ts';
import { outsideParts } from './outside.ts';
import { Previews } from './previews.ts';
import { RateLimits } from './rate-limits.ts';
import { Registry } from './registry.ts';
import { Replicas } from './replicas.ts';
import { TemplateCache } from './template-cache.ts';
import { VerifiedObjects } from './verified-objects.ts';
import type { PostWebhook } from './webhook-post.ts';

/** What a control plane is made of besides its own parts. */
export interface ControlParts {
  readonly config: ControlConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly farmSecret: Buffer;
  readonly store: Store & Partial<DumpSource>;
  readonly objects: FarmObjects;
  /** How they were found at the start; default: well. */
  readonly objectsStart?: ObjectsStart | undefined;
  readonly mesh: () => Promise<Mesh | null>;
  /** Directory of the files that hooks may name; default: none. */
  readonly hookFiles?: string | null | undefined;
  /** How webhooks are called; default: over the network. */
  readonly post?: PostWebhook | undefined;
  /** Default: none. */
  readonly tracing?: Tracing | undefined;
}

function isDumpable(store: Store & Partial<DumpSource>): store is Store & DumpSource {
  return store.dump !== undefined;
}

/** Wires the parts of a control plane together. Nothing is read, listens or ticks yet; a simulation starts it from here. */
export function assemble(parts: ControlParts): Control {
  const { config, logger, clock, farmSecret, mesh } = parts;
  const metrics = new Metrics();
  const store = observeStore(parts.store, metrics);
  const objects = observeObjects(parts.objects, metrics, (error) => objectsWatch.failed(error));
  const objectsWatch = new ObjectsWatch({ objects, clock, logger, start: parts.objectsStart });
  const { maxFailures, maxLosses, blockAfter, quarantineAfter } = config.retries;
  const policy: RetryPolicy = { maxFailures, maxLosses, blockAfter, quarantineAfter };
  const registry: Registry = new Registry({
    store,
    clock,
    config,
    logger,
    onChange(entry) {
      nodeChanged(control, entry.id);
      // Its own polls see what it may do now; tasks that waited for it may go to others.
      control.dispatcher.nodeChanged(entry);
      control.dispatcher.sweep();
    },
  });
  const leases: Leases = new Leases({
    store,
    clock,
    config,
    logger,
    onExpired: (change) => {
      metrics.lease('expired');
      afterChange(control, change);
    },
    onNews: (news) => leaseNews(control, news),
  });
  const dispatcher = new Dispatcher({
    store,
    registry,
    clock,
    logger,
    leaseMs: () => leases.leaseMs,
    onUndelivered: (work, nodeId) => void afterUndelivered(control, work, nodeId),
    onDue: (jobIds) => {
      dispatcher.sweep();
      for (const id of jobIds) jobChanged(control, id);
    },
  });
  const events = new Events({ clock, maxClients: config.limits.eventClients });
  const farm = config.farm.name;
  const enrolment = new Enrolment({ store, registry, clock, logger, farmSecret, farm, mesh });
  const replicas = new Replicas({
    ...{ store, clock, logger, suspectMs: config.leases.suspectSeconds * 1000 },
    ...replicaParts(() => control),
  });
  const onRemoved = (nodeId: string): void => nodeGoneElsewhere(control, nodeId);
  const version = packageVersion();
  metrics.watch({ store, registry, leases, dispatcher, events, replicas, version, now: () => clock.now() });
  // Half of what nodes are told: a preview that comes a little early is no reason to refuse it.
  const minIntervalMs = (config.agents.previewSeconds * 1000) / 2;
  const control: Control = {
    config,
    policy,
    clock,
    logger,
    store,
    dump: isDumpable(parts.store) ? parts.store : null,
    objects,
    verifyObjectUrl: objects.verifyUrl?.bind(objects) ?? null,
    registry,
    leases,
    dispatcher,
    events,
    previews: new Previews({ maxBytes: config.limits.previewBytes, minIntervalMs, clock }),
    templates: new TemplateCache(store, clock),
    uploads: new FinishedUploads(),
    attemptFiles: new AttemptFiles(),
    verified: new VerifiedObjects({ objects, logger }),
    audit: new Audit({ store, clock, logger }),
    clientAuth: new ClientAuth({ store, clock }),
    nodeAuth: new NodeAuth({ store, registry, clock, logger, farmSecret }),
    enrolment,
    replicas,
    rateLimits: new RateLimits({ limits: config.limits, clock, metrics }),
    objectsWatch,
    nodeSync: new NodeSync({ store, registry, enrolment, clock, onRemoved }),
    metrics,
    ...outsideParts({ ...parts, store, objects, leases, metrics }),
    tracing: parts.tracing ?? noTracing,
    version,
    startedAt: clock.now(),
  };
  return control;
}
