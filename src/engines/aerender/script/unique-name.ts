/** The name by which aerender finds the composition. */
import { messageOf } from './failure.ts';
import { allCompositions } from './items.ts';
import { type Session, warn } from './session.ts';

/** What every command line carries unchanged. */
var PLAIN = /^[A-Za-z0-9][A-Za-z0-9 _.-]*$/;
/** Tries; a project with so many names of ours is not one. */
var MAX_TRIES = 1000;

/**
 * aerender knows compositions by their name alone. One that another item or a layer has as well may be the wrong one
 * (https://github.com/inlife/nexrender/issues/896), and one that is not plain ASCII may not arrive. The composition is
 * then rendered under another name: as a copy, because expressions may ask for the old one.
 */
export function makeNameUnique(session: Session): void {
  var composition = session.composition;
  if (PLAIN.test(composition.name) && countNames(composition.name) === 1) return;
  var name = 'flatrender';
  for (var next = 2; next < MAX_TRIES && countNames(name) > 0; next++) name = 'flatrender ' + next;
  try {
    session.composition = composition.duplicate();
  } catch (error) {
    warn(session, 'the composition could not be copied and is renamed: ' + messageOf(error));
  }
  session.composition.name = name;
}

/** Items and layers of that name. */
function countNames(name: string): number {
  var count = 0;
  var index = 1;
  for (; index <= app.project.numItems; index++) {
    if (app.project.item(index).name === name) count++;
  }
  var compositions = allCompositions();
  for (var next = 0; next < compositions.length; next++) {
    for (index = 1; index <= compositions[next].numLayers; index++) {
      if (compositions[next].layer(index).name === name) count++;
    }
  }
  return count;
}
