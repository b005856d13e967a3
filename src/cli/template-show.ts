import { manifestFromData } from '../bundle/manifest-file.ts';
import { outputName, resolveOutput } from '../bundle/resolve-output.ts';
import type { OutputSpec } from '../protocol/jobs.ts';
import type { TemplateView } from '../protocol/templates.ts';
import { templateDetails } from './template-report.ts';

/** A template with its inputs and outputs, as text. */
export function describeTemplate(template: TemplateView): string {
  const manifest = manifestFromData(template.manifest, `${template.name}@${template.version}`);
  const outputs = manifest.outputs.map((output) => {
    const name = outputName(output);
    return { name, summary: summaryOf(resolveOutput(manifest, name)) };
  });
  return templateDetails(template, manifest, outputs);
}

/** `mp4, 1920 × 1080, 25 fps, 6 s`. */
function summaryOf(output: OutputSpec): string {
  const parts = [output.container, `${output.width} × ${output.height}`];
  if (output.container === 'png') {
    return [...parts, output.atSeconds === null ? 'from the middle' : `at ${output.atSeconds} s`].join(', ');
  }
  parts.push(`${output.fps} fps`);
  parts.push(
    output.durationSeconds === null ? `as long as "${output.durationFrom}"` : `${output.durationSeconds} s`,
  );
  return parts.join(', ');
}
