/** One task on this machine: what was asked for, which After Effects does it, under which limits. */
import type { AerenderSection } from '../../../bundle/aerender-section.ts';
import type { AerenderSettings, RenderRequest } from '../../engine.ts';
import type { Installation } from '../machine/installation.ts';
import type { Surroundings } from './run-aerender.ts';

export interface TaskSetting {
  readonly request: RenderRequest;
  readonly section: AerenderSection;
  readonly settings: AerenderSettings;
  readonly installation: Installation;
  /** Log, clock, limits, signal, and what else every launched program gets. */
  readonly surroundings: Surroundings;
  /** Ends what a program that crashed or hung left behind; before the next launch. */
  sweep(signal?: AbortSignal): Promise<void>;
}
