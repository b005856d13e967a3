/** Invitations: made by operators, used once by a machine, and what both mean for the mesh. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { generateKeyPair } from '../mesh/keys.ts';
import type { Mesh } from '../mesh/mesh.ts';
import {
  deriveInvitationSecret,
  type EnrolAnswer,
  type EnrolRequest,
  type Invitation,
  type InvitationMesh,
  type InviteRequest,
  seal,
} from '../protocol/enrolment.ts';
import {
  CLOCK_TOLERANCE_SECONDS,
  deriveNodeSecret,
  parseRequestSignature,
  requestSignatureMatches,
  type SignedRequest,
} from '../protocol/signatures.ts';
import type { InvitationRecord, Store } from '../store/store.ts';
import type { NodeCaller } from './node-auth.ts';
import { Nonces } from './nonces.ts';
import type { NodeEntry, Registry } from './registry.ts';

interface EnrolmentOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly farmSecret: Uint8Array;
  readonly farm: string;
  /** null: this farm has no mesh (that the control plane may change). */
  readonly mesh: Mesh | null;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

// Whoever comes with an older one is told that there is a newer.
const NUMBERS_KNOWN = 16;
// The answer must be on its way through the old tunnel before that is cut; a lost one is repeated by the machine.
const SWITCH_AFTER_MS = 300;
// The mesh could not be changed (its helper is away): tried again.
const RETRY_MS = 5_000;

