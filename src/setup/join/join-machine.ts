/** What joining needs from the machine it happens on; all of it can be replaced. */
import type { Enrolled } from '../../client/enrol.ts';
import type { ServicePlatform } from '../../config/machine-paths.ts';
import type { Clock } from '../../lib/clock.ts';
import type { PlanStep, StepResult } from '../../lib/plan.ts';
import type { Invitation } from '../../protocol/enrolment.ts';
import type { TunnelSystem } from '../tunnel-plan.ts';
import type { RunningTunnel } from '../tunnel-system.ts';

/** Where joining leaves its files. */
export interface JoinPaths {
  readonly envFile: string;
  /** This machine's own private key. */
  readonly keyFile: string;
  /** The invitation's private key, while it is in use. */
  readonly temporaryKeyFile: string;
  readonly recordFile: string;
  readonly stateDir: string;
}

/** The agent's service; see `services.ts`. */
export interface JoinService {
  /** What is installed with it; for --dry-run. */
  plan(): Promise<readonly PlanStep[]>;
  /** Refuses what cannot work before anything is changed: ELEVATION_NEEDED, SERVICE_UNSUPPORTED. */
  check(): void;
  install(options: {
    readonly start: boolean;
    /** Start anew although the service itself is as it was: its settings have changed. */
    readonly restart: boolean;
    readonly onStep: (result: StepResult) => void;
    readonly signal: AbortSignal;
  }): Promise<{ readonly changed: boolean }>;
}

/** What the agent's health endpoint says. */
export interface AgentHealth {
  readonly nodeId: string;
  readonly connected: boolean;
}

export interface JoinMachine {
  readonly platform: ServicePlatform;
  readonly paths: JoinPaths;
  readonly tunnel: TunnelSystem;
  /** null: the operator runs the agent. */
  readonly service: JoinService | null;
  readonly clock: Clock;
  /** Whether this process may change network and services; null: only the attempt can tell (Windows). */
  readonly isElevated: boolean | null;
  /** How to give the same command as an administrator. */
  readonly elevatedCommand: string;
  runPlan(steps: readonly PlanStep[], signal: AbortSignal): Promise<readonly StepResult[]>;
  /** PROGRAM_MISSING. */
  requireWireGuard(): void;
  /** null: the tunnel is not up. */
  askTunnel(signal: AbortSignal): Promise<RunningTunnel | null>;
  /** The interface that has an address; null: none. */
  interfaceOf(address: string): string | null;
  /** Rejects when the name is not known. */
  lookup(host: string): Promise<unknown>;
  freeBytes(directory: string): Promise<number | null>;
  enrol(invitation: Invitation, publicKey: string, signal: AbortSignal): Promise<Enrolled>;
  /** Whether the control plane answers this node. */
  hello(node: Credentials, signal: AbortSignal): Promise<void>;
  /** null: nobody answers. */
  health(url: string, signal: AbortSignal): Promise<AgentHealth | null>;
  /** The agent's newest lines, for a failure. */
  log(signal: AbortSignal): Promise<string>;
}

/** Who the node is to the control plane. */
export interface Credentials {
  readonly nodeId: string;
  readonly secret: string;
  readonly url: string;
}
