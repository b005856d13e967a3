import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { variableOf } from '../../src/config/control-config.ts';
import { optionPaths } from '../../src/config/control-schema.ts';
import { isErrorCode } from '../../src/lib/errors.ts';
import { packageRoot } from '../../src/lib/paths.ts';
import { type CommandSnapshot, commandProblem, documentedCommands } from '../helpers/documented-commands.ts';

const root = packageRoot();
const text = readFileSync(join(root, 'deploy', 'README.md'), 'utf8');
const commands: Record<string, CommandSnapshot> = JSON.parse(
  readFileSync(join(root, 'test', 'fixtures', 'commands.json'), 'utf8'),
);

/** Code blocks and `inline code`, a line each; a command in the middle of a sentence ends where its code ends. */
const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
const inline = [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(([, code = '']) =>
  code.replaceAll('\n', ' '),
);
// What begins with a hole is what the program prints.
const code = [
  ...blocks.map(([, , block = '']) => block),
  ...inline.filter((span) => !span.startsWith('…')),
].join('\n');

test('every command of the deploy kit’s README exists, with these flags and arguments', () => {
  const found = documentedCommands(code);
  assert.ok(found.length > 60, `${found.length} commands`);
  const wrong = found.flatMap((command) => {
    const problem = commandProblem(command, commands);
    return problem === null ? [] : [`${command}: ${problem}`];
  });
  assert.deepEqual(wrong, []);
});

test('its links lead to headings of this file, and its files are there', () => {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\d -]/gu, '')
      .replaceAll(' ', '-'),
  );
  for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith('#')) assert.ok(headings.includes(target.slice(1)), target);
    else assert.ok(existsSync(join(root, 'deploy', target)), target);
  }
  for (const [file] of text.matchAll(/\b(Dockerfile|compose)\.(control|node)(\.yaml)?|\bCaddyfile\b/g)) {
    assert.ok(existsSync(join(root, 'deploy', file)), file);
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const [, named] of code.matchAll(/flatrender-(\d[\w.-]*?)-linux/g)) assert.equal(named, version);
  for (const [, script = ''] of code.matchAll(/npm run ([\w:]+)/g)) {
    assert.ok(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts[script], script);
  }
});

test('its settings and error codes are those of the program', () => {
  const options = optionPaths();
  for (const [option] of code.matchAll(/\b(gateway|objects|leases|agents|retention|limits)\.\w+/g)) {
    assert.ok(
      options.some((path) => path === option || path.startsWith(`${option}.`)),
      option,
    );
  }
  const variables = readFileSync(join(root, 'templates', 'config', 'agent.env.example'), 'utf8');
  for (const [, name = ''] of code.matchAll(/config set (\w+)=/g))
    assert.ok(new RegExp(`^${name}=`, 'm').test(variables), name);
  const codes = inline.filter(
    (word) => /^[A-Z]+_[A-Z_]+$/.test(word) && !new RegExp(`^${word}=`, 'm').test(variables),
  );
  const settings = readFileSync(join(root, 'deploy', '.env.example'), 'utf8');
  for (const word of codes) {
    const isOption = options.some((path) => variableOf(path) === word);
    assert.ok(isErrorCode(word) || isOption || settings.includes(`${word}=`), word);
  }
  assert.ok(codes.length > 4);
});

/** Every text in the sources, with what is put into it as a hole. */
const messages = globSync('src/**/*.ts', { cwd: root })
  .flatMap((file) => readFileSync(join(root, file), 'utf8').match(/`[^`\n]{6,}`|'[^'\n]{6,}'/g) ?? [])
  .map((literal) => literal.slice(1, -1).replace(/\$\{(?:[^{}]|\{[^}]*\})*\}/g, '…'));

/** Words of a text; values (addresses, names with dots or hyphens, numbers) and what stands for one are none. */
const wordsOf = (line: string): string[] =>
  line.split(/[\s:,"()]+/).filter((word) => /^[a-zA-Z']{2,}$/.test(word));

/** Whether the message has the words of the quote, in their order. */
function canBe(quoted: string, message: string): boolean {
  let rest = wordsOf(message);
  return wordsOf(quoted).every((word) => {
    const found = rest.indexOf(word);
    rest = rest.slice(found + 1);
    return found >= 0;
  });
}

test('what the troubleshooting quotes is what the program says', () => {
  const table = text.split('## Troubleshooting')[1]?.split('\n## ')[0] ?? '';
  const rows = table.split('\n').filter((line) => /^\| (?!what|---)/.test(line));
  const quotes = rows
    .flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, quote = '']) => quote))
    .filter((quote) => quote.includes(' '))
    .map((quote) => quote.replace(/^(failed|warning) +[a-z]+ +/, ''));
  assert.ok(quotes.length > 12, `${quotes.length} quotes`);
  const unknown = quotes.filter((quote) => !messages.some((message) => canBe(quote, message)));
  assert.deepEqual(unknown, []);
});

test('the check of quotes finds what nobody says', () => {
  assert.ok(canBe('packets to 10.66.0.1 leave by …', 'packets to … leave by …, not by …: another VPN'));
  assert.ok(!canBe('the tunnel wg-flatrender is gone', 'the tunnel … is not up'));
  assert.ok(!canBe('nothing of the kind is printed', 'the tunnel … is not up'));
});

test('the check finds commands, flags and arguments that do not exist', () => {
  const problem = (command: string) => commandProblem(command, commands);
  assert.equal(problem('job submit -t card --set title="a b" --output x.mp4'), null);
  assert.equal(problem('job list --json'), null);
  assert.equal(problem('job frobnicate'), 'no such command: job frobnicate');
  assert.equal(problem('job list --nope'), 'job list has no flag --nope');
  assert.equal(problem('job submit -Q card'), 'job submit has no flag -Q');
  assert.equal(problem('node show a b'), 'node show takes 1 arguments, not 2');
  assert.deepEqual(
    documentedCommands(
      'sudo flatrender wg init --endpoint a.b && x\n.\\flatrender.exe node list | more\nflatrender-control',
    ),
    ['wg init --endpoint a.b', 'node list'],
  );
});
