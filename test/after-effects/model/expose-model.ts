/** Puts the object model of After Effects into the world of a script. */
import type { Realm } from '../script-host/realm.ts';
import { Application, Preferences, Settings } from './application.ts';
import { ItemCollection, LayerCollection } from './collections.ts';
import { ENUMS } from './enums.ts';
import { FontObject, FontsObject } from './fonts.ts';
import { FileSource, FootageSource, PlaceholderSource, SolidSource } from './footage-source.ts';
import { AVItem, CompItem, FolderItem, FootageItem, Item } from './item.ts';
import { AVLayer, CameraLayer, Layer, LightLayer, ShapeLayer, TextLayer } from './layer.ts';
import { MarkerValue } from './marker.ts';
import { ImportOptions, Project } from './project.ts';
import { Property } from './property.ts';
import { PropertyBase, PropertyGroup } from './property-base.ts';
import { OutputModule, RenderQueue, RenderQueueItem, RQItemCollection } from './render-queue.ts';
import { type ModelConfig, Session } from './session.ts';
import { Shape } from './shape.ts';
import { TextDocument } from './text-document.ts';

const CLASSES = {
  Application,
  Settings,
  Preferences,
  Project,
  Item,
  AVItem,
  CompItem,
  FolderItem,
  FootageItem,
  ItemCollection,
  LayerCollection,
  FootageSource,
  FileSource,
  SolidSource,
  PlaceholderSource,
  PropertyBase,
  PropertyGroup,
  Property,
  Layer,
  AVLayer,
  TextLayer,
  ShapeLayer,
  CameraLayer,
  LightLayer,
  RenderQueue,
  RQItemCollection,
  RenderQueueItem,
  OutputModule,
  FontsObject,
  FontObject,
};

/** Defines `app`, the classes and the enumerations; returns `app`. */
export function exposeModel(realm: Realm, config: ModelConfig, onSave: () => void = () => {}): Application {
  for (const [name, each] of Object.entries(CLASSES)) realm.expose(name, each);
  realm.expose('TextDocument', TextDocument, (text) => TextDocument._of(text));
  realm.expose('ImportOptions', ImportOptions, (file) => new ImportOptions(file));
  realm.expose('MarkerValue', MarkerValue, (comment) => new MarkerValue(comment));
  realm.expose('Shape', Shape, () => new Shape());
  for (const [name, members] of Object.entries(ENUMS)) realm.define(name, members);
  const session = new Session(config);
  session.onSave = onSave;
  const app = new Application(session);
  realm.define('app', app);
  return app;
}
