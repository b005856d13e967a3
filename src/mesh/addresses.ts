/** IPv4 addresses of the mesh. */
import { FlatrenderError } from '../lib/errors.ts';

/** A network such as 10.66.0.0/24. */
export interface Network {
  /** First address as a number. */
  readonly base: number;
  readonly bits: number;
  /** As written: `10.66.0.0/24`. */
  readonly text: string;
}

/** F4: nodes are .11, .12, …; the ones below are for the control plane and machines set up by hand. */
const FIRST_NODE = 11;

/** Reads `10.66.0.0/24`. MESH_INVALID: not that form, host bits set, or room for fewer than the first node. */
export function parseNetwork(text: string, place: string): Network {
  const found = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(text.trim());
  const base = found ? addressNumber(found[1] ?? '') : null;
  const bits = Number(found?.[2]);
  if (base === null || bits < 8 || bits > 28) {
    throw invalid(
      place,
      `"${text}" is no network of a mesh`,
      'an IPv4 network of /8 to /28, such as 10.66.0.0/24',
    );
  }
  const network = { base, bits, text: `${addressText(base)}/${bits}` };
  if (base % sizeOf(network) !== 0) {
    const start = { ...network, base: base - (base % sizeOf(network)) };
    throw invalid(place, `${text} has host bits set`, `did you mean ${addressText(start.base)}/${bits}?`);
  }
  return network;
}

/** Whether a dotted quad is in the network; false for anything else. */
export function isInNetwork(address: string, network: Network): boolean {
  const number = addressNumber(address);
  return number !== null && number >= network.base && number < network.base + sizeOf(network);
}

/** The control plane's address: the first of the network. */
export function serverAddressOf(network: Network): string {
  return addressText(network.base + 1);
}

/** The next free address for a node. MESH_FULL names the network. */
export function nextFreeAddress(network: Network, taken: Iterable<string>): string {
  const used = new Set(taken);
  // The last one is the broadcast address.
  for (let number = network.base + FIRST_NODE; number < network.base + sizeOf(network) - 1; number += 1) {
    const address = addressText(number);
    if (!used.has(address)) return address;
  }
  throw new FlatrenderError('MESH_FULL', `every address of ${network.text} is taken`, {
    hint: 'remove nodes that are gone (flatrender wg list, flatrender node remove NAME)',
  });
}

/** An address that a node may have. MESH_INVALID with the reason. */
export function requireNodeAddress(text: string, network: Network, place: string): string {
  const number = addressNumber(text);
  if (number === null) throw invalid(place, `"${text}" is not an IPv4 address`, 'such as 10.66.0.11');
  if (!isInNetwork(text, network))
    throw invalid(place, `${text} is not in the mesh ${network.text}`, 'choose one of the mesh');
  const offset = number - network.base;
  if (offset < 2 || offset === sizeOf(network) - 1) {
    const what =
      offset === 0 ? 'the network itself' : offset === 1 ? 'the control plane' : 'the broadcast address';
    throw invalid(place, `${text} is ${what}`, 'choose another one, or none: the next free one is taken');
  }
  return addressText(number);
}

/** The number of a dotted quad; null when it is none. Leading zeros are refused: some programs read them as octal. */
function addressNumber(text: string): number | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return null;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

function addressText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}

function sizeOf({ bits }: Pick<Network, 'bits'>): number {
  return 2 ** (32 - bits);
}

function invalid(place: string, why: string, hint: string): FlatrenderError {
  return new FlatrenderError('MESH_INVALID', `${place}: ${why}`, { hint });
}
