/** Pictures, videos and sounds in the place of others. */
import { fail, messageOf, quote } from './failure.ts';
import { fileAt } from './files.ts';
import { fitPicture, type PicturePlace, placeOf } from './footage-fit.ts';
import { fitTime, type Span, spanOf } from './footage-time.ts';
import { allCompositions, allSources, findItem } from './items.ts';
import { canBeReplaced, findLayer, sourceOf } from './layers.ts';
import type { OperationOf, Session } from './session.ts';

/** Replaces the source of a layer, or an item of the project in all layers that show it. */
export function bindFootage(session: Session, operation: OperationOf<'footage'>): void {
  var layers: Layer[] = [];
  if (operation.layer !== null) {
    layers.push(findLayer(session.composition, operation.layer));
    if (!canBeReplaced(layers[0])) {
      fail('AE_LAYER_NOT_FOUND', quote(layers[0].name) + ' shows no footage that could be replaced');
    }
  }
  var old =
    operation.layer === null
      ? findItem(String(operation.item), allSources(), 'item', 'AE_LAYER_NOT_FOUND')
      : null;
  if (old !== null) layers = layersShowing(old);
  var before: { name: string; place: PicturePlace; span: Span }[] = [];
  var index = 0;
  for (; index < layers.length; index++) {
    before.push({
      name: layers[index].name,
      place: placeOf(layers[index] as AVLayer),
      span: spanOf(layers[index])
    });
  }
  var source = old instanceof FootageItem ? replaceItem(old, operation.file) : importFile(session, operation);
  for (index = 0; index < layers.length; index++) {
    var layer = layers[index] as AVLayer;
    if (!(old instanceof FootageItem)) layer.replaceSource(source, false);
    // A layer without a name of its own is called like its source; other bindings and expressions know the old name.
    if (layer.name !== before[index].name) layer.name = before[index].name;
    fitPicture(session, layer, before[index].place, operation.fit);
    fitTime(session, layer, before[index].span, source, operation.time);
  }
}

/** Layers of all compositions that show the item, unlocked. */
function layersShowing(item: AVItem): Layer[] {
  var found: Layer[] = [];
  var compositions = allCompositions();
  for (var next = 0; next < compositions.length; next++) {
    for (var index = 1; index <= compositions[next].numLayers; index++) {
      var layer = compositions[next].layer(index);
      var source = sourceOf(layer);
      if (source === null || source.id !== item.id) continue;
      if (layer.locked) layer.locked = false;
      found.push(layer);
    }
  }
  return found;
}

function replaceItem(item: FootageItem, path: string): FootageItem {
  var name = item.name;
  try {
    item.replace(existing(path));
  } catch (error) {
    fail('MEDIA_INVALID', 'After Effects cannot read ' + path + ': ' + messageOf(error));
  }
  if (item.name !== name) item.name = name;
  return item;
}

/** The file as footage; once for all bindings that treat its time alike, because loops are set for the item. */
function importFile(session: Session, operation: OperationOf<'footage'>): FootageItem {
  var path = operation.file;
  var key = (operation.time === 'loop' ? 'loop ' : 'once ') + path;
  if (session.imported[key]) return session.imported[key];
  var file = existing(path);
  var item: unknown = null;
  try {
    var options = new ImportOptions(file);
    // A picture with layers could become a composition, and one with a number in its name a sequence.
    options.sequence = false;
    if (options.canImportAs(ImportAsType.FOOTAGE)) options.importAs = ImportAsType.FOOTAGE;
    item = app.project.importFile(options);
  } catch (error) {
    fail('MEDIA_INVALID', 'After Effects cannot import ' + path + ': ' + messageOf(error));
  }
  if (!(item instanceof FootageItem))
    return fail('MEDIA_INVALID', 'After Effects takes ' + path + ' for no footage');
  session.imported[key] = item;
  return item;
}

function existing(path: string): File {
  var file = fileAt(path);
  if (!file.exists) fail('MEDIA_INVALID', 'there is no file ' + path);
  return file;
}
