import type { SimShape } from '../sim-project.ts';

type Points = [number, number][];

/** `Shape`: the path of a mask or a shape. Those that are described are rectangles and ellipses around the origin. */
export class Shape {
  #shape: SimShape['shape'];
  #closed = true;
  #isPath = false;
  #vertices: Points = [];
  #inTangents: Points = [];
  #outTangents: Points = [];

  constructor(data: SimShape | null = null) {
    this.#shape = data?.shape ?? 'rectangle';
    if (!data) return;
    this.#isPath = data.vertices !== undefined;
    const [x, y] = [data.size[0] / 2, data.size[1] / 2];
    this.#vertices = data.vertices ?? [
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
    this.#isPath = true;
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

  /** Its bounds, and the corners of a path that a script gave; no curves. */
  _toData(): SimShape {
    const extent = (at: 0 | 1) => {
      const parts = this.#vertices.map((point) => point[at]);
      return Math.max(0, ...parts) - Math.min(0, ...parts);
    };
    // Around the origin the size says it all. Arrays of scripts belong to another realm.
    const middle = (at: 0 | 1) => this.#vertices.reduce((sum, point) => sum + point[at], 0);
    const isOff = Math.abs(middle(0)) > 1e-6 || Math.abs(middle(1)) > 1e-6;
    const corners =
      this.#isPath && isOff
        ? { vertices: Array.from(this.#vertices, ([x, y]): [number, number] => [x, y]) }
        : {};
    return { shape: this.#shape, size: [extent(0), extent(1)], ...corners };
  }
}
