/** Videos and sounds of another length than what they replace. */
import { quote } from './failure.ts';
import { sourceOf } from './layers.ts';
import { type Session, warn } from './session.ts';

type TimeFit = 'keep' | 'trim' | 'loop' | 'stretch';

/** When a layer is there, seconds of its composition. */
export interface Span {
  readonly inPoint: number;
  readonly outPoint: number;
  readonly startTime: number;
  /** What it showed had no time of its own: a still, a placeholder of no length. */
  readonly isEndless: boolean;
}

/** What After Effects takes for `stretch`, percent, and for `loop`. */
var MIN_STRETCH = 1;
var MAX_STRETCH = 9900;
var MAX_LOOPS = 9999;
/** Less than a sample of sound. */
var INSTANT = 0.00001;

/** To be called before the source is replaced. */
export function spanOf(layer: Layer): Span {
  var source = sourceOf(layer);
  return {
    inPoint: layer.inPoint,
    outPoint: layer.outPoint,
    startTime: layer.startTime,
    isEndless: source === null || isEndless(source)
  };
}

/** To be called after the source is replaced. */
export function fitTime(
  session: Session,
  layer: AVLayer,
  span: Span,
  source: FootageItem,
  time: TimeFit
): void {
  if (isEndless(source) || time === 'keep') {
    setSpan(layer, span);
    return;
  }
  if (layer.timeRemapEnabled) {
    layer.timeRemapEnabled = false;
    warn(
      session,
      'the time remapping of ' + quote(layer.name) + ' is switched off: the input has a time of its own'
    );
  }
  if (time === 'stretch') {
    stretchOver(layer, source, span.inPoint, span.outPoint);
    session.filling.push({ layer: layer, time: 'stretch' });
    return;
  }
  // What began in the middle of the old source begins there in the new one, if that is so long. A still has no middle,
  // and may be there before its start, where footage that lasts is not.
  var lasts = onceDuration(source) * speedOf(layer);
  var isWithin = !span.isEndless && (span.inPoint - span.startTime < lasts - INSTANT || time === 'loop');
  var start = isWithin ? span.startTime : span.inPoint;
  if (time === 'loop') {
    loopUntil(layer, source, span.outPoint - start);
    session.filling.push({ layer: layer, time: 'loop' });
  }
  var end = time === 'loop' ? span.outPoint : Math.min(span.outPoint, start + lasts);
  setSpan(layer, { inPoint: span.inPoint, outPoint: end, startTime: start, isEndless: false });
}

/** Stills, solids and placeholders of no length last as long as their layer. */
export function isEndless(source: AVItem): boolean {
  return !(source.duration > 0) || (source instanceof FootageItem && source.mainSource.isStill === true);
}

/** Lets footage play from `from` to `to`, faster or slower. */
export function stretchOver(layer: AVLayer, source: AVItem, from: number, to: number): void {
  var percent = (100 * (to - from)) / onceDuration(source);
  layer.stretch = Math.min(MAX_STRETCH, Math.max(MIN_STRETCH, percent));
  setSpan(layer, { inPoint: from, outPoint: to, startTime: from, isEndless: false });
}

/** Repeats footage as often as the layer needs; an item may be shown by several, so that it never becomes shorter. */
export function loopUntil(layer: AVLayer, source: AVItem, seconds: number): void {
  if (!(source instanceof FootageItem)) return;
  var wanted = Math.ceil(seconds / (onceDuration(source) * speedOf(layer)) - INSTANT);
  var loops = Math.min(MAX_LOOPS, Math.max(1, wanted));
  if (loops > source.mainSource.loop) source.mainSource.loop = loops;
}

/** Seconds after the start of the layer at which its source has ended. */
export function sourceLasts(layer: AVLayer, source: AVItem): number {
  return source.duration * speedOf(layer);
}

/** After Effects moves the out point with the start, and ends layers where their source ends. */
function setSpan(layer: Layer, span: Span): void {
  if (layer.startTime !== span.startTime) layer.startTime = span.startTime;
  if (layer.inPoint !== span.inPoint) layer.inPoint = span.inPoint;
  if (layer.outPoint !== span.outPoint) layer.outPoint = span.outPoint;
  // An in point behind the old out point may not have been taken.
  if (layer.inPoint !== span.inPoint) layer.inPoint = span.inPoint;
}

/** Length of the footage played once. */
function onceDuration(source: AVItem): number {
  var loops = source instanceof FootageItem ? source.mainSource.loop : 1;
  return loops > 1 ? source.duration / loops : source.duration;
}

function speedOf(layer: Layer): number {
  return Math.abs(layer.stretch) / 100;
}
