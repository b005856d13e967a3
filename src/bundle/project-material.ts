/** What a project brings along or expects on the node: footage, fonts, plug-ins, a version of After Effects. */

import { dirname, join } from 'node:path/posix';
import { needsPlugin } from './adobe-effects.ts';
import type { AepFootage } from './aep/aep-project.ts';
import { type FootagePlace, footageIn } from './aep/footage-places.ts';
import { quoted } from './aep/project-index.ts';
import type { AerenderBinding, AerenderSection } from './aerender-section.ts';
import { mayBeAbsent } from './input-references.ts';
import type { ProjectContext, ProjectFinding } from './project-finding.ts';

/** Named in one message. */
const MOST_NAMED = 20;

/** Findings about footage, fonts, effects and the version. */
export function checkMaterial(context: ProjectContext): ProjectFinding[] {
  return [
    ...checkFootage(context),
    ...checkFonts(context),
    ...checkEffects(context),
    ...checkVersion(context),
  ];
}

/**
 * After Effects stores absolute paths and finds a file that is not there by its place relative to the project. What it does not
 * find is linked when the inputs are bound (engines/aerender/script/relink.ts): to the file under the end of its path, beside the
 * project or above it. So what counts is that the bundle has it; where it was on the author's machine does not.
 */
function checkFootage(context: ProjectContext): ProjectFinding[] {
  const { section, index } = context;
  const folder = dirname(section.project);
  const places = footageIn(index.project, (path) => isBeside(context, path));
  const needed = neededFootage(context);
  const isNeeded = ({ footage }: FootagePlace): boolean => footage.some(({ id }) => needed.has(id));
  const missing = places.filter(({ beside }) => beside === null);
  const ignored = section.missingFootage === 'ignore';
  const shown = missing.filter(isNeeded);
  const others = missing.filter((place) => !isNeeded(place));
  const findings = shown.slice(0, MOST_NAMED).map((place) => missingFinding(place, ignored));
  if (shown.length > MOST_NAMED) {
    const message = `${shown.length - MOST_NAMED} more files of footage are not in the bundle`;
    findings.push({ severity: ignored ? 'warning' : 'error', code: 'AE_MISSING_FOOTAGE', message });
  }
  if (others.length > 0) {
    const message = `not in the bundle, and not needed by what is rendered: ${named(others.flatMap(({ footage }) => footage.slice(0, 1)))}`;
    findings.push({ severity: 'warning', code: 'AE_MISSING_FOOTAGE', message });
  }
  const moved = places.filter(
    ({ beside, expected }) => beside !== null && expected !== null && !context.has(join(folder, expected)),
  );
  for (const place of moved.filter((each) => isNeeded(each) && isLayer(each)).slice(0, MOST_NAMED)) {
    findings.push(movedFinding(place, folder));
  }
  return findings;
}

/** Whether layers of a Photoshop or Illustrator file are items of their own, which are called "Layer/file.psd": as the script says. */
function isLayer({ footage, path }: FootagePlace): boolean {
  const file = path.split(/[\\/]/).at(-1) ?? '';
  if (!/\.(psd|psb|ai|pdf|eps)$/i.test(file)) return false;
  return footage.some(({ name }) => name.toLowerCase().endsWith(`/${file.toLowerCase()}`));
}

function movedFinding({ footage, expected, beside }: FootagePlace, folder: string): ProjectFinding {
  const wanted = join(folder, expected ?? '');
  const place = wanted.startsWith('..') ? `outside of the bundle (${expected})` : `at ${quoted(wanted)}`;
  return {
    severity: 'warning',
    code: 'AE_MISSING_FOOTAGE',
    message: `the bundle has the footage ${quoted(footage[0]?.name ?? '')} as ${quoted(beside ?? '')}; of a layer of it only After Effects finds the file, and looks for it ${place}`,
    hint: 'put it there, or link it in After Effects and save the project',
  };
}

/** Whether the bundle has the file where the path leads from the project, or in a folder above it. */
function isBeside({ section, has }: ProjectContext, path: string): boolean {
  const folder = dirname(section.project);
  if (path.startsWith('../')) return has(join(folder, path));
  const folders = folder === '.' ? [] : folder.split('/');
  for (let depth = folders.length; depth >= 0; depth -= 1) {
    if (has([...folders.slice(0, depth), path].join('/'))) return true;
  }
  return false;
}

function missingFinding({ footage, path }: FootagePlace, ignored: boolean): ProjectFinding {
  const [first] = footage;
  const message = `the bundle lacks the footage ${quoted(first?.name ?? '')}; the project has it as ${quoted(path)}`;
  if (ignored) return { severity: 'warning', code: 'AE_MISSING_FOOTAGE', message };
  const hint =
    'put the files beside the project (File > Dependencies > Collect Files in After Effects does), or set missingFootage: ignore';
  return { severity: 'error', code: 'AE_MISSING_FOOTAGE', message, hint };
}

