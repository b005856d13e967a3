// Colours are ours (chalk); everything else that starts with ESC, and every other control character but line break and
// tab, could only come from a job's log, a file's name or an error of a node: strangers' text.
const COMMANDS =
  /\x1b\[[0-9;]*m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b(?:\[[0-?]*[ -/]*[@-~])?|[^\P{Cc}\n\t]/gu;

/** The text without what a terminal would obey, colours excepted. */
export function plainText(text: string): string {
  return text.replace(COMMANDS, (match) => (/^\x1b\[[0-9;]*m$/.test(match) ? match : ''));
}
