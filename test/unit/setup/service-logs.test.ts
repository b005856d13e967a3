import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readLogFile } from '../../../src/setup/service-logs.ts';

async function logFile(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flatrender-log-'));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, 'agent.log');
}

test('the last lines come, also those of the file before', async (t) => {
  const file = await logFile(t);
  await writeFile(`${file}.1`, 'one\ntwo\nthree\n');
  await writeFile(file, 'four\nfive\n');
  const lines: string[] = [];
  const options = { follow: false, signal: t.signal, onLine: (line: string) => void lines.push(line) };
  await readLogFile(file, { ...options, lines: 4 });
  assert.deepEqual(lines.splice(0), ['two', 'three', 'four', 'five']);
  await readLogFile(file, { ...options, lines: 1 });
  assert.deepEqual(lines, ['five']);
});

test('new lines are followed, across the turning over of the file', async (t) => {
  const file = await logFile(t);
  await writeFile(file, 'before\n');
  const stop = new AbortController();
  const lines: string[] = [];
  let heard = (): void => undefined;
  const onLine = (line: string): void => {
    lines.push(line);
    heard();
  };
  const untilLines = async (count: number): Promise<void> => {
    while (lines.length < count) await new Promise<void>((resolve) => (heard = resolve));
  };
  const ended = readLogFile(file, { lines: 1, follow: true, signal: stop.signal, onLine });
  await untilLines(1);
  await appendFile(file, 'half a ');
  await appendFile(file, 'line\nand one more\n');
  await untilLines(3);
  await copyFile(file, `${file}.1`);
  await truncate(file);
  await appendFile(file, 'new\n');
  await untilLines(4);
  stop.abort();
  await ended;
  assert.deepEqual(lines, ['before', 'half a line', 'and one more', 'new']);
});