/** Footage that some layer of what is rendered shows after the inputs are in, whatever a job sets. */
function neededFootage({ manifest, section, index, mains }: ProjectContext): ReadonlySet<number> {
  const needed = new Set<number>();
  const always = section.bind.filter(
    (binding) => binding.to !== 'expression' && !mayBeAbsent(manifest, binding.input),
  );
  const items = new Set(always.flatMap((binding) => itemOf(binding, index)));
  const options = section.bind.flatMap((binding) =>
    binding.to === 'source' ? Object.values(binding.options).map((name) => index.findComposition(name)) : [],
  );
  for (const { composition: main } of mains) {
    const replaced = new Set(
      always.flatMap((binding) => {
        if ((binding.to !== 'footage' && binding.to !== 'source') || binding.layer === undefined) return [];
        const looked = index.findLayer(main, { layer: binding.layer, composition: binding.composition });
        return 'found' in looked ? [looked.found.layer] : [];
      }),
    );
    const starts = [main, ...options.flatMap((looked) => ('found' in looked ? [looked.found] : []))];
    for (const composition of new Set(starts.flatMap((start) => index.within(start)))) {
      for (const layer of composition.layers) {
        const footage = index.footageOf(layer);
        if (footage && !replaced.has(layer) && !items.has(footage.id)) needed.add(footage.id);
      }
    }
  }
  return needed;
}

function itemOf(binding: AerenderBinding, index: ProjectContext['index']): number[] {
  if (binding.to !== 'footage' || binding.item === undefined) return [];
  const looked = index.findItem(binding.item);
  return 'found' in looked ? [looked.found.id] : [];
}

function checkFonts({ section, index, mains }: ProjectContext): ProjectFinding[] {
  const used = usedFonts(section, index, mains);
  const provided = new Set(section.fonts.flatMap(({ names }) => names));
  const missing = [...used].filter((name) => !provided.has(name)).sort();
  const idle = [...provided].filter((name) => !used.has(name)).sort();
  const findings: ProjectFinding[] = [];
  if (missing.length > 0) {
    const one = missing.length === 1;
    const effect =
      section.missingFonts === 'refuse'
        ? 'a node that has not got it installed refuses the job'
        : 'a node that has not got it installed takes another one';
    findings.push({
      severity: 'warning',
      code: 'AE_MISSING_FONT',
      message: `no font of the bundle is ${one ? '' : 'one of '}${listed(missing)}, which the project uses; ${effect}`,
      hint: 'list font files and their names under engines.aerender.fonts',
    });
  }
  if (idle.length > 0) {
    const message = `engines.aerender.fonts has ${listed(idle)}, which no text of the project is set in`;
    findings.push({ severity: 'warning', code: 'TEMPLATE_INVALID', message });
  }
  return findings;
}

function usedFonts(
  section: AerenderSection,
  index: ProjectContext['index'],
  mains: ProjectContext['mains'],
): ReadonlySet<string> {
  const used = new Set<string>();
  for (const composition of new Set(mains.flatMap(({ composition }) => index.within(composition)))) {
    for (const { fonts } of composition.layers) for (const font of fonts) used.add(font);
  }
  for (const binding of section.bind) if (binding.to === 'text' && binding.font) used.add(binding.font);
  return used;
}

function checkEffects({ index }: ProjectContext): ProjectFinding[] {
  const plugins = index.project.effects.filter(needsPlugin);
  if (plugins.length === 0) return [];
  const [effect, needs] = plugins.length === 1 ? ['effect', 'needs a plug-in'] : ['effects', 'need plug-ins'];
  return [
    {
      severity: 'warning',
      code: 'TEMPLATE_INVALID',
      message: `the ${effect} ${listed(plugins)} ${needs} that does not come with After Effects`,
      hint: 'install plug-ins on some nodes, tag these (NODE_TAGS), and ask for the tag under requires.tags',
    },
  ];
}

/** After Effects opens projects of older versions, and none of a newer major one. */
function checkVersion({ manifest, index }: ProjectContext): ProjectFinding[] {
  const { version } = index.project;
  if (version === null) return [];
  const saved = Number(version.split('.')[0]);
  const required = manifest.requires?.engines?.aerender;
  if (required !== undefined && Number(required.split('.')[0]) >= saved) return [];
  const asks = required === undefined ? 'does not say so' : `asks for ${required} only`;
  return [
    {
      severity: 'warning',
      code: 'TEMPLATE_INVALID',
      message: `the project was saved by After Effects ${version}, which older ones cannot open, and the manifest ${asks}`,
      hint: `write requires: { engines: { aerender: '${saved}' } }`,
    },
  ];
}

function named(footage: readonly AepFootage[]): string {
  return listed(footage.map(({ name }) => name));
}

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).map(quoted).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
