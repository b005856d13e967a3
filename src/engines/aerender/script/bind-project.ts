/** The steps, from the project of the bundle to the saved copy. */
import type { BindData } from '../bind/bind-data.ts';
import {
  fontFailure,
  footageFailure,
  missingFonts,
  missingFootage,
  usedFonts,
  warnOfMissingEffects
} from './checks.ts';
import { describeComposition, readTemplates } from './describe.ts';
import { setDuration, wholeWorkArea } from './duration.ts';
import { fail, messageOf } from './failure.ts';
import { fileAt } from './files.ts';
import { findComposition } from './items.ts';
import { runOperation } from './operations.ts';
import { relinkFootage } from './relink.ts';
import { announce, type Report, type Session } from './session.ts';
import { runScripts } from './template-scripts.ts';
import { makeNameUnique } from './unique-name.ts';

/** Leaves the copy saved and open, and what there is to say in `report`. Throws what goes wrong. */
export function bindProject(directory: string, data: BindData, report: Report): void {
  var session: Session = {
    data: data,
    directory: directory,
    report: report,
    composition: null as unknown as CompItem,
    imported: {},
    filling: []
  };
  announce(session, 'open', null);
  openProject(data.project);
  // Before anything else: from here on nothing can reach the project of the bundle.
  saveProject(data.saveTo);
  relinkFootage(session);
  session.composition = findComposition(data.composition);
  emptyRenderQueue();
  for (var index = 0; index < data.operations.length; index++) {
    announce(session, data.operations[index].at, data.operations[index].at);
    runOperation(session, data.operations[index]);
  }
  runScripts(session);
  announce(session, 'check', null);
  if (data.durationSeconds === null) wholeWorkArea(session.composition);
  else setDuration(session, session.composition, data.durationSeconds);
  var files = missingFootage(session);
  if (files.length > 0 && data.missingFootage === 'refuse') throw footageFailure(files);
  var fonts = usedFonts(session);
  var lacking = missingFonts(session, fonts);
  if (lacking.length > 0 && data.missingFonts === 'refuse') throw fontFailure(lacking);
  warnOfMissingEffects(session);
  makeNameUnique(session);
  announce(session, 'save', null);
  saveProject(data.saveTo);
  // The queue is empty again in the file: what is added to it here is not saved.
  announce(session, 'describe', null);
  readTemplates(session);
  report.done = {
    ok: true,
    composition: describeComposition(session.composition),
    missingFootage: files,
    missingFonts: lacking,
    fonts: fonts
  };
}

function openProject(path: string): void {
  var file = fileAt(path);
  if (!file.exists) fail('AE_PROJECT_INVALID', 'there is no project ' + path);
  var project: Project | null = null;
  try {
    project = app.open(file);
  } catch (error) {
    fail('AE_PROJECT_INVALID', 'After Effects cannot open ' + path + ': ' + messageOf(error));
  }
  if (!project) fail('AE_PROJECT_INVALID', 'After Effects did not open ' + path);
}

function saveProject(path: string): void {
  app.project.save(fileAt(path));
}

/**
 * aerender takes the first item of the queue that has the composition it is asked for, with the settings of that item
 * (After Effects manual, "Automated rendering and network rendering", -comp).
 */
function emptyRenderQueue(): void {
  var queue = app.project.renderQueue;
  for (var index = queue.numItems; index >= 1; index--) queue.item(index).remove();
}
