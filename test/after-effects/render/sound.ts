/** The sound of a composition: its audio layers, added up. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { SimComp, SimFootage, SimLayer, SimProject } from '../sim-project.ts';
import { isFile, loopedTime } from './footage.ts';
import { findProperty, groupOf, numbersAt, sourceTime } from './properties.ts';

/** Of everything that is written. */
export const SOUND_RATE = 48_000;

/** Whether a composition, or one in it, has a layer that can be heard. */
export function hasSound(project: SimProject, comp: SimComp, depth = 0): boolean {
  if (depth > 20) return false;
  return comp.layers.some((layer) => {
    const item = layer.audioEnabled ? project.items.find(({ id }) => id === layer.sourceId) : undefined;
    if (item?.type === 'comp') return hasSound(project, item, depth + 1);
    return item?.type === 'footage' && item.hasAudio;
  });
}

/** Sound between two times, seconds: stereo, interleaved, 16 bit. */
export function mixSound(project: SimProject, comp: SimComp, start: number, end: number): Int16Array {
  const sum = new Float32Array(Math.round((end - start) * SOUND_RATE) * 2);
  addComp(project, comp, { sum, origin: -start, from: start, to: end }, 0);
  return Int16Array.from(sum, (value) => Math.round(Math.min(1, Math.max(-1, value)) * 32_767));
}

interface Mix {
  readonly sum: Float32Array;
  /** Where time 0 of the composition lies in the sum, seconds. */
  readonly origin: number;
  /** What is heard of the composition, seconds. */
  readonly from: number;
  readonly to: number;
}

function addComp(project: SimProject, comp: SimComp, mix: Mix, depth: number): void {
  if (depth > 20) return;
  for (const layer of comp.layers) {
    const item = layer.audioEnabled ? project.items.find(({ id }) => id === layer.sourceId) : undefined;
    const from = Math.max(mix.from, layer.inPoint);
    const to = Math.min(mix.to, layer.outPoint);
    if (!item || to <= from) continue;
    const origin = mix.origin + layer.startTime;
    if (item.type === 'comp') {
      const inner = { ...mix, origin, from: from - layer.startTime, to: to - layer.startTime };
      addComp(project, item, inner, depth + 1);
    } else if (item.type === 'footage' && item.hasAudio && item.source.kind === 'file') {
      addFile(item.source.path, item, layer, { ...mix, origin, from, to });
    }
  }
}

function addFile(path: string, footage: SimFootage, layer: SimLayer, mix: Mix): void {
  const samples = decodeSound(path);
  /** Where time 0 of the layer's composition lies in the sum. */
  const zero = Math.round((mix.origin - layer.startTime) * SOUND_RATE);
  const first = Math.max(0, zero + Math.round(mix.from * SOUND_RATE));
  const last = Math.min(mix.sum.length / 2, zero + Math.round(mix.to * SOUND_RATE));
  const levels = findProperty(groupOf(layer, 'ADBE Audio Group'), 'ADBE Audio Levels');
  let gains = [1, 1];
  for (let at = first; at < last; at += 1) {
    const time = (at - zero) / SOUND_RATE;
    // A level per 10 ms is fine enough.
    if (levels && (at - first) % 480 === 0)
      gains = numbersAt(levels, { time, width: 0, height: 0 }, [0, 0]).map((decibel) => 10 ** (decibel / 20));
    const source = Math.floor(loopedTime(footage, sourceTime(layer, time)) * SOUND_RATE + 1e-6);
    if (source < 0 || source * 2 + 1 >= samples.length) continue;
    for (const channel of [0, 1]) {
      const to = at * 2 + channel;
      mix.sum[to] =
        (mix.sum[to] ?? 0) + ((samples[source * 2 + channel] ?? 0) / 32_768) * (gains[channel] ?? 1);
    }
  }
}

const decoded = new Map<string, Int16Array>();

/** A file's sound; nothing when it is missing or cannot be read. */
function decodeSound(path: string): Int16Array {
  const known = decoded.get(path);
  if (known) return known;
  const samples = isFile(path) ? (readWav(path) ?? decodeWithFfmpeg(path)) : new Int16Array();
  decoded.set(path, samples);
  return samples;
}

/** A WAV file of 16 bit at 48 kHz, for which no other program is needed; null: something else. */
function readWav(path: string): Int16Array | null {
  const bytes = readFileSync(path);
  const format = bytes.indexOf('fmt ', 0, 'latin1');
  const data = bytes.indexOf('data', format + 8, 'latin1');
  if (bytes.toString('latin1', 8, 12) !== 'WAVE' || format < 0 || data < 0) return null;
  const [codec, channels] = [bytes.readUInt16LE(format + 8), bytes.readUInt16LE(format + 10)];
  const [rate, bits] = [bytes.readUInt32LE(format + 12), bytes.readUInt16LE(format + 22)];
  if (codec !== 1 || bits !== 16 || rate !== SOUND_RATE || channels === 0) return null;
  const end = Math.min(bytes.length, data + 8 + bytes.readUInt32LE(data + 4));
  const samples = new Int16Array(Math.floor((end - data - 8) / (2 * channels)) * 2);
  for (let at = 0; at < samples.length; at += 1)
    samples[at] = bytes.readInt16LE(data + 8 + ((at >> 1) * channels + (at % Math.min(2, channels))) * 2);
  return samples;
}

function decodeWithFfmpeg(path: string): Int16Array {
  const { stdout } = spawnSync(
    'ffmpeg',
    [
      ...['-v', 'quiet', '-nostdin', '-i', path, '-vn'],
      ...['-f', 's16le', '-ar', String(SOUND_RATE), '-ac', '2', 'pipe:1'],
    ],
    { maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const bytes = Uint8Array.from(stdout ?? []);
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

/** A WAV file of 16 bit stereo. */
export function wav(samples: Int16Array): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF\0\0\0\0WAVEfmt ', 0, 'latin1');
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(SOUND_RATE, 24);
  head.writeUInt32LE(SOUND_RATE * 4, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)]);
}

/** An AIFF file of 16 bit stereo. */
export function aiff(samples: Int16Array): Buffer {
  const head = Buffer.alloc(54);
  head.write('FORM\0\0\0\0AIFFCOMM', 0, 'latin1');
  head.writeUInt32BE(46 + samples.byteLength, 4);
  head.writeUInt32BE(18, 16);
  head.writeUInt16BE(2, 20);
  head.writeUInt32BE(samples.length / 2, 22);
  head.writeUInt16BE(16, 26);
  // 48,000 as an 80-bit extended number.
  head.writeUInt16BE(0x400e, 28);
  head.writeUInt32BE(0xbb800000, 30);
  head.write('SSND', 38, 'latin1');
  head.writeUInt32BE(8 + samples.byteLength, 42);
  const data = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
  return Buffer.concat([head, Buffer.from(data).swap16()]);
}
