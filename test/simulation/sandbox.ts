/**
 * No randomness, clock or timer of the machine reaches what is simulated: those that programs use without being given them
 * are replaced for the whole process, and whoever asks for real time is reported.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import type { World } from './world.ts';

let current: World | null = null;

/** Who asked for real time during a simulation, by the line of code. */
export const intruders = new Set<string>();

/** From now on chance is this world's. */
export function enter(world: World | null): void {
  current = world;
}

function intrude(what: string): void {
  if (current === null) return;
  const line = new Error().stack?.split('\n')[3]?.trim() ?? '';
  intruders.add(`${what} ${line}`);
}

const real = {
  random: Math.random,
  randomBytes: crypto.randomBytes,
  randomUUID: crypto.randomUUID,
  now: Date.now,
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  setImmediate: globalThis.setImmediate,
  timeout: AbortSignal.timeout,
};

/** Lets all promises settle, then calls back. */
export const nextTurn = (callback: () => void): void => void real.setImmediate(callback);

Math.random = () => current?.random('Math.random').next() ?? real.random();

function randomBytes(size: number): Buffer {
  const world = current;
  if (world === null) return real.randomBytes(size);
  const random = world.random('randomBytes');
  return Buffer.from(Array.from({ length: size }, () => random.int(0, 255)));
}
crypto.randomBytes = randomBytes as typeof crypto.randomBytes;
crypto.randomUUID = () => {
  if (current === null) return real.randomUUID();
  const hex = randomBytes(16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
};
syncBuiltinESMExports();

Date.now = () => {
  intrude('Date.now');
  return current?.now ?? real.now();
};
globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
  intrude('setTimeout');
  return real.setTimeout(...args);
}) as typeof setTimeout;
globalThis.setInterval = ((...args: Parameters<typeof setInterval>) => {
  intrude('setInterval');
  return real.setInterval(...args);
}) as typeof setInterval;
globalThis.setImmediate = ((...args: Parameters<typeof setImmediate>) => {
  intrude('setImmediate');
  return real.setImmediate(...args);
}) as typeof setImmediate;
AbortSignal.timeout = (ms) => {
  intrude('AbortSignal.timeout');
  return real.timeout.call(AbortSignal, ms);
};
