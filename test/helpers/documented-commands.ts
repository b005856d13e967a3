/** Finds the flatrender commands in a text and says which of them do not exist as they are written. */

export interface CommandSnapshot {
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
}

/** `flatrender …` of code (blocks, `inline`, comments of files): from the program's name to the end of the command. */
export function documentedCommands(text: string): string[] {
  const joined = text.replace(/\\\n\s*/g, ' ');
  const found = joined.matchAll(
    /(?<![\w./@-])flatrender(?:\.exe"?)?[ \t]+((?:<[^>\n]*>|'[^'\n]*'|"[^"\n]*"|[^`|;&<>"'\n#])*)/g,
  );
  return [...found].map(([, rest = '']) => rest.trim()).filter((rest) => /^[a-z-]/.test(rest));
}

/** What is wrong with a command, or null; `known` is test/fixtures/commands.json. */
export function commandProblem(
  text: string,
  known: Readonly<Record<string, CommandSnapshot>>,
): string | null {
  const words = text.match(/"[^"]*"|'[^']*'|[^\s"']+(?:"[^"]*"|'[^']*')?/g) ?? [];
  if (words[0] === 'help' || words[0]?.startsWith('-')) return null;
  const name = [3, 2, 1]
    .map((count) => words.slice(0, count).join(' '))
    .find((candidate) => known[candidate]);
  const command = name === undefined ? undefined : known[name];
  if (name === undefined || command === undefined) return `no such command: ${words.slice(0, 2).join(' ')}`;
  const rest = words.slice(name.split(' ').length);
  let values = 0;
  for (let index = 0; index < rest.length; index += 1) {
    const word = rest[index] ?? '';
    if (!/^--?[a-zA-Z]/.test(word)) {
      values += 1;
      continue;
    }
    const flag = word.split('=', 1)[0] ?? '';
    const kind = flagKind(command, flag);
    if (flag === '--help' || flag === '-h') continue;
    if (kind === undefined) return `${name} has no flag ${flag}`;
    if (!kind.startsWith('boolean') && !word.includes('=')) index += 1;
  }
  const isOpen = command.args.some((arg) => arg.includes('...'));
  if (!isOpen && values > command.args.length)
    return `${name} takes ${command.args.length} arguments, not ${values}`;
  return null;
}

/** How the snapshot describes a flag; undefined: there is none. `boolean, -y` and `boolean, --no-mesh` name other ways to write one. */
export function flagKind(command: CommandSnapshot, flag: string): string | undefined {
  return (
    command.flags[flag] ?? Object.values(command.flags).find((kind) => kind.split(/,\s*/).includes(flag))
  );
}
