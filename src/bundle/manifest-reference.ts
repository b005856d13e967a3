/** The format of `template.yaml` for editors (JSON Schema) and for people (Markdown), both from the one zod schema. */
import { z } from 'zod';
import { ManifestSchema } from './manifest.ts';
import { PRESETS } from './presets.ts';

type Schema = z.core.JSONSchema.JSONSchema;

/** JSON Schema (draft 2020-12) of `template.yaml`; checks across fields are not in it. */
export function manifestJsonSchema(): Schema {
  return {
    ...z.toJSONSchema(ManifestSchema, { io: 'input' }),
    title: 'flatrender template manifest',
  };
}

/** Every field of `template.yaml` in Markdown: `templates/MANIFEST.md`. */
export function manifestReference(): string {
  const lines = [
    '# template.yaml',
    '',
    'The manifest at the root of a template. Generated from its schema by `npm run docs`; do not edit. Editors complete and',
    'check the file with `templates/manifest.schema.json`: in VS Code with the YAML extension put',
    '`# yaml-language-server: $schema=PATH/TO/manifest.schema.json` on the first line. `flatrender template init` writes a',
    'commented manifest to start from; `flatrender template validate` checks it, also what no schema can see (names that',
    'other fields refer to, files, fonts, layers).',
    '',
    'What lies in the folder and does not belong into the bundle is listed in `.flatrenderignore`, as in a `.gitignore`;',
    'version control, `node_modules` and what systems leave in folders stay out anyway.',
    '',
    'Paths are relative to the manifest, with forward slashes. A field without a default that is not required may be left out.',
    '',
    ...section('Fields', '', manifestJsonSchema()),
    ...projectRules(),
    ...placeholders(),
    ...presets(),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The table of one group of fields, then the groups inside it. */
function section(title: string, path: string, schema: Schema): string[] {
  const lines = [`## ${title}`, '', '| Field | Value | Default | |', '|---|---|---|---|'];
  const inner: string[] = [];
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (typeof field === 'boolean') continue;
    const fieldPath = path === '' ? name : `${path}.${name}`;
    const isRequired = schema.required?.includes(name) === true;
    const fallback =
      field.default !== undefined ? `\`${JSON.stringify(field.default)}\`` : isRequired ? 'required' : '';
    lines.push(
      `| \`${name}\` | ${cell(valueText(field))} | ${cell(fallback)} | ${cell(field.description ?? '')} |`,
    );
    inner.push(...innerSections(fieldPath, field));
  }
  return [...lines, '', ...inner];
}

function innerSections(path: string, field: Schema): string[] {
  if (field.properties) return section(`\`${path}\``, path, field);
  const record = field.additionalProperties;
  if (typeof record === 'object') return alternatives(`${path}.NAME`, record);
  const items = field.items;
  if (typeof items === 'object' && !Array.isArray(items)) return alternatives(`${path}[]`, items as Schema);
  return [];
}

/** A section per kind of thing that can stand there. */
function alternatives(path: string, schema: Schema): string[] {
  if (schema.properties) return section(`\`${path}\``, path, schema);
  const kinds = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].filter((kind) => typeof kind === 'object');
  return kinds
    .filter((kind) => kind.properties)
    .flatMap((kind) => {
      const [tag] = Object.entries(kind.properties ?? {}).filter(
        ([, value]) => typeof value === 'object' && value.const !== undefined,
      );
      const constant =
        tag && typeof tag[1] === 'object'
          ? `: \`${tag[0]}: ${String(tag[1].const)}\``
          : firstField(kind, kinds);
      return section(`\`${path}\`${constant}`, path, kind);
    });
}

/** What tells a kind without a tag from the others: the field it must have. */
function firstField(kind: Schema, kinds: readonly Schema[]): string {
  const [first] = kind.required ?? [];
  return first === undefined || kinds.filter((other) => other.properties).length < 2
    ? ''
    : ` with \`${first}\``;
}

