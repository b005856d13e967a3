/** What `template init project.aep` did, for people. */
import { basename, relative } from 'node:path';
import { plural, table } from './output.ts';
import type { ProjectInitResult } from './project-init.ts';

/** `done` is what was made, `next` what is missing and what to do. */
export function initReport(
  result: ProjectInitResult,
  cwd: string,
): { readonly done: string; readonly next: string } {
  const folder = relative(cwd, result.directory) || '.';
  const made = result.version === null ? '' : ` (After Effects ${result.version})`;
  const done = [
    `read ${basename(result.source)}${made}, composition ${JSON.stringify(result.composition)}`,
    ...result.files.map((file) => `wrote ${folder}/${file}`),
  ];
  if (result.inputs.length > 0) {
    const rows = table(result.inputs, [
      { title: 'input', value: ({ name }) => name },
      { title: 'type', value: ({ type }) => type },
      { title: 'from', value: ({ about }) => about },
    ]);
    done.push('', rows);
  } else done.push('', 'no inputs: no text, footage or colour was found that a job could set');
  const next: string[] = [''];
  const { footage, fonts } = result.missing;
  if (footage.length > 0) {
    next.push(`not beside the project: ${plural(footage.length, 'file')} of footage`);
    next.push(...footage.slice(0, 10).map((path) => `  ${path}`));
    if (footage.length > 10) next.push(`  and ${footage.length - 10} more`);
  }
  if (fonts.length > 0)
    next.push(
      `no font file found for ${fonts.join(', ')}: nodes need it installed; or begin again with --fonts FOLDER`,
    );
  if (result.others > 0) {
    const files = plural(result.others, 'other file');
    next.push(
      `${folder} has ${files}, also part of the template: list what is not in ${folder}/.flatrenderignore`,
    );
  }
  // What is missing is named above; as an error it keeps the template from being pushed.
  const listed = new Set(['AE_MISSING_FOOTAGE', 'AE_MISSING_FONT']);
  const findings = result.findings.filter(({ severity, code }) => severity === 'error' || !listed.has(code));
  for (const { severity, message } of findings) next.push(`${severity}: ${message}`);
  if (next.length > 1) next.push('');
  next.push(
    `look over ${folder}/template.yaml, then:`,
    `  flatrender template validate ${folder}`,
    `  flatrender template push ${folder}`,
  );
  return { done: done.join('\n'), next: next.join('\n') };
}
