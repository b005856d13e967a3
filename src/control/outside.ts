/** The parts of a control plane that deal with other programs: webhooks that it calls, and hooks that call it. */
import type { ControlConfig } from '../config/control-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { Store } from '../store/store.ts';
import type { Control } from './context.ts';
import { HookFiles } from './hook-files.ts';
import { InputUrls } from './input-urls.ts';
import type { Leases } from './leases.ts';
import type { Metrics } from './metrics.ts';
import { outsidePolicy } from './outside-policy.ts';
import { RecentObjects } from './recent-objects.ts';
import { bodyOf } from './webhook-body.ts';
import { WebhookDeliverer } from './webhook-deliverer.ts';
import { checkWebhook, type PostWebhook, webhookPoster } from './webhook-post.ts';

interface OutsideOptions {
  readonly config: ControlConfig;
  readonly store: Store;
  readonly objects: ObjectStore;
  readonly leases: Leases;
  readonly farmSecret: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Directory of the files that hooks may name; default: none. */
  readonly hookFiles?: string | null | undefined;
  readonly post?: PostWebhook | undefined;
}

/** Makes them; nothing is called yet. */
export function outsideParts(
  options: OutsideOptions,
): Pick<Control, 'webhooks' | 'checkWebhook' | 'hookFiles' | 'inputUrls' | 'recentObjects' | 'farmSecret'> {
  const { config, store, objects, leases, farmSecret, clock, logger } = options;
  const recentObjects = new RecentObjects(clock);
  const policy = outsidePolicy(config, config.webhooks);
  const onAsset = (sha256: string): void => recentObjects.note(sha256);
  return {
    farmSecret,
    recentObjects,
    checkWebhook: (url) => checkWebhook(url, policy),
    inputUrls: new InputUrls({ config, objects, clock, logger, onAsset }),
    hookFiles: new HookFiles({
      directory: options.hookFiles ?? null,
      objects,
      maxBytes: config.limits.uploadBytes,
      onAsset,
    }),
    webhooks: new WebhookDeliverer({
      store,
      farmSecret,
      timeoutMs: config.webhooks.timeoutSeconds * 1000,
      clock,
      logger,
      post: options.post ?? webhookPoster(policy),
      bodyOf: (delivery) => bodyOf(delivery, store, leases),
      onTry: (outcome) => options.metrics.webhookCalled(outcome),
      random: Math.random,
    }),
  };
}
