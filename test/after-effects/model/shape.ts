import type { SimShape } from '../sim-project.ts';

type Points = [number, number][];

/** `Shape`: the path of a mask or a shape. Those that are described are rectangles and ellipses around the origin. */
export class Shape {
  #shape: SimShape['shape'];
  #closed = true;
  #vertices: Points = [];
  #inTangents: Points = [];
  #outTangents: Points = [];

  constructor(data: SimShape | null = null) {
    this.#shape = data?.shape ?? 'rectangle';
    if (!data) return;
    const [x, y] = [data.size[0] / 2, data.size[1] / 2];
    this.#vertices = [
      [-x, -y],
      [x, -y],
      [x, y],
      [-x, y],
    ];
  }

  get closed(): boolean {
    return this.#closed;
  }
  set closed(value: unknown) {
    this.#closed = Boolean(value);
  }
  get vertices(): Points {
    return this.#vertices;
  }
  set vertices(points: unknown) {
    this.#vertices = points as Points;
  }
  get inTangents(): Points {
    return this.#inTangents;
  }
  set inTangents(points: unknown) {
    this.#inTangents = points as Points;
  }
  get outTangents(): Points {
    return this.#outTangents;
  }
  set outTangents(points: unknown) {
    this.#outTangents = points as Points;
  }

  /** Its bounds: more of a path is not described. */
  _toData(): SimShape {
    const extent = (at: 0 | 1) => {
      const parts = this.#vertices.map((point) => point[at]);
      return Math.max(0, ...parts) - Math.min(0, ...parts);
    };
    return { shape: this.#shape, size: [extent(0), extent(1)] };
  }
}
