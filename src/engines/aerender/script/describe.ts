/** What the engine has to know of the bound composition and of this After Effects. */
import type { BindDone } from '../bind/bind-data.ts';
import { messageOf } from './failure.ts';
import { compositionOf, sourceOf } from './layers.ts';
import { type Session, warn } from './session.ts';

/** Compositions within compositions; more would be a loop. */
var MAX_LEVELS = 100;

/** Size, rate and length of a composition. */
export function describeComposition(composition: CompItem): BindDone['composition'] {
  return {
    name: composition.name,
    width: composition.width,
    height: composition.height,
    fps: composition.frameRate,
    frames: Math.max(1, Math.round(composition.duration / composition.frameDuration)),
    startFrame: startFrame(composition),
    dropFrame: composition.dropFrame === true,
    hasAudio: hasSound(composition, 0),
    background: background(composition)
  };
}

/** Kept within 0 to 1, whatever rounding made of it. */
function background(composition: CompItem): [number, number, number] {
  var color = composition.bgColor as readonly number[];
  return [share(color[0]), share(color[1]), share(color[2])];
}

function share(part: number): number {
  return part > 0 ? Math.min(1, part) : 0;
}

/** `displayStartFrame` is of After Effects 17.1. */
function startFrame(composition: CompItem): number {
  if (typeof composition.displayStartFrame === 'number') return Math.round(composition.displayStartFrame);
  return Math.round(composition.displayStartTime / composition.frameDuration);
}

/** Whether a layer that is switched on can be heard; of itself every composition claims to have sound. */
function hasSound(composition: CompItem, level: number): boolean {
  for (var index = 1; index <= composition.numLayers; index++) {
    var layer = composition.layer(index);
    var source = sourceOf(layer);
    if (source === null || !(layer as AVLayer).audioEnabled) continue;
    var inner = compositionOf(layer);
    if (inner === null ? source.hasAudio : level < MAX_LEVELS && hasSound(inner, level + 1)) return true;
  }
  return false;
}

/**
 * Names of the templates for render settings and output modules: only an item of the queue knows them. Names that begin
 * with "_HIDDEN" are those of After Effects itself.
 */
export function readTemplates(session: Session): void {
  try {
    var item = app.project.renderQueue.items.add(session.composition);
    session.report.renderSettings = visibleNames(item.templates);
    session.report.outputModules = visibleNames(item.outputModule(1).templates);
    item.remove();
  } catch (error) {
    warn(session, 'After Effects does not say which templates it has: ' + messageOf(error));
  }
}

function visibleNames(names: readonly string[]): string[] {
  var visible: string[] = [];
  for (var index = 0; index < names.length; index++) {
    if (names[index].indexOf('_HIDDEN') !== 0) visible.push(names[index]);
  }
  return visible;
}
