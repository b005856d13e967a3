/** The changes that the bindings of a template ask for. */
import type { BindOperation } from '../bind/bind-data.ts';
import { bindColor } from './color.ts';
import { fail } from './failure.ts';
import { bindFootage } from './footage.ts';
import { bindExpression, bindSource, bindVisible } from './layer-switches.ts';
import { findLayer } from './layers.ts';
import { findProperty } from './property-path.ts';
import { setProperty } from './property-value.ts';
import type { Session } from './session.ts';
import { bindText } from './text.ts';

/** Carries out one operation. */
export function runOperation(session: Session, operation: BindOperation): void {
  if (operation.op === 'footage') {
    bindFootage(session, operation);
    return;
  }
  var layer = findLayer(session.composition, operation.layer);
  if (operation.op === 'text') bindText(session, layer, operation);
  else if (operation.op === 'color') bindColor(session, layer, operation);
  else if (operation.op === 'property') {
    setProperty(session, findProperty(layer, operation.property), operation.value);
  } else if (operation.op === 'visible') bindVisible(layer, operation.visible);
  else if (operation.op === 'source') bindSource(layer, operation.composition);
  else if (operation.op === 'expression') bindExpression(layer, operation.property, operation.expression);
  else fail('AE_SCRIPT_ERROR', 'the data file has an operation that this script does not know');
}