/** What a field may hold, in a few words. */
function valueText(field: Schema): string {
  if (field.const !== undefined) return `\`${String(field.const)}\``;
  if (field.enum) return field.enum.map((value) => `\`${String(value)}\``).join(' or ');
  if (field.anyOf)
    return field.anyOf.map((kind) => (typeof kind === 'object' ? valueText(kind) : '')).join(', or ');
  if (field.type === 'array') return 'list';
  if (field.type === 'object') {
    const names = Object.keys(field.properties ?? {});
    return names.length === 1 ? `\`{ ${names[0]}: … }\`` : 'group';
  }
  if (field.type === 'boolean') return '`true` or `false`';
  if (field.type === 'string') {
    return field.maxLength === undefined || field.maxLength > 20_000
      ? 'text'
      : `text, up to ${field.maxLength} characters`;
  }
  return `${field.type === 'integer' ? 'whole number' : 'number'}${rangeText(field)}`;
}

function rangeText({ minimum, maximum, exclusiveMinimum }: Schema): string {
  const top = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  if (exclusiveMinimum !== undefined)
    return `, more than ${exclusiveMinimum}${top === undefined ? '' : `, up to ${top}`}`;
  if (minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER) {
    return top === undefined ? `, at least ${minimum}` : `, ${minimum} to ${top}`;
  }
  return top === undefined ? '' : `, up to ${top}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function projectRules(): string[] {
  return [
    '## Names and places in `engines.aerender`',
    '',
    '| | |',
    '|---|---|',
    '| `composition`, `item` | a name, or the end of its path in the project panel: `Folder/Name`; `/Name` is the one outside of all folders |',
    '| `layer` | its number in the composition, its name, or `Precomp/Layer`: a layer of the composition that is called `Precomp` or that the layer `Precomp` shows. Without `composition`, a name that the rendered one lacks is looked for in those within. Two of one name are an error: give `composition` or the number |',
    '| `property` | names, match names (`ADBE Fill-0002`, the same in every language) or numbers, with dots between them; `\\.` is a dot in a name. What every layer has (`Transform.Opacity`) and the most common effects (`Fill.Color`, `Slider Control.Slider`) are known by their English names in every language |',
    '| a text of several styles | gets the style of its first character, with a warning where After Effects can tell (24.3 and newer) |',
    '| footage | After Effects finds a file of the project by its place relative to the project, and what it does not find is linked to the bundle by the end of its stored path; `template init project.aep` puts it there, `template validate` says what is missing |',
    '| an input that a job leaves out and that has no default | its layer stays as it is in the project |',
    '| two bindings for one place | allowed where the input of the later one may be left out: a picture or, if a job has one, a video |',
    '',
    'Layers can be seen with `flatrender template inspect project.aep`.',
    '',
  ];
}

function placeholders(): string[] {
  return [
    '## Placeholders in `graph`, `generate` and `otherwise` of `engines.ffmpeg`',
    '',
    '| | |',
    '|---|---|',
    '| `{width}` `{height}` `{fps}` `{duration}` | of the output |',
    '| `{input.NAME}` | a number, colour (`0xRRGGBB`), boolean (`0` or `1`) or choice input that always has a value |',
    '| `{file.NAME}` | the escaped path of a file with the text of a text input: `drawtext=textfile={file.title}:expansion=none` |',
    '| `{font:PATH}` | the escaped path of a font of the bundle |',
    '',
    'Text never becomes part of the graph. `%{…}` is FFmpeg’s own and stays as it is.',
    '',
  ];
}

function presets(): string[] {
  const rows = Object.entries(PRESETS).map(([name, preset]) => {
    const size = 'width' in preset ? `${preset.width} × ${preset.height}` : 'of the composition';
    const rate = 'maxFps' in preset ? `up to ${preset.maxFps}` : 'of the composition';
    return `| \`${name}\` | ${preset.container} | ${size} | ${preset.container === 'png' ? 'a still' : rate} |`;
  });
  return [
    '## Presets',
    '',
    '| Name | Container | Size | Frames per second |',
    '|---|---|---|---|',
    ...rows,
    '',
  ];
}
