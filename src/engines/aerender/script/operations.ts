/** The changes that the bindings of a template ask for. */
import type { BindOperation } from '../bind-data.ts';
import { fail } from './failure.ts';
import { findLayer } from './layers.ts';
import type { Session } from './session.ts';
import { bindText } from './text.ts';

/** Carries out one operation. */
export function runOperation(session: Session, operation: BindOperation): void {
  if (operation.op === 'text') {
    bindText(session, findLayer(session.composition, operation.layer), operation);
    return;
  }
  fail('AE_SCRIPT_ERROR', 'unknown operation');
}
