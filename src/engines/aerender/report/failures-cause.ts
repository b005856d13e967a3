/** How each cause that After Effects names reads as an error. */
import type { ErrorCode } from '../../../lib/errors.ts';
import { type Cause, type Meaning, type RenderEvidence, scriptPlace } from './evidence.ts';

export interface CauseError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  /** Overrides that of the code. */
  readonly retryable?: boolean;
  readonly details: Record<string, unknown>;
}

/** The error for a cause that After Effects named. */
export function causeError(meaning: Meaning, evidence: RenderEvidence): CauseError {
  const { names } = meaning;
  const { details, ...described } = { details: {}, ...DESCRIPTIONS[meaning.cause](meaning, evidence) };
  return { ...described, details: { ...(names.length > 0 ? { names } : {}), ...details } };
}

type Described = Omit<CauseError, 'details'> & Partial<Pick<CauseError, 'details'>>;

const DESCRIPTIONS: Readonly<Record<Cause, (meaning: Meaning, evidence: RenderEvidence) => Described>> = {
  license: ({ text }) => ({
    code: 'AE_LICENSE',
    message: `After Effects has no valid licence here: ${text}`,
    hint: 'sign in to After Effects as the user of the agent, or see Adobe’s page on render-only nodes',
  }),
  'other-instance': ({ text }) => ({
    code: 'AE_OTHER_INSTANCE',
    message: `After Effects is taken by another instance or script: ${text}`,
    hint: 'close After Effects on this machine, or let the agent end what earlier renders left over',
  }),
  composition: (_meaning, { composition }) => ({
    code: 'AE_COMP_NOT_FOUND',
    message: `the project has no composition ${quoted(composition)}`,
    hint: 'flatrender template inspect <project.aep> lists its compositions',
  }),
  'output-module': (_meaning, { outputModule }) => ({
    code: 'AE_OUTPUT_MODULE_NOT_FOUND',
    message: `this After Effects has no output module template ${quoted(outputModule)}`,
    hint: 'Edit > Templates > Output Module lists them; names differ by language and version',
  }),
  'render-settings': (_meaning, { renderSettings }) => ({
    code: 'AE_RENDER_FAILED',
    message: `this After Effects has no render settings template ${quoted(renderSettings ?? null)}`,
    hint: 'Edit > Templates > Render Settings lists them; names differ by language and version',
  }),
  'project-newer': ({ text }) => ({
    code: 'AE_PROJECT_INVALID',
    message: `the project was saved by a newer After Effects: ${text}`,
    hint: 'render on a newer After Effects, or save a copy for the older one (File > Save As)',
    retryable: true,
  }),
  project: ({ text }) => ({
    code: 'AE_PROJECT_INVALID',
    message: `After Effects cannot open the project: ${text}`,
    hint: 'open it in After Effects, save it again and push the template anew',
  }),
  script: ({ text }, evidence) => scriptError(text, evidence),
  disk: ({ text }) => ({
    code: 'DISK_FULL',
    message: `After Effects ran out of disk space: ${text}`,
    hint: 'free room on the node, or set a smaller disk cache in After Effects',
  }),
  memory: ({ text }) => ({
    code: 'AE_RENDER_FAILED',
    message: `After Effects ran out of memory: ${text}`,
    hint: 'fewer slots on this node, a lower share for multi-frame rendering, or a machine with more memory',
  }),
  footage: ({ names, text }) => ({
    code: 'AE_MISSING_FOOTAGE',
    message: `footage is missing: ${listOf(names) || text}`,
    hint: 'put the files into the bundle, with paths relative to the project; missingFootage: ignore renders without them',
  }),
  font: ({ names, text }) => ({
    code: 'AE_MISSING_FONT',
    message: `fonts are missing: ${listOf(names) || text}`,
    hint: 'put the font files into the bundle, under fonts; missingFonts: substitute renders with others',
  }),
  effect: ({ text }) => ({
    code: 'AE_RENDER_FAILED',
    message: `effects are missing: ${text}`,
    hint: 'install the plug-ins on this node, or give the template a tag of the nodes that have them',
  }),
  connection: ({ text }) => ({
    code: 'AE_CRASHED',
    message: `aerender lost After Effects: ${text}`,
    hint: '',
  }),
};

function scriptError(text: string, evidence: RenderEvidence): Described {
  const { file, line } = scriptPlace([text, ...evidence.lastLines.slice(-5)]);
  const place = [file === null ? null : baseName(file), line === null ? null : `line ${line}`]
    .filter((part) => part !== null)
    .join(', ');
  return {
    code: 'AE_SCRIPT_ERROR',
    message: `a script failed${place === '' ? '' : ` (${place})`}: ${text}`,
    hint: 'run it in After Effects: File > Scripts > Run Script File',
    details: { file, line },
  };
}

function quoted(name: string | null): string {
  return name === null ? 'of that name' : JSON.stringify(name);
}

function listOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).map(baseName);
  const more = names.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) || path;
}
