interface Layer {
  readonly sourceId: number;
}

interface Composition<L extends Layer> {
  readonly id: number;
  readonly layers: readonly L[];
}

/**
 * The layer through which a composition contains itself, directly or through others; null: there is none. After Effects does
 * not allow it, so whoever follows precompositions may rely on an end.
 */
export function compositionCycle<L extends Layer>(compositions: readonly Composition<L>[]): L | null {
  const byId = new Map(compositions.map((composition) => [composition.id, composition]));
  const done = new Set<number>();
  const open = new Set<number>();
  for (const first of compositions) {
    // A stack of its own: compositions can be nested deeper than calls.
    const stack = done.has(first.id) ? [] : [{ composition: first, next: 0 }];
    if (stack.length > 0) open.add(first.id);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const layer = top.composition.layers[top.next];
      top.next += 1;
      if (!layer) {
        stack.pop();
        open.delete(top.composition.id);
        done.add(top.composition.id);
        continue;
      }
      if (open.has(layer.sourceId)) return layer;
      const inner = done.has(layer.sourceId) ? undefined : byId.get(layer.sourceId);
      if (!inner) continue;
      open.add(inner.id);
      stack.push({ composition: inner, next: 0 });
    }
  }
  return null;
}
