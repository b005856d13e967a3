/** What a shell offers: the words after a command line, from oclif's own description of the commands. */
import type { Interfaces } from '@oclif/core';

export interface CompletionFlag {
  readonly long: string;
  readonly short: string | null;
  readonly text: string;
  readonly takesValue: boolean;
  /** The values there are; empty: any (the shell offers files). */
  readonly options: readonly string[];
}

/** A place in the tree of commands: the program itself, a topic, or a command. */
export interface CompletionPlace {
  /** Words after the program's name: [], ['job'], ['job', 'list']. */
  readonly words: readonly string[];
  readonly text: string;
  /** Commands and topics one word deeper. */
  readonly next: readonly { readonly word: string; readonly text: string }[];
  readonly flags: readonly CompletionFlag[];
  /** The values of the command's first argument, where they are known. */
  readonly args: readonly string[];
}

type Source = Pick<Interfaces.Config, 'commands' | 'topics'>;

/** Every place, the program itself first; hidden commands and flags are left out. */
export function completionPlaces(config: Source): readonly CompletionPlace[] {
  const commands = new Map(
    config.commands.filter((command) => !command.hidden).map((command) => [command.id, command]),
  );
  const ids = new Set(['', ...commands.keys()]);
  for (const id of commands.keys()) {
    const words = id.split(':');
    for (let length = 1; length < words.length; length += 1) ids.add(words.slice(0, length).join(':'));
  }
  const topics = new Map(config.topics.map((topic) => [topic.name, topic.description ?? '']));
  const textOf = (id: string): string =>
    firstLine(commands.get(id)?.summary ?? commands.get(id)?.description ?? topics.get(id) ?? '');
  return [...ids].sort().map((id) => {
    const words = id === '' ? [] : id.split(':');
    const below = [...ids].filter(
      (other) =>
        other !== '' &&
        other.split(':').length === words.length + 1 &&
        other.startsWith(id === '' ? '' : `${id}:`),
    );
    const command = commands.get(id);
    const flags = Object.values(command?.flags ?? {}).filter((flag) => !flag.hidden);
    return {
      words,
      text: textOf(id),
      next: below.sort().map((other) => ({ word: other.split(':').at(-1) ?? '', text: textOf(other) })),
      flags: [
        ...flags.map((flag) => ({
          long: flag.name,
          short: flag.char ?? null,
          text: firstLine(flag.summary ?? flag.description ?? ''),
          takesValue: flag.type === 'option',
          options: flag.type === 'option' ? [...(flag.options ?? [])] : [],
        })),
        { long: 'help', short: null, text: 'show what the command does', takesValue: false, options: [] },
      ].sort((a, b) => a.long.localeCompare(b.long)),
      args: [...(Object.values(command?.args ?? {})[0]?.options ?? [])],
    };
  });
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replaceAll(/<%=.*?%>/g, '').trim();
}
