/**
 * The script that puts the inputs into a copy of the project. Runs inside After Effects (`AfterFX -r bind.jsx`), beside
 * its `data.json`; says how it went in `result.json`. What it reads is data and is never evaluated.
 */
import type { BindData } from '../bind/bind-data.ts';
import { bindProject } from './bind-project.ts';
import { type Failure, fail, toFailure } from './failure.ts';
import { readText, writeText, writeTextAtOnce } from './files.ts';
import { readJson } from './json-read.ts';
import { writeJson } from './json-write.ts';
import type { Report } from './session.ts';

/** Exit codes: see BIND_EXIT_CODES. */
var EXIT_DONE = 0;
var EXIT_FAILED = 1;
var EXIT_CANNOT_WRITE = 13;

/** Binds, says how it went, and ends After Effects. */
export function main(): void {
  var directory = new File($.fileName).parent.fsName;
  var report: Report = { at: null, warnings: [], renderSettings: [], outputModules: [], done: null };
  var error: Failure | null = null;
  var canWrite = writeText(directory + '/started', 'start');
  // A second `AfterFX -r` hands its script to the After Effects that runs already: whose project that is, is not ours.
  var isFree = isNothingOpen();
  try {
    app.beginSuppressDialogs();
    if (!isFree) fail('AE_OTHER_INSTANCE', 'a project is open in this After Effects: somebody works there');
    // Nobody would learn of the result.
    if (!canWrite) fail('AE_SCRIPT_ERROR', 'After Effects does not let scripts write files');
    bindProject(directory, readData(directory), report);
  } catch (thrown) {
    error = toFailure(thrown);
  }
  var isWritten = writeTextAtOnce(directory, 'result.json', writeJson(resultOf(report, error)));
  // Set before quitting: After Effects hands it to whoever started it.
  app.exitCode = error === null ? EXIT_DONE : EXIT_FAILED;
  if (!isWritten) app.exitCode = EXIT_CANNOT_WRITE;
  try {
    app.endSuppressDialogs(false);
  } catch (_ended) {}
  if (isFree) quit();
}

function readData(directory: string): BindData {
  var data = readJson(readText(directory + '/data.json')) as BindData;
  if (data === null || typeof data !== 'object' || data.format !== 1) {
    fail('AE_SCRIPT_ERROR', 'the data file is of another format');
  }
  return data;
}

/** After Effects always has a project; a new one has neither a file nor items. */
function isNothingOpen(): boolean {
  var project = app.project;
  return !project || (!project.file && project.numItems === 0);
}

function resultOf(report: Report, error: Failure | null): unknown {
  var result: Record<string, unknown> = {
    format: 1,
    version: String(app.version),
    language: String(app.isoLanguage),
    warnings: report.warnings,
    renderSettings: report.renderSettings,
    outputModules: report.outputModules,
    ok: error === null
  };
  if (error !== null) {
    result.error = {
      code: error.code,
      message: error.message,
      at: report.at,
      file: error.file,
      line: error.line,
      candidates: error.candidates,
      missingFootage: error.missingFootage,
      missingFonts: error.missingFonts
    };
  } else if (report.done !== null) {
    result.composition = report.done.composition;
    result.missingFootage = report.done.missingFootage;
    result.missingFonts = report.done.missingFonts;
    result.fonts = report.done.fonts;
  }
  return result;
}

function quit(): void {
  try {
    app.project.close(CloseOptions.DO_NOT_SAVE_CHANGES);
  } catch (_closed) {}
  app.quit();
}
