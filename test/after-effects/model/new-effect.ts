import { checkboxControl, colorControl, dropShadow, fillEffect, sliderControl } from '../project-builder.ts';
import type { SimProperty } from '../sim-project.ts';

/** Effects that are installed, by match name. */
const EFFECTS: Readonly<Record<string, () => SimProperty>> = {
  'ADBE Fill': () => fillEffect([1, 0, 0]),
  'ADBE Slider Control': () => sliderControl('Slider Control', 0),
  'ADBE Checkbox Control': () => checkboxControl('Checkbox Control', false),
  'ADBE Color Control': () => colorControl('Color Control', [1, 0, 0]),
  'ADBE Drop Shadow': () => dropShadow(),
};

/** A new effect by its match name or name; null: there is none. */
export function newEffect(name: string): SimProperty | null {
  const make = EFFECTS[name] ?? Object.values(EFFECTS).find((each) => each().name === name);
  return make?.() ?? null;
}

/** `app.effects`. */
export function installedEffects(): {
  matchName: string;
  displayName: string;
  category: string;
  version: string;
}[] {
  return Object.values(EFFECTS).map((make) => {
    const { matchName, name } = make();
    return { matchName, displayName: name, category: '', version: '1.0' };
  });
}
