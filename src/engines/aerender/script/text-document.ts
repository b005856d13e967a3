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
