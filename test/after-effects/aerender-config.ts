/** What the installation of the stand-in says about itself: simulator.json beside the programs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimLanguage } from './lines.ts';
import { userFonts } from './user-fonts.ts';

export interface AerenderConfig {
  /** Of this After Effects, e.g. "24.2.1x2". */
  readonly version: string;
  readonly language: SimLanguage;
  /** Those of simulator.json and those of the user. */
  readonly fonts: readonly { readonly postScriptName: string; readonly file: string | null }[];
  readonly renderSettings: readonly string[];
  readonly outputModules: readonly string[];
  /** Milliseconds until it is up. */
  readonly startMs: number;
  /** Milliseconds that a frame takes besides drawing. */
  readonly frameMs: number;
}

/** Reads the configuration; what is not said is as After Effects comes. */
export function readAerenderConfig(installDir: string): AerenderConfig {
  const config = readJson(join(installDir, 'simulator.json')) as Partial<
    Omit<AerenderConfig, 'language'> & { language: string }
  >;
  const language = config.language?.slice(0, 2);
  return {
    version: config.version ?? '24.2.1x2',
    language: language === 'de' || language === 'es' ? language : 'en',
    fonts: [...(config.fonts ?? []), ...userFonts()],
    renderSettings: config.renderSettings ?? ['Best Settings', 'Draft Settings'],
    outputModules: config.outputModules ?? [
      'AIFF 48kHz',
      'H.264 - Match Render Settings - 15 Mbps',
      'High Quality',
      'Lossless',
      'TIFF Sequence with Alpha',
      '_HIDDEN X-Factor 8 Premul',
    ],
    startMs: config.startMs ?? 0,
    frameMs: config.frameMs ?? 0,
  };
}

function readJson(path: string): object {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as object;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
