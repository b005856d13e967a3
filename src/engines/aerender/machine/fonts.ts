/** Fonts of a template reach After Effects for the time of a task, and are removed afterwards. */
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, copyFile, link, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { extname, join } from 'node:path';
import { z } from 'zod';
import { postScriptNames } from '../../../bundle/font-names.ts';
import { FlatrenderError } from '../../../lib/errors.ts';
import { type Command, run } from '../../../lib/exec.ts';
import { inTurn, isThere, jsonOf, touchRegularly, writeWhole } from './file-queue.ts';
import {
  type FontMachine,
  type FontPlace,
  type FontStep,
  fontFolders,
  fontPlaces,
  fontStep,
} from './font-places.ts';
import { markOf } from './process-mark.ts';

/** A font file of the template and the PostScript names that its manifest promises. */
export interface BundledFont {
  /** Absolute path. */
  readonly file: string;
  readonly names: readonly string[];
}

export interface FontOptions {
  /** Shared by the slots of this node: who uses which font. */
  readonly stateDir: string;
  readonly signal: AbortSignal;
  /** Default: this machine. */
  readonly machine?: Partial<FontMachine>;
  /** Runs reg.exe; default: really. */
  readonly runCommand?: (command: Command) => Promise<void>;
}

/** Fonts that are there until this is disposed of. */
export interface InstalledFonts extends AsyncDisposable {
  readonly installed: readonly {
    readonly names: readonly string[];
    readonly places: readonly { readonly kind: FontPlace['kind']; readonly path: string }[];
  }[];
}

const CommandFile = z.object({ file: z.string(), args: z.array(z.string()) }).nullable();
/** What was done for a font, written before it is done: whoever finds it knows what to undo. */
const FontRecord = z.object({ steps: z.array(z.object({ to: z.string(), unregister: CommandFile })) });
const RECORD = 'record.json';

/**
 * Installs fonts for this user (and for Adobe's programs, where that folder may be written). FONT_MISSING when a file does
 * not hold a name that the manifest promises, or when no place can be written. Several tasks may use the same font: the
 * last one removes it, and what killed ones left is removed by the next. A font that was there before is neither
 * overwritten nor removed: files are named after their content and this node's directory.
 */
export async function installFonts(
  fonts: readonly BundledFont[],
  options: FontOptions,
): Promise<InstalledFonts> {
  const store = new FontStore(options);
  const named = await Promise.all(fonts.map((font) => readFont(font, options.stateDir)));
  const installed: InstalledFonts['installed'][number][] = [];
  const result: InstalledFonts = {
    installed,
    // Not by the task's signal: what an abort leaves would stay until the next task.
    [Symbol.asyncDispose]: () => store.release(),
  };
  try {
    await inTurn(store.queue, options.signal, async () => {
      await store.sweep();
      for (const { names, file, name } of named) {
        options.signal.throwIfAborted();
        const steps = await store.add(file, name);
        installed.push({ names, places: steps.map(({ place, to }) => ({ kind: place, path: to })) });
      }
    });
    return result;
  } catch (error) {
    await store.release();
    throw error;
  }
}

/** How many font files this machine has where After Effects looks; folders that cannot be read count nothing. */
export async function countFonts(machine: Partial<FontMachine> = {}): Promise<number> {
  let count = 0;
  for (const folder of fontFolders(thisMachine(machine))) {
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    count += names.filter((name) => /\.(?:ttf|otf|ttc|otc|dfont|pfb)$/i.test(name)).length;
  }
  return count;
}

function thisMachine({
  platform = process.platform,
  env = process.env,
  home = homedir(),
}: Partial<FontMachine>): FontMachine {
  return { platform, env, home };
}

/** Checks the names, and gives the file one that says what is in it. */
async function readFont(
  { file, names }: BundledFont,
  stateDir: string,
): Promise<{ readonly file: string; readonly names: readonly string[]; readonly name: string }> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new FlatrenderError('FONT_MISSING', `cannot read the font ${file}`, { cause });
  });
  const found = postScriptNames(bytes);
  if (found.length === 0) {
    throw new FlatrenderError(
      'FONT_MISSING',
      `${file} is not a font that After Effects could use (TTF, OTF or TTC)`,
      {
        hint: 'put the font file itself into the bundle, not an archive or a web font (WOFF)',
      },
    );
  }
  const missing = names.filter((name) => !found.includes(name));
  // The names of a variable font's instances are made of two tables; After Effects knows them, this does not.
  if (missing.length > 0 && !bytes.subarray(0, 4096).includes('fvar')) {
    throw new FlatrenderError(
      'FONT_MISSING',
      `${file} does not hold the font ${missing.join(', ')}: it holds ${found.join(', ')}`,
      { hint: 'correct "names" of this font in template.yaml (PostScript names), or bundle the right file' },
    );
  }
  const content = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const node = createHash('sha256').update(stateDir).digest('hex').slice(0, 8);
  return { file, names, name: `flatrender-${node}-${content}${extname(file).toLowerCase()}` };
}

