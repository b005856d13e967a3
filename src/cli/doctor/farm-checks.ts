/** Checks of this terminal's connection to the control plane, and of the farm behind it. */
import type { Api } from '../../client/api.ts';
import { callJson } from '../../client/http.ts';
import type { ClientConfig } from '../../config/client-config.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { WhoAmI } from '../../protocol/tokens.ts';
import { isMock } from '../node-report.ts';
import { plural } from '../output.ts';
import type { Check, Finding } from './checks.ts';
import { clockFinding } from './clock-finding.ts';
import { checkUploadLimit } from './upload-limit.ts';

export interface FarmOptions {
  /** Throws CONFIG_MISSING when this terminal knows no control plane. */
  readonly connect: () => { api: Api; config: ClientConfig };
  readonly version: string;
}

/** The checks of the farm; what cannot be looked at because an earlier check failed is skipped. */
export function farmChecks(options: FarmOptions): readonly Check[] {
  let api: Api | null = null;
  let me: WhoAmI | null = null;
  const needs = (what: unknown, why: string, run: () => Promise<Finding | readonly Finding[]>) =>
    what ? run() : Promise.resolve<Finding>({ status: 'skipped', message: why });
  return [
    {
      name: 'control plane',
      run: async () => {
        let connection: ReturnType<FarmOptions['connect']>;
        try {
          connection = options.connect();
        } catch (error) {
          if (!(error instanceof FlatrenderError) || error.code !== 'CONFIG_MISSING') throw error;
          return { status: 'skipped', message: 'none is known to this terminal', fix: error.hint };
        }
        const started = performance.now();
        const { url } = connection.config;
        const { version } = await connection.api.health().catch((error) => {
          throw withReachHint(error, url);
        });
        api = connection.api;
        const ms = Math.round(performance.now() - started);
        return checkVersion(
          `${url} answers in ${ms} ms (${connection.config.source})`,
          version,
          options.version,
        );
      },
    },
    { name: 'clock', run: () => needs(api, 'needs the control plane', () => checkClock(api as Api)) },
    {
      name: 'token',
      run: () =>
        needs(api, 'needs the control plane', async () => {
          me = await (api as Api).whoami();
          return { status: 'ok', message: `${me.name ? `"${me.name}" ` : ''}may ${me.role}` };
        }),
    },
    { name: 'nodes', run: () => needs(me, 'needs a token that works', () => checkNodes(api as Api)) },
    {
      name: 'uploads',
      run: () =>
        needs(me, 'needs a token that works', async () => {
          const direct: Finding = { status: 'ok', message: 'files reach the control plane directly' };
          return (await checkUploadLimit(api as Api)) ?? direct;
        }),
    },
  ];
}

function withReachHint(error: unknown, url: string): unknown {
  if (!(error instanceof FlatrenderError) || error.code !== 'UNREACHABLE') return error;
  const local = /^https?:\/\/(localhost|127\.|\[::1\])/.test(url);
  return new FlatrenderError('UNREACHABLE', error.message, {
    cause: error,
    hint: local
      ? 'flatrender control run'
      : 'is the tunnel up, and "flatrender control run" on that machine? Another address: flatrender login --url URL',
  });
}

function checkVersion(message: string, theirs: string | undefined, ours: string): Finding {
  if (theirs === undefined || theirs === ours) return { status: 'ok', message };
  return {
    status: 'warning',
    message: `${message}; it has version ${theirs}, this is ${ours}`,
    fix: 'use the same version on both',
  };
}

/** Half a round trip is the error of this measurement; the limit is minutes. */
async function checkClock(api: Api): Promise<Finding> {
  const before = Date.now();
  const { serverTime } = await callJson<{ serverTime?: string }>(api.target, {
    method: 'GET',
    path: '/health',
  });
  if (serverTime === undefined)
    return { status: 'skipped', message: 'the control plane does not say its time' };
  return clockFinding((before + Date.now()) / 2 - Date.parse(serverTime));
}

async function checkNodes(api: Api): Promise<readonly Finding[]> {
  const nodes = await api.listNodes();
  if (nodes.length === 0)
    return [{ status: 'warning', message: 'none yet', fix: 'flatrender node add NAME' }];
  const online = nodes.filter(({ status }) => status === 'ready' || status === 'busy');
  const found: Finding[] = [
    {
      status: online.length > 0 ? 'ok' : 'warning',
      message: `${online.length} of ${plural(nodes.length, 'node')} ready or busy`,
      fix: online.length > 0 ? undefined : 'flatrender node list',
    },
  ];
  for (const node of nodes) {
    if (node.status === 'quarantined') {
      found.push({
        status: 'warning',
        message: `${node.id} is quarantined: ${node.quarantine?.reason ?? ''}`,
        fix: `flatrender node resume ${node.id}`,
      });
    }
    if (node.capabilities?.engines.some(isMock)) {
      found.push({
        status: 'warning',
        message: `${node.id} is in mock mode: After Effects jobs that no other node of the farm can render get test pictures there`,
        fix: 'for real ones remove AE_PATH= from its agent.env',
      });
    }
    if (node.status === 'offline') {
      found.push({
        status: 'warning',
        message: `${node.id} is offline`,
        fix: `on that machine: flatrender doctor; for good: flatrender node remove ${node.id}`,
      });
    }
  }
  return found;
}
