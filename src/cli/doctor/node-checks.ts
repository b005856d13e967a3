/** Checks of this machine as a node: its secret, where its files come from, its port, its limits, what was left running. */
import { chmod } from 'node:fs/promises';
import type { AgentApi } from '../../client/agent-api.ts';
import type { AgentConfig } from '../../config/agent-config.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { HelloAnswer } from '../../protocol/agent.ts';
import type { Check, Finding } from './checks.ts';
import { clockFinding, clockFix } from './clock-finding.ts';

/** What the checks need to know of the machine. */
export interface NodeOptions {
  readonly config: AgentConfig;
  /** The agent.env in use; null: everything is in the environment. */
  readonly envFile: string | null;
  /** What loading it has to say now. */
  readonly warnings: () => readonly string[];
  readonly api: Pick<AgentApi, 'hello'>;
  /** HTTP status of a GET; throws when nothing answers. */
  readonly probe: (url: string) => Promise<number>;
  /** Processes of After Effects on this machine that belong to nobody's task: `AfterFX (4711)`. */
  readonly strays: () => Promise<readonly string[]>;
  readonly signal: AbortSignal;
}

/** The checks of a node, in the order in which one depends on the other. */
export function nodeChecks(options: NodeOptions): readonly Check[] {
  const { config } = options;
  let hello: HelloAnswer | null = null;
  return [
    { name: 'agent.env', run: async () => checkEnvFile(options.envFile, options.warnings()) },
    {
      name: 'signature',
      run: async () => {
        const before = Date.now();
        hello = await options.api.hello(options.signal).catch((error: unknown) => {
          throw signatureError(error, config);
        });
        const took = Date.now() - before;
        const skewMs = before + took / 2 - Date.parse(hello.serverTime);
        const known: Finding = {
          status: 'ok',
          message: `${config.url} knows this node as ${hello.node} (${hello.status})`,
        };
        return [known, clockFinding(skewMs)];
      },
    },
    {
      name: 'files',
      run: async () => {
        if (hello === null) return { status: 'skipped', message: 'needs a signature that holds' };
        return await checkFiles(hello.probeUrl, config.url, options.probe);
      },
    },
    { name: 'time-outs', run: async () => checkLimits(config) },
    { name: 'processes', run: async () => checkStrays(await options.strays()) },
  ];
}

function checkEnvFile(file: string | null, warnings: readonly string[]): readonly Finding[] {
  if (file === null) return [{ status: 'ok', message: 'none: the settings are in the environment' }];
  if (warnings.length === 0) return [{ status: 'ok', message: file }];
  return warnings.map((message) => {
    // Root's file keeps the group that the service reads it by.
    const mode = ['600', '640'].find((each) => message.includes(`chmod ${each} ${file}`));
    if (mode === undefined) return { status: 'warning', message };
    const repair = (): Promise<void> => chmod(file, Number.parseInt(mode, 8));
    return { status: 'warning', message, fix: `chmod ${mode} ${file}`, repair };
  });
}

/** The control plane says which it was; here with what to do on this machine. */
function signatureError(error: unknown, config: AgentConfig): unknown {
  if (!(error instanceof FlatrenderError)) return error;
  switch (error.code) {
    case 'UNREACHABLE':
      return new FlatrenderError('UNREACHABLE', error.message, {
        cause: error,
        hint: `is the tunnel up (see above)? Is ORCHESTRATOR_URL=${config.url} right? On the control plane: flatrender control status`,
      });
    case 'CLOCK_SKEW':
      return new FlatrenderError('CLOCK_SKEW', error.message, { cause: error, hint: clockFix() });
    case 'SIGNATURE_INVALID':
    case 'NODE_UNKNOWN':
      return new FlatrenderError(error.code, error.message, {
        cause: error,
        hint: `on the control plane: flatrender node invite ${config.nodeId}, then here: flatrender node join FILE`,
      });
    default:
      return error;
  }
}

/** Files are signed for an address of their own: a wrong gateway.publicUrl shows only when a job is downloaded. */
async function checkFiles(
  probeUrl: string,
  controlUrl: string,
  probe: NodeOptions['probe'],
): Promise<Finding> {
  const { origin } = new URL(probeUrl);
  const isS3 = probeUrl.includes('X-Amz-Signature=');
  const fix = isS3
    ? 'on the control plane: objects.presignEndpoint in flatrender.yaml, the address of the S3 server that nodes reach, exactly as it is sent there; objects.region; the clocks'
    : 'correct gateway.publicUrl in flatrender.yaml of the control plane: the address that nodes reach';
  try {
    const status = await probe(probeUrl);
    // 404: the signature held and the file is not there, as it should be.
    if (status === 404) return { status: 'ok', message: `files are served at ${origin}` };
    return {
      status: 'failed',
      message: `${origin} answered ${status} to a signed address of the control plane`,
      fix,
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const where =
      origin === new URL(controlUrl).origin ? '' : `, while the control plane answers at ${controlUrl}`;
    return {
      status: 'failed',
      message: `files are served at ${origin}, which cannot be reached: ${why}${where}`,
      fix,
    };
  }
}

// Measured start-ups of After Effects with many plug-ins take minutes on a cold disk (facts of peers: the most common
// reason for a "hang" that is none).
const SHORT_SECONDS = { launch: 60, bind: 30, firstFrame: 60, frame: 30, encode: 30 } as const;

/** Limits so short that healthy renders would be ended. */
function checkLimits(config: AgentConfig): Finding {
  const { limits } = config.aerender;
  const short = Object.entries(SHORT_SECONDS)
    .filter(([phase, seconds]) => limits[phase as keyof typeof SHORT_SECONDS] < seconds)
    .map(([phase]) => `${keyOf(phase)}=${limits[phase as keyof typeof SHORT_SECONDS]}`);
  if (short.length === 0) return { status: 'ok', message: 'long enough for a cold After Effects' };
  return {
    status: 'warning',
    message: `${short.join(', ')}: a healthy After Effects may need longer and would be ended as hung`,
    fix: `flatrender node config set ${short.map((text) => text.replace(/=.*/, '=300')).join(' ')}`,
  };
}

function keyOf(phase: string): string {
  return `AE_${phase.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}_SECONDS`;
}

function checkStrays(strays: readonly string[]): Finding {
  if (strays.length === 0) return { status: 'ok', message: 'no After Effects left over' };
  return {
    status: 'warning',
    message: `${strays.join(', ')} run outside of any task; with AE_KILL_STALE=all the next task ends them`,
    fix: 'close After Effects, unless somebody works with it',
  };
}
