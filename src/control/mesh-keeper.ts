/** Keeps the mesh in line with what the store says of invitations. One change at a time. */
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { AddPeerRequest, Mesh, MeshPeer } from '../mesh/mesh.ts';
import type { InvitationRecord, Store } from '../store/store.ts';
import type { NodeEntry, Registry } from './registry.ts';

interface MeshKeeperOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The mesh; null: this farm has none (yet). */
  readonly find: () => Promise<Mesh | null>;
}

// The mesh could not be changed (its helper is away): tried again, ever more rarely.
const RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 30_000;
// The answer must be through the old tunnel before that is cut; a lost one is repeated by the machine.
const SWITCH_AFTER_MS = 300;
const LONGEST_ANSWER_MS = 5_000;
// Timers do not reach further than 24.8 days; it is looked again then.
const LONGEST_WAIT_MS = 86_400_000;

/** What the control plane does to the mesh: keys of invitations come, change to the machines' own, and go. */
export class MeshKeeper {
  readonly #options: MeshKeeperOptions;
  /** Removed nodes whose tunnel could not be cut. */
  readonly #uncut = new Set<string>();
  /** Epoch milliseconds before which the temporary key of a node that enrols is not taken away. */
  readonly #heldUntil = new Map<string, number>();
  /** Whether there may be keys in the mesh that no invitation has. */
  #looksAtAll = false;
  #failures = 0;
  /** It was said that the mesh is at another control plane. */
  #isElsewhere = false;
  #retryAt = 0;
  #cancel = (): void => undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: MeshKeeperOptions) {
    this.#options = options;
  }

  find(): Promise<Mesh | null> {
    return this.#options.find();
  }

  /** Puts a temporary key in and keeps it when `keep` succeeds; otherwise the mesh is as it was before. */
  lend<T>(mesh: Mesh, request: AddPeerRequest, keep: (peer: MeshPeer) => Promise<T>): Promise<T> {
    return this.#exclusive(async () => {
      const before = (await mesh.peers()).find(({ name }) => name === request.name);
      const peer = await mesh.setPeer(request);
      this.#retryAt = 0;
      this.#uncut.delete(request.name);
      try {
        return await keep(peer);
      } catch (error) {
        await this.#putBack(mesh, request.name, before);
        throw error;
      }
    });
  }

  /** The machine is about to get its answer through the tunnel with the temporary key: that one stays for now. */
  hold(nodeId: string): void {
    this.#heldUntil.set(nodeId, this.#options.clock.now() + LONGEST_ANSWER_MS);
  }

  /** The answer is on its way. */
  release(nodeId: string): void {
    this.#heldUntil.set(nodeId, this.#options.clock.now() + SWITCH_AFTER_MS);
    this.#retryAt = 0;
    this.plan();
  }

  /** Compares the whole mesh soon: at start, and when a key in it may belong to nobody any more. */
  compareAll(): void {
    this.#looksAtAll = true;
    this.plan();
  }

  /** The node is to go: its tunnel is cut when this resolves. Returns why it could not be, or null; it is tried again then. */
  async remove(nodeId: string): Promise<FlatrenderError | null> {
    const { logger } = this.#options;
    this.#heldUntil.delete(nodeId);
    try {
      await this.#exclusive(async () => {
        const mesh = await this.find();
        if (await mesh?.removePeer(nodeId, { keepAddress: false }))
          logger.info('mesh.peer-removed', { nodeId });
      });
      return null;
    } catch (error) {
      logger.error('mesh.peer-not-removed', { nodeId, error });
      this.#uncut.add(nodeId);
      this.#retryLater();
      return error instanceof FlatrenderError
        ? error
        : new FlatrenderError('MESH_UNAVAILABLE', String(error));
    }
  }

  /** Looks again when something is due: an open invitation expires, a key must be changed. Nothing is pending: never. */
  plan(): void {
    this.#cancel();
    if (this.#closed) return;
    const { clock, registry } = this.#options;
    const due = this.#looksAtAll || this.#uncut.size > 0 ? [0] : [];
    for (const { id, invitation } of registry.all()) {
      if (!isPending(invitation)) continue;
      due.push(invitation.publicKey === null ? invitation.expiresAt : (this.#heldUntil.get(id) ?? 0));
    }
    if (due.length === 0) return;
    const at = Math.max(this.#retryAt, Math.min(...due));
    const dueIn = Math.min(Math.max(0, at - clock.now()), LONGEST_WAIT_MS);
    this.#cancel = clock.after(dueIn, () => void this.#exclusive(() => this.#reconcile()));
  }

  /** Stops; what is under way ends first. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#queue;
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #putBack(mesh: Mesh, name: string, before: MeshPeer | undefined): Promise<void> {
    try {
      if (before === undefined || before.publicKey === null)
        await mesh.removePeer(name, { keepAddress: before !== undefined });
      else await mesh.setPeer({ ...before, publicKey: before.publicKey });
    } catch (error) {
      this.#options.logger.error('mesh.not-put-back', { nodeId: name, error });
      this.#looksAtAll = true;
      this.#retryLater();
    }
  }

  #retryLater(): number {
    const pause = Math.min(RETRY_MS * 2 ** this.#failures, LONGEST_RETRY_MS);
    this.#failures += 1;
    this.#retryAt = this.#options.clock.now() + pause;
    this.plan();
    return pause;
  }

  async #reconcile(): Promise<void> {
    const { registry, logger } = this.#options;
    if (this.#closed) return;
    const pending = [...registry.all()].filter(({ invitation }) => isPending(invitation));
    try {
      const mesh = await this.find();
      if (mesh) await this.#compare(mesh, pending);
      else if (pending.length > 0) this.#missMesh(pending);
      this.#looksAtAll = false;
      this.#failures = 0;
      this.#retryAt = 0;
      this.plan();
    } catch (error) {
      const retryInMs = this.#retryLater();
      logger.warn('mesh.not-in-line', { nodes: pending.map(({ id }) => id), error, retryInMs });
    }
  }

  /** MESH_UNAVAILABLE, unless another control plane of the farm may have the mesh: then it is that one's to do. */
  #missMesh(pending: readonly NodeEntry[]): void {
    const { store, logger } = this.#options;
    if (store.shared === null) throw new FlatrenderError('MESH_UNAVAILABLE', 'the mesh is not there');
    const nodes = pending.map(({ id }) => id);
    const message = 'the control plane whose machine has the mesh changes their keys';
    if (!this.#isElsewhere) logger.info('mesh.elsewhere', { nodes, message });
    this.#isElsewhere = true;
  }

  /** One node whose key is refused must not hold up the others: all are tried, then the first failure is thrown. */
  async #compare(mesh: Mesh, pending: readonly NodeEntry[]): Promise<void> {
    const peers = new Map((await mesh.peers()).map((peer) => [peer.name, peer]));
    const failures: unknown[] = [];
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      if (!this.#closed) await work().catch((error: unknown) => void failures.push(error));
    };
    for (const entry of pending) await attempt(() => this.#settle(mesh, entry, peers.get(entry.id)));
    for (const nodeId of this.#uncut) {
      await attempt(async () => {
        if (!this.#options.registry.get(nodeId)) await mesh.removePeer(nodeId, { keepAddress: false });
        this.#uncut.delete(nodeId);
      });
    }
    if (this.#looksAtAll) for (const peer of peers.values()) await attempt(() => this.#cutStray(mesh, peer));
    if (failures.length > 0) throw failures[0];
  }

  async #settle(mesh: Mesh, entry: NodeEntry, peer: MeshPeer | undefined): Promise<void> {
    const { store, clock, logger, registry } = this.#options;
    const { id: nodeId, invitation } = entry;
    if (!invitation || registry.get(nodeId) !== entry) return;
    if (invitation.publicKey !== null) {
      if ((this.#heldUntil.get(nodeId) ?? 0) > clock.now()) return;
      await mesh.setPeer({ name: nodeId, publicKey: invitation.publicKey, temporaryUntil: null });
      await store.setInvitationApplied(nodeId, invitation.number);
      if (entry.invitation === invitation) entry.invitation = { ...invitation, isApplied: true };
      this.#heldUntil.delete(nodeId);
      logger.info('mesh.key-switched', { nodeId });
      return;
    }
    if (invitation.expiresAt > clock.now()) return;
    // Only the key of this invitation: the operator may have set another one since.
    if (peer && peer.publicKey === invitation.temporaryKey) {
      await mesh.removePeer(nodeId, { keepAddress: true });
      logger.info('mesh.invitation-expired', { nodeId });
    }
    if (entry.invitation === invitation) entry.invitation = { ...invitation, temporaryKey: null };
  }

  /** A temporary key of no living invitation: another one took its place, or a crash came between the mesh and the store. */
  async #cutStray(mesh: Mesh, { name, publicKey, temporaryUntil }: MeshPeer): Promise<void> {
    if (temporaryUntil === null || publicKey === null) return;
    const entry = this.#options.registry.get(name);
    if (entry?.invitation && entry.invitation.temporaryKey === publicKey) return;
    // It may have got another key a moment ago, after the list was read.
    const now = (await mesh.peers()).find((peer) => peer.name === name);
    if (now?.publicKey !== publicKey) return;
    await mesh.removePeer(name, { keepAddress: entry !== undefined });
    this.#options.logger.info('mesh.stray-key-removed', { nodeId: name });
  }
}

/** Whether the mesh still has to follow it. */
function isPending(invitation: InvitationRecord | null): invitation is InvitationRecord {
  if (!invitation || invitation.temporaryKey === null) return false;
  return invitation.publicKey === null || !invitation.isApplied;
}
