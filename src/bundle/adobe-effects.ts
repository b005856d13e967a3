/** Effects that come with After Effects, by match name; every other one needs a plug-in. */

/**
 * The first-party match names of the After Effects scripting guide (docsforadobe, "First-Party Effect Match Names"): nearly all
 * begin with "ADBE"; these are the families of the others (Cycore, Atomic Power, Visual Infinity) and single ones.
 */
const FAMILIES = /^((AE\.|PR\.)?ADBE|CC |CS |CSRainfall$|CSSnowfall$|APC |VISINF Grain )/;
const OTHERS: ReadonlySet<string> = new Set([
  'CINEMA 4D Effect',
  'EXtractoR',
  'IDentifier',
  'ISL MochaShapeImporter',
  'Keylight 906',
  'mochaAECC',
  'SYNTHAP CF Color Finesse 2',
]);

/** Whether a node needs more than After Effects for this effect. Pseudo effects are sliders without code of their own. */
export function needsPlugin(matchName: string): boolean {
  return !FAMILIES.test(matchName) && !OTHERS.has(matchName) && !matchName.startsWith('Pseudo/');
}
