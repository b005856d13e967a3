/** Runs the shipped script inside the stand-in for After Effects, in this process, and reads what it left. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type {
  BindData,
  BindFailed,
  BindOperation,
  BindResult,
} from '../../../src/engines/aerender/bind/bind-data.ts';
import { readBindResult, writeBindFiles } from '../../../src/engines/aerender/bind/bind-files.ts';
import { exposeModel } from '../../after-effects/model/expose-model.ts';
import type { ProjectBuilder } from '../../after-effects/project-builder.ts';
import { readProject, writeProject } from '../../after-effects/project-file.ts';
import { ScriptAbort } from '../../after-effects/script-host/realm.ts';
import { makeScriptHost, runScriptFile } from '../../after-effects/script-host/script-host.ts';
import type { SimLayer, SimProject, SimProperty, SimText } from '../../after-effects/sim-project.ts';
import { temporaryDirectory } from '../../helpers/render-request.ts';

/** Fonts that the stand-in has. */
export const FONTS: readonly string[] = ['ArialMT', 'Inter', 'Inter-Bold'];

export interface Bound {
  readonly data: BindData;
  readonly directory: string;
  readonly result: BindResult;
  /** The saved copy; reading it fails when there is none. */
  readonly project: SimProject;
  /** The bytes of the project before. */
  readonly original: Buffer;
  readonly exitCode: number;
  readonly hasQuit: boolean;
  /** What the file `started` says at the end. */
  readonly started: string;
}

/** Odd parts of a run. */
interface RunOptions {
  /** Instead of the data. */
  readonly dataText?: string;
  /** The project that is open already. */
  readonly open?: ProjectBuilder;
}

/**
 * Binds the project that `build` has. Of the data all may be left out: the composition "Main" is rendered, nothing is
 * changed, and what is missing is refused.
 */
export async function bindIn(
  context: TestContext,
  build: ProjectBuilder,
  parts: Partial<BindData>,
  { dataText, open }: RunOptions = {},
): Promise<Bound> {
  const directory = temporaryDirectory(context, 'bind ü %41 "');
  const data: BindData = {
    format: 1,
    project: join(directory, 'project.aep'),
    saveTo: join(directory, 'bound.aep'),
    footageFolders: [directory],
    composition: 'Main',
    durationSeconds: null,
    missingFonts: 'refuse',
    missingFootage: 'refuse',
    operations: [],
    scripts: [],
    inputs: {},
    ...parts,
  };
  writeProject(join(directory, 'project.aep'), build.project);
  const original = readFileSync(join(directory, 'project.aep'));
  const script = await writeBindFiles(directory, data);
  if (dataText !== undefined) writeFileSync(join(directory, 'data.json'), dataText);
  if (open) writeProject(join(directory, 'open.aep'), open.project);
  const app = runBindScript(script, { isOpen: open !== undefined });
  return {
    data,
    directory,
    original,
    result: await readBindResult(directory),
    get project() {
      return readProject(data.saveTo);
    },
    exitCode: app.exitCode,
    hasQuit: app._hasQuit,
    started: readFileSync(join(directory, 'started'), 'utf8'),
  };
}

/** Runs the script in an After Effects of its own; `isOpen`: one that has "open.aep" beside the script open. */
export function runBindScript(script: string, { isOpen = false } = {}) {
  const realm = makeScriptHost({
    hasJson: false,
    locale: 'en_US',
    showDialog(kind, _title, text) {
      throw new ScriptAbort(`a dialog: ${kind} ${text}`);
    },
  });
  const app = exposeModel(realm, {
    version: '24.2.1x2',
    isoLanguage: 'en_US',
    fonts: FONTS.map((postScriptName) => ({ postScriptName, file: null })),
    renderSettings: ['Best Settings', 'Draft Settings'],
    outputModules: ['Lossless', '_HIDDEN X-Factor 8 Premul'],
  });
  if (isOpen) realm.run('app.open(new File(new File($.fileName).parent.fullName + "/open.aep"));', script);
  runScriptFile(realm, script);
  return app;
}

/** A text operation at this address that sets "new". */
export function addressed(layer: string | number, composition: string | null = null): BindOperation {
  return {
    at: 'bind[0] (input "it")',
    op: 'text',
    layer: { composition, layer },
    text: 'new',
    font: null,
    size: null,
    color: null,
    align: null,
    shrink: false,
  };
}

/** The error of a result; the test fails when there is none. */
export function failureIn({ result }: { readonly result: BindResult }): BindFailed['error'] {
  return result.ok ? assert.fail('should have failed') : result.error;
}

export function layerIn(project: SimProject, composition: string, layer: string): SimLayer {
  const item = project.items.find((each) => each.type === 'comp' && each.name === composition);
  const found = item?.type === 'comp' ? item.layers.find(({ name }) => name === layer) : undefined;
  return found ?? assert.fail(`no layer ${layer} in ${composition}`);
}

/** The first property of that match name in a layer or group, at any depth. */
export function propertyIn(
  group: { readonly properties?: SimProperty[]; readonly children?: SimProperty[] },
  matchName: string,
): SimProperty {
  return (
    search(group.properties ?? group.children ?? [], matchName) ?? assert.fail(`no property ${matchName}`)
  );
}

function search(properties: readonly SimProperty[], matchName: string): SimProperty | undefined {
  for (const each of properties) {
    const found = each.matchName === matchName ? each : search(each.children ?? [], matchName);
    if (found) return found;
  }
  return undefined;
}

/** The text document of a text layer without keyframes. */
export function textOf(layer: SimLayer): SimText {
  return propertyIn(layer, 'ADBE Text Document').value as SimText;
}

/** Writes the head of a PNG picture, all that the stand-in reads of one to import it; its path. */
export function pngFile(path: string, width: number, height: number): string {
  const head = Buffer.from('89504e470d0a1a0a0000000d4948445200000000000000000806000000', 'hex');
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  writeFileSync(path, head);
  return path;
}

/** Writes silence, 8 bits at 8 kHz; its path. */
export function wavFile(path: string, seconds: number): string {
  const samples = Buffer.alloc(Math.round(seconds * 8000), 0x80);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  writeFileSync(path, Buffer.concat([head, samples]));
  return path;
}
