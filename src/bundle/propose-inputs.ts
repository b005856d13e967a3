/** What of an After Effects project a template could let a job set: text, pictures, videos, sound, colours. */
import type { AepComposition, AepFootage, AepItem, AepLayer } from './aep/aep-project.ts';
import type { PlacedLayer, ProjectIndex } from './aep/project-index.ts';
import type { AerenderBinding } from './aerender-section.ts';
import { inputNameFrom } from './input-naming.ts';
import type { InputDefinition } from './manifest.ts';

type Type = InputDefinition['type'];
/** A binding as somebody would write it, without what is the default. */
export type BindingText = Readonly<Record<string, string | number>> & { readonly to: AerenderBinding['to'] };

export interface ProposedInput {
  readonly name: string;
  readonly type: Type;
  /** Fields of the definition besides `type`. */
  readonly fields: Readonly<Record<string, string | number | boolean>>;
  readonly bindings: readonly BindingText[];
  /** The layer it is for, e.g. "Title" in "Main". */
  readonly about: string;
}

export interface ProposeOptions {
  /** Also colours of solids and fills whose layer's name does not suggest it. */
  readonly allColors: boolean;
  /** Whether the footage came along; a job must bring what did not. */
  readonly hasFile: (footage: AepFootage) => boolean;
}

/** Longer ones are no headlines; they stay in the project and a job may replace them. */
const LONGEST_DEFAULT = 500;
/** Nobody fills in more; what is left out can be added by hand. */
const MOST_INPUTS = 200;
/** Layers that show the same footage, one binding each. */
const MOST_BINDINGS = 20;
/** Of an address in a manifest. */
const LONGEST_NAME = 500;

/** Inputs for what can be seen and heard in the composition, outer layers first. */
export function proposeInputs(
  index: ProjectIndex,
  main: AepComposition,
  options: ProposeOptions,
): ProposedInput[] {
  const layers = index
    .within(main)
    .flatMap((composition) => composition.layers.map((layer) => ({ composition, layer })))
    // Guides are not rendered, and what is switched off is mostly a leftover.
    .filter(({ layer }) => layer.enabled && !layer.guide);
  const proposal: Proposal = { index, main, options, taken: new Set(), shared: usesOf(layers) };
  const seen = new Set<number>();
  const inputs: ProposedInput[] = [];
  for (const placed of layers) {
    if (inputs.length >= MOST_INPUTS) break;
    inputs.push(...inputsOf(proposal, placed, seen));
  }
  return inputs;
}

function inputsOf(proposal: Proposal, placed: PlacedLayer, seen: Set<number>): ProposedInput[] {
  const { layer } = placed;
  if (layer.text !== null && layer.kind === 'text') return textInput(proposal, placed, layer.text);
  const footage = proposal.index.footageOf(layer);
  if (!footage || footage.kind === 'solid') return colorInput(proposal, placed, footage, seen);
  if (seen.has(footage.id)) return [];
  seen.add(footage.id);
  return mediaInput(proposal, placed, footage);
}

interface Proposal {
  readonly index: ProjectIndex;
  readonly main: AepComposition;
  readonly options: ProposeOptions;
  /** Names of inputs, in lower case. */
  readonly taken: Set<string>;
  /** The layers that show an item, by its id. */
  readonly shared: ReadonlyMap<number, readonly PlacedLayer[]>;
}

function usesOf(layers: readonly PlacedLayer[]): Map<number, PlacedLayer[]> {
  const uses = new Map<number, PlacedLayer[]>();
  for (const placed of layers) {
    const { sourceId } = placed.layer;
    if (sourceId === null) continue;
    const same = uses.get(sourceId);
    if (same) same.push(placed);
    else uses.set(sourceId, [placed]);
  }
  return uses;
}

