/** Who may call a route: nobody in particular, a client token of at least this role, a hook by its own token, a node, a machine with an invitation, or a signed URL. */
export type RouteAuth = 'none' | 'read' | 'submit' | 'admin' | 'hook' | 'node' | 'invitation' | 'url';

interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Fastify notation: `:id` is one path segment. */
  readonly path: string;
  readonly auth: RouteAuth;
  readonly summary: string;
}

/** Every route of the control plane. The server registers exactly these; the OpenAPI document lists them. */
export const ROUTES = {
  health: { method: 'GET', path: '/health', auth: 'none', summary: 'Is the control plane up' },
  metrics: { method: 'GET', path: '/metrics', auth: 'none', summary: 'Prometheus metrics' },
  openapi: { method: 'GET', path: '/openapi.json', auth: 'none', summary: 'This description' },

  register: {
    method: 'POST',
    path: '/v1/agent/register',
    auth: 'node',
    summary: 'A node says what it can do',
  },
  hello: {
    method: 'GET',
    path: '/v1/agent/hello',
    auth: 'node',
    summary: 'Does the signature hold, and where are files served; does not count as a sign of life',
  },
  claim: { method: 'POST', path: '/v1/agent/claim', auth: 'node', summary: 'Ask for a task (long-poll)' },
  heartbeat: {
    method: 'POST',
    path: '/v1/agent/heartbeat',
    auth: 'node',
    summary: 'Renew leases, report progress',
  },
  preview: {
    method: 'PUT',
    path: '/v1/agent/tasks/:id/preview',
    auth: 'node',
    summary: 'Latest frame, JPEG ≤ 512 kB',
  },
  taskLog: { method: 'POST', path: '/v1/agent/tasks/:id/log', auth: 'node', summary: 'Batched log lines' },
  taskUploads: {
    method: 'POST',
    path: '/v1/agent/tasks/:id/uploads',
    auth: 'node',
    summary: 'Where to put the output',
  },
  complete: {
    method: 'POST',
    path: '/v1/agent/tasks/:id/complete',
    auth: 'node',
    summary: 'The task is done',
  },
  fail: { method: 'POST', path: '/v1/agent/tasks/:id/fail', auth: 'node', summary: 'The attempt failed' },
  release: {
    method: 'POST',
    path: '/v1/agent/tasks/:id/release',
    auth: 'node',
    summary: 'Hand the lease back',
  },

  whoami: {
    method: 'GET',
    path: '/v1/whoami',
    auth: 'read',
    summary: 'Role of this token, name and version of the farm',
  },
  submit: { method: 'POST', path: '/v1/jobs', auth: 'submit', summary: 'Submit one job or a batch' },
  jobs: { method: 'GET', path: '/v1/jobs', auth: 'read', summary: 'List jobs, newest first' },
  job: { method: 'GET', path: '/v1/jobs/:id', auth: 'read', summary: 'One job with tasks and attempts' },
  cancelJob: {
    method: 'POST',
    path: '/v1/jobs/:id/cancel',
    auth: 'submit',
    summary: 'Cancel what is not finished',
  },
  retryJob: {
    method: 'POST',
    path: '/v1/jobs/:id/retry',
    auth: 'submit',
    summary: 'Queue failed or cancelled tasks again',
  },
  jobLog: { method: 'GET', path: '/v1/jobs/:id/log', auth: 'read', summary: 'Log lines from a cursor on' },
  jobLogFiles: {
    method: 'GET',
    path: '/v1/jobs/:id/logs',
    auth: 'read',
    summary: 'Signed URLs of the complete logs',
  },
  jobPreview: {
    method: 'GET',
    path: '/v1/jobs/:id/preview',
    auth: 'read',
    summary: 'Latest preview frame (JPEG)',
  },
  jobOutput: {
    method: 'GET',
    path: '/v1/jobs/:id/output',
    auth: 'read',
    summary: 'Signed URLs of the outputs',
  },

  enrol: {
    method: 'POST',
    path: '/v1/agent/enrol',
    auth: 'invitation',
    summary: 'A machine uses its invitation: its own key for the secret of the node',
  },

  nodes: { method: 'GET', path: '/v1/nodes', auth: 'read', summary: 'List nodes' },
  node: { method: 'GET', path: '/v1/nodes/:id', auth: 'read', summary: 'One node' },
  createNode: {
    method: 'POST',
    path: '/v1/nodes',
    auth: 'admin',
    summary: 'Create a node, or rotate its secret',
  },
  inviteNode: {
    method: 'POST',
    path: '/v1/nodes/:id/invite',
    auth: 'admin',
    summary: 'Make an invitation with which a machine becomes this node; kills the ones before',
  },
  drainNode: {
    method: 'POST',
    path: '/v1/nodes/:id/drain',
    auth: 'admin',
    summary: 'Finish what runs, claim nothing',
  },
  resumeNode: {
    method: 'POST',
    path: '/v1/nodes/:id/resume',
    auth: 'admin',
    summary: 'Claim again; lifts quarantine and blocks',
  },
  removeNode: {
    method: 'DELETE',
    path: '/v1/nodes/:id',
    auth: 'admin',
    summary: 'Remove a node; its secret dies',
  },

  templates: { method: 'GET', path: '/v1/templates', auth: 'read', summary: 'List templates' },
  template: {
    method: 'GET',
    path: '/v1/templates/:name',
    auth: 'read',
    summary: 'One template with its manifest',
  },
  pushTemplate: {
    method: 'POST',
    path: '/v1/templates',
    auth: 'admin',
    summary: 'Register an uploaded bundle',
  },
  removeTemplate: {
    method: 'DELETE',
    path: '/v1/templates/:name',
    auth: 'admin',
    summary: 'Remove a template or one version',
  },
  uploads: {
    method: 'POST',
    path: '/v1/uploads',
    auth: 'submit',
    summary: 'Where to put an input file or a bundle',
  },

  tokens: { method: 'GET', path: '/v1/tokens', auth: 'admin', summary: 'List client tokens' },
  createToken: { method: 'POST', path: '/v1/tokens', auth: 'admin', summary: 'Create a client token' },
  revokeToken: { method: 'DELETE', path: '/v1/tokens/:id', auth: 'admin', summary: 'Revoke a client token' },

  webhooks: {
    method: 'GET',
    path: '/v1/webhooks',
    auth: 'admin',
    summary: 'Webhook deliveries, newest first',
  },
  webhookSecret: {
    method: 'GET',
    path: '/v1/webhooks/secret',
    auth: 'admin',
    summary: 'The key that webhooks are signed with',
  },
  rotateWebhookSecret: {
    method: 'POST',
    path: '/v1/webhooks/secret/rotate',
    auth: 'admin',
    summary: 'Take a new key into use; the one before signs as well for a while',
  },
  testWebhook: {
    method: 'POST',
    path: '/v1/webhooks/test',
    auth: 'admin',
    summary: 'Call an address with a signed test event, now',
  },
  replayFailedWebhooks: {
    method: 'POST',
    path: '/v1/webhooks/replay',
    auth: 'admin',
    summary: 'Queue everything that failed to be sent again, except tests',
  },
  webhook: {
    method: 'GET',
    path: '/v1/webhooks/:id',
    auth: 'admin',
    summary: 'One delivery with its body',
  },
  replayWebhook: {
    method: 'POST',
    path: '/v1/webhooks/:id/replay',
    auth: 'admin',
    summary: 'Queue it to be sent again, with all its tries',
  },

  backup: {
    method: 'POST',
    path: '/v1/backup',
    auth: 'admin',
    summary: 'The whole database as of now: what "flatrender control restore" reads',
  },
  hooks: { method: 'GET', path: '/v1/hooks', auth: 'admin', summary: 'List the hooks that automation calls' },
  createHook: {
    method: 'POST',
    path: '/v1/hooks',
    auth: 'admin',
    summary: 'Make or change a hook; its token is shown once',
  },
  removeHook: { method: 'DELETE', path: '/v1/hooks/:name', auth: 'admin', summary: 'Remove a hook' },
  testHook: {
    method: 'POST',
    path: '/v1/hooks/:name/test',
    auth: 'admin',
    summary: 'What a call would submit, without submitting it',
  },
  runHook: {
    method: 'POST',
    path: '/v1/hooks/:name',
    auth: 'hook',
    summary: 'Have something rendered: the fields of the call become a job',
  },

  audit: {
    method: 'GET',
    path: '/v1/audit',
    auth: 'admin',
    summary: 'What operators did, newest first',
  },

  events: {
    method: 'GET',
    path: '/v1/events',
    auth: 'read',
    summary: 'Server-sent events for jobs and nodes',
  },

  getObject: {
    method: 'GET',
    path: '/objects/*',
    auth: 'url',
    summary: 'Download by signed URL, with ranges',
  },
  putObject: { method: 'PUT', path: '/objects/*', auth: 'url', summary: 'Upload by signed URL' },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

/** The path of a route with its parameters filled in and encoded. */
export function pathOf(name: RouteName, params: Readonly<Record<string, string>> = {}): string {
  return ROUTES[name].path.replace(/:([a-z]+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''));
}
