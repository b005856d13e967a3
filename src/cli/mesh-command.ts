import { existsSync } from 'node:fs';
import { Flags, type Interfaces } from '@oclif/core';
import { FlatrenderError } from '../lib/errors.ts';
import type { LocalMesh } from '../mesh/local-mesh.ts';
import type { MeshPeer, PeerStatus } from '../mesh/mesh.ts';
import { BaseCommand } from './base-command.ts';
import { formatBytes, formatRelative, table } from './output.ts';

type FlagOutput = Interfaces.OutputFlags<Interfaces.FlagInput>;
type ArgOutput = Interfaces.OutputArgs<Interfaces.ArgInput>;

const DIRECTORY = '/etc/wireguard';

/** A command on the mesh of this machine: `this.mesh`, with --interface and --directory. */
export abstract class MeshCommand extends BaseCommand {
  static override baseFlags = {
    interface: Flags.string({
      description: 'WireGuard interface of the mesh',
      default: 'wg0',
      helpGroup: 'MESH',
      helpValue: '<name>',
    }),
    directory: Flags.string({
      description: 'where its configuration is',
      default: DIRECTORY,
      helpGroup: 'MESH',
      helpValue: '<path>',
    }),
  };

  protected place = { interface: 'wg0', directory: DIRECTORY };

  /** The mesh. ELEVATION_NEEDED for who may not change it, PROGRAM_MISSING without WireGuard's tools. */
  protected async openMesh(): Promise<LocalMesh> {
    this.requireRoot();
    const { openLocalMesh } = await import('../mesh/local-mesh.ts');
    const mesh = openLocalMesh({ ...this.place, signal: this.signal });
    if (!this.argv.includes('--dry-run') && (await mesh.protect())) {
      this.note(`${mesh.file} could be read by others, with the private key in it: now by its owner only`);
      this.note('whoever may have read it knows the key: flatrender wg rotate makes another one');
    }
    return mesh;
  }

  /** Only root reads private keys and changes interfaces; a directory of one's own is a rehearsal. */
  protected requireRoot(): void {
    if (process.platform === 'win32' || process.platform === 'darwin') {
      throw new FlatrenderError('SERVICE_UNSUPPORTED', 'the control plane and its mesh run on Linux', {
        hint: 'on this machine: flatrender node join FILE',
      });
    }
    if (this.place.directory !== DIRECTORY || process.geteuid?.() === 0) return;
    throw new FlatrenderError('ELEVATION_NEEDED', `only root may read and change ${DIRECTORY}`, {
      hint: `sudo flatrender ${(this.id ?? '').replaceAll(':', ' ')} ${this.argv.join(' ')}`.trimEnd(),
    });
  }

  protected override async parse<F extends FlagOutput, B extends FlagOutput, A extends ArgOutput>(
    options?: Interfaces.Input<F, B, A>,
    argv?: string[],
  ): Promise<Interfaces.ParserOutput<F, B, A>> {
    const parsed = await super.parse(options, argv);
    const flags: FlagOutput = parsed.flags;
    this.place = { interface: String(flags.interface), directory: String(flags.directory) };
    return parsed;
  }
}

/** Whether systemd manages this machine (sd_booted(3)). */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system');
}

/** The commands that bring the interface in line with the file, as one would type them. */
export function syncText(file: string, device: string): string {
  return `wg syncconf ${device} <(wg-quick strip ${file})`;
}

/** A peer in one line. */
export function peerText({ name, address, publicKey, temporaryUntil }: MeshPeer): string {
  const key =
    publicKey === null
      ? 'no key: the address is reserved'
      : temporaryUntil === null
        ? publicKey
        : `${publicKey} (invitation, until ${new Date(temporaryUntil).toISOString()})`;
  return `${name}  ${address}  ${key}`;
}

/** What `wg list` and `wg status` show. */
export function peerTable(peers: readonly PeerStatus[], now: number): string {
  return table(peers, [
    { title: 'name', value: ({ name }) => name },
    { title: 'address', value: ({ address }) => address },
    { title: 'state', value: stateOf },
    { title: 'handshake', value: ({ handshakeAt }) => formatRelative(handshakeAt, now) },
    { title: 'received', value: ({ rxBytes }) => formatBytes(rxBytes) },
    { title: 'sent', value: ({ txBytes }) => formatBytes(txBytes) },
    { title: 'from', value: ({ endpoint }) => endpoint ?? '-' },
  ]);
}

function stateOf({ publicKey, temporaryUntil, isOnline }: PeerStatus): string {
  if (publicKey === null) return 'reserved';
  return isOnline ? 'online' : temporaryUntil === null ? 'offline' : 'invited';
}
