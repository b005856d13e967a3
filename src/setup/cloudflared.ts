/** A Cloudflare Tunnel to this machine: the files to write, the names to create, and what to know about it. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ControlConfig } from '../config/control-schema.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { packageRoot } from '../lib/paths.ts';
import type { PlanStep } from '../lib/plan.ts';
import { cloudflaredText, type Route } from './cloudflared-config.ts';
import { publicNameProblem, serviceProblem } from './cloudflared-ingress.ts';

/**
 * Largest request body that Cloudflare lets through on its Free and Pro plans; a larger upload is answered 413 (Cloudflare
 * documentation, Workers platform limits, "Request limits": Free and Pro 100 MB, Business 200 MB, Enterprise 500 MB).
 */
export const CLOUDFLARE_UPLOAD_BYTES = 100_000_000;

/** For an answer to begin; then Cloudflare answers 524 itself (Cloudflare documentation, "Error 524": 100 seconds). */
export const CLOUDFLARE_ANSWER_SECONDS = 100;

const CONTAINER_DIRECTORY = '/etc/cloudflared';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface TunnelOptions {
  /** The control plane's public name, and any others; at least one. */
  readonly routes: readonly Route[];
  /** Name or id. */
  readonly tunnel: string;
  /** On this machine; default: in `directory`, named after the tunnel. */
  readonly credentialsFile?: string | undefined;
  readonly directory: string;
}

export interface DnsRecord {
  readonly type: 'CNAME';
  readonly name: string;
  /** null while only the tunnel's name is known: the record needs its id. */
  readonly target: string | null;
  /** What creates it. */
  readonly command: string;
}

/** Something to type; `note` says what it is good for where the command does not. */
export interface NextStep {
  readonly command: string;
  readonly note: string | null;
}

export interface TunnelPlan {
  /** Writes config.yml and the compose file. */
  readonly steps: readonly PlanStep[];
  readonly dns: readonly DnsRecord[];
  /** What to type next, in this order. */
  readonly next: readonly NextStep[];
  readonly credentialsFile: string;
}

/** Works out the plan; nothing is written. Containers get to localhost of the machine on Linux only. USAGE and CONFIG_INVALID name the value that is wrong. */
export function planTunnel(options: TunnelOptions): TunnelPlan {
  checkRoutes(options.routes);
  const { tunnel } = options;
  if (!/^[\w][\w. -]{0,99}$/.test(tunnel)) {
    throw new FlatrenderError('USAGE', `--tunnel: "${tunnel}" is no name or id of a tunnel`, {
      hint: 'cloudflared tunnel list',
    });
  }
  const directory = resolve(options.directory);
  const credentialsFile = resolve(options.credentialsFile ?? join(directory, `${tunnel}.json`));
  const id = UUID.test(tunnel) ? tunnel : tunnelIdOf(credentialsFile);
  const config = join(directory, 'config.yml');
  const compose = join(directory, 'compose.yaml');
  const existing = existsSync(config) ? readFileSync(config, 'utf8') : null;
  const text = cloudflaredText(existing, { tunnel, credentialsFile, routes: options.routes }, config);
  const dns = options.routes.map(({ hostname }) => ({
    type: 'CNAME' as const,
    name: hostname,
    target: id === null ? null : `${id}.cfargotunnel.com`,
    command: `cloudflared tunnel route dns ${word(tunnel)} ${hostname}`,
  }));
  const inCompose = options.routes.some(({ service }) => isServiceName(service));
  const own: PlanStep = {
    kind: 'write',
    what: 'write the compose file',
    path: compose,
    text: composeText(credentialsFile),
    mode: 0o644,
  };
  return {
    steps: [
      { kind: 'directory', what: 'make the directory of the tunnel', path: directory },
      { kind: 'write', what: 'write the configuration of cloudflared', path: config, text, mode: 0o644 },
      ...(inCompose ? [] : [own]),
    ],
    dns,
    next: [
      ...makeCredentials(tunnel, credentialsFile),
      ...dns.map(({ name, target, command }) => ({
        command,
        note: `DNS: ${name} CNAME ${target ?? '<id of the tunnel>.cfargotunnel.com'}`,
      })),
      ...(inCompose ? [] : [{ command: `cloudflared tunnel --config ${word(config)} run`, note: null }]),
      ...(process.platform === 'linux'
        ? [
            {
              command: `sudo chown 65532 ${word(credentialsFile)} && docker compose ${
                inCompose ? '--profile tunnel up -d' : `-f ${word(compose)} up -d`
              }`,
              note: inCompose ? 'the file whose services it leads to' : 'instead, as a container',
            },
          ]
        : []),
    ],
    credentialsFile,
  };
}

/** A bare name is a service of a compose file: only a cloudflared in that file reaches it. */
function isServiceName(service: string): boolean {
  const host = /^[a-z+]+:\/\/([^:/]+)/.exec(service)?.[1] ?? 'localhost';
  return host !== 'localhost' && /^[a-z][a-z0-9_-]*$/.test(host);
}

