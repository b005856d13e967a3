/** What the plans of all service managers have in common. */
import type { MachinePaths, ServicePlatform } from '../config/machine-paths.ts';
import type { Command } from '../lib/exec.ts';
import type { PlanStep } from '../lib/plan.ts';

/** Who starts the service. */
export type ManagerName = 'systemd' | 'launchd' | 'launchd-user' | 'windows-service' | 'windows-task';

export type ServiceRole = 'agent' | 'control';

/** A service that is to be installed. */
export interface ServiceSpec {
  readonly platform: ServicePlatform;
  readonly role: ServiceRole;
  /** How to run flatrender: the program and what comes before the subcommand. */
  readonly program: Command;
  readonly paths: MachinePaths;
  /** This machine's end of the tunnel is set up: the service waits for it. */
  readonly hasTunnel: boolean;
  /** The control plane's end of the mesh, when there is one. */
  readonly mesh?: { readonly interface: string; readonly directory: string; readonly socket: string };
  /** In the session of the user who is logged in, for GPU and fonts (Windows, macOS). */
  readonly isInteractive: boolean;
  /** Who that is (`DESKTOP\anna`); macOS: the account the service runs as. */
  readonly user: string;
  /** macOS: the user's number, for a service in their session. */
  readonly uid?: number;
  /** Directories outside the state that settings name: the sandbox lets the service write there. */
  readonly writable?: readonly string[];
  /** The program, or another that it uses, is in somebody's home directory. */
  readonly readsHomes?: boolean;
  /** Groups of the graphics cards, as far as this machine has them. */
  readonly groups?: readonly string[];
  /** State of the same role in another directory, to be moved to where the service has it. */
  readonly moveFrom?: { readonly directory: string; readonly entries: readonly string[] };
}

/** What is on the machine already; what is left out is not there. */
export interface Found {
  /** Contents of files that the plan writes. */
  readonly files?: Readonly<Record<string, string>>;
  /** The service's own user is there. */
  readonly hasUser?: boolean;
  /** systemd: what of it starts at boot. */
  readonly enabled?: readonly string[];
  /** Windows: values of the service's key in the registry, by name. */
  readonly registered?: Readonly<Record<string, string>>;
}

/** What a manager does with a service. */
export interface ServicePlans {
  readonly manager: ManagerName;
  /** Name of the service there. */
  readonly name: string;
  /** Creates or changes it; empty: it is as it should be. */
  readonly install: readonly PlanStep[];
  /** After `install`, also when that is empty: rights and the like, which cannot be compared and do no harm twice. */
  readonly secure: readonly PlanStep[];
  /** Leaves settings and state. */
  readonly uninstall: readonly PlanStep[];
  /** Run one after another; of a stop some may fail when nothing runs. */
  readonly start: readonly Command[];
  readonly stop: readonly Command[];
}

export type RunState = 'running' | 'starting' | 'stopping' | 'stopped' | 'failed' | 'not-installed';

/** State of a service. */
export interface ServiceState {
  readonly state: RunState;
  readonly pid: number | null;
  /** When it was started, epoch milliseconds; null: not known, or it does not run. */
  readonly since: number | null;
  /** How it ended the last time, for people; null: in order, or not known. */
  readonly lastExit: string | null;
}

export const NOT_INSTALLED: ServiceState = { state: 'not-installed', pid: null, since: null, lastExit: null };

/**
 * Seconds that work in progress gets when a service is stopped; after that it is handed back to the farm. Whoever stops it
 * waits for it; a short render may well end in this time.
 */
export const STOP_SECONDS = 10;

/**
 * The account of a service on Linux. Two of them: templates are code, and what renders on the control plane's own machine must
 * not read the farm secret, nor ask for changes of the mesh.
 */
export function serviceUser(role: ServiceRole): string {
  return role === 'agent' ? 'flatrender-agent' : 'flatrender';
}