function textInput(proposal: Proposal, placed: PlacedLayer, text: string): ProposedInput[] {
  const address = addressOf(proposal.index, proposal.main, placed);
  if (!address) return [];
  const { layer } = placed;
  const multiline = text.includes('\n');
  // Setting a text makes it of one style: one that mixes fonts is left alone until a job sets it.
  const isPlain = text.length <= LONGEST_DEFAULT && text.isWellFormed() && !CONTROL.test(text);
  const fields = {
    ...(isPlain && layer.fonts.length <= 1 ? { default: text } : {}),
    // A headline twice as long still gets in when it is made smaller.
    maxLength: Math.min(100_000, Math.max(60, Math.ceil(text.length / 5) * 10)),
    ...(multiline ? { multiline } : {}),
  };
  const name = inputNameFrom(layer.name.split('\n', 1)[0] ?? '', 'text', proposal.taken);
  return [
    { name, type: 'text', fields, bindings: [{ to: 'text', ...address }], about: aboutOf(placed, 'text') },
  ];
}

/** What a text input may not have. */
const CONTROL = /[\0-\x09\x0b-\x1f\x7f-\x9f]/;

const MEDIA: readonly (readonly ['image' | 'video' | 'audio', RegExp])[] = [
  [
    'image',
    /\.(png|jpe?g|jpe|webp|gif|bmp|tiff?|svg|avif|heic|psd|psb|ai|eps|pdf|tga|exr|dpx|hdr|iff|pict?)$/i,
  ],
  ['video', /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|mpg|m2ts?|mts|mxf|wmv|3gp|r3d|braw)$/i],
  ['audio', /\.(mp3|wav|wave|aiff?|aifc|m4a|aac|flac|ogg|oga|opus|wma)$/i],
];

function mediaInput(proposal: Proposal, placed: PlacedLayer, footage: AepFootage): ProposedInput[] {
  const type = mediaType(footage);
  if (type === null) return [];
  const uses = proposal.shared.get(footage.id) ?? [placed];
  const bindings = placesOf(proposal, footage, uses);
  if (bindings.length === 0) return [];
  const isThere = footage.kind === 'file' && proposal.options.hasFile(footage);
  const about = `${aboutOf(placed, footage.kind === 'placeholder' ? 'placeholder' : type)}${uses.length > 1 ? ` and ${uses.length - 1} more` : ''}`;
  return [
    {
      name: inputNameFrom(placed.layer.name, type, proposal.taken),
      type,
      // Without one a job renders what the project has.
      fields: isThere ? {} : { required: true },
      bindings,
      about,
    },
  ];
}

/** What can take the place of the footage; null: nothing that an input can be. */
function mediaType({
  kind,
  path,
  isSequence,
  width,
  height,
}: AepFootage): 'image' | 'video' | 'audio' | null {
  const isSound = width === 0 || height === 0;
  if (kind === 'placeholder') return isSound ? 'audio' : 'image';
  if (path === null || isSequence) return null;
  const type = MEDIA.find(([, extensions]) => extensions.test(path))?.[0] ?? null;
  return type === 'video' && isSound ? 'audio' : type;
}

/** One layer where it is one, else the item wherever it is used. */
function placesOf(
  { index, main }: Proposal,
  footage: AepFootage,
  uses: readonly PlacedLayer[],
): BindingText[] {
  if (uses.length > 1) {
    // After Effects names the layers of a Photoshop file itself.
    const isAlone = index.project.footage.filter(({ path }) => path === footage.path).length === 1;
    const item = isAlone || footage.kind === 'placeholder' ? referenceTo(index, footage) : null;
    if (item !== null) return [{ to: 'footage', item }];
  }
  if (uses.length > MOST_BINDINGS) return [];
  return uses.flatMap((placed): BindingText[] => {
    const address = addressOf(index, main, placed);
    return address ? [{ to: 'footage', ...address }] : [];
  });
}

/** Names that people give to what is meant to be another colour each time. */
const COLOR_NAME =
  /colou?r|accent|brand|primary|secondary|tint|background|\bbg\b|\bfill\b|farbe|akzent|hintergrund|couleur|fond\b|fondo|cor\b/i;

