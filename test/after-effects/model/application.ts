/** `app`. */
import { completeProject } from '../default-properties.ts';
import { ProjectFileError, readProject } from '../project-file.ts';
import { ScriptFile } from '../script-host/script-file.ts';
import { aeError, badParameter } from './ae-error.ts';
import { ENUMS } from './enums.ts';
import { FontsObject } from './fonts.ts';
import { installedEffects } from './new-effect.ts';
import { Project } from './project.ts';
import type { Session } from './session.ts';

export class Application {
  readonly #session: Session;
  readonly #project: Project;
  readonly #settings = new Settings();
  readonly #preferences = new Preferences();
  #exitCode = 0;
  #onError: string | null = null;
  #hasQuit = false;

  constructor(session: Session) {
    this.#session = session;
    this.#project = new Project(session);
  }

  /** Whether a script has called `quit`: After Effects ends when the script does. */
  get _hasQuit(): boolean {
    return this.#hasQuit;
  }

  get project(): Project {
    return this.#project;
  }
  get version(): string {
    return this.#session.config.version;
  }
  get buildName(): string {
    return this.version;
  }
  get buildNumber(): number {
    return Number(this.version.split('x')[1] ?? 0);
  }
  get isoLanguage(): string {
    return this.#session.config.isoLanguage;
  }
  get language(): number {
    const { ENGLISH, GERMAN, SPANISH } = ENUMS.Language;
    return { de: GERMAN, es: SPANISH }[this.isoLanguage.slice(0, 2)] ?? ENGLISH;
  }
  get isRenderEngine(): boolean {
    return false;
  }
  get isWatchFolder(): boolean {
    return false;
  }
  get memoryInUse(): number {
    return process.memoryUsage.rss();
  }
  get settings(): Settings {
    return this.#settings;
  }
  get preferences(): Preferences {
    return this.#preferences;
  }
  get effects(): ReturnType<typeof installedEffects> {
    return installedEffects();
  }
  /** Of After Effects 24 and newer. */
  get fonts(): FontsObject | undefined {
    const { config } = this.#session;
    const installed = config.fonts.map(({ postScriptName }) => postScriptName);
    return majorOf(config.version) < 24 ? undefined : new FontsObject(installed, () => this.#session.project);
  }
  get exitCode(): number {
    return this.#exitCode;
  }
  set exitCode(value: unknown) {
    this.#exitCode = Number(value);
  }
  get onError(): string | null {
    return this.#onError;
  }
  set onError(value: unknown) {
    this.#onError = value as string | null;
  }
  get disableRendering(): boolean {
    return false;
  }
  set disableRendering(_value: unknown) {}
  get saveProjectOnCrash(): boolean {
    return true;
  }
  set saveProjectOnCrash(_value: unknown) {}
  get exitAfterLaunchAndEval(): boolean {
    return false;
  }
  set exitAfterLaunchAndEval(_value: unknown) {}

  /** Throws for what is no project, damaged, or of a newer After Effects; the wording is not verified. */
  open(file?: unknown): Project {
    if (!(file instanceof ScriptFile)) throw badParameter('open', 1, 'Value is not a File.');
    let opened: ReturnType<typeof readProject>;
    try {
      opened = readProject(file._path);
    } catch (error) {
      if (error instanceof ProjectFileError)
        throw aeError(error.message.replace(/^After Effects error: /, ''));
      throw error;
    }
    if (majorOf(opened.version) > majorOf(this.version)) {
      throw aeError(
        `“${file._path}” was saved by After Effects ${opened.version}, which is newer than this one.`,
      );
    }
    completeProject(opened);
    this.#session.open(opened, file._path);
    this.#project._emptyQueue();
    return this.#project;
  }
  newProject(): Project {
    this.#session.close();
    this.#project._emptyQueue();
    return this.#project;
  }
  quit(): void {
    this.#hasQuit = true;
  }
  activate(): void {}
  beginUndoGroup(): void {}
  endUndoGroup(): void {}
  beginSuppressDialogs(): void {}
  endSuppressDialogs(): void {}
  purge(): void {}
  setMemoryUsageLimits(): void {}
  setMultiFrameRenderingConfig(): void {}
  setSavePreferencesOnQuit(): void {}
  scheduleTask(): number {
    throw aeError('Scheduled tasks are not simulated.');
  }
  cancelTask(): void {}
  findMenuCommandId(): number {
    return 0;
  }
  executeCommand(): void {
    throw aeError('Menu commands are not simulated.');
  }
}

/** `app.settings`: of one run. */
export class Settings {
  readonly #known = new Map<string, string>();

  haveSetting(section: unknown, key: unknown): boolean {
    return this.#known.has(`${String(section)}/${String(key)}`);
  }
  getSetting(section: unknown, key: unknown): string {
    const value = this.#known.get(`${String(section)}/${String(key)}`);
    if (value === undefined) throw aeError(`Setting “${String(key)}” not found.`);
    return value;
  }
  saveSetting(section: unknown, key: unknown, value: unknown): void {
    this.#known.set(`${String(section)}/${String(key)}`, String(value));
  }
}

/** What scripts look up before they write files (Edit > Preferences > Scripting & Expressions). */
const PREFERENCE = 'Pref_SCRIPTING_FILE_NETWORK_SECURITY';

/** `app.preferences`. */
export class Preferences {
  getPrefAsLong(_section: unknown, key: unknown): number {
    return key === PREFERENCE ? 1 : 0;
  }
  getPrefAsString(): string {
    return '';
  }
  getPrefAsBool(): boolean {
    return false;
  }
  havePref(_section: unknown, key: unknown): boolean {
    return key === PREFERENCE;
  }
  savePrefAsLong(): void {}
  savePrefAsString(): void {}
  saveToDisk(): void {}
  reload(): void {}
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}
