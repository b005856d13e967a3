/** The agent's settings: flags, then the real environment, then agent.env, then defaults. */
import { realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isSea } from 'node:sea';
import { z } from 'zod';
import { type EnvFile, findEnvFile, placeOf, readEnvFile } from '../lib/env-file.ts';
import { FlatrenderError } from '../lib/errors.ts';
import { isLogLevel, type LogLevel } from '../lib/logger.ts';
import { Name, Role } from '../protocol/names.ts';
import { AERENDER_KEYS, type AerenderSettings, aerenderSettings } from './aerender-settings.ts';
import { type AgentConfigWarning, unknownKeys, warningsOf } from './agent-env-warnings.ts';
import { gigabytes, list, origin, wholeNumber } from './env-values.ts';
import { flatrenderHome, homePaths } from './home.ts';
import { machinePaths, thisPlatform } from './machine-paths.ts';

/** One key of agent.env. */
interface Key {
  readonly schema: z.ZodType;
  /** Used when the key is absent or empty; undefined: the key is required. */
  readonly fallback?: string;
  /** An empty value means something of its own. */
  readonly keepsEmpty?: boolean;
  readonly description: string;
}

/** Every key that agent.env may hold, in the order of the example file. */
export const AGENT_KEYS = {
  NODE_ID: { schema: Name, description: 'the node, as created with "flatrender node add <id>"' },
  NODE_HMAC_SECRET: {
    schema: z
      .string()
      .min(16, 'at least 16 characters: the secret that "flatrender node add" printed')
      .max(512),
    description: 'the secret that "flatrender node add <id>" printed; requests are signed with it',
  },
  ORCHESTRATOR_URL: {
    schema: origin,
    fallback: 'http://10.66.0.1:8088',
    description: 'address of the control plane',
  },
  ...AERENDER_KEYS,
  NODE_ROLE: {
    schema: list(Role).refine((roles) => roles.length > 0, 'at least one role'),
    fallback: 'render',
    description: 'what this node does',
  },
  HOST_IP: {
    schema: z.union([z.literal(''), z.ipv4(), z.ipv6()], 'an IP address'),
    fallback: '',
    description: 'own address; empty: that of the interface that reaches the control plane',
  },
  MACHINE_ID: {
    schema: z.string().max(128),
    fallback: '',
    description: 'machine id in /health; empty: NODE_ID',
  },
  MAX_CONCURRENT_JOBS: {
    schema: wholeNumber(1, 64),
    fallback: '1',
    description: 'tasks rendered at the same time',
  },
  NODE_TAGS: {
    schema: list(Name).refine((tags) => tags.length <= 32, 'at most 32 tags'),
    fallback: '',
    description: 'tags that jobs may ask for',
  },
  STATE_DIR: {
    schema: z.string(),
    fallback: '',
    description: 'cache, outbox and lock; empty: ~/.flatrender/agent/<NODE_ID>',
  },
  TEMP_DIR: { schema: z.string(), fallback: '', description: 'scratch space; empty: STATE_DIR/work' },
  CACHE_MAX_GB: {
    schema: gigabytes(1_000_000),
    fallback: '20',
    description: 'size of the template and asset cache',
  },
  MIN_FREE_GB: {
    schema: gigabytes(1_000_000),
    fallback: '1',
    description: 'disk space that a task must leave free',
  },
  HEALTH_PORT: {
    schema: z.union(
      [z.literal('off'), wholeNumber(0, 65_535)],
      'a port from 0 to 65535 (0: any free one) or "off"',
    ),
    fallback: '7777',
    description: 'port of the health endpoint; 0: any free one; off: none',
  },
  HEALTH_HOST: {
    schema: z.string().max(255),
    fallback: '127.0.0.1',
    description: 'address the health endpoint listens on',
  },
  FFMPEG_PATH: {
    schema: z.string(),
    fallback: '',
    description: 'path of ffmpeg; empty: PATH, then the built-in encoder',
  },
  ENCODER_THREADS: {
    schema: wholeNumber(0, 256),
    fallback: '0',
    description: 'threads of the encoder; 0: its own choice',
  },
  LOG_LEVEL: {
    schema: z.string().toLowerCase().refine(isLogLevel, 'trace, debug, info, warn, error or silent'),
    fallback: 'info',
    description: 'least severe lines that are logged',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    schema: z.union(
      [z.literal(''), z.url({ protocol: /^https?$/ })],
      'the address of an OpenTelemetry collector, such as http://10.66.0.1:4318',
    ),
    fallback: '',
    description: 'OpenTelemetry collector (OTLP over HTTP) that gets traces of the jobs; empty: none',
  },
} as const satisfies Record<string, Key>;

