/**
 * The mesh as the rest of the program sees it. `wg0.conf` on the control plane's machine is the only record of names,
 * addresses and keys; what people write into it by hand stays. Two implementations: this process edits the file and the
 * interface (root), or asks the privileged helper behind a socket (the control plane as its own user).
 */

/** A name and its address in the mesh. */
export interface MeshPeer {
  /** The node's id. */
  readonly name: string;
  /** Base64, 44 characters; null: the address is reserved, nobody can use it now. */
  readonly publicKey: string | null;
  /** Dotted quad within the mesh, without a prefix length. */
  readonly address: string;
  /** Epoch milliseconds until which its key is the temporary one of an invitation; null: the node's own key. */
  readonly temporaryUntil: number | null;
}

/** What `wg show <interface> dump` says of a peer. */
export interface PeerStatus extends MeshPeer {
  /** Epoch milliseconds; null: never. */
  readonly handshakeAt: number | null;
  /** Where its packets come from, `198.51.100.2:43210`; null: unknown. */
  readonly endpoint: string | null;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** A handshake within the last 180 s (WireGuard's REJECT_AFTER_TIME): with keepalive the tunnel is up. */
  readonly isOnline: boolean;
}

/** The control plane's end. */
export interface MeshServer {
  /** The WireGuard interface, e.g. wg0. */
  readonly interface: string;
  readonly publicKey: string;
  /** How nodes reach it from outside, `farm.example.com:51820`, `[2001:db8::1]:51820`; null: nobody said. */
  readonly endpoint: string | null;
  /** Its address in the mesh, e.g. 10.66.0.1. */
  readonly address: string;
  /** The mesh in CIDR notation, e.g. 10.66.0.0/24. */
  readonly network: string;
  readonly listenPort: number;
}

export interface AddPeerRequest {
  readonly name: string;
  readonly publicKey: string;
  /** Default: the next free one. A known name keeps its own. */
  readonly address?: string | undefined;
  /** Epoch milliseconds; see MeshPeer. */
  readonly temporaryUntil?: number | null;
}

/**
 * Reads and changes the mesh. Every change is in the file and in the running interface when the promise resolves (only in
 * the file while the interface is down); the other peers' traffic goes on. MESH_INVALID names file, line and value;
 * MESH_UNAVAILABLE when there is no mesh, or no right to change it.
 */
export interface Mesh {
  server(): Promise<MeshServer>;
  /** In the order of their addresses. */
  peers(): Promise<readonly MeshPeer[]>;
  status(): Promise<readonly PeerStatus[]>;
  /**
   * A new peer, or another key for a known name (its address stays, its old key is cut). The same again changes nothing.
   * MESH_KEY_IN_USE, MESH_ADDRESS_TAKEN, MESH_FULL, MESH_INVALID (a key or an address that is none).
   */
  setPeer(request: AddPeerRequest): Promise<MeshPeer>;
  /** Cuts a peer at once. `keepAddress`: its address stays reserved for the name. False: there was none. */
  removePeer(name: string, options: { readonly keepAddress: boolean }): Promise<boolean>;
  /** MESH_PEER_NOT_FOUND, MESH_PEER_EXISTS. */
  renamePeer(from: string, to: string): Promise<MeshPeer>;
}
