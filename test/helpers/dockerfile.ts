/** Reads a Dockerfile as far as its checks need it: instructions with their stage, continued lines joined, comments gone. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
  /** 0 for the first `FROM`; -1 before it. */
  readonly stage: number;
}

export interface Dockerfile {
  readonly instructions: readonly Instruction[];
  /** Names of the stages, null for one without. */
  readonly stages: readonly (string | null)[];
  /** What is in the image: the instructions of the last stage. */
  readonly image: readonly Instruction[];
  /** Variables that the image sets. */
  readonly env: Readonly<Record<string, string>>;
}

export function readDockerfile(text: string): Dockerfile {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  const joined = lines.join('\n').replace(/\s*\\\n\s*/g, ' ');
  const instructions: Instruction[] = [];
  const stages: (string | null)[] = [];
  for (const line of joined.split('\n')) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`no instruction: ${line}`);
    if (name === 'FROM') stages.push(/\sAS\s+(\S+)$/i.exec(rest)?.[1] ?? null);
    instructions.push({ name, text: rest, stage: stages.length - 1 });
  }
  const image = instructions.filter(({ stage }) => stage === stages.length - 1);
  const env = image
    .filter(({ name }) => name === 'ENV')
    .flatMap(({ text: pairs }) =>
      [...pairs.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, key = '', value = '']) => [key, value] as const),
    );
  return { instructions, stages, image, env: Object.fromEntries(env) };
}

/** The exec form of CMD, ENTRYPOINT or HEALTHCHECK CMD; undefined when it is a shell line. */
export function execForm(text: string): string[] | undefined {
  const json = /\[.*\]$/.exec(text)?.[0];
  return json === undefined ? undefined : (JSON.parse(json) as string[]);
}

/** Whether a path of the build context is sent to Docker: the last pattern that matches decides (.dockerignore). */
export function isInContext(dockerignore: string, path: string): boolean {
  let isThere = true;
  for (const line of dockerignore.split('\n')) {
    const pattern = line.trim().replace(/^!/, '');
    if (pattern === '' || pattern.startsWith('#')) continue;
    const source = pattern
      .replace(/[.+^$(){}|[\]\\]/g, String.raw`\$&`)
      .replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(.*/)?'));
    if (new RegExp(`^${source}(/.*)?$`).test(path)) isThere = line.trim().startsWith('!');
  }
  return isThere;
}
