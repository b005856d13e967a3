/**
 * What aerender prints, line by line.
 *
 * The shape is that of logs in issues of inlife/nexrender (#57, #138, #148, #206, #223, #542, #602, #610, #619, #714, #805,
 * #897) and of Adobe's commandLineRenderer.jsx: a severity, a colon, then the message as it is, of which After Effects
 * begins its own with two spaces. Of the other languages only the words "Dauer", "Anfang", "Fehler" and "segundos" are
 * attested; the rest are translations that nobody compared with a real After Effects.
 */
import { timecode } from './timecode.ts';

export type SimLanguage = 'en' | 'de' | 'es';

/** How this After Effects writes. */
export interface LineStyle {
  readonly language: SimLanguage;
  /** Of the composition; 29.97 and 23.976 mean n·1000/1001. */
  readonly fps: number;
  readonly dropFrame: boolean;
  /** A setting of the project: times as time code or as numbers of frames. */
  readonly display: 'timecode' | 'frames';
  /** How the system writes the time of day. */
  readonly clock: '12h' | '12h-zone' | '24h';
}

/** What is rendered, where to. */
export interface LineJob {
  readonly composition: string;
  readonly width: number;
  readonly height: number;
  /** Number of the first frame rendered, as After Effects displays it. */
  readonly startFrame: number;
  readonly frames: number;
  readonly output: string;
  /** Name of the format, e.g. "QuickTime". */
  readonly format: string;
  readonly renderSettings: string;
  readonly outputModule: string;
  /** All settings, as English logs have them (#610), or those alone that tell what is rendered. Default: short. */
  readonly settings?: 'short' | 'full';
}

interface Words {
  readonly starting: (composition: string) => string;
  readonly finished: (composition: string) => string;
  readonly start: string;
  readonly end: string;
  readonly duration: string;
  readonly frameRate: string;
  readonly comp: string;
  readonly outputTo: string;
  readonly format: string;
  readonly seconds: string;
  readonly total: string;
  readonly units: readonly [hours: string, minutes: string, seconds: string];
  readonly decimal: string;
  readonly renderSettings: string;
  readonly outputModule: string;
  readonly size: string;
  readonly startFrame: string;
}

const WORDS: Readonly<Record<SimLanguage, Words>> = {
  en: {
    starting: (composition) => `Starting composition "${composition}".`,
    finished: (composition) => `Finished composition "${composition}".`,
    start: 'Start',
    end: 'End',
    duration: 'Duration',
    frameRate: 'Frame Rate',
    comp: 'comp',
    outputTo: 'Output To',
    format: 'Format',
    seconds: 'Seconds',
    total: 'Total Time Elapsed',
    units: ['Hr', 'Min', 'Sec'],
    decimal: '.',
    renderSettings: 'Render Settings',
    outputModule: 'Output Module',
    size: 'Size',
    startFrame: 'Start Frame',
  },
  de: {
    starting: (composition) => `Komposition „${composition}“ wird gestartet.`,
    finished: (composition) => `Komposition „${composition}“ ist fertig gestellt.`,
    start: 'Anfang',
    end: 'Ende',
    duration: 'Dauer',
    frameRate: 'Framerate',
    comp: 'Komp.',
    outputTo: 'Speichern unter',
    format: 'Format',
    seconds: 'Sekunden',
    total: 'Gesamtzeit',
    units: ['Std.', 'Min.', 'Sek.'],
    decimal: ',',
    renderSettings: 'Rendereinstellungen',
    outputModule: 'Ausgabemodul',
    size: 'Größe',
    startFrame: 'Anfangsframe',
  },
  es: {
    starting: (composition) => `Iniciando la composición “${composition}”.`,
    finished: (composition) => `Composición “${composition}” finalizada.`,
    start: 'Inicio',
    end: 'Fin',
    duration: 'Duración',
    frameRate: 'Velocidad de fotogramas',
    comp: 'comp.',
    outputTo: 'Salida a',
    format: 'Formato',
    seconds: 'segundos',
    total: 'Tiempo total transcurrido',
    units: ['h', 'min', 's'],
    decimal: ',',
    renderSettings: 'Ajustes de procesamiento',
    outputModule: 'Módulo de salida',
    size: 'Tamaño',
    startFrame: 'Fotograma inicial',
  },
};

/** The line with the version; before the others, or late. */
export function versionLine(version: string): string {
  return `aerender version ${version}`;
}

