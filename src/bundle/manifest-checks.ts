/** The checks across fields: what the schema of a single field cannot see. */
import { checkAerender } from './aerender-checks.ts';
import { BundlePath } from './bundle-path.ts';
import { fontNameProblems, type InputType, mayBeAbsent, refer } from './input-references.ts';
import { checkValue, isFileInput } from './inputs.ts';
import type { InputDefinition, LottieBinding, Manifest } from './manifest.ts';
import { findPlaceholders, graphsOf } from './placeholders.ts';
import type { ManifestPath, Problem } from './problems.ts';
import { outputName } from './resolve-output.ts';

/** Every contradiction in a manifest that fits the schema; empty when it is sound. */
export function checkManifest(manifest: Manifest): Problem[] {
  return [
    ...Object.entries(manifest.inputs).flatMap(([name, input]) => checkDefinition(['inputs', name], input)),
    ...checkDuration(manifest),
    ...checkAerender(manifest),
    ...checkLottie(manifest),
    ...checkFfmpeg(manifest),
    ...checkOutputs(manifest),
  ];
}

function checkDefinition(path: ManifestPath, input: InputDefinition): Problem[] {
  const problems: Problem[] = [];
  const add = (field: string, message: string): void =>
    void problems.push({ path: [...path, field], message });
  if (input.required && input.default !== undefined)
    add('required', 'must not be true where there is a default');
  if (input.type === 'text' && input.minLength > input.maxLength) {
    add('minLength', `${input.minLength} is more than maxLength, ${input.maxLength}`);
  }
  if (
    input.type === 'number' &&
    input.min !== undefined &&
    input.max !== undefined &&
    input.min > input.max
  ) {
    add('min', `${input.min} is more than max, ${input.max}`);
  }
  if (input.type === 'choice') {
    const twice = input.options.filter((option, index) => input.options.indexOf(option) !== index);
    for (const option of new Set(twice)) add('options', `${JSON.stringify(option)} is listed more than once`);
  }
  if (input.default !== undefined && !isFileInput(input)) {
    const checked = checkValue(input, input.default);
    if ('problem' in checked) add('default', checked.problem);
  }
  return problems;
}

function checkDuration(manifest: Manifest): Problem[] {
  const { duration } = manifest.composition;
  if (typeof duration === 'number') return [];
  const path = ['composition', 'duration', 'input'];
  const problems = refer(manifest, path, duration.input, ['audio', 'video']);
  if (mayBeAbsent(manifest, duration.input)) {
    problems.push({
      path,
      message: `input "${duration.input}" gives the length: make it required, or give it a default`,
    });
  }
  return problems;
}

/** Which inputs fit each kind of Lottie binding. */
const FITTING: Readonly<Record<LottieBinding['to'], readonly InputType[]>> = {
  text: ['text', 'number', 'choice'],
  color: ['color'],
  slot: ['text', 'number', 'color', 'choice', 'image'],
  image: ['image'],
  visible: ['boolean'],
  opacity: ['number'],
  font: ['font'],
};

function checkLottie(manifest: Manifest): Problem[] {
  const { lottie } = manifest.engines;
  if (!lottie) return [];
  const base: ManifestPath = ['engines', 'lottie'];
  const problems = lottie.bind.flatMap((binding, index) =>
    refer(manifest, [...base, 'bind', index, 'input'], binding.input, FITTING[binding.to]),
  );
  if (typeof lottie.audio === 'object') {
    problems.push(...refer(manifest, [...base, 'audio', 'input'], lottie.audio.input, ['audio', 'video']));
  }
  if (lottie.background) {
    problems.push(...refer(manifest, [...base, 'background', 'input'], lottie.background.input, ['color']));
  }
  problems.push(...fontNameProblems(base, lottie.fonts));
  return problems;
}

function checkFfmpeg(manifest: Manifest): Problem[] {
  const { ffmpeg } = manifest.engines;
  if (!ffmpeg) return [];
  const base: ManifestPath = ['engines', 'ffmpeg'];
  const problems: Problem[] = [];
  for (const [index, source] of ffmpeg.sources.entries()) {
    const path = [...base, 'sources', index];
    if ('input' in source) {
      problems.push(...refer(manifest, [...path, 'input'], source.input, ['image', 'audio', 'video']));
      if (source.otherwise === undefined && mayBeAbsent(manifest, source.input)) {
        const message = `input "${source.input}" may be left out, and then the sources after it move: add "otherwise"`;
        problems.push({ path: [...path, 'input'], message });
      }
    }
  }
  for (const { where, text } of graphsOf(ffmpeg))
    problems.push(...checkGraph(manifest, [...base, ...where], text));
  for (const field of ['video', 'audio'] as const) {
    const label = ffmpeg[field];
    if (label?.startsWith('[') && !ffmpeg.graph.includes(label)) {
      problems.push({ path: [...base, field], message: `the graph has no output ${label}` });
    }
  }
  return problems;
}

function checkGraph(manifest: Manifest, path: ManifestPath, graph: string): Problem[] {
  return findPlaceholders(graph).flatMap(({ text, placeholder }): Problem[] => {
    switch (placeholder.kind) {
      case 'value':
        return [];
      case 'file':
        return refer(manifest, path, placeholder.name, ['text']).map((problem) => prefixed(text, problem));
      case 'input': {
        const wrong = refer(manifest, path, placeholder.name, ['number', 'color', 'boolean', 'choice']);
        if (wrong.length > 0) return wrong.map((problem) => prefixed(text, problem));
        if (!mayBeAbsent(manifest, placeholder.name)) return [];
        const message = `${text}: the input may be left out: make it required, or give it a default`;
        return [{ path, message }];
      }
      case 'font':
        if (BundlePath.safeParse(placeholder.path).success) return [];
        return [{ path, message: `${text}: "${placeholder.path}" is not a path inside the bundle` }];
      default:
        return [{ path, message: `${text} is no placeholder; there are ${PLACEHOLDERS}` }];
    }
  });
}

const PLACEHOLDERS = '{width} {height} {fps} {duration} {input.NAME} {file.NAME} {font:PATH}';

function prefixed(text: string, problem: Problem): Problem {
  return { ...problem, message: `${text}: ${problem.message}` };
}

function checkOutputs(manifest: Manifest): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [index, output] of manifest.outputs.entries()) {
    const name = outputName(output);
    if (seen.has(name)) {
      const path = typeof output === 'string' ? ['outputs', index] : ['outputs', index, 'name'];
      problems.push({ path, message: `there is already an output "${name}"` });
    }
    seen.add(name);
    if (typeof output === 'string' || output.atSeconds === undefined) continue;
    const duration = output.durationSeconds ?? manifest.composition.duration;
    if (typeof duration === 'number' && output.atSeconds >= duration) {
      const message = `${output.atSeconds} s is after the end: the composition has ${duration} s`;
      problems.push({ path: ['outputs', index, 'atSeconds'], message });
    }
  }
  return problems;
}
