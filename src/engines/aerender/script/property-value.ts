/** Values of properties. */
import { quote } from './failure.ts';
import { type Session, warn } from './session.ts';

/** An expression would overrule what is set. */
export function disableExpression(
  session: Session,
  property: { expressionEnabled: boolean; name: string }
): void {
  if (!property.expressionEnabled) return;
  property.expressionEnabled = false;
  warn(session, 'the expression of ' + quote(property.name) + ' is disabled: it would overrule the input');
}