/** The two lines around the start of After Effects, which aerender writes itself, in English everywhere. */
export const LAUNCHING = 'PROGRESS: Launching After Effects...';
export const LAUNCHED = 'PROGRESS: ...After Effects successfully launched';
export const ADDING = 'PROGRESS: Adding specified comp to Render Queue';

/** A project of an older After Effects. */
export function convertedLine(from: string): string {
  return `INFO:After Effects: this project must be converted from version ${from} (Macintosh 64). The original file will be unchanged.`;
}

/** From "Starting composition" to the last line before the first frame. */
export function startLines(job: LineJob, style: LineStyle, time: Date): string[] {
  const words = WORDS[style.language];
  const last = job.startFrame + job.frames - 1;
  const full = (...lines: readonly string[]) =>
    job.settings === 'full' && style.language === 'en' ? lines : [];
  return [
    `${clockTime(time, style.clock)}: ${words.starting(job.composition)}`,
    `${words.renderSettings}: ${job.renderSettings}`,
    ...full('Quality: Best', 'Resolution: Full'),
    `${words.size}: ${job.width} x ${job.height}`,
    ...full('Proxy Use: Use No Proxies', 'Effects: Current Settings', 'Disk Cache: Read Only'),
    ...full('Color Depth: Current Settings', 'Frame Blending: On for Checked Layers', 'Field Render: Off'),
    ...full('Pulldown: Off', 'Motion Blur: On for Checked Layers', 'Solos: Current Settings'),
    ...full('Time Span: Work Area'),
    `${words.start}: ${frameTime(job.startFrame, style)}`,
    `${words.end}: ${frameTime(last, style)}`,
    `${words.duration}: ${frameTime(job.frames, style)}`,
    `${words.frameRate}: ${frameRate(style.fps, words.decimal)} (${words.comp})`,
    ...full('Guide Layers: All Off', 'Skip Existing Files: Off', ''),
    `${words.outputModule}: ${job.outputModule}`,
    `${words.outputTo}: ${job.output}`,
    `${words.format}: ${job.format}`,
    ...full('Output Info: -'),
    // A number that is neither a progress nor a length.
    `${words.startFrame}: ${job.startFrame}`,
    ...full('Output Audio: -', 'Channels: RGB', 'Depth: Millions of Colors', 'Color: Premultiplied'),
    ...full('Resize: -', 'Crop: -', `Final Size: ${job.width} x ${job.height}`, 'Profile: -'),
    ...full('Post-Render Action: None', ''),
  ].map(progressLine);
}

/**
 * One frame is done; `index` counts from 0 in what is rendered. `field`: of interlaced output there are two lines a frame
 * (#897).
 */
export function frameLine(
  job: Pick<LineJob, 'startFrame'>,
  style: LineStyle,
  index: number,
  seconds: number,
  field: '' | 'U' | 'L' = '',
): string {
  const time = frameTime(job.startFrame + index, style);
  return progressLine(`${time} (${index + 1}${field}): ${seconds} ${WORDS[style.language].seconds}`);
}

/** "Finished composition" and how long it took. */
export function endLines(job: LineJob, style: LineStyle, time: Date, elapsedSeconds: number): string[] {
  const words = WORDS[style.language];
  return [
    progressLine(`${clockTime(time, style.clock)}: ${words.finished(job.composition)}`),
    progressLine(`${words.total}: ${elapsedTime(elapsedSeconds, words)}`),
  ];
}

/** A message of After Effects with its severity, as commandLineRenderer.jsx writes it. */
function progressLine(text: string): string {
  return `PROGRESS:  ${text}`;
}

/** An error of aerender itself, e.g. "No comp was found with the given name.". */
export function errorLine(message: string): string {
  return `aerender ERROR: ${message}`;
}

/** Messages of commandLineRenderer.jsx and of After Effects. */
export const MESSAGES = {
  compNotFound: 'No comp was found with the given name.',
  rqIndexNotFound: 'No render queue item was found with the given index.',
  renderSettingsNotFound: 'No render settings template was found with the given name.',
  outputModuleNotFound: 'No output module template was found with the given name.',
  needsOutput: 'Specified render queue item needs output file but none provided.',
  noProject: 'No project provided and no project open.',
  runtime: 'Runtime error in After Effects.',
  badIncrement: 'Bad value for -increment. Must be between 1 and 100, inclusive.',
  damagedProject: 'After Effects error: file is damaged.',
  // The words of Adobe are not known; that they speak of the licence is all that is assumed.
  licence: 'After Effects error: no valid license was found. Sign in to Creative Cloud.',
  // The end after the semicolon is not in the logs that were seen.
  otherInstance:
    'After Effects can not render for aerender. Another instance of aerender, or another script, may be running; or AE may be waiting for response from a modal dialog, or for a render to complete. Try running aerender without the -reuse flag to invoke a separate instance of After Effects.',
} as const;

