import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pictureDamage } from '../../../src/engines/lottie/picture-file.ts';

const templates = join(import.meta.dirname, '../../../templates/video');
const png = readFileSync(join(templates, 'title-card/images/logo.png'));

/** As a camera writes it: a thumbnail with its own end marker, then the scan. */
function jpeg(...scan: number[]): Buffer {
  const thumbnail = [0xff, 0xd8, 0x01, 0xff, 0xd9];
  const head = [0xff, 0xd8, 0xff, 0xe1, 0, 2 + thumbnail.length, ...thumbnail];
  return Buffer.from([...head, 0xff, 0xda, 0, 2, 0x11, 0x22, ...scan]);
}

test('a whole PNG and a whole JPEG have no damage', () => {
  assert.equal(pictureDamage(png), undefined);
  assert.equal(pictureDamage(readFileSync(join(templates, 'audio-visualiser/media/cover.png'))), undefined);
  assert.equal(pictureDamage(jpeg(0x33, 0xff, 0xd9)), undefined);
  assert.equal(pictureDamage(jpeg(0x33, 0xff, 0xd9, 0, 0, 0)), undefined, 'phones append things');
});

test('a changed byte in the middle of a PNG is found', () => {
  const damaged = Buffer.from(png);
  const middle = damaged.indexOf('IDAT') + 100;
  damaged[middle] = (damaged[middle] ?? 0) ^ 1;
  assert.match(String(pictureDamage(damaged)), /^is damaged: the checksum of its IDAT chunk/);
});

test('a file that was cut off anywhere is found, also a JPEG whose thumbnail is whole', () => {
  for (const length of [9, 40, png.length >> 1, png.length - 1])
    assert.match(String(pictureDamage(png.subarray(0, length))), /^is cut off/, `${length} bytes`);
  assert.match(String(pictureDamage(jpeg(0x33))), /^is cut off/);
});
