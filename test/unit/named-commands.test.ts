import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/lib/paths.ts';
import { type CommandSnapshot, flagKind } from '../helpers/documented-commands.ts';

const root = packageRoot();
const commands: Record<string, CommandSnapshot> = JSON.parse(
  readFileSync(join(root, 'test', 'fixtures', 'commands.json'), 'utf8'),
);
const topics = [...new Set(Object.keys(commands).map((name) => name.split(' ')[0] ?? ''))];

/** Hidden: only other programs call them. */
const internal = new Set(['wg serve']);

/** Nouns that read like commands. */
const nouns = new Set(['control plane', 'node agent', 'node secret', 'template manifest']);

/** Commands that hints, comments and written files name, with the flags that follow; what is put in stands for an argument. */
function namedCommands(text: string): { name: string; flags: string[] }[] {
  const plain = text.replace(/\$\{(?:[^{}]|\{[^}]*\})*\}/g, 'X');
  const pattern = new RegExp(
    String.raw`flatrender(?:\.exe)? (${topics.join('|')})\b((?: [a-z][a-z-]*){0,2})((?: (?:--[a-z][a-z-]*|<?[A-Z][\w.:=>/-]*))*)`,
    'g',
  );
  return [...plain.matchAll(pattern)].flatMap(([, topic = '', words = '', rest = '']) => {
    const candidates = [`${topic}${words}`, `${topic}${words.replace(/ [a-z-]+$/, '')}`, topic];
    const name = candidates.find((candidate) => commands[candidate] ?? internal.has(candidate));
    const flags = (rest.match(/--[a-z-]+/g) ?? []).filter((flag) => flag !== '--help');
    // Prose: "a flatrender node is …" names no command.
    const isProse = nouns.has(`${topic}${words}`) || (name === undefined && !/^ [a-z-]+$/.test(words));
    return isProse || (name !== undefined && internal.has(name))
      ? []
      : [{ name: name ?? `${topic}${words}`, flags }];
  });
}

test('the commands that messages, comments and written files tell people to type exist', () => {
  const files = globSync(['src/**/*.ts', 'commands/**/*.ts', 'templates/config/*', 'bin/windows/*.txt'], {
    cwd: root,
  });
  const named = files.flatMap((file) =>
    namedCommands(readFileSync(join(root, file), 'utf8')).map((command) => ({ file, ...command })),
  );
  assert.ok(named.length > 150, `${named.length} commands`);
  const wrong = named.flatMap(({ file, name, flags }) => {
    const command = commands[name];
    if (command === undefined) return [`${file}: flatrender ${name}`];
    return flags
      .filter((flag) => flagKind(command, flag) === undefined)
      .map((flag) => `${file}: flatrender ${name} ${flag}`);
  });
  assert.deepEqual(wrong, []);
});

test('the check finds commands and flags that do not exist', () => {
  const hole = ['$', '{id}'].join('');
  assert.deepEqual(namedCommands(`run "flatrender node add ${hole} --rotate" there`), [
    { name: 'node add', flags: ['--rotate'] },
  ]);
  assert.deepEqual(namedCommands('flatrender node frobnicate'), [{ name: 'node frobnicate', flags: [] }]);
  assert.deepEqual(namedCommands('flatrender node config set A=1'), [{ name: 'node config set', flags: [] }]);
});
