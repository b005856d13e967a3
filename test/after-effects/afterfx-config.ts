/** What the installation says about itself to scripts: simulator.json, shared with aerender. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAerenderConfig } from './aerender-config.ts';
import type { ModelConfig } from './model/session.ts';

export interface AfterFxConfig extends ModelConfig {
  /** Whether scripts have JSON. */
  readonly hasJson: boolean;
  /** Milliseconds until it is up. */
  readonly startMs: number;
}

/** Reads the configuration; what is not said is as After Effects comes. */
export function readAfterFxConfig(installDir: string): AfterFxConfig {
  const { version, language, fonts, renderSettings, outputModules, startMs } = readAerenderConfig(installDir);
  return {
    version,
    isoLanguage: { en: 'en_US', de: 'de_DE', es: 'es_ES' }[language],
    fonts,
    renderSettings,
    outputModules,
    startMs,
    hasJson: hasJson(installDir),
  };
}

function hasJson(installDir: string): boolean {
  try {
    const config = JSON.parse(readFileSync(join(installDir, 'simulator.json'), 'utf8')) as {
      hasJSON?: unknown;
    };
    return config.hasJSON === true;
  } catch {
    return false;
  }
}