/** The fonts of this node: one directory each, with a record of what was done and a file per user. */
class FontStore {
  readonly queue: string;
  readonly #directory: string;
  readonly #machine: FontMachine;
  readonly #runCommand: (command: Command) => Promise<void>;
  readonly #token = `user-${process.pid}-${randomUUID()}.json`;
  readonly #used: { readonly file: string; readonly touching: Disposable }[] = [];

  constructor({ stateDir, machine = {}, runCommand = reallyRun }: FontOptions) {
    this.queue = join(stateDir, 'font-queue');
    this.#directory = join(stateDir, 'fonts');
    this.#machine = thisMachine(machine);
    this.#runCommand = runCommand;
  }

  /** Installs one font, or joins those who use it. In turn only. */
  async add(file: string, name: string): Promise<FontStep[]> {
    const { platform } = this.#machine;
    const directory = join(this.#directory, name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const refusals: string[] = [];
    const steps: FontStep[] = [];
    for (const place of fontPlaces(this.#machine)) {
      const refusal = await refusalOf(place);
      if (refusal === null) steps.push(fontStep(file, name, place, platform));
      else refusals.push(refusal);
    }
    if (steps.length === 0) {
      await rm(directory, { recursive: true, force: true });
      throw new FlatrenderError(
        'FONT_MISSING',
        `no folder for fonts can be written: ${refusals.join('; ')}`,
        {
          hint: 'let the user of the agent write one of them',
          retryable: true,
        },
      );
    }
    await writeWhole(join(directory, RECORD), {
      steps: steps.map(({ to, unregister }) => ({ to, unregister })),
    });
    const user = join(directory, this.#token);
    await writeWhole(user, await markOf(process.pid));
    this.#used.push({ file: user, touching: touchRegularly(user) });
    for (const step of steps) {
      await copyOnce(step.from, step.to);
      if (step.register) await this.#runCommand(step.register);
    }
    return steps;
  }

  /** This task uses none of them any more; what nobody uses is removed. */
  async release(): Promise<void> {
    const used = this.#used.splice(0);
    for (const { touching } of used) touching[Symbol.dispose]();
    if (used.length === 0) return;
    await inTurn(this.queue, AbortSignal.timeout(RELEASE_MS), async () => {
      for (const { file } of used) await rm(file, { force: true });
      await this.sweep();
    }).catch(async () => {
      // Somebody holds the queue for too long: without these files the next one sees that nobody uses the fonts.
      for (const { file } of used) await rm(file, { force: true });
    });
  }

  /** Removes what nobody uses. In turn only. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const directory = join(this.#directory, name);
      const files = await readdir(directory).catch(() => []);
      const users = files.filter((file) => file.startsWith('user-') && file.endsWith('.json'));
      let isUsed = false;
      for (const user of users) isUsed = (await isThere(join(directory, user))) || isUsed;
      if (!isUsed) await this.#remove(directory);
    }
  }

  async #remove(directory: string): Promise<void> {
    const text = await readFile(join(directory, RECORD), 'utf8').catch(() => 'null');
    const record = FontRecord.safeParse(jsonOf(text));
    try {
      for (const { to, unregister } of record.success ? record.data.steps : []) {
        // Not registered any more is as good as forgotten now.
        if (unregister) await this.#runCommand(unregister).catch(() => undefined);
        await rm(to, { force: true });
        await rm(partOf(to), { force: true });
      }
      await rm(directory, { recursive: true, force: true });
    } catch {
      // Windows does not remove a font that a program has open: the record stays, and the next task tries again.
    }
  }
}

/** A killed holder's turn is over at once, and none takes long. */
const RELEASE_MS = 15_000;

/** Why a place cannot be used; null: it can. */
async function refusalOf({ directory, mayCreate }: FontPlace): Promise<string | null> {
  try {
    if (mayCreate) await mkdir(directory, { recursive: true });
    await access(directory, constants.W_OK);
    return null;
  } catch (error) {
    return `${directory} (${(error as NodeJS.ErrnoException).code ?? 'cannot be written'})`;
  }
}

/** One name, so that what a killed task left is found; only one task installs at a time. */
function partOf(path: string): string {
  return `${path}.part`;
}

/** Copies under the final name in one step; a file of that name has this content already. */
async function copyOnce(from: string, to: string): Promise<void> {
  const part = partOf(to);
  try {
    await copyFile(from, part);
    await link(part, to).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return;
      // No hard links here (FAT, some network drives).
      await copyFile(from, to, constants.COPYFILE_EXCL).catch((second: NodeJS.ErrnoException) => {
        if (second.code !== 'EEXIST') throw second;
      });
    });
  } finally {
    await rm(part, { force: true });
  }
}

async function reallyRun({ file, args }: Command): Promise<void> {
  await run(file, args, { timeoutMs: 10_000 });
}