/** The default of `--service`: where this control plane listens, as programs of this machine reach it. */
export function gatewayService({ gateway }: ControlConfig): string {
  const { host, port, tls } = gateway;
  const isLocal = /^(0\.0\.0\.0|127\.0\.0\.1|::1?|localhost)$/.test(host);
  const name = isLocal ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${tls === null ? 'http' : 'https'}://${name}:${port}`;
}

/** `host=service` of the command line. USAGE when it is something else. */
export function parseRoute(text: string): Route {
  const at = text.indexOf('=');
  if (at <= 0) {
    throw new FlatrenderError('USAGE', `--route: "${text}" is not HOST=SERVICE`, {
      hint: 'such as --route render-desktop.example.com=http://localhost:7777',
    });
  }
  return { hostname: text.slice(0, at), service: text.slice(at + 1) };
}

/** What does not work through a tunnel with this configuration of the control plane, each with what to set. */
export function tunnelWarnings({ gateway, objects }: ControlConfig, hostname: string): string[] {
  const url = `https://${hostname}`;
  const files = objects.publicUrl ?? gateway.publicUrl;
  const isElsewhere = files !== null && new URL(files).hostname !== hostname;
  return [
    ...(gateway.tls === null
      ? []
      : [
          'gateway.tls is set: give cloudflared the authority of its certificate (originRequest.caPool and originServerName in config.yml), unless it is a public one',
        ]),
    ...(isElsewhere || objects.publicUrl !== null
      ? []
      : [
          `uploads of more than ${formatMegabytes(CLOUDFLARE_UPLOAD_BYTES)} are refused by Cloudflare on small plans: set objects.publicUrl in flatrender.yaml to an address of this machine that does not go through Cloudflare, or keep templates and outputs smaller`,
        ]),
    ...(isElsewhere && objects.publicUrl === null
      ? [
          `gateway.publicUrl in flatrender.yaml is ${files}: nodes that come through ${url} are sent there for files, and must reach it too; null lets every node fetch files where it comes from`,
        ]
      : []),
  ];
}

function formatMegabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function checkRoutes(routes: readonly Route[]): void {
  for (const [index, { hostname, service }] of routes.entries()) {
    const wrong = publicNameProblem(hostname);
    if (wrong)
      throw new FlatrenderError('USAGE', `hostname "${hostname}": ${wrong}`, {
        hint: 'such as render.example.com',
      });
    const unfit = serviceProblem(service);
    if (unfit) {
      throw new FlatrenderError('USAGE', `service "${service}" of ${hostname}: ${unfit}`, {
        hint: 'such as http://localhost:8088',
      });
    }
    if (routes.slice(0, index).some((other) => other.hostname === hostname)) {
      throw new FlatrenderError('USAGE', `hostname "${hostname}" is there twice`, {
        hint: 'every hostname leads to one service',
      });
    }
  }
}

/** The id is in the file that `cloudflared tunnel create` writes: { AccountTag, TunnelSecret, TunnelID }. */
function tunnelIdOf(credentialsFile: string): string | null {
  if (!existsSync(credentialsFile)) return null;
  try {
    const { TunnelID } = JSON.parse(readFileSync(credentialsFile, 'utf8')) as { TunnelID?: unknown };
    if (typeof TunnelID === 'string' && UUID.test(TunnelID)) return TunnelID;
  } catch (cause) {
    throw unusable(credentialsFile, cause);
  }
  throw unusable(credentialsFile);
}

function unusable(file: string, cause?: unknown): FlatrenderError {
  return new FlatrenderError('CONFIG_INVALID', `${file} is no credentials file of a tunnel`, {
    cause,
    hint: '"cloudflared tunnel create" writes it',
  });
}

/** The container finds the credentials where config.yml says, so that one file serves with and without a container. */
function composeText(credentialsFile: string): string {
  const template = join(packageRoot(), 'templates', 'config', 'cloudflared.compose.yaml');
  return readFileSync(template, 'utf8').replace(
    `./flatrender.json:${CONTAINER_DIRECTORY}/flatrender.json:ro`,
    () => `${quoted(`${credentialsFile}:${credentialsFile}:ro`)}`,
  );
}

function quoted(text: string): string {
  // Compose reads $ as the beginning of a variable.
  const escaped = text.replaceAll('$', '$$$$');
  return /^[\w./:-]+$/.test(escaped) ? escaped : JSON.stringify(escaped);
}

function makeCredentials(tunnel: string, credentialsFile: string): NextStep[] {
  if (existsSync(credentialsFile)) return [];
  if (UUID.test(tunnel))
    return [{ command: `cp ~/.cloudflared/${tunnel}.json ${word(credentialsFile)}`, note: null }];
  const create = `cloudflared tunnel create --credentials-file ${word(credentialsFile)} ${word(tunnel)}`;
  return [
    { command: 'cloudflared tunnel login', note: null },
    { command: create, note: null },
  ];
}

function word(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
