/** Invitations: made by operators, used once by a machine, and what both mean for the mesh. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { generateKeyPair, requirePublicKey } from '../mesh/keys.ts';
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
import { isNewer, keyInUse } from './invitations.ts';
import { MeshKeeper } from './mesh-keeper.ts';
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
  /** The mesh that the control plane may change; null: this farm has none (yet). */
  readonly mesh: () => Promise<Mesh | null>;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

// Whoever comes with an older one is told that there is a newer.
const NUMBERS_KNOWN = 16;

/** Makes invitations and checks who uses them; the mesh follows. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #nonces = new Nonces();
  readonly #keeper: MeshKeeper;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#keeper = new MeshKeeper({ ...options, find: options.mesh });
  }

  /** Once at start: what a crash left undone between the store and the mesh. */
  async load(): Promise<void> {
    const { store, registry } = this.#options;
    for (const record of await store.listInvitations()) {
      const entry = registry.get(record.nodeId);
      if (entry) entry.invitation = record;
    }
    this.#keeper.compareAll();
  }

  /** Other control planes may have made invitations, or machines used them there. */
  async reload(): Promise<void> {
    const { store, registry } = this.#options;
    const records = new Map((await store.listInvitations()).map((record) => [record.nodeId, record]));
    let isNews = false;
    for (const entry of registry.all()) {
      const record = records.get(entry.id) ?? null;
      const known = entry.invitation;
      if (known && record && !isNewer(record, known)) continue;
      if (known === record) continue;
      isNews = true;
      entry.invitation = record;
    }
    if (isNews) this.#keeper.plan();
  }

  /** Another control plane removed the node: where the mesh is, its tunnel is cut. */
  async removedElsewhere(nodeId: string): Promise<void> {
    await this.remove(nodeId);
    this.removed();
  }

  /**
   * A new invitation; the ones before are dead. In a mesh the node's key is replaced by a temporary one, so its tunnel is cut
   * until the invitation is used. `urlFor`: how nodes reach this control plane, with its address in the mesh or without one.
   * NODE_NOT_FOUND, MESH_INVALID (nobody said where nodes dial), MESH_UNAVAILABLE (an address without a mesh), MESH_*.
   */
  async invite(
    nodeId: string,
    request: InviteRequest,
    urlFor: (meshAddress: string | null) => string,
  ): Promise<Invitation> {
    const { store, registry, clock, farmSecret, farm } = this.#options;
    const entry = registry.require(nodeId);
    const expiresAt = clock.now() + Math.round(request.hours * 3_600_000);
    const mesh = await this.#keeper.find();
    const before = entry.invitation;
    if (mesh === null && request.mesh !== 'none') this.#refuseWithoutMesh();
    if (request.address !== undefined && (mesh === null || request.mesh === 'none')) {
      throw new FlatrenderError(
        'MESH_UNAVAILABLE',
        `${request.address}: ${mesh ? 'an invitation without a tunnel has' : 'this farm has no mesh, so there is'} no such address`,
        {
          hint: mesh
            ? 'leave one of the two out'
            : 'leave it out, or: sudo flatrender wg init --endpoint HOST',
        },
      );
    }
    const { record, tunnel } =
      mesh === null || request.mesh === 'none'
        ? {
            record: await store.issueInvitation(nodeId, { expiresAt, temporaryKey: null }, clock.now()),
            tunnel: null,
          }
        : await this.#issueWithTunnel(entry, expiresAt, mesh, request.address);
    this.#put(entry, record);
    // The invitation before is dead, and so is its key.
    if (tunnel === null && before?.temporaryKey != null) this.#keeper.compareAll();
    else this.#keeper.plan();
    return {
      flatrenderInvitation: 1,
      node: nodeId,
      farm,
      url: request.url ?? urlFor(tunnel?.serverAddress ?? null),
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

  /**
   * Binds the invitation to the machine. INVITATION_USED, INVITATION_EXPIRED, INVITATION_REPLACED; MESH_INVALID and
   * MESH_KEY_IN_USE for a key with which no tunnel could ever be made, before anything is bound.
   */
  async enrol({ entry, secret }: NodeCaller, request: EnrolRequest): Promise<EnrolAnswer> {
    const { store, registry, clock, farmSecret, logger } = this.#options;
    const address = await this.#checkKey(entry, request.publicKey);
    const { invitation, node } = await store.useInvitation(entry.id, request, clock.now());
    this.#keeper.hold(entry.id);
    const isFirst = entry.invitation?.usedAt == null;
    if (registry.get(entry.id) === entry) registry.put(node);
    this.#put(entry, invitation);
    if (isFirst) logger.info('node.enrolled', { nodeId: entry.id, hostname: request.hostname });
    const nodeSecret = deriveNodeSecret(farmSecret, entry.id, invitation.generation ?? node.generation);
    return {
      node: entry.id,
      sealedSecret: seal(nodeSecret, secret, randomBytes(12)),
      meshAddress: invitation.temporaryKey === null ? null : address,
    };
  }

  /** The answer is on its way: the machine's own key takes the place of the temporary one. */
  answered(nodeId: string): void {
    this.#keeper.release(nodeId);
  }

  /** Nobody knows a node any more: an invitation made for it at the same moment goes, too. */
  removed(): void {
    this.#keeper.compareAll();
  }

  /** The node is to go: its tunnel is cut when this resolves. Returns why it could not be, or null. */
  async remove(nodeId: string): Promise<FlatrenderError | null> {
    this.#nonces.forget(nodeId);
    return await this.#keeper.remove(nodeId);
  }

  /** Stops; what is under way ends first. */
  close(): Promise<void> {
    return this.#keeper.close();
  }

  async #issueWithTunnel(
    entry: NodeEntry,
    expiresAt: number,
    mesh: Mesh,
    address: string | undefined,
  ): Promise<{ record: InvitationRecord; tunnel: InvitationMesh }> {
    const { store, registry, clock } = this.#options;
    const { endpoint, publicKey: serverPublicKey, address: serverAddress, listenPort } = await mesh.server();
    if (endpoint === null) {
      throw new FlatrenderError('MESH_INVALID', 'the mesh does not say where nodes dial', {
        hint: `on the control plane: sudo flatrender wg init --endpoint HOST:${listenPort}`,
      });
    }
    const { privateKey, publicKey } = generateKeyPair();
    const request = { name: entry.id, publicKey, address, temporaryUntil: expiresAt };
    // First the mesh: what it refuses (an address that is taken) must not have killed the invitation before.
    return await this.#keeper.lend(mesh, request, async (peer) => {
      // Removed while this waited for its turn.
      registry.require(entry.id);
      const record = await store.issueInvitation(
        entry.id,
        { expiresAt, temporaryKey: publicKey },
        clock.now(),
      );
      const tunnel = { endpoint, serverPublicKey, serverAddress, address: peer.address, privateKey };
      return { record, tunnel };
    });
  }

  /** Refuses a key that nobody or somebody else has. Returns the node's address in the mesh, as far as it can be asked. */
  async #checkKey({ id, invitation }: NodeEntry, publicKey: string): Promise<string | null> {
    requirePublicKey(publicKey, `node ${id}`);
    if (invitation == null || invitation.temporaryKey === null) return null;
    if (publicKey === invitation.temporaryKey) throw keyInUse(id, 'the temporary one of this invitation');
    const mesh = await this.#keeper.find();
    try {
      const [peers = [], server] = await Promise.all([mesh?.peers(), mesh?.server()]);
      const holder = peers.find((peer) => peer.publicKey === publicKey && peer.name !== id);
      if (holder) throw keyInUse(id, `that of "${holder.name}"`);
      if (server?.publicKey === publicKey) throw keyInUse(id, 'that of the control plane');
      return peers.find(({ name }) => name === id)?.address ?? null;
    } catch (error) {
      if (error instanceof FlatrenderError && error.code === 'MESH_KEY_IN_USE') throw error;
      // The machine gets its secret all the same; its key follows when the mesh can be changed again.
      this.#options.logger.warn('mesh.not-asked', { nodeId: id, error });
      return null;
    }
  }

  /** MESH_UNAVAILABLE when nodes of this farm get tunnels, but the mesh is at another control plane. */
  #refuseWithoutMesh(): void {
    const { store, registry } = this.#options;
    if (store.shared === null) return;
    const hasTunnels = Iterator.from(registry.all()).some(
      ({ invitation }) => invitation?.temporaryKey != null,
    );
    if (!hasTunnels) return;
    throw new FlatrenderError('MESH_UNAVAILABLE', 'the mesh of this farm is not on this control plane', {
      hint: 'ask the control plane whose machine has the tunnel (wg0), with --gateway; or invite without a tunnel',
    });
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
    const { registry } = this.#options;
    // A newer invitation may have been made, or the node removed, while this one was written.
    if (invitation.number < (entry.invitation?.number ?? 0) || registry.get(entry.id) !== entry) return;
    entry.invitation = invitation;
    registry.put(entry.record);
  }
}