export type AgentKey = keyof typeof AGENT_KEYS;

/** What the agent runs with; paths are absolute. */
export interface AgentConfig {
  readonly nodeId: string;
  readonly secret: string;
  /** Scheme, host and port, without a slash at the end. */
  readonly url: string;
  readonly aerender: AerenderSettings;
  readonly roles: readonly Role[];
  /** null: find out. */
  readonly hostIp: string | null;
  readonly machineId: string;
  readonly maxConcurrentJobs: number;
  readonly tags: readonly string[];
  readonly stateDir: string;
  readonly tempDir: string;
  readonly cacheMaxBytes: number;
  readonly minFreeBytes: number;
  /** null: no health endpoint. */
  readonly healthPort: number | null;
  readonly healthHost: string;
  readonly ffmpegPath: string;
  readonly encoderThreads: number;
  readonly logLevel: LogLevel;
  /** null: no traces. */
  readonly tracingEndpoint: string | null;
}

export interface LoadedAgentConfig {
  readonly config: AgentConfig;
  /** The file that was read, or null. */
  readonly file: string | null;
  /** What deserves a warning: keys of the file that nobody reads, with the likely meant one; a file that others may read. */
  readonly warnings: readonly AgentConfigWarning[];
}

/**
 * Loads the settings. CONFIG_MISSING when a required key is nowhere (says where it was looked for); CONFIG_INVALID
 * names the key, the place and what is wrong. No message shows the secret.
 */
export function loadAgentConfig(options: {
  /** By key; undefined: not given. */
  readonly flags?: Partial<Record<AgentKey, string | undefined>>;
  readonly envFile?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
}): LoadedAgentConfig {
  const env = options.env ?? process.env;
  const directories = placesOf(env);
  const path = findEnvFile({ given: options.envFile, env, directories });
  const file = path === null ? null : readEnvFile(path);
  const read = <K extends AgentKey>(key: K): z.infer<(typeof AGENT_KEYS)[K]['schema']> =>
    readKey(key, options.flags?.[key], env, file, directories) as z.infer<(typeof AGENT_KEYS)[K]['schema']>;
  const nodeId = read('NODE_ID');
  const stateDir = resolve(read('STATE_DIR') || join(homePaths(flatrenderHome(env)).agents, nodeId));
  const tempDir = read('TEMP_DIR');
  const port = read('HEALTH_PORT');
  const config: AgentConfig = {
    nodeId,
    secret: read('NODE_HMAC_SECRET'),
    url: read('ORCHESTRATOR_URL'),
    aerender: aerenderSettings(read, {
      stateDir: join(stateDir, 'aerender'),
      slots: read('MAX_CONCURRENT_JOBS'),
    }),
    roles: read('NODE_ROLE') as Role[],
    hostIp: read('HOST_IP') || null,
    machineId: read('MACHINE_ID') || nodeId,
    maxConcurrentJobs: read('MAX_CONCURRENT_JOBS'),
    tags: [...new Set(read('NODE_TAGS'))].sort(),
    stateDir,
    // Never the directory itself: everything in the scratch directory that is not known is removed at start.
    tempDir: tempDir === '' ? join(stateDir, 'work') : join(resolve(tempDir), `flatrender-${nodeId}`),
    cacheMaxBytes: Math.round(read('CACHE_MAX_GB') * 1e9),
    minFreeBytes: Math.round(read('MIN_FREE_GB') * 1e9),
    healthPort: port === 'off' ? null : port,
    healthHost: read('HEALTH_HOST'),
    ffmpegPath: read('FFMPEG_PATH'),
    encoderThreads: read('ENCODER_THREADS'),
    logLevel: read('LOG_LEVEL') as LogLevel,
    tracingEndpoint: read('OTEL_EXPORTER_OTLP_ENDPOINT') || null,
  };
  return { config, file: path, warnings: file ? warningsOf(file, Object.keys(AGENT_KEYS)) : [] };
}

