/** A proposed manifest as YAML with comments, for people to go on with. */
import type { AepComposition } from './aep/aep-project.ts';
import type { PresetName } from './presets.ts';
import { PRESETS } from './presets.ts';
import type { ProposedInput } from './propose-inputs.ts';

export interface ManifestProposal {
  readonly name: string;
  readonly title: string;
  /** Of the project in the bundle. */
  readonly project: string;
  /** Of the After Effects that saved it; null: unknown. */
  readonly version: string | null;
  readonly main: AepComposition;
  /** How the manifest calls it. */
  readonly composition: string;
  readonly inputs: readonly ProposedInput[];
  readonly fonts: readonly { readonly file: string; readonly names: readonly string[] }[];
  /** Fonts that no file was found for. */
  readonly missingFonts: readonly string[];
}

type Scalar = string | number | boolean;

/** The text of `template.yaml`. */
export function proposalYaml(proposal: ManifestProposal): string {
  const { name, title, main, inputs } = proposal;
  const seconds = Math.round(main.durationSeconds * 1000) / 1000;
  const lines = [
    '# What flatrender needs to know about this template. Every field: templates/MANIFEST.md of flatrender.',
    'schema: 1',
    `name: ${scalar(name)} # lower-case letters, digits and hyphens`,
    'version: 0.1.0 # a pushed version never changes: raise it before you push again',
    `title: ${scalar(title)}`,
    '',
    '# The picture as it was designed. Outputs may have other sizes.',
    'composition:',
    `  width: ${main.width}`,
    `  height: ${main.height}`,
    `  fps: ${main.fps}`,
    `  duration: ${seconds} # seconds; or { input: NAME } to be as long as an audio or video input`,
    '',
    `# What a job may set: flatrender job submit -t ${name} --set NAME=VALUE`,
    '# Remove what should stay as it is in the project, together with its line under "bind". What has no default and',
    '# is not required may be left out by a job; then the layer stays as it is.',
    ...(inputs.length > 0 ? ['inputs:', ...inputs.flatMap(inputLines)] : ['inputs: {}']),
    '',
    'engines:',
    ...engineLines(proposal),
    ...requireLines(proposal.version),
    '',
    '# The first one is what a job gets that names none. All presets can be asked for in any case.',
    'outputs:',
    `  - ${presetFor(main)}`,
    '  - { name: thumbnail, preset: png-still }',
  ];
  return `${lines.join('\n')}\n`;
}

function inputLines({ name, type, fields, about }: ProposedInput): string[] {
  return [
    `  ${name}: # ${comment(about)}`,
    `    type: ${type}`,
    ...Object.entries(fields).map(([field, value]) => `    ${field}: ${scalar(value)}`),
  ];
}

function engineLines({ project, composition, inputs, fonts, missingFonts }: ManifestProposal): string[] {
  const bindings = inputs.flatMap(({ name, bindings }) =>
    bindings.map(({ to, ...place }) => `      - ${flow({ to, input: name, ...place })}`),
  );
  const found = fonts.map(
    ({ file, names }) => `      - { file: ${scalar(file)}, names: [${names.map(scalar).join(', ')}] }`,
  );
  const wanted = missingFonts.map(
    (font) => `      # not found: - { file: ${scalar('fonts/FILE.ttf')}, names: [${comment(scalar(font))}] }`,
  );
  return [
    '  aerender:',
    `    project: ${scalar(project)}`,
    `    composition: ${scalar(composition)}`,
    '    # sequence: single frames, resumes after a crash; movie: one file by the output module',
    '    mode: sequence',
    ...(found.length + wanted.length > 0
      ? [
          `    # Nodes install these for the task.`,
          `    fonts:${found.length > 0 ? '' : ' []'}`,
          ...found,
          ...wanted,
        ]
      : []),
    '    # Layers are addressed by name, "Precomp/Layer" or number; "composition" says in which, where names repeat.',
    ...(bindings.length > 0 ? ['    bind:', ...bindings] : ['    bind: []']),
  ];
}

/** Every After Effects opens the projects of older ones, and none those of a newer major version. */
function requireLines(version: string | null): string[] {
  const major = version?.split('.')[0];
  if (major === undefined || !/^\d+$/.test(major) || Number(major) === 0) return [];
  return [
    '',
    `# The project was saved by After Effects ${comment(version ?? '')}; older ones cannot open it.`,
    'requires:',
    `  engines: { aerender: '${major}' }`,
  ];
}

/** The preset of the composition's size, else the one that keeps it. */
function presetFor({ width, height, fps }: AepComposition): PresetName {
  const fits = (preset: { width?: number; height?: number; maxFps?: number; container: string }): boolean =>
    preset.container === 'mp4' &&
    preset.width === width &&
    preset.height === height &&
    fps <= (preset.maxFps ?? fps);
  const names = Object.keys(PRESETS) as PresetName[];
  return names.find((name) => fits(PRESETS[name])) ?? 'original';
}

function flow(fields: Readonly<Record<string, Scalar>>): string {
  return `{ ${Object.entries(fields)
    .map(([name, value]) => `${name}: ${scalar(value)}`)
    .join(', ')} }`;
}

/** Words that YAML takes for something else than a text, in this version or the one before. */
const WORDS = /^(null|true|false|yes|no|on|off|y|n)$/i;

/** A value in one line, in quotes unless it is a plain word in every place. */
function scalar(value: Scalar): string {
  if (typeof value !== 'string') return String(value);
  const isPlain = /^[A-Za-z_](?:[\w .()/-]*[\w)])?$/.test(value) && !WORDS.test(value);
  return isPlain ? value : escaped(JSON.stringify(value));
}

/** What YAML takes for a line break or does not take at all. */
function escaped(text: string): string {
  return text.replace(
    /[\x7f-\x9f\xad\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function comment(text: string): string {
  return escaped(text.replace(/[\x00-\x1f]+/g, ' '))
    .slice(0, 160)
    .toWellFormed();
}
