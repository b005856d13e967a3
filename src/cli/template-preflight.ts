/** What the engines would refuse, asked before anything is pushed or rendered. */
import type { EngineInput } from '../bundle/engine-inputs.ts';
import type { InputDefinition, Manifest } from '../bundle/manifest.ts';
import { graphsOf } from '../bundle/placeholders.ts';
import { formatPath } from '../bundle/problems.ts';
import { resolveOutput } from '../bundle/resolve-output.ts';
import { FlatrenderError } from '../lib/errors.ts';
import type { Finding } from './template-check.ts';

/** Findings of every engine of a template whose manifest and files are sound; `dir` is the unpacked bundle. */
export async function preflight(dir: string, manifest: Manifest): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (manifest.engines.lottie) {
    const { checkLottieBundle } = await import('../engines/lottie/check.ts');
    findings.push(...(await checkLottieBundle(dir, manifest)));
  }
  if (manifest.engines.ffmpeg) findings.push(...(await checkGraphs(manifest)));
  return findings;
}

/** Fills the filter graphs with a value for each input: what they may do is then the engine's to judge. */
async function checkGraphs(manifest: Manifest): Promise<Finding[]> {
  const section = manifest.engines.ffmpeg;
  if (!section) return [];
  const { fillGraph } = await import('../engines/ffmpeg/fill-graph.ts');
  const { width, height, fps, durationSeconds } = resolveOutput(manifest, 'original');
  const inputs: Record<string, EngineInput> = {};
  const textFiles: Record<string, string> = {};
  for (const [name, definition] of Object.entries(manifest.inputs)) {
    const sample = sampleOf(definition);
    if (sample) inputs[name] = sample;
    if (definition.type === 'text') textFiles[name] = `/text/${name}`;
  }
  const values = { width, height, fps, duration: durationSeconds ?? 1, inputs, textFiles };
  return graphsOf(section).flatMap(({ where, text }): Finding[] => {
    try {
      fillGraph(text, formatPath(where), values);
      return [];
    } catch (error) {
      if (!(error instanceof FlatrenderError)) throw error;
      return [{ severity: 'error', code: error.code, message: error.message, hint: error.hint }];
    }
  });
}

function sampleOf(definition: InputDefinition): EngineInput | null {
  switch (definition.type) {
    case 'number':
      return { type: 'number', value: definition.default ?? definition.min ?? definition.max ?? 0 };
    case 'boolean':
      return { type: 'boolean', value: definition.default ?? false };
    case 'color':
      return { type: 'color', value: definition.default ?? '#000000' };
    case 'choice':
      return { type: 'choice', value: definition.default ?? definition.options[0] ?? '' };
    default:
      return null;
  }
}
