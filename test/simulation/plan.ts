/** What a seed stands for: how large the farm is, what goes wrong and how often. */
import { createRandom, type Random } from './random.ts';

/** Kinds of trouble; each can be left out to see whether a failure needs it. */
export const FAULTS = [
  /** Requests and answers get lost. */
  'drop',
  /** Some messages take seconds instead of milliseconds, and overtake each other. */
  'delay',
  /** Requests arrive twice. */
  'duplicate',
  /** An agent reaches no control plane, or one of them not, for seconds to minutes. */
  'partition',
  /** Control planes are killed and started again. */
  'crashControl',
  /** A control plane dies between a commit and everything that follows from it. */
  'crashAtCommit',
  /** Agents are killed and started again. */
  'crashAgent',
  /** A node loses power: what was not synced to its disk is gone. */
  'powerCut',
  /** A process stands still for seconds to minutes. */
  'pause',
  /** Clocks of nodes are off by minutes, those of control planes by a second. */
  'skew',
  /** The clock of a control plane is set. */
  'leap',
  /** The store refuses, or cannot be reached. */
  'storeOutage',
  /** The database commits, and its answer is lost; not where it is a file. */
  'ackLost',
  /** What control planes tell each other is lost or late. */
  'notify',
  /** Leadership changes, sometimes before the one before knows. */
  'leader',
  /** Renders fail. */
  'engine',
  /** Jobs are cancelled and tried again. */
  'operators',
  /** Nodes are drained, resumed, removed. */
  'nodes',
  /** The disk of a node is full. */
  'disk',
  /** Control planes and agents are stopped as a service manager does it, and started again. */
  'restart',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Plan {
  readonly seed: number;
  readonly replicas: number;
  readonly agents: number;
  /** Tasks an agent renders at once. */
  readonly slots: number;
  readonly jobs: number;
  readonly store: 'memory' | 'sqlite';
  /** A database for several control planes, even when there is only one. Otherwise one file of one process. */
  readonly isShared: boolean;
  /** How long things go wrong; then everything is healed. */
  readonly faultMs: number;
  readonly heartbeatSeconds: number;
  readonly leaseSeconds: number;
  readonly claimWaitSeconds: number;
  readonly keepRenderingSeconds: number;
  /** Longest render, ms. */
  readonly renderMs: number;
  readonly faults: ReadonlySet<Fault>;
  /** 0 < n ≤ 1: how bad it is. */
  readonly severity: number;
  /** Nothing happens that may cost an attempt: each task is rendered exactly once. */
  readonly isGentle: boolean;
}

export interface PlanChoice {
  /** These kinds of trouble are left out. */
  readonly without?: readonly Fault[];
  /** Only these. */
  readonly only?: readonly Fault[];
  readonly store?: Plan['store'];
  readonly replicas?: number;
  /** Most control planes; default 3. */
  readonly maxReplicas?: number;
  readonly gentle?: boolean;
  /** With one control plane: on a database or on a file. */
  readonly shared?: boolean;
  /** These are as said, whatever the seed says. */
  readonly fixed?: Partial<
    Pick<Plan, 'agents' | 'slots' | 'jobs' | 'leaseSeconds' | 'renderMs' | 'severity' | 'faultMs'>
  >;
}

// What a farm survives without any attempt being repeated, as long as nothing of it lasts longer than a lease.
const GENTLE: readonly Fault[] = [
  'drop',
  'delay',
  'crashControl',
  'crashAtCommit',
  'partition',
  'restart',
  'ackLost',
];

/** The plan of a seed; the same for the same choice. */
export function planOf(seed: number, choice: PlanChoice = {}): Plan {
  const random = createRandom(seed, 'plan');
  const isGentle = choice.gentle ?? random.chance(0.25);
  const maxReplicas = choice.maxReplicas ?? 3;
  const replicas = random.pick([1, 1, 2, 2, 3]);
  const store = random.chance(0.01) ? 'sqlite' : 'memory';
  const lease = random.pick([
    { heartbeatSeconds: 5, leaseSeconds: 20 },
    { heartbeatSeconds: 2, leaseSeconds: 10 },
    { heartbeatSeconds: 5, leaseSeconds: 60 },
  ]);
  const agents = random.int(1, 4);
  const isShared = random.chance(0.4);
  const severity = random.pick([0.2, 0.5, 1]);
  const count = Math.min(choice.replicas ?? replicas, (choice.store ?? store) === 'sqlite' ? 1 : maxReplicas);
  const plan: Plan = {
    seed,
    store: choice.store ?? store,
    replicas: count,
    agents,
    slots: random.pick([1, 1, 2]),
    jobs: random.int(2, 3 + 2 * agents),
    faultMs: random.int(20, 90) * 1000,
    ...lease,
    claimWaitSeconds: random.pick([15, 30]),
    keepRenderingSeconds: random.pick([40, 90, 900]),
    renderMs: random.pick([5000, 15_000, 40_000]),
    faults: faultsOf(random, isGentle, choice),
    severity,
    isGentle,
    isShared: count > 1 || ((choice.store ?? store) === 'memory' && (choice.shared ?? isShared)),
    ...choice.fixed,
  };
  // A lost message costs a heartbeat its ten seconds of waiting: many of them must fit into a lease.
  return isGentle ? { ...plan, heartbeatSeconds: 5, leaseSeconds: 60, severity: 0.2 } : plan;
}

/** Some kinds at a time, not all: trouble hides trouble. */
function faultsOf(random: Random, isGentle: boolean, choice: PlanChoice): ReadonlySet<Fault> {
  const share = random.pick([0.15, 0.35, 0.6]);
  const kinds = FAULTS.filter((fault) => random.chance(share) && (!isGentle || GENTLE.includes(fault)));
  const wanted = choice.only ? FAULTS.filter((fault) => choice.only?.includes(fault)) : kinds;
  return new Set(wanted.filter((fault) => !choice.without?.includes(fault)));
}
