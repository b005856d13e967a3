/** What is allowed in a manifest, and probably not meant. */
import type { AerenderSection } from './aerender-section.ts';
import type { Manifest } from './manifest.ts';
import { findPlaceholders, graphsOf } from './placeholders.ts';

/** Inputs that an engine does not use: a job may set them, and nothing changes. */
export function manifestWarnings(manifest: Manifest): string[] {
  const warnings: string[] = [];
  for (const [engine, used] of usedInputs(manifest)) {
    const unused = Object.keys(manifest.inputs).filter((name) => !used.has(name));
    if (unused.length > 0) {
      const names = unused.map((name) => `"${name}"`).join(', ');
      warnings.push(`the ${engine} engine does not use the input${unused.length === 1 ? '' : 's'} ${names}`);
    }
  }
  return warnings;
}

function usedInputs({ composition, engines }: Manifest): Map<string, Set<string>> {
  const common = typeof composition.duration === 'number' ? [] : [composition.duration.input];
  const used = new Map<string, Set<string>>();
  const { aerender, lottie, ffmpeg } = engines;
  // The template's own scripts see all inputs.
  if (aerender && aerender.scripts.length === 0)
    used.set('aerender', new Set([...common, ...inProject(aerender)]));
  if (lottie) {
    const names = new Set([...common, ...lottie.bind.map((binding) => binding.input)]);
    if (typeof lottie.audio === 'object') names.add(lottie.audio.input);
    if (lottie.background) names.add(lottie.background.input);
    used.set('lottie', names);
  }
  if (ffmpeg) {
    const names = new Set(common);
    for (const source of ffmpeg.sources) if ('input' in source) names.add(source.input);
    for (const { placeholder } of graphsOf(ffmpeg).flatMap(({ text }) => findPlaceholders(text))) {
      if (placeholder.kind === 'input' || placeholder.kind === 'file') names.add(placeholder.name);
    }
    used.set('ffmpeg', names);
  }
  return used;
}

function inProject({ composition, bind }: AerenderSection): string[] {
  const inputs = bind.flatMap((binding) => {
    if (binding.to === 'expression') return [];
    const color = binding.to === 'text' && typeof binding.color === 'object' ? [binding.color.input] : [];
    return [binding.input, ...color];
  });
  return typeof composition === 'string' ? inputs : [composition.input, ...inputs];
}
