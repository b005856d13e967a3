/** Text documents: the values of Source Text. */

/** After Effects ends lines with a carriage return. */
export function setText(document: TextDocument, text: string): void {
  document.text = text.replace(/\r\n|\n/g, '\r');
}

/** Changes the text document, or those of all keyframes. */
export function changeText(property: TextDocumentProperty, change: (document: TextDocument) => void): void {
  var keys = property.numKeys;
  for (var key = keys === 0 ? 0 : 1; key <= keys; key++) {
    var document = documentAt(property, key);
    change(document);
    writeDocument(property, key, document);
  }
}

/** The document of a keyframe; of 0, the one of a property without keyframes. */
export function documentAt(property: TextDocumentProperty, key: number): TextDocument {
  return key === 0 ? property.value : property.keyValue(key);
}

/** The opposite of {@link documentAt}. */
export function writeDocument(property: TextDocumentProperty, key: number, document: TextDocument): void {
  if (key === 0) property.setValue(document);
  else property.setValueAtKey(key, document);
}

/** The Source Text of a layer, or null where there is none. */
export function sourceText(layer: Layer): TextDocumentProperty | null {
  var group = layer.property('ADBE Text Properties') as PropertyGroup | null;
  if (!group) return null;
  var property = group.property('ADBE Text Document') as unknown as TextDocumentProperty | null;
  return property ? property : null;
}

/** Of After Effects 24.3: what the characters do not have alike is undefined. */
interface RangedDocument {
  characterRange?: (
    start: number,
    end: number
  ) => { font?: string; fontSize?: number; fillColor?: readonly number[] };
}

/** Whether the characters differ in font, size or colour; before After Effects 24.3 nobody knows here. */
export function hasSeveralStyles(document: TextDocument): boolean {
  var ranged = document as unknown as RangedDocument;
  if (typeof ranged.characterRange !== 'function' || document.text === '') return false;
  try {
    var all = ranged.characterRange(0, document.text.length);
    if (all.font === undefined || all.fontSize === undefined) return true;
    return document.applyFill === true && all.fillColor === undefined;
  } catch (_unknown) {
    return false;
  }
}

/** Fonts of all characters; before After Effects 24.3 that of the first. */
export function fontsOf(document: TextDocument): string[] {
  var fonts: string[] = [];
  var ranged = document as unknown as RangedDocument;
  try {
    if (typeof ranged.characterRange === 'function') collectFonts(ranged, 0, document.text.length, fonts);
  } catch (_unknown) {
    fonts = [];
  }
  return fonts.length === 0 ? [document.font] : fonts;
}

/** Halves what has several fonts until each part has one. */
function collectFonts(document: RangedDocument, start: number, end: number, fonts: string[]): void {
  if (end <= start || !document.characterRange) return;
  var font = document.characterRange(start, end).font;
  if (font !== undefined) {
    fonts.push(font);
  } else if (end - start > 1) {
    var middle = Math.floor((start + end) / 2);
    collectFonts(document, start, middle, fonts);
    collectFonts(document, middle, end, fonts);
  }
}
