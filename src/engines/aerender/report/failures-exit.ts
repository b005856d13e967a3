/** What exit codes of After Effects and aerender mean. */

/** Exit codes of aerender (commandLineRenderer.jsx, EXIT_*); the second of a pair is with -log. */
const EXITS: Readonly<Record<number, string>> = {
  1: 'After Effects reported a failure',
  2: 'aerender showed its usage',
  3: 'syntax error in the arguments',
  4: 'syntax error in the arguments',
  5: 'script error',
  6: 'script error',
  7: 'aerender runtime error',
  8: 'aerender runtime error',
  9: 'runtime error in After Effects',
  10: 'runtime error in After Effects',
  11: 'aerender cannot open its socket to After Effects: a firewall, or another instance',
};

/** NTSTATUS values with which Windows ends a process (ntstatus.h, winnt.h). */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  3221225477: 'access violation',
  3221225495: 'out of memory',
  3221225501: 'illegal instruction',
  3221225725: 'stack overflow',
  3221225786: 'ended by Ctrl-C or by the session',
  3221225781: 'a DLL is missing',
  3221225794: 'a DLL could not start, as in a session without a desktop',
  3221226356: 'heap corruption',
  3221226505: 'buffer overrun or abort',
  3765269347: 'unhandled C++ exception',
};

/** Signals that are a crash or somebody's kill. SIGTERM is one too: whoever sent it, After Effects was not done. */
const SIGNALS: Readonly<Record<number, string>> = {
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
};

/** The documented meaning of a code of aerender; null: none. */
export function exitMeaning(exitCode: number | null): string | null {
  return exitCode === null ? null : (EXITS[exitCode] ?? null);
}

/** How a process that did not end by itself ended; null: it did. */
export function crashName(exitCode: number | null, signal: string | null): string | null {
  if (signal !== null) return signal === 'SIGKILL' ? 'killed (SIGKILL)' : signal;
  if (exitCode === null) return null;
  // Some report NTSTATUS values as negative numbers: -1073741819 is 0xC0000005.
  const status = exitCode >>> 0;
  if (status >= 0xc0000000)
    return `exception 0x${status.toString(16).toUpperCase()}${EXCEPTIONS[status] ? ` (${EXCEPTIONS[status]})` : ''}`;
  // A shell in between reports 128 + signal.
  const name = exitCode > 128 ? SIGNALS[exitCode - 128] : undefined;
  return name === undefined ? null : name === 'SIGKILL' ? 'killed (SIGKILL)' : name;
}
