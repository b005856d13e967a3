/** Values of properties. */
import { fail, messageOf, quote } from './failure.ts';
import { type Session, warn } from './session.ts';
import { changeText, setText } from './text-document.ts';

type Value = string | number | boolean | readonly number[];

/** Sets a property for the whole length of its layer; what moved it before does no more, with a warning. */
export function setProperty(session: Session, property: Property, value: Value): void {
  if (property.propertyValueType === PropertyValueType.TEXT_DOCUMENT) {
    disableExpression(session, property);
    changeText(property as unknown as TextDocumentProperty, function (document) {
      setText(document, String(value));
    });
    return;
  }
  var converted = convert(property, value);
  checkRange(property, converted);
  if (property.isSeparationLeader && property.dimensionsSeparated && converted instanceof Array) {
    for (var dimension = 0; dimension < converted.length; dimension++) {
      replaceValue(
        session,
        property.getSeparationFollower(dimension) as unknown as Property,
        converted[dimension]
      );
    }
    return;
  }
  replaceValue(session, property, converted);
}

function replaceValue(session: Session, property: Property, value: unknown): void {
  disableExpression(session, property);
  if (property.numKeys > 0) {
    for (var key = property.numKeys; key >= 1; key--) property.removeKey(key);
    warn(session, 'the keyframes of ' + quote(property.name) + ' are removed: the input is one value');
  }
  try {
    property.setValue(value);
  } catch (error) {
    fail('TEMPLATE_INVALID', quote(property.name) + ' cannot be set: ' + messageOf(error));
  }
}

/** An expression would overrule what is set. */
export function disableExpression(
  session: Session,
  property: { expressionEnabled: boolean; expression: string; name: string }
): void {
  if (!property.expressionEnabled || !property.expression) return;
  property.expressionEnabled = false;
  warn(session, 'the expression of ' + quote(property.name) + ' is disabled: it would overrule the input');
}

/** The value as the property takes it. TEMPLATE_INVALID for a property of another kind. */
function convert(property: Property, value: Value): number | number[] {
  var type = property.propertyValueType;
  if (type === PropertyValueType.COLOR) return colorValue(property, value);
  if (
    type === PropertyValueType.OneD ||
    type === PropertyValueType.LAYER_INDEX ||
    type === PropertyValueType.MASK_INDEX
  ) {
    return numberValue(property, value);
  }
  if (type === PropertyValueType.TwoD || type === PropertyValueType.ThreeD)
    return pointValue(property, value, true);
  if (type === PropertyValueType.TwoD_SPATIAL || type === PropertyValueType.ThreeD_SPATIAL) {
    return pointValue(property, value, false);
  }
  return fail('TEMPLATE_INVALID', quote(property.name) + ' is of a kind that no input has');
}

function numberValue(property: Property, value: Value): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string') {
    var number = parseNumber(value);
    if (number !== null) return number;
  }
  return unsuitable(property, value, 'a number');
}

function colorValue(property: Property, value: Value): number[] {
  if (value instanceof Array) return [value[0], value[1], value[2], value[3]];
  var match = typeof value === 'string' ? /^#([0-9a-fA-F]{6})([0-9a-fA-F]{2})?$/.exec(value) : null;
  if (match === null) return unsuitable(property, value, 'a colour');
  var color: number[] = [];
  var digits = match[1] + (match[2] ? match[2] : 'ff');
  for (var at = 0; at < 8; at += 2) color.push(parseInt(digits.substr(at, 2), 16) / 255);
  return color;
}

/** "12, 34" or, where that has a sense (a scale), one number for all dimensions. What is not given stays. */
function pointValue(property: Property, value: Value, takesOne: boolean): number[] {
  var current = property.value as number[];
  var parts: number[] = [];
  var texts = typeof value === 'string' ? value.split(',') : [];
  for (var at = 0; at < texts.length; at++) {
    var number = parseNumber(texts[at]);
    if (number === null) return unsuitable(property, value, 'numbers with commas between them');
    parts.push(number);
  }
  if (typeof value === 'number') parts = [value];
  if (parts.length === 1 && takesOne) {
    while (parts.length < current.length) parts.push(parts[0]);
  }
  if (parts.length < 2 || parts.length > current.length) {
    return unsuitable(property, value, current.length + ' numbers with commas between them');
  }
  return parts.concat(current.slice(parts.length));
}

/** A decimal number, or null. */
function parseNumber(text: string): number | null {
  return /^\s*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$/.test(text) ? Number(text) : null;
}

/** After Effects would refuse it with a message in the language of the machine, or silently take the nearest. */
function checkRange(property: Property, value: number | number[]): void {
  if (property.propertyValueType === PropertyValueType.COLOR) return;
  var numbers = value instanceof Array ? value : [value];
  for (var index = 0; index < numbers.length; index++) {
    if (property.hasMin && numbers[index] < property.minValue) {
      fail(
        'INPUT_INVALID',
        quote(property.name) + ' takes ' + property.minValue + ' or more, not ' + numbers[index]
      );
    }
    if (property.hasMax && numbers[index] > property.maxValue) {
      fail(
        'INPUT_INVALID',
        quote(property.name) + ' takes at most ' + property.maxValue + ', not ' + numbers[index]
      );
    }
  }
}

function unsuitable(property: Property, value: Value, wanted: string): never {
  return fail(
    'TEMPLATE_INVALID',
    quote(property.name) + ' takes ' + wanted + ', not ' + quote(String(value))
  );
}
