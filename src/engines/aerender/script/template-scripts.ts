/** The template's own scripts. */
import { failure, messageOf, toFailure } from './failure.ts';
import { fileAt } from './files.ts';
import { announce, type Session } from './session.ts';

/** Runs them in order; they see `flatrender`. Their errors end the run, with file and line. */
export function runScripts(session: Session): void {
  var scripts = session.data.scripts;
  if (scripts.length === 0) return;
  $.global.flatrender = {
    inputs: session.data.inputs,
    composition: session.composition,
    project: app.project
  };
  for (var index = 0; index < scripts.length; index++) {
    announce(session, 'scripts[' + index + ']', 'scripts[' + index + ']');
    runScript(scripts[index]);
  }
}

function runScript(path: string): void {
  var file = fileAt(path);
  if (!file.exists) throw failure('AE_SCRIPT_ERROR', 'there is no script ' + path);
  try {
    $.evalFile(file);
  } catch (error) {
    var thrown = toFailure(error);
    var made = failure('AE_SCRIPT_ERROR', 'the script of the template failed: ' + messageOf(error));
    // Where it says no file it is the script itself: what it includes says its own.
    made.file = thrown.file === null ? path : thrown.file;
    made.line = thrown.line;
    throw made;
  }
}
