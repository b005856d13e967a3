/**
 * Installs the stand-ins for After Effects:
 *
 *     const ae = installSimulator(directory, { language: 'de', fonts: [{ postScriptName: 'DejaVuSans', file }] });
 *     // ae.afterfx -r /a/bind.jsx, ae.aerender -project … : programs to start, or AE_PATH = ae.directory
 *     ae.setFault('crash-at:50@1'); // as faults.ts says; null: none
 *     ae.launches('aerender'); // how often it was started
 *     ae.dialog(); // what AfterFX shows and waits with
 *
 * Several versions side by side: install each in the same `directory` with its own `year`. For the stand-ins no program of the
 * machine is needed but Node, and FFmpeg where footage is a video or sound.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launchCount, type SimProgram } from './faults.ts';

export interface SimulatorOptions {
  /** In the name of the folder; default: that of the version. */
  readonly year?: number;
  /** Default "24.2.1x2". */
  readonly version?: string;
  readonly language?: 'en' | 'de' | 'es';
  /** PostScript names, and the files that they are drawn and measured with; null: any other font. */
  readonly fonts?: readonly { readonly postScriptName: string; readonly file: string | null }[];
  readonly renderSettings?: readonly string[];
  readonly outputModules?: readonly string[];
  /** Whether scripts have JSON; default false, as in old versions. */
  readonly hasJSON?: boolean;
  /** Milliseconds until a program is up; default 0. */
  readonly startMs?: number;
  /** As faults.ts says. */
  readonly fault?: string;
}

export interface Simulator {
  /** ".../Adobe After Effects 2024/Support Files", with the programs. */
  readonly directory: string;
  readonly aerender: string;
  readonly afterfx: string;
  readonly configFile: string;
  setFault(fault: string | null): void;
  /** How often a program was started. */
  launches(program: SimProgram): number;
  /** Title and text of a dialog that AfterFX shows or showed last; null: none since {@link Simulator.clearDialog}. */
  dialog(): string | null;
  clearDialog(): void;
}

/** Fonts of nearly every Debian machine. */
const DEJAVU = '/usr/share/fonts/truetype/dejavu';
const DEFAULT_FONTS = ['DejaVuSans', 'DejaVuSans-Bold', 'DejaVuSerif', 'DejaVuSansMono'];

/** Makes an installation in a directory, which is created. */
export function installSimulator(root: string, options: SimulatorOptions = {}): Simulator {
  const { version = '24.2.1x2', fault = '', language = 'en', hasJSON = false, startMs = 0 } = options;
  const year = options.year ?? 2000 + Number.parseInt(version, 10);
  const directory = join(root, `Adobe After Effects ${year}`, 'Support Files');
  mkdirSync(directory, { recursive: true });
  const configFile = join(directory, 'simulator.json');
  const { renderSettings, outputModules, fonts = defaultFonts() } = options;
  const config = { version, language, fonts, renderSettings, outputModules, hasJSON, startMs, fault };
  const write = (changes: object) =>
    writeFileSync(configFile, JSON.stringify({ ...config, ...changes }, null, 2));
  write({});
  const dialogFile = join(directory, 'dialog');
  return {
    directory,
    aerender: launcher(directory, 'aerender', 'aerender-main.ts'),
    afterfx: launcher(directory, 'AfterFX', 'afterfx-main.ts'),
    configFile,
    setFault: (spec) => write({ fault: spec ?? '' }),
    launches: (program) => launchCount(directory, program),
    dialog: () => (existsSync(dialogFile) ? readFileSync(dialogFile, 'utf8').trim() : null),
    clearDialog: () => rmSync(dialogFile, { force: true }),
  };
}

/** ArialMT is what the text layers of project-builder.ts are in; it is drawn with another font. */
function defaultFonts(): { postScriptName: string; file: string | null }[] {
  const fileOf = (name: string) => {
    const file = join(DEJAVU, `${name}.ttf`);
    return existsSync(file) ? file : null;
  };
  return [
    { postScriptName: 'ArialMT', file: fileOf('DejaVuSans') },
    ...DEFAULT_FONTS.map((name) => ({ postScriptName: name, file: fileOf(name) })),
  ];
}

/**
 * A script for the shell that starts Node with itself, and for Node, which takes the second line for a comment: the command
 * line of the process then names the program, as that of a real one does.
 */
function launcher(directory: string, name: string, program: string): string {
  const path = join(directory, name);
  const start = `':' //; exec ${quoted(process.execPath)} "$0" "$@"`;
  const main = JSON.stringify(pathToFileURL(join(import.meta.dirname, program)).href);
  writeFileSync(path, `#!/bin/sh\n${start}\nimport(${main});\n`);
  chmodSync(path, 0o755);
  return path;
}

/** For the shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
