/** Who a signed request comes from. Nothing of the body is read before the signature over the headers holds. */
import type { Clock } from '../lib/clock.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import {
  CLOCK_TOLERANCE_SECONDS,
  deriveNodeSecret,
  parseRequestSignature,
  requestSignatureMatches,
  type SignedRequest,
} from '../protocol/signatures.ts';
import type { Store } from '../store/store.ts';
import { Nonces } from './nonces.ts';
import type { NodeEntry, Registry } from './registry.ts';

/** A node whose signature was checked, and what an answer to this request is signed with. */
export interface NodeCaller {
  readonly entry: NodeEntry;
  readonly nonce: string;
  readonly secret: string;
}

interface NodeAuthOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly farmSecret: Uint8Array;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

// Somebody may rotate again before the new secret reached the node; the one it still uses must be found.
const GENERATIONS_ALIVE = 16;

/** Checks the signatures of nodes. */
export class NodeAuth {
  readonly #options: NodeAuthOptions;
  readonly #nonces = new Nonces();
  /** Derived secrets by `node generation`; a farm has few nodes, and each has one or two. */
  readonly #secrets = new Map<string, string>();

  constructor(options: NodeAuthOptions) {
    this.#options = options;
  }

  /** The secret of a node's generation, as shown once to whoever creates the node. */
  secretOf(nodeId: string, generation: number): string {
    const key = `${nodeId} ${generation}`;
    let secret = this.#secrets.get(key);
    if (secret === undefined) {
      secret = deriveNodeSecret(this.#options.farmSecret, nodeId, generation);
      this.#secrets.set(key, secret);
    }
    return secret;
  }

  /**
   * The node that signed this request. SIGNATURE_MISSING, NODE_UNKNOWN, SIGNATURE_INVALID, CLOCK_SKEW,
   * SIGNATURE_REPLAYED; each says what to do. It counts as a sign of life, unless `isAlive` says that it is none.
   */
  verify(request: SignedRequest, headers: Headers, isAlive = true): NodeCaller {
    const { registry, clock } = this.#options;
    const params = parseRequestSignature(headers);
    const entry = registry.get(params.keyId);
    if (!entry) {
      throw new FlatrenderError('NODE_UNKNOWN', `this farm has no node "${params.keyId}"`, {
        hint: `run "flatrender node add ${params.keyId}" and put its secret into agent.env, or correct NODE_ID there`,
      });
    }
    const { secret, generation } = this.#matching(entry, request, headers);
    const now = Math.floor(clock.now() / 1000);
    const skew = params.created - now;
    if (Math.abs(skew) > CLOCK_TOLERANCE_SECONDS) {
      const off = `${Math.abs(skew)} s ${skew > 0 ? 'ahead' : 'behind'}`;
      throw new FlatrenderError('CLOCK_SKEW', `the clock of node "${entry.id}" is ${off}`, {
        hint: 'switch on time synchronisation on the node; at most 300 s are tolerated',
        details: { skewSeconds: skew },
      });
    }
    if (!this.#nonces.take(entry.id, params.nonce, params.created, now)) {
      throw new FlatrenderError('SIGNATURE_REPLAYED', 'this signed request was received before', {
        hint: 'sign every request anew; if nobody resent it, somebody records the traffic of this node',
      });
    }
    if (generation > entry.record.retiredGeneration + 1) this.#retire(entry, generation);
    if (isAlive) registry.touch(entry);
    return { entry, nonce: params.nonce, secret };
  }

  /** The node was removed: nothing of it is kept. */
  forget(nodeId: string): void {
    this.#nonces.forget(nodeId);
    for (const key of this.#secrets.keys()) if (key.startsWith(`${nodeId} `)) this.#secrets.delete(key);
  }

  #matching(
    entry: NodeEntry,
    request: SignedRequest,
    headers: Headers,
  ): { secret: string; generation: number } {
    const { generation: newest, retiredGeneration } = entry.record;
    const oldest = Math.max(retiredGeneration + 1, newest - GENERATIONS_ALIVE + 1);
    for (let generation = newest; generation >= oldest; generation -= 1) {
      const secret = this.secretOf(entry.id, generation);
      if (requestSignatureMatches(request, headers, secret)) return { secret, generation };
    }
    throw new FlatrenderError(
      'SIGNATURE_INVALID',
      `the signature of node "${entry.id}" is wrong: it has another secret`,
      {
        hint: `put the right NODE_HMAC_SECRET into agent.env; "flatrender node add ${entry.id} --rotate" makes a new one`,
      },
    );
  }

  /** The newer secret is in use: the ones before it are dead from now on, in memory first. */
  #retire(entry: NodeEntry, generation: number): void {
    const { store, logger, registry } = this.#options;
    entry.record = { ...entry.record, retiredGeneration: generation - 1 };
    store.retireGenerations(entry.id, generation).then(
      (record) => {
        logger.info('node.secret-rotated', { nodeId: entry.id, generation });
        if (registry.get(entry.id) === entry) registry.put(record);
      },
      (error: unknown) =>
        logger.error('node.secret-rotation-failed', { nodeId: entry.id, generation, error }),
    );
  }
}
