/** What has to be undone however a run ends: also when it is stopped in the middle, programs must not go on without it. */
const undone = new Set<() => void>();

process.on('exit', () => {
  for (const undo of undone) {
    try {
      undo();
    } catch {
      // The next one.
    }
  }
});

/** Calls `undo` when this process ends, unless the result was called before. It must not wait for anything. */
export function atExit(undo: () => void): () => void {
  undone.add(undo);
  return () => undone.delete(undo);
}
