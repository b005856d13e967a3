import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  commandReference,
  commandSnapshot,
  loadCommands,
  readTopics,
  referenceFile,
  snapshotFile,
} from '../../bin/docs.ts';

const root = join(import.meta.dirname, '..', '..');
const commands = await loadCommands();
const committed = (file: string) => readFileSync(join(root, file), 'utf8').replaceAll('\r\n', '\n');

test('the commands and flags are those of the snapshot (after a wanted change: npm run docs)', () => {
  assert.equal(commandSnapshot(commands), committed(snapshotFile));
});

test('the command reference is current (npm run docs)', () => {
  assert.equal(commandReference(commands, readTopics()), committed(referenceFile));
});

test('every command has a description and an example that names it', () => {
  const lacking = commands.flatMap((command) => {
    const id = command.id.replaceAll(':', ' ');
    const texts = (command.examples ?? []).map((example) =>
      typeof example === 'string' ? example : example.command,
    );
    return [
      ...(command.description || command.summary ? [] : [`${id}: no description`]),
      ...(texts.some((text) => text.includes(id) || /command\.id/.test(text))
        ? []
        : [`${id}: no example that contains "${id}"`]),
    ];
  });
  assert.deepEqual(lacking, []);
});

test('every visible flag and argument is described', () => {
  const lacking = commands.flatMap((command) =>
    [...Object.values(command.flags), ...Object.values(command.args)]
      .filter((item) => !item.hidden && !item.description && !('summary' in item && item.summary))
      .map((item) => `${command.id.replaceAll(':', ' ')}: ${item.name}`),
  );
  assert.deepEqual(lacking, []);
});

test('every topic that has commands is described in package.json', () => {
  const used = new Set(
    commands.filter((command) => command.id.includes(':')).map((command) => command.id.split(':')[0]),
  );
  const described = new Set(readTopics().map((topic) => topic.name));
  assert.deepEqual(
    [...used].filter((name) => !described.has(name ?? '')),
    [],
  );
});