/** Makes invitations, checks who uses them, and brings the mesh in line. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #nonces = new Nonces();
  #cancel = (): void => undefined;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** Once at start: what a crash left undone between the store and the mesh. */
  async load(): Promise<void> {
    const { store, registry } = this.#options;
    for (const record of await store.listInvitations()) {
      const entry = registry.get(record.nodeId);
      if (entry) entry.invitation = record;
    }
    this.#plan(0);
  }

  /**
   * A new invitation; the ones before are dead. In a mesh the node's key is replaced by a temporary one, so its tunnel is cut
   * until the invitation is used. NODE_NOT_FOUND, MESH_INVALID (nobody said where nodes dial), MESH_* of the mesh.
   */
  async invite(nodeId: string, request: InviteRequest, defaultUrl: string): Promise<Invitation> {
    const { store, registry, clock, farmSecret, farm, mesh } = this.#options;
    const entry = registry.require(nodeId);
    const expiresAt = clock.now() + Math.round(request.hours * 3_600_000);
    const wanted = request.mesh === 'none' ? null : mesh;
    const server = await wanted?.server();
    if (server && server.endpoint === null) {
      throw new FlatrenderError('MESH_INVALID', 'the mesh does not say where nodes dial', {
        hint: `on the control plane: sudo flatrender wg init --endpoint HOST:${server.listenPort}`,
      });
    }
    const keys = wanted === null ? null : generateKeyPair();
    const address = request.address;
    // First the mesh: what it refuses (an address that is taken) must not have killed the invitation before.
    const peer =
      wanted && keys
        ? await wanted.setPeer({
            name: nodeId,
            publicKey: keys.publicKey,
            address,
            temporaryUntil: expiresAt,
          })
        : null;
    const record = await store.issueInvitation(
      nodeId,
      { expiresAt, temporaryKey: keys?.publicKey ?? null },
      clock.now(),
    );
    this.#put(entry, record);
    this.#plan();
    const tunnel: InvitationMesh | null =
      server?.endpoint && peer && keys
        ? {
            endpoint: server.endpoint,
            serverPublicKey: server.publicKey,
            serverAddress: server.address,
            address: peer.address,
            privateKey: keys.privateKey,
          }
        : null;
    return {
      flatrenderInvitation: 1,
      node: nodeId,
      farm,
      url: request.url ?? defaultUrl,
      number: record.number,
      secret: deriveInvitationSecret(farmSecret, nodeId, record.number),
      expiresAt: new Date(expiresAt).toISOString(),
      mesh: tunnel,
    };
  }

  /**
   * Who signs with an invitation's secret. SIGNATURE_MISSING, NODE_UNKNOWN, SIGNATURE_INVALID, INVITATION_REPLACED,
   * CLOCK_SKEW, SIGNATURE_REPLAYED. Whether the invitation is still good is decided by {@link enrol}.
   */
  verify(request: SignedRequest, headers: Headers): NodeCaller {
    const { registry, clock } = this.#options;
    const { keyId, created, nonce } = parseRequestSignature(headers);
    const entry = registry.get(keyId);
    if (!entry) {
      throw new FlatrenderError('NODE_UNKNOWN', `this farm has no node "${keyId}" (any more)`, {
        hint: `ask for a new invitation: flatrender node add ${keyId}`,
      });
    }
    const secret = this.#secretOf(entry, request, headers);
    const now = Math.floor(clock.now() / 1000);
    if (Math.abs(created - now) > CLOCK_TOLERANCE_SECONDS) {
      const off = `${Math.abs(created - now)} s ${created > now ? 'ahead' : 'behind'}`;
      throw new FlatrenderError('CLOCK_SKEW', `the clock of this machine is ${off}`, {
        hint: 'switch on time synchronisation on it; at most 300 s are tolerated',
        details: { skewSeconds: created - now },
      });
    }
    if (!this.#nonces.take(keyId, nonce, created, now)) {
      throw new FlatrenderError('SIGNATURE_REPLAYED', 'this signed request was received before', {
        hint: 'sign every request anew',
      });
    }
    return { entry, nonce, secret };
  }

  /** Binds the invitation to the machine. INVITATION_USED, INVITATION_EXPIRED, INVITATION_REPLACED. */
  async enrol({ entry, secret }: NodeCaller, request: EnrolRequest): Promise<EnrolAnswer> {
    const { store, registry, clock, farmSecret, logger, mesh } = this.#options;
    const { invitation, node } = await store.useInvitation(entry.id, request, clock.now());
    registry.put(node);
    const isFirst = entry.invitation?.usedAt == null;
    this.#put(entry, invitation);
    if (isFirst) logger.info('node.enrolled', { nodeId: entry.id, hostname: request.hostname });
    const peers = invitation.temporaryKey === null ? [] : ((await mesh?.peers()) ?? []);
    const nodeSecret = deriveNodeSecret(farmSecret, entry.id, invitation.generation ?? node.generation);
    return {
      node: entry.id,
      sealedSecret: seal(nodeSecret, secret, randomBytes(12)),
      meshAddress: peers.find(({ name }) => name === entry.id)?.address ?? null,
    };
  }

  /** The answer is on its way: the machine's own key takes the place of the temporary one. */
  answered(): void {
    this.#plan(SWITCH_AFTER_MS);
  }

  /** The node is gone: its tunnel is cut when this resolves. Returns why it could not be, or null. */
  async remove(nodeId: string): Promise<FlatrenderError | null> {
    const { mesh, logger } = this.#options;
    this.#nonces.forget(nodeId);
    if (mesh === null) return null;
    try {
      if (await mesh.removePeer(nodeId, { keepAddress: false })) logger.info('mesh.peer-removed', { nodeId });
      return null;
    } catch (error) {
      logger.error('mesh.peer-not-removed', { nodeId, error });
      return error instanceof FlatrenderError
        ? error
        : new FlatrenderError('MESH_UNAVAILABLE', String(error));
    }
  }

  /** Stops; what is under way ends first. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#working;
  }

  #secretOf(entry: NodeEntry, request: SignedRequest, headers: Headers): string {
    const newest = entry.invitation?.number ?? 0;
    for (let number = newest; number >= Math.max(1, newest - NUMBERS_KNOWN + 1); number -= 1) {
      const secret = deriveInvitationSecret(this.#options.farmSecret, entry.id, number);
      if (!requestSignatureMatches(request, headers, secret)) continue;
      if (number === newest) return secret;
      throw new FlatrenderError(
        'INVITATION_REPLACED',
        `there is a newer invitation for ${entry.id}: this one is dead`,
        {
          hint: `use the newest one, or: flatrender node invite ${entry.id}`,
        },
      );
    }
    throw new FlatrenderError('SIGNATURE_INVALID', `this is no invitation of this farm for "${entry.id}"`, {
      hint: `ask for a new one: flatrender node invite ${entry.id}`,
    });
  }

  #put(entry: NodeEntry, invitation: InvitationRecord): void {
    entry.invitation = invitation;
    this.#options.registry.put(entry.record);
  }

  /** Looks again after `ms`, or when the next open invitation expires; nothing is pending: never. */
  #plan(ms?: number): void {
    this.#cancel();
    if (this.#options.mesh === null || this.#closed) return;
    const { clock, registry } = this.#options;
    let dueIn = ms;
    if (dueIn === undefined) {
      const due = [...registry.all()].flatMap(({ invitation }) =>
        invitation?.temporaryKey != null && invitation.usedAt === null ? [invitation.expiresAt] : [],
      );
      if (due.length === 0) return;
      // Timers do not reach further than 24.8 days; it is looked again then.
      dueIn = Math.min(Math.max(0, Math.min(...due) - clock.now()), 86_400_000);
    }
    this.#cancel = clock.after(dueIn, () => {
      this.#working = this.#working.then(() => this.#reconcile());
    });
  }

  /** Brings the mesh in line with what the store says of invitations. */
  async #reconcile(): Promise<void> {
    const { registry, logger } = this.#options;
    let failed = false;
    for (const entry of [...registry.all()]) {
      if (this.#closed) return;
      if (!entry.invitation || entry.invitation.temporaryKey === null) continue;
      try {
        await this.#reconcileOne(entry, entry.invitation);
      } catch (error) {
        failed = true;
        logger.warn('mesh.not-in-line', { nodeId: entry.id, error, retryInMs: RETRY_MS });
      }
    }
    this.#plan(failed ? RETRY_MS : undefined);
  }

  async #reconcileOne(entry: NodeEntry, invitation: InvitationRecord): Promise<void> {
    const { mesh, store, clock, logger } = this.#options;
    const nodeId = entry.id;
    if (mesh === null) return;
    if (invitation.publicKey !== null) {
      if (invitation.isApplied) return;
      await mesh.setPeer({ name: nodeId, publicKey: invitation.publicKey, temporaryUntil: null });
      await store.setInvitationApplied(nodeId, invitation.number);
      if (entry.invitation === invitation) entry.invitation = { ...invitation, isApplied: true };
      logger.info('mesh.key-switched', { nodeId });
      return;
    }
    if (invitation.expiresAt > clock.now()) return;
    // Only the key of this invitation: the operator may have set another one since.
    const peer = (await mesh.peers()).find(({ name }) => name === nodeId);
    if (peer?.publicKey !== invitation.temporaryKey) {
      entry.invitation = { ...invitation, temporaryKey: null };
      return;
    }
    await mesh.removePeer(nodeId, { keepAddress: true });
    entry.invitation = { ...invitation, temporaryKey: null };
    logger.info('mesh.invitation-expired', { nodeId });
  }
}
