/** Texts of layers. */
import { fail, quote } from './failure.ts';
import { candidatesFor } from './names.ts';
import { disableExpression } from './property-value.ts';
import { type OperationOf, type Session, warn } from './session.ts';
import { changeText, documentAt, hasSeveralStyles, setText, sourceText } from './text-document.ts';
import { originalWidth, shrinkText } from './text-shrink.ts';

/** Sets text, font, size, colour and alignment, at all keyframes; then the size is reduced until it fits. */
export function bindText(session: Session, layer: Layer, operation: OperationOf<'text'>): void {
  var property = textProperty(layer);
  var room = operation.shrink ? originalWidth(layer, property) : 0;
  disableExpression(session, property);
  warnOfStyles(session, layer, property);
  changeText(property, function (document) {
    setText(document, operation.text);
    if (operation.font !== null) document.font = operation.font;
    if (operation.size !== null) document.fontSize = operation.size;
    if (operation.align !== null) document.justification = justification(operation.align);
    if (operation.color !== null) {
      document.applyFill = true;
      document.fillColor = [operation.color[0], operation.color[1], operation.color[2]];
    }
  });
  if (operation.color !== null && operation.color[3] < 1) {
    warn(session, 'the colour of a text cannot be transparent');
  }
  if (operation.shrink && !shrinkText(layer, property, room)) {
    warn(session, 'the text of ' + quote(layer.name) + ' does not fit, however small');
  }
}

/** A text that is set has the style of the first character (After Effects Scripting Guide, TextDocument). */
function warnOfStyles(session: Session, layer: Layer, property: TextDocumentProperty): void {
  var keys = property.numKeys;
  for (var key = keys === 0 ? 0 : 1; key <= keys; key++) {
    if (!hasSeveralStyles(documentAt(property, key))) continue;
    warn(
      session,
      'the text of ' + quote(layer.name) + ' has several styles: the input gets that of its first character'
    );
  }
}

/** The Source Text of a text layer. AE_LAYER_NOT_FOUND, with the text layers beside it, for any other layer. */
function textProperty(layer: Layer): TextDocumentProperty {
  var property = sourceText(layer);
  if (property !== null) return property;
  var names: string[] = [];
  var composition = layer.containingComp;
  for (var index = 1; index <= composition.numLayers; index++) {
    if (sourceText(composition.layer(index)) !== null) names.push(composition.layer(index).name);
  }
  return fail(
    'AE_LAYER_NOT_FOUND',
    quote(layer.name) + ' is no text layer',
    candidatesFor(layer.name, names)
  );
}

function justification(align: 'left' | 'center' | 'right' | 'justify'): ParagraphJustification {
  if (align === 'left') return ParagraphJustification.LEFT_JUSTIFY;
  if (align === 'center') return ParagraphJustification.CENTER_JUSTIFY;
  if (align === 'right') return ParagraphJustification.RIGHT_JUSTIFY;
  return ParagraphJustification.FULL_JUSTIFY_LASTLINE_LEFT;
}
