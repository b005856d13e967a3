// `npm run docs`: writes what is generated from the commands: the reference in commands/README.md and the snapshot
// in test/fixtures/commands.json that makes a change of the interface visible in review; and from the manifest's schema:
// templates/MANIFEST.md and templates/manifest.schema.json; and the script for After Effects.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Command, Plugin, settings } from '@oclif/core';
import { manifestJsonSchema, manifestReference } from '../src/bundle/manifest-reference.ts';
import { bindScript, bindScriptFile } from './bind-script.ts';

const root = join(import.meta.dirname, '..');

/** The generated files, relative to the repository. */
export const snapshotFile = 'test/fixtures/commands.json';
export const referenceFile = 'commands/README.md';

export interface Topic {
  name: string;
  description?: string;
}

/** Loads commands/**\/*.ts and returns what oclif knows about them, sorted by id. */
export async function loadCommands(): Promise<Command.Loadable[]> {
  settings.enableAutoTranspile = false;
  const pjson = readPackage();
  const plugin = new Plugin({
    root,
    isRoot: true,
    type: 'core',
    pjson: { ...pjson, oclif: { ...pjson.oclif, commands: './commands' } },
    ignoreManifest: true,
    errorOnManifestCreate: true,
    respectNoCacheDefault: true,
  });
  await plugin.load();
  return plugin.commands.filter((command) => !command.hidden);
}

/** The interface without its prose: commands, arguments, flags. What scripts of users depend on. */
export function commandSnapshot(commands: Command.Loadable[]): string {
  const snapshot = Object.fromEntries(
    commands.map((command) => [
      command.id.replaceAll(':', ' '),
      {
        ...(command.aliases.length > 0 ? { aliases: command.aliases } : {}),
        args: [
          ...Object.values(command.args).map((arg) => `${arg.name}${arg.required ? '' : '?'}`),
          ...(command.strict === false ? ['...'] : []),
        ],
        flags: Object.fromEntries(
          visibleFlags(command).map((flag) => [`--${flag.name}`, describeFlag(flag).join(', ')]),
        ),
      },
    ]),
  );
  return `${JSON.stringify(snapshot, null, 2)}\n`;
}

