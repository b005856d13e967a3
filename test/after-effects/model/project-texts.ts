import type { SimProject, SimProperty, SimText } from '../sim-project.ts';

/** All text documents of a project, those of keyframes too. */
export function textsOf(project: SimProject): SimText[] {
  const layers = project.items.flatMap((item) => (item.type === 'comp' ? item.layers : []));
  return layers.flatMap((layer) => layer.properties.flatMap(textsIn));
}

function textsIn(property: SimProperty): SimText[] {
  const own =
    property.valueType === 'text'
      ? [property.value, ...(property.keyframes ?? []).map((key) => key.value)]
      : [];
  return [
    ...own.filter((value) => value !== undefined),
    ...(property.children ?? []).flatMap(textsIn),
  ] as SimText[];
}
