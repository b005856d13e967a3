/** The length of the rendered composition. */
import { isEndless, loopUntil, sourceLasts, stretchOver } from './footage-time.ts';
import { compositionOf, sourceOf } from './layers.ts';
import type { Session } from './session.ts';

/**
 * Gives a composition another length. Layers that reached its end reach the new one, as far as their source does; so do
 * the compositions behind them, and their layers. All of it is the work area: that is what After Effects renders.
 */
export function setDuration(session: Session, composition: CompItem, seconds: number): void {
  var frame = composition.frameDuration;
  var duration = Math.max(1, Math.round(seconds / frame)) * frame;
  var old = composition.duration;
  var following: Layer[] = [];
  for (var index = 1; index <= composition.numLayers; index++) {
    if (composition.layer(index).outPoint >= old - frame / 2) following.push(composition.layer(index));
  }
  composition.duration = duration;
  for (var next = 0; next < following.length; next++) follow(session, following[next], duration);
  wholeWorkArea(composition);
}

/** The work area from the first to the last frame. */
export function wholeWorkArea(composition: CompItem): void {
  composition.workAreaStart = 0;
  composition.workAreaDuration = composition.duration;
}

function follow(session: Session, layer: Layer, end: number): void {
  if (layer.inPoint >= end) return;
  var isLocked = layer.locked;
  if (isLocked) layer.locked = false;
  layer.outPoint = reachOf(session, layer, end);
  if (isLocked) layer.locked = true;
}

/** Where the layer ends at the latest; loops, stretches and compositions are made longer first. */
function reachOf(session: Session, layer: Layer, end: number): number {
  var source = sourceOf(layer);
  if (source === null || isEndless(source)) return end;
  var shown = layer as AVLayer;
  if (shown.timeRemapEnabled) return end;
  var inner = compositionOf(layer);
  if (inner !== null) {
    var needed = ((end - layer.startTime) * 100) / Math.abs(layer.stretch);
    if (needed > inner.duration + inner.frameDuration / 2) setDuration(session, inner, needed);
  }
  for (var index = 0; index < session.filling.length; index++) {
    var filling = session.filling[index];
    if (filling.layer.index !== layer.index || filling.layer.containingComp.id !== layer.containingComp.id)
      continue;
    if (filling.time === 'loop') loopUntil(shown, source, end - layer.startTime);
    else stretchOver(shown, source, layer.inPoint, end);
  }
  return Math.min(end, layer.startTime + sourceLasts(shown, source));
}
