/**
 * How an answer of a control plane is told from one of another server. Not with the protocol's schemas: loading them
 * costs a command more than the rest of it; see http.ts.
 */
import type { RouteName } from '../protocol/routes.ts';

/** Names that the JSON of an answer has. Routes that may answer with nothing are missing. */
export const ANSWER_NAMES: Partial<Record<RouteName, readonly string[]>> = {
  health: ['status', 'serverTime'],
  whoami: ['role', 'farm'],
  submit: ['jobs'],
  jobs: ['jobs', 'next'],
  job: ['id', 'state'],
  cancelJob: ['id', 'state'],
  retryJob: ['id', 'state'],
  jobLog: ['lines', 'next'],
  jobLogFiles: ['logs'],
  jobOutput: ['outputs'],
  nodes: ['nodes'],
  node: ['id', 'intent'],
  createNode: ['node', 'secret'],
  inviteNode: ['invitation'],
  drainNode: ['id', 'intent'],
  resumeNode: ['id', 'intent'],
  templates: ['templates'],
  template: ['name', 'version'],
  pushTemplate: ['template', 'already'],
  removeTemplate: ['templates'],
  uploads: ['key', 'url'],
  tokens: ['tokens'],
  createToken: ['token', 'info'],
  webhooks: ['deliveries'],
  webhook: ['id', 'attempts'],
  testWebhook: ['id', 'delivered'],
  replayWebhook: ['id', 'attempts'],
  replayFailedWebhooks: ['replayed'],
  webhookSecret: ['secret', 'generation'],
  rotateWebhookSecret: ['secret', 'generation'],
  hooks: ['hooks'],
  createHook: ['hook', 'url'],
  testHook: ['job', 'ignored'],
  audit: ['entries', 'next'],
};

/** Content type of the answers that are no JSON. */
export const ANSWER_TYPES = {
  jobPreview: 'image/jpeg',
  backup: 'application/gzip',
  events: 'text/event-stream',
} as const satisfies Partial<Record<RouteName, string>>;
