/** Small projects for tests of the stand-in itself, written as people think of them. */
import type { SimComp, SimFootage, SimLayer, SimProject, SimProperty, SimText } from './sim-project.ts';

/** A composition of 64 × 48 at 25 fps, 0.4 s, black, with what is given. */
export function sampleComp(parts: Partial<SimComp> = {}): SimComp {
  const duration = parts.duration ?? 0.4;
  return {
    type: 'comp',
    id: 1,
    name: 'main',
    parent: null,
    width: 64,
    height: 48,
    fps: 25,
    dropFrame: false,
    duration,
    displayStartFrame: 0,
    background: [0, 0, 0],
    workArea: { start: 0, duration },
    layers: [],
    essential: {},
    ...parts,
  };
}

/** A project of one composition and what it shows. */
export function sampleProject(comp: SimComp, ...items: SimProject['items']): SimProject {
  return { version: '24.2', items: [comp, ...items] };
}

/** A layer over the whole composition; `transform` by match name without "ADBE ". */
export function sampleLayer(
  kind: SimLayer['kind'],
  parts: Partial<SimLayer> = {},
  transform: Readonly<Record<string, Partial<SimProperty>>> = {},
): SimLayer {
  const group: SimProperty = {
    name: 'Transform',
    matchName: 'ADBE Transform Group',
    children: Object.entries(transform).map(([name, property]) => ({
      name,
      matchName: `ADBE ${name}`,
      ...property,
    })),
  };
  return {
    name: kind,
    kind,
    sourceId: null,
    enabled: true,
    audioEnabled: true,
    inPoint: 0,
    outPoint: 1000,
    startTime: 0,
    stretch: 100,
    timeRemapEnabled: false,
    markers: [],
    ...parts,
    properties: [group, ...(parts.properties ?? [])],
  };
}

/** Source Text of a text layer. */
export function sampleText(text: string, parts: Partial<SimText> = {}): SimProperty {
  const value: SimText = {
    text,
    font: 'Sans-Regular',
    fontFamily: 'Sans',
    fontStyle: 'Regular',
    fontSize: 20,
    fillColor: [1, 1, 1],
    applyFill: true,
    strokeColor: [0, 0, 0],
    strokeWidth: 0,
    applyStroke: false,
    justification: 'left',
    leading: 0,
    tracking: 0,
    box: null,
    ...parts,
  };
  return {
    name: 'Text',
    matchName: 'ADBE Text Properties',
    children: [{ name: 'Source Text', matchName: 'ADBE Text Document', valueType: 'text', value }],
  };
}

/** Footage of 64 × 48 with a source. */
export function sampleFootage(
  id: number,
  source: SimFootage['source'],
  parts: Partial<SimFootage> = {},
): SimFootage {
  return {
    type: 'footage',
    id,
    name: `footage ${id}`,
    parent: null,
    source,
    width: 64,
    height: 48,
    duration: 0,
    hasAudio: false,
    ...parts,
  };
}

/** A white bar that crosses the picture, under a red text, on blue. */
export function movingProject(parts: Partial<SimComp> = {}): SimProject {
  const duration = parts.duration ?? 0.4;
  const bar = sampleFootage(2, { kind: 'solid', color: [1, 1, 1] }, { width: 16, height: 48 });
  const moves = {
    keyframes: [
      { time: 0, value: [0, 0] },
      { time: duration - 0.04, value: [48, 0] },
    ],
  };
  const text = sampleLayer(
    'text',
    { properties: [sampleText('W', { fillColor: [1, 0, 0], fontSize: 40 })] },
    { Position: { value: [10, 40] } },
  );
  const layers = [text, sampleLayer('solid', { sourceId: 2 }, { Position: moves })];
  return sampleProject(sampleComp({ background: [0, 0, 1], layers, ...parts }), bar);
}
