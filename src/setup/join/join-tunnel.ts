/** The tunnel of a machine that joins: up with the invitation's key, then with its own, or as it was before. */
import { sleep } from '../../lib/clock.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import type { PlanStep } from '../../lib/plan.ts';
import { type KeyPair, publicKeyOf } from '../../mesh/keys.ts';
import { renderNodeConfig } from '../../mesh/templates.ts';
import type { InvitationMesh } from '../../protocol/enrolment.ts';
import { planTunnelDown, planTunnelFile, planTunnelKey, planTunnelUp, switchesLive } from '../tunnel-plan.ts';
import { type RunningTunnel, readTunnelFile, type TunnelFile, withPrivateKey } from '../tunnel-system.ts';
import type { TunnelKeyName } from './enrol-machine.ts';
import type { JoinMachine, JoinPaths } from './join-machine.ts';
import { keyFileSteps } from './own-key.ts';

/** Stopping a Windows service takes its time, during which the next one of that name is refused. */
const TRIES = 5;
const PAUSE_MS = 1_000;
const TAKE_BACK_MS = 60_000;

/** One tunnel, for the time of one `node join`. */
export class JoinTunnel {
  readonly #machine: JoinMachine;
  readonly #mesh: InvitationMesh;
  readonly #own: KeyPair;
  readonly #running: RunningTunnel | null;
  readonly #before: TunnelFile | null;
  readonly #openedAt: number;
  #key: TunnelKeyName = 'temporary';
  #touched = false;

  /** `running`: as it was found. */
  constructor(machine: JoinMachine, mesh: InvitationMesh, own: KeyPair, running: RunningTunnel | null) {
    this.#machine = machine;
    this.#mesh = mesh;
    this.#own = own;
    this.#running = running;
    this.#before = readTunnelFile(machine.tunnel.file);
    this.#openedAt = machine.clock.now();
  }

  /** The key it uses now. */
  get key(): TunnelKeyName {
    return this.#key;
  }