function colorInput(
  proposal: Proposal,
  placed: PlacedLayer,
  footage: AepFootage | undefined,
  seen: Set<number>,
): ProposedInput[] {
  const { layer } = placed;
  const fill = fillOf(layer);
  const isColored = layer.kind === 'solid' || (layer.kind === 'shape' && !fill);
  if (!fill && !isColored) return [];
  // Any shape has a colour: those are proposed by their name alone.
  const isWanted = proposal.options.allColors && (fill !== undefined || layer.kind === 'solid');
  if (!isWanted && !COLOR_NAME.test(layer.name)) return [];
  // Layers of one solid have one colour.
  const uses = fill || !footage ? [placed] : (proposal.shared.get(footage.id) ?? [placed]);
  if (!fill && footage) {
    if (seen.has(footage.id)) return [];
    seen.add(footage.id);
  }
  const property = fill ? fillColor(layer) : {};
  const bindings = uses
    .filter((use) => use === placed || (use.layer.kind === 'solid' && !fillOf(use.layer)))
    .slice(0, MOST_BINDINGS)
    .flatMap((use): BindingText[] => {
      const address = addressOf(proposal.index, proposal.main, use);
      return address ? [{ to: 'color', ...address, ...property }] : [];
    });
  if (bindings.length === 0) return [];
  const color = fill ? null : (footage?.color ?? null);
  return [
    {
      name: inputNameFrom(layer.name, 'color', proposal.taken),
      type: 'color',
      fields: color === null ? {} : { default: color },
      bindings,
      about: `${aboutOf(placed, fill ? `effect ${fill.name}` : layer.kind)}${bindings.length > 1 ? ` and ${bindings.length - 1} more` : ''}`,
    },
  ];
}

function fillOf({ effects }: AepLayer): AepLayer['effects'][number] | undefined {
  // The upper one of two is covered by the lower.
  return effects.findLast(({ matchName }) => matchName === 'ADBE Fill');
}

/** The colour of that effect. Match names are the same in every language, and numbers tell two effects of one name apart. */
function fillColor({ effects }: AepLayer): { readonly property: string } {
  const last = effects.findLastIndex(({ matchName }) => matchName === 'ADBE Fill');
  const isOnly = effects.findIndex(({ matchName }) => matchName === 'ADBE Fill') === last;
  return { property: `Effects.${isOnly ? 'ADBE Fill' : last + 1}.ADBE Fill-0002` };
}

/** The shortest address that leads to this layer and no other; null: there is none. */
function addressOf(
  index: ProjectIndex,
  main: AepComposition,
  { composition, layer }: PlacedLayer,
): { readonly composition?: string; readonly layer: string | number } | null {
  const reference = composition === main ? null : referenceTo(index, composition);
  const around = reference === null ? [] : [{ composition: reference }];
  const isName = layer.name.length > 0 && layer.name.length <= LONGEST_NAME;
  const addresses = [
    ...(isName ? [{ layer: layer.name }, ...around.map((where) => ({ ...where, layer: layer.name }))] : []),
    ...(composition === main ? [{ layer: layer.index }] : []),
    ...around.map((where) => ({ ...where, layer: layer.index })),
  ];
  const leadsHere = (address: { composition?: string; layer: string | number }): boolean => {
    const looked = index.findLayer(main, address);
    return 'found' in looked && looked.found.layer === layer;
  };
  return addresses.find(leadsHere) ?? null;
}

/** The shortest reference to an item that no other has; null: there is none. */
export function referenceTo(index: ProjectIndex, item: AepItem): string | null {
  const path = index.pathOf(item);
  const find = (name: string) =>
    index.project.compositions.some(({ id }) => id === item.id)
      ? index.findComposition(name)
      : index.findItem(name);
  const isIt = (name: string): boolean => {
    if (name.length === 0 || name.length > LONGEST_NAME) return false;
    const looked = find(name);
    return 'found' in looked && looked.found.id === item.id;
  };
  return [item.name, path, `/${path}`].find(isIt) ?? null;
}

function aboutOf({ composition, layer }: { composition: AepItem; layer: AepLayer }, what: string): string {
  return `${what}: layer ${JSON.stringify(layer.name)} of ${JSON.stringify(composition.name)}`;
}