/** Footage that is not there (#206). */
export function missingFootageLine(path: string): string {
  return `WARNING:After Effects warning: logged one error  error: Unable to Render: File Not Found ${path}`;
}

/** Fonts that are not there (#148). */
export function missingFontLine(family: string, style: string): string {
  return `WARNING:After Effects warning: Grouped_Message_{some layers have missing dependencies...}Text Layer: Font family: ${family}, Font style: ${style}`;
}

export interface RenderLogOptions extends Partial<LineStyle>, Partial<LineJob> {
  readonly version?: string;
  /** Where the version line stands: first, or after the project was opened. */
  readonly versionAt?: 'early' | 'late';
  /** The version that saved the project, when it has to be converted. */
  readonly convertedFrom?: string;
  /** Two lines a frame. */
  readonly fields?: boolean;
  /** Seconds a frame takes. */
  readonly frameSeconds?: number;
  /** Start of the render, epoch milliseconds. */
  readonly startedMs?: number;
}

/** A whole log of a render that went well, without rendering. */
export function renderLog(options: RenderLogOptions = {}): string[] {
  const { version = '24.2.1x2', versionAt = 'early', frameSeconds = 0, fields = false } = options;
  const { startedMs = Date.UTC(2024, 6, 23, 14, 40, 31) } = options;
  const style: LineStyle = {
    language: 'en',
    fps: 30,
    dropFrame: false,
    display: 'timecode',
    clock: '12h',
    ...options,
  };
  const job: LineJob = {
    composition: 'main',
    width: 1920,
    height: 1080,
    startFrame: 0,
    frames: 90,
    output: 'C:\\render\\out.mov',
    format: 'QuickTime',
    renderSettings: 'Best Settings',
    outputModule: 'Lossless',
    ...options,
  };
  const frames = Array.from({ length: job.frames }, (_, index) => index).flatMap((index) => {
    const seconds = Math.floor((index + 1) * frameSeconds) - Math.floor(index * frameSeconds);
    const line = (field: '' | 'U' | 'L') => frameLine(job, style, index, seconds, field);
    return fields ? [line('U'), line('L')] : [line('')];
  });
  const elapsed = Math.floor(job.frames * frameSeconds);
  return [
    ...(versionAt === 'early' ? [versionLine(version)] : []),
    LAUNCHING,
    LAUNCHED,
    ...(options.convertedFrom === undefined ? [] : [convertedLine(options.convertedFrom)]),
    ADDING,
    ...(versionAt === 'late' ? [versionLine(version)] : []),
    ...startLines(job, style, new Date(startedMs)),
    ...frames,
    ...endLines(job, style, new Date(startedMs + elapsed * 1000), elapsed),
  ];
}

function frameTime(frame: number, style: LineStyle): string {
  return style.display === 'frames' ? String(frame) : timecode(frame, style.fps, style.dropFrame);
}

/** 30 → "30.00", 23.976 → "23.976". */
function frameRate(fps: number, decimal: string): string {
  const text = Number.isInteger(fps * 100) ? fps.toFixed(2) : fps.toFixed(3);
  return text.replace('.', decimal);
}

/** "17 Seconds" up to a minute, then "1 Min, 28 Sec". */
function elapsedTime(seconds: number, { seconds: word, units }: Words): string {
  if (seconds < 60) return `${seconds} ${word}`;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts
    .map((part, index) => `${part} ${units[index]}`)
    .slice(seconds < 3600 ? 1 : 0)
    .join(', ');
}

/** The time of day, in UTC, so that a log is the same wherever it is made. */
function clockTime(time: Date, clock: LineStyle['clock']): string {
  const [year, month, day] = [time.getUTCFullYear(), time.getUTCMonth() + 1, time.getUTCDate()];
  const pad = (number: number) => String(number).padStart(2, '0');
  const rest = `${pad(time.getUTCMinutes())}:${pad(time.getUTCSeconds())}`;
  const hours = time.getUTCHours();
  if (clock === '24h') return `${pad(day)}/${pad(month)}/${year} ${pad(hours)}:${rest} GMT+2`;
  const half = `${hours % 12 === 0 ? 12 : hours % 12}:${rest} ${hours < 12 ? 'AM' : 'PM'}`;
  return clock === '12h'
    ? `${month}/${day}/${year} ${half}`
    : `${month}/${day}/${year % 100} ${half} GMT+5:30`;
}
