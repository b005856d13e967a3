/** A mesh that is only a list: what was asked of it, and what it says. */
import { FlatrenderError } from '../../src/lib/errors.ts';
import type { AddPeerRequest, Mesh, MeshPeer, MeshServer } from '../../src/mesh/mesh.ts';

export interface FakeMesh extends Mesh {
  readonly calls: string[];
  /** By name. */
  readonly all: Map<string, MeshPeer>;
  endpoint: string | null;
  /** Every change fails while this is set. */
  broken: boolean;
  /** Called before each change. */
  onChange: (what: string) => Promise<void> | void;
}

export function fakeMesh(): FakeMesh {
  const all = new Map<string, MeshPeer>();
  const calls: string[] = [];
  const change = async (what: string): Promise<void> => {
    await mesh.onChange(what);
    if (mesh.broken) throw new FlatrenderError('MESH_UNAVAILABLE', 'the helper is away');
  };
  const mesh: FakeMesh = {
    calls,
    all,
    endpoint: 'farm.example.com:51820',
    broken: false,
    onChange: () => undefined,
    async server(): Promise<MeshServer> {
      return {
        interface: 'wg0',
        publicKey: 'c2VydmVyc2VydmVyc2VydmVyc2VydmVyc2VydmVyc2U=',
        endpoint: mesh.endpoint,
        address: '10.66.0.1',
        network: '10.66.0.0/24',
        listenPort: 51_820,
      };
    },
    async peers() {
      return [...all.values()];
    },
    async status() {
      return [];
    },
    async setPeer({ name, publicKey, address, temporaryUntil = null }: AddPeerRequest) {
      await change(`set ${name}`);
      calls.push(`set ${name} ${temporaryUntil === null ? 'own' : 'temporary'}`);
      const peer = {
        name,
        publicKey,
        address: address ?? all.get(name)?.address ?? `10.66.0.${11 + all.size}`,
        temporaryUntil,
      };
      all.set(name, peer);
      return peer;
    },
    async removePeer(name, { keepAddress }) {
      await change(`remove ${name}`);
      calls.push(`remove ${name}${keepAddress ? ' keep' : ''}`);
      const peer = all.get(name);
      if (peer && keepAddress) all.set(name, { ...peer, publicKey: null, temporaryUntil: null });
      else all.delete(name);
      return peer !== undefined;
    },
    async renamePeer() {
      throw new Error('nobody renames');
    },
  };
  return mesh;
}
