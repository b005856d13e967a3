/** Templates as people read them. */
import type { InputDefinition, Manifest } from '../bundle/manifest.ts';
import type { TemplateView } from '../protocol/templates.ts';
import { facts, formatBytes, formatInstant, formatRelative, plural, table } from './output.ts';
import { paint } from './paint.ts';
import type { TemplateReport } from './template-check.ts';

/** One line a template. */
export function templateTable(templates: readonly TemplateView[], now: number): string {
  return table(templates, [
    { title: 'name', value: (row) => row.name },
    { title: 'version', value: (row) => `${row.version}${row.latest ? '' : ' (old)'}` },
    { title: 'engines', value: (row) => row.engines.join(',') },
    { title: 'size', value: (row) => formatBytes(row.sizeBytes), align: 'right' },
    { title: 'pushed', value: (row) => formatRelative(row.pushedAt, now) },
    { title: 'title', value: (row) => row.title },
  ]);
}

/** All of a template that matters to those who submit jobs; `outputs` resolved by the caller. */
export function templateDetails(
  template: TemplateView,
  manifest: Manifest,
  outputs: readonly { readonly name: string; readonly summary: string }[],
): string {
  const { composition } = manifest;
  const length =
    typeof composition.duration === 'number'
      ? `${composition.duration} s`
      : `as long as "${composition.duration.input}"`;
  const parts = [
    facts([
      ['template', `${template.name}@${template.version}${template.latest ? ' (latest)' : ''}`],
      ['title', template.title],
      ['about', template.description],
      ['engines', template.engines.join(', ')],
      ['project', projectText(manifest)],
      ['picture', `${composition.width} × ${composition.height}, ${composition.fps} fps, ${length}`],
      ['bundle', `${formatBytes(template.sizeBytes)}, sha256 ${template.sha256}`],
      ['pushed', formatInstant(template.pushedAt)],
    ]),
  ];
  const inputs = Object.entries(manifest.inputs);
  if (inputs.length > 0) {
    parts.push(
      table(inputs, [
        { title: 'input', value: ([name]) => name },
        { title: 'type', value: ([, input]) => input.type },
        { title: 'default', value: ([, input]) => (input.required ? 'required' : defaultText(input)) },
        { title: 'limits', value: ([, input]) => limitsOf(input) },
        { title: 'description', value: ([, input]) => input.description },
      ]),
    );
  }
  parts.push(
    table(outputs, [
      { title: 'output', value: (row) => row.name },
      { title: 'file', value: (row) => row.summary },
    ]),
  );
  return parts.join('\n\n');
}

/** `spot.aep, composition "Main", After Effects 23 or newer`; null: the template has no project. */
function projectText({ engines: { aerender }, requires }: Manifest): string | null {
  if (!aerender) return null;
  const { composition } = aerender;
  const named =
    typeof composition === 'string'
      ? `composition ${JSON.stringify(composition)}`
      : `composition by "${composition.input}": ${Object.entries(composition.options)
          .map(([option, name]) => `${option} = ${JSON.stringify(name)}`)
          .join(', ')}`;
  const oldest = requires?.engines?.aerender;
  const version = oldest === undefined ? [] : [`After Effects ${oldest} or newer`];
  return [aerender.project, named, ...version].join(', ');
}

function defaultText({ default: value }: InputDefinition): string | null {
  if (value === undefined) return null;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

/** What a value must keep to, in a few words. */
function limitsOf(input: InputDefinition): string {
  switch (input.type) {
    case 'text': {
      const least = input.minLength > 0 ? `${input.minLength} to ` : 'up to ';
      return `${least}${plural(input.maxLength, 'character')}${input.multiline ? ', several lines' : ''}`;
    }
    case 'number': {
      const { min, max, integer } = input;
      const range =
        min !== undefined && max !== undefined
          ? `${min} to ${max}`
          : min !== undefined
            ? `at least ${min}`
            : max !== undefined
              ? `at most ${max}`
              : '';
      return [integer ? 'whole' : '', range].filter((part) => part !== '').join(', ');
    }
    case 'choice':
      return input.options.join(' | ');
    case 'audio':
    case 'video':
      return `up to ${formatBytes(input.maxBytes)}, ${input.maxSeconds} s`;
    case 'image':
    case 'font':
      return `up to ${formatBytes(input.maxBytes)}`;
    case 'color':
      return '#rrggbb or #rrggbbaa';
    default:
      return 'true | false';
  }
}

/** The result of `template validate`: findings first, then the verdict. */
export function reportText(report: TemplateReport): string {
  const lines = report.findings.flatMap((finding) => {
    const label = finding.severity === 'error' ? paint('error', 'error') : paint('warning', 'warning');
    return [`${label} ${finding.message}`];
  });
  const hints = new Set(report.findings.flatMap(({ hint }) => (hint ? [hint] : [])));
  for (const hint of hints) lines.push(`${paint('dim', 'hint:')} ${hint}`);
  const errors = report.findings.filter(({ severity }) => severity === 'error').length;
  const warnings = report.findings.length - errors;
  const counts = [errors > 0 ? plural(errors, 'error') : '', warnings > 0 ? plural(warnings, 'warning') : ''];
  const found = counts.filter((part) => part !== '').join(', ');
  if (!report.ok || report.manifest === null)
    lines.push(`${paint('error', 'not ok')} ${report.source}: ${found}`);
  else {
    const { name, version, engines } = report.manifest;
    const what = `${plural(report.files, 'file')}, ${formatBytes(report.sizeBytes)}, ${Object.keys(engines).join(', ')}`;
    lines.push(`${paint('good', 'ok')} ${name}@${version}: ${what}${found === '' ? '' : `; ${found}`}`);
  }
  return lines.join('\n');
}
