/** Command line of aerender. */

export interface AerenderArguments {
  readonly project: string | null;
  readonly comp: string | null;
  readonly rqIndex: number | null;
  readonly renderSettings: string | null;
  readonly outputModule: string | null;
  readonly output: string | null;
  /** File that takes the lines instead of stdout. */
  readonly log: string | null;
  /** Numbers as displayed in the composition, inclusive. */
  readonly start: number | null;
  readonly end: number | null;
  readonly increment: number;
  readonly isVerbose: boolean;
  readonly continueOnMissingFootage: boolean;
  readonly reuse: boolean;
  readonly wants: 'render' | 'help' | 'version';
}

/** What follows each flag. "-r" and others exist only in installations that somebody patched. */
const FLAGS: Readonly<Record<string, readonly RegExp[]>> = {
  '-project': [/./],
  '-comp': [/./s],
  '-rqindex': [/^\d+$/],
  '-RStemplate': [/./],
  '-OMtemplate': [/./],
  '-output': [/./],
  '-log': [/./],
  '-s': [/^\d+$/],
  '-e': [/^\d+$/],
  '-i': [/^([1-9]\d?|100)$/],
  '-mem_usage': [/^\d+$/, /^\d+$/],
  '-mfr': [/^(ON|OFF)$/, /^([1-9]\d?|100)$/],
  '-v': [/^(ERRORS|ERRORS_AND_PROGRESS)$/],
  '-close': [/^(DO_NOT_CLOSE|DO_NOT_SAVE_CHANGES|SAVE_CHANGES)$/],
  // Of the bell at the end of a render, not of what is rendered (commandLineRenderer.jsx, SaveAndSetRenderSoundSetting).
  '-sound': [/^(ON|OFF|on|off)$/],
  '-continueOnMissingFootage': [],
  '-reuse': [],
  '-help': [],
  '-version': [],
};

/** Reads the arguments; a string tells what is wrong with them. */
export function parseArguments(args: readonly string[]): AerenderArguments | string {
  const given = new Map<string, readonly string[]>();
  for (let at = 0; at < args.length; ) {
    const flag = args[at] ?? '';
    const patterns = Object.hasOwn(FLAGS, flag) ? FLAGS[flag] : undefined;
    if (!patterns) return `Illegal argument flag: ${flag}`;
    const values = args.slice(at + 1, at + 1 + patterns.length);
    if (values.length < patterns.length) return `no value given for flag: ${flag}`;
    const wrong = values.findIndex((value, index) => !patterns[index]?.test(value));
    if (wrong !== -1) return `Bad value for ${flag}.`;
    given.set(flag, values);
    at += 1 + patterns.length;
  }
  const value = (flag: string) => given.get(flag)?.[0] ?? null;
  const number = (flag: string) => (given.has(flag) ? Number(value(flag)) : null);
  return {
    project: value('-project'),
    comp: value('-comp'),
    rqIndex: number('-rqindex'),
    renderSettings: value('-RStemplate'),
    outputModule: value('-OMtemplate'),
    output: value('-output'),
    log: value('-log'),
    start: number('-s'),
    end: number('-e'),
    increment: number('-i') ?? 1,
    isVerbose: value('-v') !== 'ERRORS',
    continueOnMissingFootage: given.has('-continueOnMissingFootage'),
    reuse: given.has('-reuse'),
    wants: given.has('-help') ? 'help' : given.has('-version') ? 'version' : 'render',
  };
}

/** The first lines of the usage, and the flags. */
export const USAGE: readonly string[] = [
  'USAGE:',
  '',
  'aerender renders After Effects compositions. The render may be performed either by an already running instance of',
  'AE or by a newly invoked instance.',
  '',
  'aerender takes a series of optional arguments.',
  ...Object.keys(FLAGS).map((flag) => `  ${flag}`),
];