  /** Whether {@link nudge} costs nothing. */
  get switchesLive(): boolean {
    return switchesLive(this.#machine.tunnel);
  }

  /** The steps that bring it up; none when it is up like this. */
  planOpen(key: TunnelKeyName): readonly PlanStep[] {
    const { tunnel, paths, platform } = this.#machine;
    const text = this.#text(key);
    const running = this.#running;
    const needsFile = key === 'temporary' && this.switchesLive;
    const keyFile = needsFile
      ? keyFileSteps(paths.temporaryKeyFile, this.#mesh.privateKey, platform, 'the invitation’s key')
      : [];
    const isSameText = this.#before?.text === text;
    if (running && isSameText && running.publicKey === this.#publicKey(key)) return keyFile;
    const isSameBut =
      this.#before !== null && withPrivateKey(this.#before.text, this.#privateKey(key)) === text;
    if (running && isSameBut && this.switchesLive) {
      return [...keyFile, ...planTunnelKey(tunnel, this.#keyFile(key), text)];
    }
    return [...keyFile, ...planTunnelUp(tunnel, text, running !== null)];
  }

  /** Brings it up. Returns whether anything had to be done. */
  async open(key: TunnelKeyName, signal: AbortSignal): Promise<boolean> {
    const steps = this.planOpen(key);
    this.#key = key;
    if (steps.length === 0) return false;
    this.#touched = true;
    await this.#run(steps, signal);
    return true;
  }

  /** Changes to the other key, for now. */
  async useKey(key: TunnelKeyName, signal: AbortSignal): Promise<void> {
    const text = this.switchesLive ? null : this.#text(key);
    await this.#run(planTunnelKey(this.#machine.tunnel, this.#keyFile(key), text), signal);
    this.#key = key;
  }

  /** The steps after which it has its own key, also after a restart. */
  planSettle(): readonly PlanStep[] {
    const { tunnel, paths } = this.#machine;
    return planTunnelKey(tunnel, paths.keyFile, this.#text('own'));
  }

  /** From now on its own key. */
  async settle(signal: AbortSignal): Promise<void> {
    const written = readTunnelFile(this.#machine.tunnel.file);
    const isDone = this.#key === 'own' && written?.privateKey === this.#own.privateKey;
    if (!isDone) await this.#run(this.planSettle(), signal);
    this.#key = 'own';
  }

  /** Lets WireGuard begin a handshake at once, where it would wait 5 s after one that was not answered. */
  async nudge(signal: AbortSignal): Promise<void> {
    await this.useKey('temporary', signal);
    await this.useKey('own', signal);
  }

  /** The invitation's key is of no use any more. */
  async forgetTemporaryKey(signal: AbortSignal): Promise<void> {
    await this.#machine.runPlan([forgetKeyStep(this.#machine.paths)], signal);
  }

  /** Whether the other end has answered since this began. */
  async hadHandshake(signal: AbortSignal): Promise<boolean> {
    const now = await this.#machine.askTunnel(signal);
    // WireGuard tells whole seconds.
    return now?.handshakeAt != null && now.handshakeAt >= Math.floor(this.#openedAt / 1000) * 1000;
  }

  /** Makes it what it was before, or takes it down. Returns what could not be done; null: all was. */
  async takeBack(): Promise<string | null> {
    const { tunnel, paths } = this.#machine;
    if (!this.#touched) return null;
    const signal = AbortSignal.timeout(TAKE_BACK_MS);
    // With the invitation's key it is what an interrupted run left.
    const before = this.#before?.privateKey === this.#mesh.privateKey ? null : this.#before;
    const steps: PlanStep[] =
      before === null
        ? planTunnelDown(tunnel)
        : this.#running !== null
          ? planTunnelUp(tunnel, before.text, true)
          : // It was down, but a configuration was there, perhaps with changes by hand.
            [...planTunnelDown(tunnel, { keepFile: true }), ...planTunnelFile(tunnel, before.text)];
    try {
      await this.#machine.runPlan([...steps, forgetKeyStep(paths)], signal);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #run(steps: readonly PlanStep[], signal: AbortSignal): Promise<void> {
    const { platform, clock } = this.#machine;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#machine.runPlan(steps, signal);
        return;
      } catch (error) {
        const isLate = error instanceof FlatrenderError && error.code === 'PROGRAM_FAILED';
        if (platform !== 'win32' || !isLate || attempt >= TRIES) throw error;
        await sleep(PAUSE_MS, clock, signal);
      }
    }
  }

  /** What was changed in the file by hand stays, unless the farm's end or the own address is another now. */
  #text(key: TunnelKeyName): string {
    const { serverPublicKey, endpoint, serverAddress, address } = this.#mesh;
    const privateKey = this.#privateKey(key);
    const text = renderNodeConfig({ privateKey, address, serverPublicKey, endpoint, serverAddress });
    const before = this.#before?.text;
    if (before === undefined) return text;
    const isSame = ['Address', 'PublicKey', 'Endpoint', 'AllowedIPs'].every(
      (name) => settingOf(before, name) === settingOf(text, name),
    );
    return isSame && settingOf(before, 'PrivateKey') !== null ? withPrivateKey(before, privateKey) : text;
  }

  #privateKey(key: TunnelKeyName): string {
    return key === 'own' ? this.#own.privateKey : this.#mesh.privateKey;
  }

  #publicKey(key: TunnelKeyName): string {
    return key === 'own' ? this.#own.publicKey : publicKeyOf(this.#mesh.privateKey);
  }

  #keyFile(key: TunnelKeyName): string {
    const { keyFile, temporaryKeyFile } = this.#machine.paths;
    return key === 'own' ? keyFile : temporaryKeyFile;
  }
}

/** Removes the file with the invitation's key. */
export function forgetKeyStep({ temporaryKeyFile }: JoinPaths): PlanStep {
  return { kind: 'remove', path: temporaryKeyFile, what: 'remove the invitation’s key' };
}

function settingOf(text: string, name: string): string | null {
  return new RegExp(`^\\s*${name}\\s*=\\s*([^#\\n\\r]*)`, 'im').exec(text)?.[1]?.trim() ?? null;
}