/** Where an agent on this machine tells how it is; null: nowhere (`off`), or nowhere that can be known (port 0). */
export function healthUrlOf({
  healthHost,
  healthPort,
}: Pick<AgentConfig, 'healthHost' | 'healthPort'>): string | null {
  if (healthPort === null || healthPort === 0) return null;
  const host = healthHost === '0.0.0.0' || healthHost === '::' ? '127.0.0.1' : healthHost;
  return `http://${host.includes(':') ? `[${host}]` : host}:${healthPort}/health`;
}

/** Whether this machine is set up as a node: it has an agent.env, or its settings are in the environment. */
export function isAgentSetUp(env: NodeJS.ProcessEnv = process.env): boolean {
  // A file that the variable names counts also when it is not there: then that is what is wrong.
  if (env.NODE_ID !== undefined || env.AGENT_ENV_FILE) return true;
  return agentEnvFile(env) !== null;
}

/** The agent.env of this machine, whatever is in it; null: there is none. CONFIG_MISSING when AGENT_ENV_FILE names none. */
export function agentEnvFile(env: NodeJS.ProcessEnv = process.env): string | null {
  return findEnvFile({ given: undefined, env, directories: placesOf(env) });
}

/** Where an agent.env may be: beside the program, in the state directory, where an installed node has it. */
function placesOf(env: NodeJS.ProcessEnv): string[] {
  const beside = programDirectory();
  return [
    ...new Set([beside, flatrenderHome(env), dirname(machinePaths(thisPlatform(), 'agent', beside).envFile)]),
  ];
}

function readKey(
  key: AgentKey,
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  file: EnvFile | null,
  directories: readonly string[],
): unknown {
  const { schema, fallback, keepsEmpty, description }: Key = AGENT_KEYS[key];
  const given = (flag ?? env[key] ?? file?.values[key])?.trim();
  const text = keepsEmpty ? (given ?? fallback) : given || fallback;
  if (text === undefined) {
    const looked = file ? file.path : `the environment, and no agent.env in ${directories.join(' or ')}`;
    throw new FlatrenderError('CONFIG_MISSING', `${key} is not set (${description}); looked in ${looked}`, {
      hint:
        (file && unknownKeys(file, Object.keys(AGENT_KEYS)).find((each) => each.endsWith(`${key}?`))) ??
        `set ${key}, or name the file: --agent-env agent.env`,
    });
  }
  const place = flag === undefined ? placeOf(key, file, env) : `the flag for ${key}`;
  if (/[\n\r\0]/.test(text)) {
    throw new FlatrenderError('CONFIG_INVALID', `${place}: the value contains a line break`, {
      hint: 'between double quotes \\n is a line break: write Windows paths without quotes or between single ones',
    });
  }
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  const shown = key === 'NODE_HMAC_SECRET' ? '' : ` "${text.slice(0, 200)}"`;
  const why = [...new Set(parsed.error.issues.map((issue) => issue.message))].join('; ');
  throw new FlatrenderError('CONFIG_INVALID', `${place}:${shown} is not valid: ${why}`, {
    hint: `${key}: ${description}`,
  });
}

/** The directory of the single executable, or of the script that runs. */
function programDirectory(): string {
  const program = isSea() ? process.execPath : (process.argv[1] ?? process.execPath);
  try {
    return dirname(realpathSync(program));
  } catch {
    return dirname(resolve(program));
  }
}
