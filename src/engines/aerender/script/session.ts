/** What one run of the script knows. */
import type { BindData, BindDone, BindOperation } from '../bind/bind-data.ts';
import { writeText } from './files.ts';

/** The operations of one kind. */
export type OperationOf<Op, All = BindOperation> = All extends { readonly op: Op } ? All : never;

export interface Session {
  readonly data: BindData;
  /** Folder of the script and its files. */
  readonly directory: string;
  readonly report: Report;
  /** What is rendered. */
  composition: CompItem;
  /** Imported files, by path and how often they are repeated. */
  readonly imported: Record<string, FootageItem>;
  /** Footage that shall fill its layer: looked at again when the layer becomes longer. */
  readonly filling: { readonly layer: Layer; readonly time: 'loop' | 'stretch' }[];
}

/** What is known so far; after a failure as well. */
export interface Report {
  /** `at` of the running operation, for messages. */
  at: string | null;
  readonly warnings: string[];
  renderSettings: string[];
  outputModules: string[];
  done: BindDone | null;
}

/** Beyond this nobody reads them. */
var MAX_WARNINGS = 100;

/** Says in the file `started` what comes next, so that one that hangs has said what hung. */
export function announce(session: Session, step: string, at: string | null): void {
  session.report.at = at;
  writeText(session.directory + '/started', writableName(step));
}

/** Something that people should know, said once. */
export function warn(session: Session, text: string): void {
  var whole = session.report.at === null ? text : session.report.at + ': ' + text;
  var warnings = session.report.warnings;
  for (var index = 0; index < warnings.length; index++) {
    if (warnings[index] === whole) return;
  }
  if (warnings.length < MAX_WARNINGS) warnings.push(whole);
}

function writableName(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