/** The command reference as Markdown, one section per topic and command. */
export function commandReference(commands: Command.Loadable[], topics: Topic[]): string {
  const lines = [
    '# Commands',
    '',
    'Generated from the commands by `npm run docs`; do not edit. Every command takes `--help`.',
    '',
  ];
  const described = new Map(topics.map((topic) => [topic.name, topic.description]));
  const groups = Map.groupBy(commands, (command) =>
    command.id.includes(':') ? command.id.split(':')[0] : '',
  );
  for (const topic of ['', ...[...groups.keys()].filter((name) => name).sort()]) {
    const members = groups.get(topic);
    if (!members) continue;
    lines.push(`## ${topic ? `flatrender ${topic}` : 'flatrender'}`, '');
    const description = described.get(topic ?? '');
    if (description) lines.push(`${description}.`, '');
    for (const command of members) lines.push(...commandSection(command));
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function commandSection(command: Command.Loadable): string[] {
  const name = command.id.replaceAll(':', ' ');
  const lines = [`### flatrender ${name}`, ''];
  const prose = [command.summary, command.description].filter((text) => text).join('\n\n');
  if (prose) lines.push(fill(prose, name), '');
  lines.push('```', usage(command, name), '```', '');
  const args = Object.values(command.args).filter((arg) => !arg.hidden);
  if (args.length > 0) {
    lines.push('| Argument | |', '|---|---|');
    for (const arg of args) {
      const notes = [arg.description ?? '', arg.options ? `One of ${arg.options.join(', ')}.` : ''];
      lines.push(`| \`${arg.name.toUpperCase()}\` | ${cell(notes, name)} |`);
    }
    lines.push('');
  }
  const flags = visibleFlags(command);
  if (flags.length > 0) {
    lines.push('| Flag | |', '|---|---|');
    for (const flag of flags) {
      const notes = [flag.summary ?? flag.description ?? ''];
      if (flag.required) notes.push('Required.');
      if (flag.type === 'option' && flag.options) notes.push(`One of ${flag.options.join(', ')}.`);
      if (flag.type === 'option' && flag.multiple) notes.push('May be repeated.');
      const value = defaultOf(flag);
      if (value !== undefined) notes.push(`Default: \`${value}\`.`);
      if (flag.env) notes.push(`Environment: \`${flag.env}\`.`);
      lines.push(`| ${flagNames(flag)} | ${cell(notes, name)} |`);
    }
    lines.push('');
  }
  const examples = (command.examples ?? []).map((example) => exampleText(example, name));
  if (examples.length > 0) lines.push('```sh', examples.join('\n\n'), '```', '');
  return lines;
}

function usage(command: Command.Loadable, name: string): string {
  if (typeof command.usage === 'string') return `flatrender ${fill(command.usage, name)}`;
  const args = Object.values(command.args)
    .filter((arg) => !arg.hidden)
    .map((arg) => (arg.required ? arg.name.toUpperCase() : `[${arg.name.toUpperCase()}]`));
  const required = visibleFlags(command)
    .filter((flag) => flag.required)
    .map((flag) => `--${flag.name}${flag.type === 'option' ? ` <${valueName(flag)}>` : ''}`);
  return [
    'flatrender',
    name,
    ...args,
    ...(command.strict === false ? ['...'] : []),
    ...required,
    '[flags]',
  ].join(' ');
}

function exampleText(example: Command.Example, name: string): string {
  if (typeof example !== 'string') {
    const comment = example.description ? `# ${fill(example.description, name)}\n` : '';
    return `${comment}${fill(example.command, name).replace(/^\$ /gm, '')}`;
  }
  const text = fill(example, name).trim().split('\n');
  // "What it does\n$ command" is oclif's other form.
  return text
    .map((line, index) =>
      index === 0 && text.length > 1 && !/^(\$ |flatrender )/.test(line)
        ? `# ${line}`
        : line.replace(/^\$ /, ''),
    )
    .join('\n');
}

function visibleFlags(command: Command.Loadable): Command.Flag.Cached[] {
  return Object.values(command.flags)
    .filter((flag) => !flag.hidden)
    .sort((a, b) => a.name.localeCompare(b.name));
}

function describeFlag(flag: Command.Flag.Cached): string[] {
  const words = [flag.type === 'boolean' ? 'boolean' : valueName(flag)];
  if (flag.char) words.push(`-${flag.char}`);
  if (flag.aliases?.length) words.push(`alias ${flag.aliases.join(' ')}`);
  if (flag.type === 'boolean' && flag.allowNo) words.push(`--no-${flag.name}`);
  if (flag.required) words.push('required');
  if (flag.type === 'option' && flag.multiple) words.push('multiple');
  if (flag.type === 'option' && flag.options) words.push(`one of ${flag.options.join('|')}`);
  if (flag.dependsOn?.length) words.push(`needs ${flag.dependsOn.join(' ')}`);
  if (flag.exclusive?.length) words.push(`excludes ${[...flag.exclusive].sort().join(' ')}`);
  const value = defaultOf(flag);
  if (value !== undefined) words.push(`default ${value}`);
  if (flag.env) words.push(`env ${flag.env}`);
  return words;
}

function flagNames(flag: Command.Flag.Cached): string {
  const value = flag.type === 'option' ? ` <${valueName(flag)}>` : '';
  const long = flag.type === 'boolean' && flag.allowNo ? `--[no-]${flag.name}` : `--${flag.name}${value}`;
  return flag.char ? `\`-${flag.char}\`, \`${long}\`` : `\`${long}\``;
}

function valueName(flag: Command.Flag.Cached): string {
  return flag.type === 'option' ? (flag.helpValue?.toString().replace(/^<|>$/g, '') ?? 'value') : '';
}

/** The default as text. One that depends on the machine must not get into the manifest of the package. */
function defaultOf(flag: Command.Flag.Cached): string | undefined {
  if (flag.type !== 'option' || flag.default === undefined) return undefined;
  const text = typeof flag.default === 'string' ? flag.default : JSON.stringify(flag.default);
  if (text?.includes(homedir()) || text?.includes(root)) {
    throw new Error(`--${flag.name}: the default ${text} is of this machine; set noCacheDefault: true`);
  }
  return text;
}

function fill(text: string, name: string): string {
  return text.replaceAll(/<%=\s*config\.bin\s*%>/g, 'flatrender').replaceAll(/<%=\s*command\.id\s*%>/g, name);
}

function cell(notes: string[], name: string): string {
  return notes
    .map((note) => fill(note.trim(), name))
    .filter((note) => note)
    .map((note) => (/[.!?:]$/.test(note) ? note : `${note}.`))
    .join(' ')
    .replaceAll('|', '\\|')
    .replaceAll(/\s*\n\s*/g, ' ');
}

/** The topics that package.json describes. */
export function readTopics(): Topic[] {
  const topics: Record<string, { description?: string }> = readPackage().oclif.topics ?? {};
  return Object.entries(topics).map(([name, { description }]) => ({ name, description }));
}

function readPackage() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

/** The description of template.yaml for people and for editors: file and text. */
export function manifestDocs(): (readonly [file: string, text: string])[] {
  return [
    ['templates/MANIFEST.md', manifestReference()],
    ['templates/manifest.schema.json', `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`],
  ];
}

if (import.meta.main) {
  const commands = await loadCommands();
  for (const [file, text] of [
    [snapshotFile, commandSnapshot(commands)],
    [referenceFile, commandReference(commands, readTopics())],
  ] as const) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
    process.stdout.write(`wrote ${file}: ${commands.length} commands\n`);
  }
  for (const [file, text] of [...manifestDocs(), [bindScriptFile, bindScript()] as const]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
    process.stdout.write(`wrote ${file}\n`);
  }
}
