/** Finding layers of a Lottie file by name or path. */
import { LAYER, type Lottie, type LottieAsset, type LottieLayer } from './lottie-json.ts';
import { type Problem, problem } from './problem.ts';

/** A layer and where it is. A layer inside a composition that is used several times is listed once. */
export interface LayerPlace {
  readonly layer: LottieLayer;
  /** Names from the outermost composition: "Intro/Title". */
  readonly path: string;
  /** The layers of its own composition: its parents (`parent`) are among them. */
  readonly siblings: readonly LottieLayer[];
  /** The layers that show the compositions it is in, outermost first. */
  readonly within: readonly LayerPlace[];
  /** The composition it is in; undefined for the main one. */
  readonly comp: LottieAsset | undefined;
}

/** Lists every layer that the animation shows, in file order, each composition after the layer that shows it. */
export function listLayers(lottie: Lottie): LayerPlace[] {
  const comps = new Map((lottie.assets ?? []).map((asset) => [asset.id, asset]));
  const seen = new Set<string>();
  const places: LayerPlace[] = [];
  const walk = (layers: readonly LottieLayer[], within: readonly LayerPlace[], comp?: LottieAsset): void => {
    const prefix = within.length > 0 ? `${within[within.length - 1]?.path}/` : '';
    for (const [index, layer] of layers.entries()) {
      const path = `${prefix}${layer.nm ?? layer.ind ?? index + 1}`;
      const place = { layer, path, siblings: layers, within, comp };
      places.push(place);
      const inner = layer.refId === undefined ? undefined : comps.get(layer.refId);
      if (!inner?.layers || seen.has(inner.id)) continue;
      seen.add(inner.id);
      walk(inner.layers, [...within, place], inner);
    }
  };
  walk(lottie.layers, []);
  return places;
}

/** Names for a message: at most twenty, quoted. */
export function nameList(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const shown = [...new Set(names)].slice(0, 20).map((name) => JSON.stringify(name));
  return shown.join(', ') + (names.length > 20 ? `, … (${names.length})` : '');
}

/**
 * Finds the one layer of an address: its name, or a path whose steps are names of layers or of compositions. With
 * `types` only layers of these types count. None or several → a TEMPLATE_INVALID problem that lists the candidates.
 */
export function findLayer(
  places: readonly LayerPlace[],
  address: string,
  types?: readonly number[],
): LayerPlace | Problem {
  const usable = types ? places.filter(({ layer }) => types.includes(layer.ty)) : places;
  const whole = usable.filter(({ path }) => path === address);
  const found = whole.length === 1 ? whole : usable.filter((place) => answersTo(place, address));
  if (found.length === 1 && found[0]) return found[0];
  const kind = types?.length === 1 && types[0] === LAYER.text ? 'text layer' : 'layer';
  if (found.length > 1) {
    return problem(
      'TEMPLATE_INVALID',
      `${found.length} ${kind}s are called ${JSON.stringify(address)}: ${nameList(found.map(({ path }) => path))}`,
      'give the path, such as "Composition/Layer", or another name in After Effects',
    );
  }
  const other = places.find((place) => answersTo(place, address));
  const why = other ? ` (the layer of that name is of another type, ${other.layer.ty})` : '';
  const names = nameList(usable.map(({ path }) => path));
  return problem(
    'TEMPLATE_INVALID',
    `there is no ${kind} ${JSON.stringify(address)}${why}; there are: ${names}`,
  );
}

function answersTo({ layer, path, comp }: LayerPlace, address: string): boolean {
  if (layer.nm === address || path === address || path.endsWith(`/${address}`)) return true;
  if (!comp || layer.nm === undefined) return false;
  return address === `${comp.nm}/${layer.nm}` || address === `${comp.id}/${layer.nm}`;
}
