/** How a node uses After Effects: what its engine needs, and the keys of agent.env that say it. */
import { z } from 'zod';
import { wholeNumber } from './env-values.ts';

/** A node's settings for After Effects. A template may set its own limits (`limits`), never another program. */
export interface AerenderSettings {
  /**
   * aerender, or the folder that holds it and AfterFX. `null`: the newest that is installed; `''`: mock mode, which
   * takes After Effects jobs and makes test pictures (trial of a farm without a licence).
   */
  readonly path: string | null;
  /** Shared by the slots of this node: locks, who runs which process, what fonts are installed. */
  readonly stateDir: string;
  /** Tasks rendered at the same time. */
  readonly slots: number;
  /** Overrides the template's mode. */
  readonly mode: 'sequence' | 'movie' | null;
  /** Overrides the template's output module, by mode. */
  readonly outputModules: { readonly sequence: string | null; readonly movie: string | null };
  /** Share of the CPU for multi-frame rendering (`-mfr ON n`), percent; null: what After Effects is set to. */
  readonly mfrPercent: number | null;
  /** `-mem_usage image max`, percent; null: what After Effects is set to. */
  readonly memoryPercent: { readonly image: number; readonly max: number } | null;
  /** `-reuse`: render in an After Effects that runs already. */
  readonly reuse: boolean;
  /** `-close`: what becomes of the project after the render. */
  readonly close: 'DO_NOT_CLOSE' | 'DO_NOT_SAVE_CHANGES' | 'SAVE_CHANGES';
  /**
   * What is ended before a launch: `all` aerender and AfterFX of this user but those of this node's running tasks;
   * `own`: only what earlier tasks of this node left; `off`: nothing.
   */
  readonly killStale: 'all' | 'own' | 'off';
  /** Longest time without a sign of life, seconds. */
  readonly limits: AerenderLimits;
}

/** Seconds without a sign of life, by phase. */
export interface AerenderLimits {
  readonly launch: number;
  readonly bind: number;
  readonly firstFrame: number;
  readonly frame: number;
  readonly encode: number;
}

/** Value of AE_PATH that is the same as no AE_PATH. */
const FIND_IT = 'auto';

const templateName = z.string().max(200);
const percent = (max: number) =>
  z.union([z.literal(''), wholeNumber(1, max)], `a percentage from 1 to ${max}`);
const seconds = wholeNumber(1, 86_400);
const upper = <T extends readonly [string, ...string[]]>(...values: T) =>
  z.string().toUpperCase().pipe(z.enum(values));
const lower = <T extends readonly [string, ...string[]]>(...values: T) =>
  z.string().toLowerCase().pipe(z.enum(values));

const memory = z.string().transform((text, context) => {
  if (text === '') return null;
  const [, image, max] = /^(\d{1,3})\s+(\d{1,3})$/.exec(text) ?? [];
  const shares = { image: Number(image), max: Number(max) };
  if (shares.image >= 1 && shares.image <= 200 && shares.max >= 1 && shares.max <= 200) return shares;
  context.addIssue('two percentages from 1 to 200 such as "50 100": for pictures, and for all memory');
  return z.NEVER;
});

/** The keys of agent.env for After Effects, in the order of the example file. */
export const AERENDER_KEYS = {
  AE_PATH: {
    schema: z.string(),
    fallback: FIND_IT,
    keepsEmpty: true,
    description:
      'aerender, or its folder; without this key the newest After Effects that is installed; empty: mock mode, without After Effects',
  },
  AE_MODE: {
    schema: lower('', 'sequence', 'movie'),
    fallback: '',
    description: 'sequence or movie, whatever templates say; empty: as they say',
  },
  AE_SEQUENCE_MODULE: {
    schema: templateName,
    fallback: '',
    description: 'output module template for single frames; empty: by the template, else one that is there',
  },
  AE_MOVIE_MODULE: {
    schema: templateName,
    fallback: '',
    description: 'output module template for movies; empty: by the template, else one that is there',
  },
  AE_MFR_PERCENT: {
    schema: percent(100),
    fallback: '',
    description: 'share of the CPU for multi-frame rendering, percent; empty: as After Effects is set',
  },
  AE_MEMORY_PERCENT: {
    schema: memory,
    fallback: '',
    description: 'memory for pictures and in all, percent ("50 100"); empty: as After Effects is set',
  },
  AE_REUSE: {
    schema: lower('no', 'yes'),
    fallback: 'no',
    description: 'yes: render in an After Effects that runs already',
  },
  AE_CLOSE: {
    schema: upper('DO_NOT_SAVE_CHANGES', 'DO_NOT_CLOSE', 'SAVE_CHANGES'),
    fallback: 'DO_NOT_SAVE_CHANGES',
    description: 'the project after a render: DO_NOT_SAVE_CHANGES, DO_NOT_CLOSE or SAVE_CHANGES',
  },
  AE_KILL_STALE: {
    schema: lower('', 'all', 'own', 'off'),
    fallback: '',
    description:
      'what is ended before a launch: all other aerender and AfterFX of this user, own (what earlier tasks left) or off; empty: all, with AE_REUSE own',
  },
  AE_LAUNCH_SECONDS: {
    schema: seconds,
    fallback: '300',
    description: 'longest time until After Effects is up',
  },
  AE_BIND_SECONDS: {
    schema: seconds,
    fallback: '300',
    description: 'longest silence while inputs are put in',
  },
  AE_FIRST_FRAME_SECONDS: {
    schema: seconds,
    fallback: '600',
    description: 'longest silence until the first frame',
  },
  AE_FRAME_SECONDS: { schema: seconds, fallback: '600', description: 'longest silence between two frames' },
  AE_ENCODE_SECONDS: {
    schema: seconds,
    fallback: '600',
    description: 'longest silence after the last frame',
  },
} as const;

type AerenderKey = keyof typeof AERENDER_KEYS;
type ValueOf<K extends AerenderKey> = z.infer<(typeof AERENDER_KEYS)[K]['schema']>;

/** The settings out of the values of the keys. */
export function aerenderSettings(
  read: <K extends AerenderKey>(key: K) => ValueOf<K>,
  node: { readonly stateDir: string; readonly slots: number },
): AerenderSettings {
  const path = read('AE_PATH');
  const reuse = read('AE_REUSE') === 'yes';
  return {
    path: path.toLowerCase() === FIND_IT ? null : path,
    ...node,
    mode: read('AE_MODE') || null,
    outputModules: {
      sequence: read('AE_SEQUENCE_MODULE') || null,
      movie: read('AE_MOVIE_MODULE') || null,
    },
    mfrPercent: read('AE_MFR_PERCENT') || null,
    memoryPercent: read('AE_MEMORY_PERCENT'),
    reuse,
    close: read('AE_CLOSE'),
    // The After Effects that is to be used again is not a leftover.
    killStale: read('AE_KILL_STALE') || (reuse ? 'own' : 'all'),
    limits: {
      launch: read('AE_LAUNCH_SECONDS'),
      bind: read('AE_BIND_SECONDS'),
      firstFrame: read('AE_FIRST_FRAME_SECONDS'),
      frame: read('AE_FRAME_SECONDS'),
      encode: read('AE_ENCODE_SECONDS'),
    },
  };
}
